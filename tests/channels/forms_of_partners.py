"""The forms in which a partner signs, as its own developers would write them: no code shared with the service."""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus, urlencode

import httpx
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sm.der import signature_to_der
from tests.channels.partners import PartnerApp
from tests.service import ISSUER


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


JSON = "application/json"
PROBE = "/v1/probe"
"""A route of the tests' own, see conftest.py."""
CONTENT = compact({"act": "probe", "amount": 1250, "note": "甲 & 乙 = 丙%", "rows": [{"b": None, "a": True}]}).encode()
MISSING, WRONG = (401, "signature_missing"), (401, "signature_wrong")


@dataclass(frozen=True)
class Request:
    """A request as it goes over the wire."""

    method: str
    target: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def send(self, partner: PartnerApp) -> httpx.Response:
        return partner.service.http.request(self.method, self.target, content=self.body, headers=self.headers)

    def but(self, **changes: Any) -> "Request":
        return replace(self, **changes)


Form = Callable[..., Request]


def beijing(partner: PartnerApp, form: str, off: float = 0) -> str:
    now: datetime = partner.service.clock() + timedelta(hours=8, seconds=off)
    return now.astimezone(UTC).strftime(form)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def in_the_header(
    partner: PartnerApp, method: str, target: str, content: bytes = b"", off: int = 0, **more: Any
) -> Request:
    stamp = int(partner.service.clock().timestamp()) + off
    header = partner.sign(method, target, content, timestamp=stamp, **more)
    return Request(method, target, {"Authorization": header, "Content-Type": JSON}, content)


def through_the_gateway(
    partner: PartnerApp, method: str, target: str, content: bytes = b"", off: int = 0, **changes: str
) -> Request:
    path, _, query = target.partition("?")
    given = {
        "app_id": partner.channel,
        "serial_no": partner.serial,
        "sign_type": "SM2",
        "charset": "UTF-8",
        "format": "json",
        "timestamp": beijing(partner, "%Y-%m-%d %H:%M:%S", off),
        "msg_id": secrets.token_hex(16),
        **dict(part.split("=") for part in query.split("&") if part),
    }
    if method == "POST":
        given["biz_content"] = content.decode()
    given |= changes
    line = path + "?" + "&".join(f"{name}={given[name]}" for name in sorted(given))
    given["sign"] = b64(signature_to_der(partner.signer.sign(line.encode())))
    return gateway_request(method, path, given)


def gateway_request(method: str, path: str, given: dict[str, str]) -> Request:
    if method == "GET":
        return Request("GET", f"{path}?{urlencode(given, quote_via=quote_plus)}")
    return form_request(path, given)


def form_request(path: str, given: dict[str, str]) -> Request:
    encoded = urlencode(given, quote_via=quote_plus)
    return Request("POST", path, {"Content-Type": "application/x-www-form-urlencoded"}, encoded.encode())


def in_an_envelope(
    partner: PartnerApp,
    method: str,
    target: str,
    content: bytes = b"{}",
    off: int = 0,
    secret: str = "",
    **changes: Any,
) -> Request:
    data = json.loads(content)
    members = {
        "appId": partner.channel,
        "serialNo": partner.serial,
        "nonce": secrets.token_hex(16),
        "timestamp": beijing(partner, "%Y%m%d%H%M%S", off),
        "version": "1.0",
        "signType": "SM2",
        "encType": "SM4" if secret else "NONE",
        **changes,
    }
    signed = members | {"data": compact(data)}
    line = target + "?" + "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    sent = members | {"signData": b64(partner.signer.sign(line.encode()))}
    if secret:
        sent["encData"] = b64(sealed(partner, members["nonce"], compact(data).encode(), secret))
    else:
        sent["data"] = data
    return Request(method, target, {"Content-Type": JSON}, compact(sent).encode())


def sealed(partner: PartnerApp, nonce: str, plain: bytes, secret: str) -> bytes:
    key = hashlib.new("sm3", secret.encode()).digest()[:16]
    iv = secrets.token_bytes(12)
    cipher = Cipher(algorithms.SM4(key), modes.GCM(iv)).encryptor()
    cipher.authenticate_additional_data(f"{partner.channel}\n{partner.serial}\n{nonce}".encode())
    return iv + cipher.update(plain) + cipher.finalize() + cipher.tag


def as_an_h5_entry(
    partner: PartnerApp,
    method: str,
    target: str,
    content: bytes = b"{}",
    off: int = 0,
    secret: str | None = None,
    **changes: str,
) -> Request:
    """Write what today's partners write: the act is the name of the interface, all else is encrypted."""
    said = json.loads(content)
    if method != "POST" or not isinstance(said, dict):
        raise ValueError("an entry is a POST of an object")
    given = {
        "_api_name": said.pop("act", "probe"),
        "_api_access_id": partner.channel,
        "_api_serial_no": partner.serial,
        "_api_timestamp": str(int((partner.service.clock().timestamp() + off) * 1000)),
        "_api_nonce": secrets.token_hex(16),
        **changes,
    }
    return signed_h5(partner, target, given, compact(said).encode(), secret_of(partner) if secret is None else secret)


def signed_h5(partner: PartnerApp, path: str, given: dict[str, str], plain: bytes, secret: str) -> Request:
    signed = given | {"security": plain.decode()}
    line = path + "?" + "&".join(f"{name}={signed[name]}" for name in sorted(signed))
    sent = given | {"security": b64(sealed(partner, given["_api_nonce"], plain, secret))}
    sent["_api_signature"] = b64(signature_to_der(partner.signer.sign(line.encode())))
    return form_request(path, sent)


COVERED = ("@method", "@target-uri", "content-digest")


def as_message_signature(
    partner: PartnerApp,
    method: str,
    target: str,
    content: bytes = b"",
    off: int = 0,
    *,
    covered: tuple[str, ...] = COVERED,
    digest: str = "sha-256",
    parameters: str = "",
    headers: dict[str, str] | None = None,
    label: str = "sig1",
) -> Request:
    created = int(partner.service.clock().timestamp()) + off
    raw = hashlib.new({"sha-256": "sha256", "sm3": "sm3", "sha-512": "sha512"}[digest], content).digest()
    sent = {"Content-Digest": f"{digest}=:{b64(raw)}:", **(headers or {})}
    if content:
        sent["Content-Type"] = JSON
    parameters = parameters or (
        f';created={created};keyid="{partner.channel}/{partner.serial}";alg="sm2-sm3";nonce="{secrets.token_hex(16)}"'
    )
    inner = "(" + " ".join(f'"{name}"' for name in covered) + ")" + parameters
    values = _components(method, target, sent)
    base = "".join(f'"{name}": {values[name]}\n' for name in covered) + f'"@signature-params": {inner}'
    signature = partner.signer.sign(base.encode())
    sent |= {"Signature-Input": f"{label}={inner}", "Signature": f"{label}=:{b64(signature)}:"}
    return Request(method, target, sent, content)


def _components(method: str, target: str, headers: dict[str, str]) -> dict[str, str]:
    path, _, query = target.partition("?")
    return {
        "@method": method,
        "@target-uri": ISSUER + target,
        "@authority": ISSUER.removeprefix("https://"),
        "@path": path,
        "@query": f"?{query}",
        **{name.lower(): value for name, value in headers.items()},
    }


FORMS: dict[str, Form] = {
    "ESSC-SM2-SM3": in_the_header,
    "GATEWAY-SM2-SM3": through_the_gateway,
    "ENVELOPE-SM2-SM3": in_an_envelope,
    "RFC9421-SM2-SM3": as_message_signature,
    "H5-SM2-SM3": as_an_h5_entry,
}
POST_ALONE = frozenset({"ENVELOPE-SM2-SM3", "H5-SM2-SM3"})


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


def secret_of(partner: PartnerApp) -> str:
    return partner.service.runtime.gate.envelope_secret(partner.channel, partner.serial)
