"""The story: a chip card enrolls a phone, an e-card is issued, a code is shown, a pharmacy redeems it once."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from cli import Failed
from cli.phone import Phone
from cli.story.city import Town
from cli.story.reading import Event, Reading
from cli.story.telling import Teller
from cli.till import Till
from qr.acceptance_journal import MemoryJournal
from qr.code_class import CodeClass
from qr.image import draw_terminal
from qr.offline import OfflineVerifier
from qr.scanning import scan_picture
from qr.verification_keys import TrustedChain, read_key_list, verify_key_list
from sm.certificates import Trust, read_certificate
from sm.der import import_pkcs8, read_pem
from sm.providers import open_provider


@dataclass
class Play:
    """Who plays: the phone and the till over real HTTP, the reader's agent as its own process."""

    address: str
    http: httpx.Client
    teller: Teller
    phone: Phone
    till: Till
    home: Path


def open_play(address: str, http: httpx.Client, teller: Teller, town: Town, home: Path) -> Play:
    """Give phone and till their keys."""
    key = import_pkcs8(read_pem("PRIVATE KEY", town.till.key.read_text(encoding="ascii")))
    till = Till(http, town.till.id, town.till.serial, open_provider().signer(key), _now)
    return Play(address, http, teller, Phone(http, address, _now), till, home)


def enroll(play: Play, reading: Reading) -> None:
    """Act one: the chip proves itself, the phone is bound, the card is issued."""
    teller, phone = play.teller, play.phone
    teller.step("终端开场", "the reader opens a session and shows it as a code")
    display = _expect(reading.next_event("show"), "show")["display"]
    teller.answered("service", "terminal session", {"shown": display})
    teller.step("手机扫码", "the phone scans it and signs session, nonce and its own key")
    begun = _good(phone.begin(str(display)))
    teller.sent("phone", "POST /v1/enrollments", {"key": phone.jwk["x"], "proof": "DPoP, ES256, over the body"})
    teller.answered("service", "enrollment", {"id": begun["id"], "service_nonce": begun["service_nonce"]})
    teller.step("读卡验证", f"the agent reads the chip ({_where(reading)})")
    _follow_reader(teller, reading)
    teller.step("持卡人确认", "the phone shows whose card it is, and the holder says yes")
    shown = _good(phone.look(begun["id"]))
    teller.answered("service", "verified", {name: shown[name] for name in ("holder_name", "level", "chip_card")})
    issued = _good(phone.confirm(begun["id"], shown["chip_card"]))
    teller.answered("service", "electronic card issued", {name: issued[name] for name in ("id", "level", "state")})
    teller.checked("credential signed with SM2 (SGD_SM3_SM2), bound to this phone's key")


def show_and_redeem(play: Play) -> None:
    """Act two: the code is shown, drawn, scanned from its picture, redeemed once and refused the second time."""
    teller, phone = play.teller, play.phone
    teller.step("展码", "the phone gets a token and asks for a code for the pharmacy")
    token = _good(phone.sign_in())
    teller.answered("service", "token, bound to the key", {"expires_in": token["expires_in"]})
    code = _good(phone.code("medical"))
    teller.answered("service", f"signed code, {len(code['code'])} digits, {code['life']} s", code["code"])
    teller.picture(draw_terminal(code["code"]), "电子社保卡 · medical")
    scanned = _draw_and_scan(play, code["code"])
    teller.step("离线验码", "a terminal without network checks the signature against the published keys")
    _verify_offline(play, scanned)
    teller.step("药房核销", "the pharmacy redeems what it scanned")
    accepted = play.till.redeem(scanned, "medical")
    teller.sent("till", "POST /v1/redemptions", {"signed": "ESSC-SM2-SM3", "purpose": "medical"})
    teller.answered("service", "accepted", _good(accepted)["entitlement"])
    teller.step("再次核销", "the same code again is refused")
    again = play.till.redeem(scanned, "medical", key="another-request-key")
    if again.status_code != httpx.codes.CONFLICT:
        raise Failed(f"the second redemption was answered with {again.status_code}")
    teller.refused(f"409 {again.json()['code']}: {again.json()['title']}")


def look_back(play: Play) -> None:
    """Act three: the holder sees the use and gets the notice."""
    teller, phone = play.teller, play.phone
    teller.step("持卡人知情", "the use is on the holder's list, and the worker has told the phone")
    uses = _good(phone.call("GET", f"/v1/cards/{phone.card}/uses"))["items"]
    teller.answered("service", "uses", {name: uses[0][name] for name in ("institution", "purpose", "redeemed_at")})
    notices = _wait_for_notice(phone)
    teller.answered("service", "notices", {"kinds": [notice["kind"] for notice in notices]})


def keep_for_demo(play: Play) -> None:
    """Keep the phone's key and ids, so that `ecard demo` can go on with them while the service is up."""
    scalar = play.phone.key.private_numbers().private_value
    kept = {
        "address": play.address,
        "phone": {"scalar": f"{scalar:064x}", "card": play.phone.card, "device": play.phone.device},
        "till": {"id": play.till.terminal, "serial": play.till.serial, "key": str(play.home / "till.pem")},
    }
    file = play.home / "demo.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(kept), encoding="ascii")


def _follow_reader(teller: Teller, reading: Reading) -> None:
    told = {
        "card_read": "ATR and EF05 read, INTERNAL AUTHENTICATE answered over this enrollment",
        "hello_accepted": "the HSM confirmed the chip; certificate chain good; EF06 may be opened",
        "holder_read": "EXTERNAL AUTHENTICATE done, holder data read",
        "card_proved": "PIN verified by the chip; the chip signed the binding of card, phone and terminal",
        "completed": "the service rebuilt the binding and verified the chip's signature",
    }
    while True:
        event = _expect(reading.next_event(*told), *told)
        teller.checked(told[str(event["event"])])
        if event["event"] == "completed":
            return


def _draw_and_scan(play: Play, code: str) -> str:
    answer = play.phone.call("POST", "/v1/code-images", {"code": code, "format": "png"})
    if not answer.is_success:
        raise Failed(f"no picture: {answer.text[:200]}")
    file = play.home / "code.png"
    file.write_bytes(answer.content)
    scanned = scan_picture(answer.content)
    if scanned != [code]:
        raise Failed("the picture says something else than the code")
    play.teller.checked(f"PNG saved as {file}, read again with zxing: {len(scanned[0])} digits")
    return scanned[0]


def _verify_offline(play: Play, scanned: str) -> None:
    provider = open_provider()
    root = read_certificate((play.home / "keys" / "certificates" / "ministry.pem").read_text(encoding="ascii"))
    given = _raw(play.http.get("/v1/verification-keys"))
    keys = verify_key_list(read_key_list(given), TrustedChain(provider, Trust((root,), provider)), _now())
    verifier = OfflineVerifier(keys, provider, MemoryJournal(), classes={CodeClass.MEDICAL})
    taken = verifier.accept(scanned, _now())
    play.teller.checked(
        f"key list signed by {keys.issuer}; code signed with key {taken.kid}, class {taken.code_class.label}"
    )


def _wait_for_notice(phone: Phone) -> list[dict[str, Any]]:
    for _ in range(50):
        notices: list[dict[str, Any]] = _good(phone.send("GET", "/v1/notices"))["items"]
        if any(notice["kind"] == "code.redeemed" for notice in notices):
            return notices
        time.sleep(0.1)
    raise Failed("the worker did not tell the phone")


def _where(reading: Reading) -> str:
    return f"pcscd, {reading.name}" if reading.real else "in this process"


def _expect(event: Event, *wanted: str) -> Mapping[str, Any]:
    if event.get("event") not in wanted:
        raise Failed(f"the reader gave up: {event.get('code', '')} {event.get('title', '')}".strip())
    return event


def _good(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise Failed(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:300]}")
    given: dict[str, Any] = answer.json()
    return given


def _raw(answer: httpx.Response) -> bytes:
    if not answer.is_success:
        raise Failed(f"{answer.request.url.path}: {answer.status_code}")
    return answer.content


def _now() -> datetime:
    return datetime.now(UTC)
