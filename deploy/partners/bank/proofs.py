"""What the bank signs, and what the card service has signed: requests, answers, news; all of it SM2 with SM3."""

import base64
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bank import sm2
from bank.base64url import decode
from bank.calls import AnswerNotProven, Call, Calling, CardServiceRefused, CardServiceSilent
from bank.certificates import PlatformKey, read_platform_keys
from bank.place import Home, NotReady, Partner
from bank.port import SIGNED_SECONDS, Arrived, NotProven

SCHEME, ANSWER = "ESSC-SM2-SM3", "ESSC-Signature"
SIGNING = "signing.pem"
KEPT_SECONDS = 3600.0
"""How long published keys are believed before they are fetched again; one that is not known is asked for at once."""
_FIELDS = ("app_id", "serial_no", "timestamp", "nonce", "signature")
_PAIR = re.compile(r'([a-z_]{1,16})="([A-Za-z0-9+/=_.-]{1,128})"')
_NUMBER = re.compile(r"[1-9][0-9]{0,11}")


def make_signing_key(home: Home) -> None:
    """Make the bank's SM2 key, unless it is there."""
    if not home.key(SIGNING).exists():
        home.write(home.key(SIGNING), sm2.draw_key().write_pem())


def load_signing_key(home: Home) -> sm2.SigningKey:
    """Open it; raises ``NotReady``."""
    try:
        return sm2.read_key(home.key(SIGNING).read_bytes())
    except (OSError, ValueError) as error:
        raise NotReady(f"{home.key(SIGNING)} is missing or no key: `python -m bank keys` makes it") from error


@dataclass
class PublishedKeys:
    """The card service's keys as it publishes them, held to the ministry's certificate; kept for an hour."""

    calling: Calling
    pinned: bytes = field(repr=False)
    now: Callable[[], float] = time.time
    _platform: dict[str, PlatformKey] = field(default_factory=dict)
    _news: list[Mapping[str, str]] = field(default_factory=list)
    _fetched: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def platform_key(self, serial: str) -> bytes:
        """Give the key under a serial number; raises ``NotProven`` for none that may sign now."""
        with self._lock:
            if serial not in self._platform or self._is_old("platform"):
                published = self._fetch("platform", "/v1/platform-certificates")
                self._platform = read_platform_keys(published, self.pinned, self._moment())
            key = self._platform.get(serial)
        if key is None or not key.not_before <= self._moment() < key.not_after:
            raise NotProven("no such key of the card service signs now")
        return key.public_key

    def news_keys(self, *, anew: bool) -> list[Mapping[str, str]]:
        """Give the keys that sign news; ``anew`` asks for them again."""
        with self._lock:
            if anew or not self._news or self._is_old("news"):
                self._news = list(self._fetch("news", "/v1/news-keys")["keys"])
            return self._news

    def _fetch(self, name: str, path: str) -> dict[str, Any]:
        try:
            published = self.calling.send(Call("GET", path), lambda _: {})
        except (CardServiceRefused, CardServiceSilent) as away:
            raise NotProven("the card service's keys cannot be fetched") from away
        self._fetched[name] = self.now()
        return published

    def _is_old(self, name: str) -> bool:
        return self.now() >= self._fetched.get(name, 0.0) + KEPT_SECONDS

    def _moment(self) -> datetime:
        return datetime.fromtimestamp(self.now(), UTC)


@dataclass(frozen=True)
class ChannelProofs:
    """Signs as the bank's channel, and verifies what the card service has signed."""

    partner: Partner
    calling: Calling
    published: PublishedKeys
    key: sm2.SigningKey = field(repr=False)
    now: Callable[[], float] = time.time

    # ── the bank's own calls ─────────────────────────────────────────────────────────────────────────────────────

    def call(self, call: Call) -> dict[str, Any]:
        """Send a signed call and verify the answer; raises ``CardServiceRefused`` and ``CardServiceSilent``."""
        return self.calling.send(call, self._sign_request, self._verify_answer)

    def _sign_request(self, call: Call) -> dict[str, str]:
        timestamp, nonce = self._seconds(), secrets.token_hex(16)
        signature = self.key.sign(base_string(call.method, call.target, timestamp, nonce, call.body))
        values = (self.partner.channel, self.partner.serial, str(timestamp), nonce, _encode(signature))
        return {"Authorization": f"{SCHEME} {_join(dict(zip(_FIELDS, values, strict=True)))}"}

    def _verify_answer(self, call: Call, answer: httpx.Response, sent: Mapping[str, str]) -> None:
        """Let through what was signed for this request; a refusal of the signature itself cannot be signed."""
        if answer.status_code == httpx.codes.UNAUTHORIZED and ANSWER not in answer.headers:
            return
        asked = read_fields(sent["Authorization"].removeprefix(f"{SCHEME} "), _FIELDS)
        try:
            given = read_fields(answer.headers.get(ANSWER, ""), _FIELDS[1:])
            self._require(f"{answer.status_code:03d}", call.target, given | {"nonce": asked["nonce"]}, answer.content)
        except NotProven as error:
            raise AnswerNotProven(str(error)) from error

    # ── the bank port ────────────────────────────────────────────────────────────────────────────────────────────

    def verify_request(self, arrived: Arrived) -> str:
        """Verify the card service's signature and its time; return the nonce. Raises ``NotProven``."""
        if not arrived.authorization.startswith(f"{SCHEME} "):
            raise NotProven("not signed")
        given = read_fields(arrived.authorization.removeprefix(f"{SCHEME} "), _FIELDS)
        self._require(arrived.method, arrived.target, given, arrived.body)
        return given["nonce"]

    def sign_answer(self, *, status: int, target: str, nonce: str, body: bytes) -> str:
        """Sign an answer for the request with this nonce; return the value of ``ESSC-Signature``."""
        timestamp = self._seconds()
        signature = self.key.sign(base_string(f"{status:03d}", target, timestamp, nonce, body))
        values = (self.partner.serial, str(timestamp), nonce, _encode(signature))
        return _join(dict(zip(_FIELDS[1:], values, strict=True)))

    def _require(self, first: str, target: str, given: Mapping[str, str], body: bytes) -> None:
        timestamp = self._read_time(given["timestamp"])
        signed = base_string(first, target, timestamp, given["nonce"], body)
        sm2.verify(self.published.platform_key(given["serial_no"]), signed, _decode(given["signature"]))

    # ── news ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def verify_news(self, headers: Mapping[str, str], body: bytes) -> None:
        """Verify one of the signatures of a piece of news, and its time. Raises ``NotProven``."""
        found = {name.lower(): value for name, value in headers.items()}
        name, timestamp = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
        self._read_time(timestamp)
        signed = f"{name}.{timestamp}.".encode() + body
        given = [part.partition(",")[::2] for part in found.get("webhook-signature", "").split(" ")]
        for anew in (False, True):
            keys = self.published.news_keys(anew=anew)
            if any(_is_signed(key, version, value, signed) for key in keys for version, value in given):
                return
        raise NotProven("no published key has signed this")

    def _read_time(self, given: str) -> int:
        if not _NUMBER.fullmatch(given) or abs(int(given) - self._seconds()) > SIGNED_SECONDS:
            raise NotProven("signed too long ago, or ahead of time")
        return int(given)

    def _seconds(self) -> int:
        return int(self.now())


def base_string(first: str, target: str, timestamp: int, nonce: str, body: bytes) -> bytes:
    r"""Build what is signed: METHOD or STATUS\npath?query\ntimestamp\nnonce\nbody\n."""
    return b"".join(line.encode() + b"\n" for line in (first, target, str(timestamp), nonce)) + body + b"\n"


def read_fields(given: str, names: tuple[str, ...]) -> dict[str, str]:
    """Read name="value",… with each of the names once; raises ``NotProven``."""
    pairs = [_PAIR.fullmatch(part) for part in given.split(",")]
    fields = {pair[1]: pair[2] for pair in pairs if pair is not None}
    if None in pairs or len(pairs) != len(names) or fields.keys() != set(names):
        raise NotProven("a signature has the fields " + ", ".join(names))
    return fields


def open_proofs(
    home: Home, partner: Partner, calling: Calling, now: Callable[[], float] = time.time
) -> ChannelProofs:
    """Open the bank's key and the pinned certificate; raises ``NotReady``."""
    try:
        pinned = home.ministry.read_bytes()
    except OSError as error:
        raise NotReady(f"{home.ministry} is missing: the ministry's certificate, from the card centre") from error
    return ChannelProofs(partner, calling, PublishedKeys(calling, pinned, now), load_signing_key(home), now)


def show_signing_key(home: Home) -> str:
    """Write the public key as the card centre's operators take it: 64 bytes in hexadecimal digits."""
    return load_signing_key(home).public_key.hex()


def _is_signed(key: Mapping[str, str], version: str, value: str, signed: bytes) -> bool:
    """Tell whether this key has made this signature."""
    if key["version"] != version:
        return False
    try:
        if version == "v1a":
            Ed25519PublicKey.from_public_bytes(decode(key["x"])).verify(_decode(value), signed)
        else:
            sm2.verify(decode(key["x"]) + decode(key["y"]), signed, _decode(value))
    except (NotProven, InvalidSignature, ValueError):
        return False
    return True


def _join(fields: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{value}"' for name, value in fields.items())


def _encode(signature: bytes) -> str:
    return base64.b64encode(signature).decode("ascii")


def _decode(given: str) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except ValueError as error:
        raise NotProven("a signature is no base64") from error
