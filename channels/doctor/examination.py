"""The examination: what would have been checked, what was found, and the mistake that explains it.

Pure: the caller hands in the request as it was sent, the keys it knows and the time. Nothing here lets anybody in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from auth.errors import SignatureMissing, SignatureWrong
from auth.signed_forms.choice import read_signed
from auth.signed_forms.envelope import EnvelopeSecret
from auth.signed_forms.received import HEADER, Received, UnverifiedRequest
from auth.signed_requests import CLOCK_SECONDS
from channels.doctor.base_strings import Parts, list_variants
from channels.doctor.comparing import Difference, first_difference
from channels.doctor.header_reading import GivenHeader, read_patiently
from channels.doctor.mistakes import Finding
from channels.doctor.signing_ways import Way, other_ways, right_way
from sm.sm2 import Provider

_LINE_CODES = {
    "method": "method_differs",
    "path and query": "target_differs",
    "timestamp": "timestamp_differs",
    "nonce": "nonce_differs",
    "body": "body_differs",
}


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key that may have signed, by its serial number; where a date is None nothing is known of it.

    ``is_published`` marks the test key that everybody has; ``counts`` tells whether it is good for this channel.
    """

    serial: str
    public_key: bytes
    not_before: datetime | None = None
    not_after: datetime | None = None
    is_withdrawn: bool = False
    is_published: bool = False
    counts: bool = True

    def state(self, now: datetime) -> str:
        """Tell how it stands: valid, withdrawn, expired, not_yet_valid, or published where the test key counts not."""
        if not self.counts:
            return "published"
        if self.is_withdrawn:
            return "withdrawn"
        if self.not_after is not None and now >= self.not_after:
            return "expired"
        return "not_yet_valid" if self.not_before is not None and now < self.not_before else "valid"


@dataclass(frozen=True, slots=True)
class KnownApp:
    """What is known of the app that is said to have signed: its keys and the forms that were agreed on."""

    keys: Sequence[KnownKey]
    algorithms: frozenset[str] | None = None


FindApp = Callable[[str], KnownApp | None]


@dataclass(frozen=True, slots=True)
class Doctor:
    """What an examination needs; ``deep`` tries pairs of mistakes, which takes a second rather than milliseconds."""

    provider: Provider
    now: datetime
    find_app: FindApp
    secret_of: EnvelopeSecret
    deep: bool = False


@dataclass(slots=True)
class Examined:
    """What was found: the base string computed here, who is said to have signed, and the mistakes.

    ``signature`` is right, wrong, unreadable or not_checked. ``timestamp`` is in seconds.
    """

    form: str | None = None
    base: bytes | None = None
    difference: Difference | None = None
    app: str | None = None
    app_found: bool = False
    serial: str | None = None
    key: KnownKey | None = None
    timestamp: int | None = None
    signature: str = "not_checked"
    findings: list[Finding] = field(default_factory=list)

    def find(self, code: str, detail: str = "") -> None:
        self.findings.append(Finding(code, detail))


def examine(doctor: Doctor, received: Received, their_base: bytes | None = None) -> Examined:
    """Examine a request as it was sent, with the base string that its developer says was signed."""
    if _is_in_header(received):
        return _examine_header(doctor, received, their_base)
    return _examine_form(doctor, received, their_base)


def _is_in_header(received: Received) -> bool:
    """Tell whether the request was meant for our own header, however it is spelt."""
    given = received.header("Authorization")
    return given is not None and ("signature" in given or given.upper().startswith("ESSC"))


# ── Our own form ─────────────────────────────────────────────────────────────────────────────────────────────────


def _examine_header(doctor: Doctor, received: Received, their_base: bytes | None) -> Examined:
    header = read_patiently(received.header("Authorization") or "")
    examined = Examined(form=HEADER, findings=header.findings, timestamp=header.timestamp)
    examined.app, examined.serial = header.fields.get("app_id"), header.fields.get("serial_no")
    parts = _parts_of(received, header)
    examined.base = parts.base()
    if received.method != parts.method:
        examined.find("method_case", received.method[:16])
    _compare(examined, parts, their_base)
    app = _look_up(doctor, examined)
    _check_clock(doctor, examined)
    if header.signature is None:
        examined.signature = "unreadable" if "signature" in header.fields else "not_checked"
    elif app is not None:
        _explain(doctor, examined, parts, header.signature, app, their_base)
    return examined


def _parts_of(received: Received, header: GivenHeader) -> Parts:
    """Take the base string's lines from the request; a timestamp of milliseconds as it should have been sent."""
    sent = header.fields.get("timestamp", "")
    timestamp = sent if header.timestamp is None else str(header.timestamp)
    return Parts(
        method=received.method.upper(),
        target=received.target,
        timestamp=timestamp,
        nonce=header.fields.get("nonce", ""),
        body=received.body,
        origin=received.origin,
    )


def _compare(examined: Examined, parts: Parts, their_base: bytes | None) -> None:
    """Compare with the developer's own base string and name the mistake that makes the one of the other."""
    if their_base is None or examined.base is None:
        return
    examined.difference = first_difference(examined.base, their_base)
    if examined.difference is None:
        return
    known = next((one for one in list_variants(parts) if one.base == their_base), None)
    if known is not None:
        examined.find(known.code, known.detail)
    else:
        examined.find(_by_lines(parts, their_base), f"byte {examined.difference.offset}")


def _by_lines(parts: Parts, theirs: bytes) -> str:
    """Name the one line that differs; several at once are called what they are."""
    ours, given = parts.lines(), theirs.removesuffix(b"\n").split(b"\n", 4)
    if len(given) != len(ours):
        return "base_differs"
    differing = [name for name, mine, other in zip(_LINE_CODES, ours, given, strict=True) if mine != other]
    return _LINE_CODES[differing[0]] if len(differing) == 1 else "base_differs"


def _explain(
    doctor: Doctor, examined: Examined, parts: Parts, signature: bytes, app: KnownApp, their_base: bytes | None
) -> None:
    """Look for what the signature does hold for: this key first, then the app's others."""
    base = parts.base()
    if examined.key is not None and right_way(doctor.provider, examined.key.public_key).holds(base, signature):
        examined.signature = "right"
        return
    examined.signature = "wrong"
    found = _search(doctor, examined, parts, signature, app, their_base)
    already = {finding.code for finding in examined.findings}
    examined.findings.extend(finding for finding in found if finding.code not in already)
    if not examined.findings or (not found and their_base == base):
        examined.find("other_key" if their_base == base and examined.key is not None else "unexplained")


def _search(
    doctor: Doctor, examined: Examined, parts: Parts, signature: bytes, app: KnownApp, their_base: bytes | None
) -> list[Finding]:
    """Try how it was signed, then one mistake in what was; one more in how where the base string is known."""
    keys = ([examined.key] if examined.key else []) + [key for key in app.keys if key != examined.key]
    ways = [(key, _ways(doctor, examined, key)) for key in keys]
    for key, (right, *others) in ways:
        for way in (right, *others):
            for base in dict.fromkeys(base for base in (parts.base(), their_base) if base is not None):
                if way.holds(base, signature):
                    return _told_of_key(examined, key, [Finding(way.code, way.detail)] if way.code else [])
    for variant in list_variants(parts):  # each is written once, whatever keys there are
        for key, (right, *others) in ways:
            for way in (right, *others) if doctor.deep else (right,):
                if way.holds(variant.base, signature):
                    in_way = [Finding(way.code, way.detail)] if way.code else []
                    return _told_of_key(examined, key, [Finding(variant.code, variant.detail), *in_way])
    return []


def _ways(doctor: Doctor, examined: Examined, key: KnownKey) -> list[Way]:
    mine = (examined.app or "").encode(), (examined.serial or "").encode()
    others = other_ways(doctor.provider, key.public_key, tuple(name for name in mine if name))
    return [right_way(doctor.provider, key.public_key), *others]


def _told_of_key(examined: Examined, key: KnownKey, found: list[Finding]) -> list[Finding]:
    """Name a key besides that is not the one that was named; an unknown serial was told already."""
    is_named = key == examined.key or examined.key is None
    return found if is_named else [*_of_other(key), *found]


def _of_other(key: KnownKey) -> list[Finding]:
    """Name the key that signed in place of the one that the request names."""
    named = Finding("key_of_other_certificate", f"that of {key.serial}")
    return [named, Finding("key_published")] if key.is_published else [named]


# ── The forms of others ──────────────────────────────────────────────────────────────────────────────────────────


def _examine_form(doctor: Doctor, received: Received, their_base: bytes | None) -> Examined:
    examined = Examined()
    try:
        given = read_signed(received, doctor.secret_of).unverified
    except SignatureMissing as refusal:
        examined.find("form_unreadable" if refusal.detail else "not_signed", refusal.detail or "")
        return examined
    except SignatureWrong as refusal:
        examined.find("body_differs", refusal.detail or "")
        return examined
    _take(examined, given)
    examined.difference = first_difference(given.base, their_base) if their_base is not None else None
    if examined.difference is not None:
        examined.find("base_differs", f"byte {examined.difference.offset}")
    app = _look_up(doctor, examined)
    _check_clock(doctor, examined)
    if app is not None:
        _explain_form(doctor, examined, given, app)
    return examined


def _take(examined: Examined, given: UnverifiedRequest) -> None:
    examined.form, examined.base, examined.timestamp = given.algorithm, given.base, given.timestamp
    examined.app, examined.serial = given.app, given.serial


def _explain_form(doctor: Doctor, examined: Examined, given: UnverifiedRequest, app: KnownApp) -> None:
    if examined.key is not None and right_way(doctor.provider, examined.key.public_key).holds(
        given.base, given.signature
    ):
        examined.signature = "right"
        return
    examined.signature = "wrong"
    for key in app.keys:
        ways = other_ways(doctor.provider, key.public_key, ())
        for way in (right_way(doctor.provider, key.public_key), *ways):
            if way.holds(given.base, given.signature):
                examined.findings.extend([Finding(way.code, way.detail)] if way.code else _of_other(key))
                return
    if not examined.findings:
        examined.find("unexplained")


# ── Clock, app and key ───────────────────────────────────────────────────────────────────────────────────────────


def _check_clock(doctor: Doctor, examined: Examined) -> None:
    if examined.timestamp is None:
        return
    off = examined.timestamp - int(doctor.now.timestamp())
    if abs(off) > CLOCK_SECONDS:
        hours = f", {off // 3600} hours: a time zone" if off % 3600 in range(60) and abs(off) < 86_400 else ""
        examined.find("clock_off", f"{off} seconds{hours}")


def _look_up(doctor: Doctor, examined: Examined) -> KnownApp | None:
    """Find the app and its key, and name what keeps the key from counting."""
    if examined.app is None:
        return None
    app = doctor.find_app(examined.app)
    if app is None:
        examined.find("app_unknown")
        return None
    examined.app_found = True
    if app.algorithms is not None and examined.form not in app.algorithms:
        examined.find("form_not_agreed", examined.form or "")
    _find_key(doctor, examined, app)
    return app


def _find_key(doctor: Doctor, examined: Examined, app: KnownApp) -> None:
    given = examined.serial or ""
    examined.key = next((key for key in app.keys if key.serial == given), None)
    if examined.key is None and given:
        meant = next((key for key in app.keys if key.serial in _spellings(given)), None)
        examined.key = meant
        examined.find("serial_spelling" if meant else "serial_unknown", f"write {meant.serial}" if meant else "")
    if examined.key is not None and examined.key.state(doctor.now) != "valid":
        examined.find(f"key_{examined.key.state(doctor.now)}")


def _spellings(given: str) -> set[str]:
    """Give the serial numbers that may be meant: with colons, blanks, capitals, leading zeros, or in decimal digits."""
    plain = given.replace(":", "").replace(" ", "").lower().removeprefix("0x").lstrip("0")
    return {plain, f"{int(given):x}"} if given.isascii() and given.isdigit() else {plain}
