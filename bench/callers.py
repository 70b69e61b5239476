"""The callers: phones that ask for codes and terminals that redeem them, as whole HTTP requests made in advance."""

import hashlib
import itertools
import json
import secrets
import time
from collections.abc import Iterator

import jwt

from auth.proofs import encode_base64url
from bench.naive.codes import mint_code
from bench.seed import Seeded, SeededPhone, SeededTerminal
from core.clock import system_clock
from qr.code_class import CodeClass
from qr.signed_code import mint_signed_code
from sm.signed_request import sign_request

CODES_FOR_EACH_TOKEN = 5
"""A token lives for five minutes and a code for one: one request of five pays for reading the token."""
_USE = "merchant"


def code_requests(seeded: Seeded, count: int) -> list[bytes]:
    """Ask for signed codes under the service's own rules: a token, and a proof made for each request."""
    phones = itertools.cycle(seeded.phones)
    requests: list[bytes] = []
    while len(requests) < count:
        phone = next(phones)
        token = _token(seeded, phone)
        requests += [_code_request(seeded, phone, token) for _ in range(CODES_FOR_EACH_TOKEN)]
    return requests[:count]


def naive_code_requests(seeded: Seeded, count: int) -> list[bytes]:
    """Ask for signed codes with a bearer token."""
    phones = itertools.cycle(seeded.phones)
    body = json.dumps({"kind": "signed", "class": _USE}).encode()
    return [
        _post(f"/v1/cards/{phone.card}/codes", body, {"Authorization": f"Bearer {_bearer(seeded, phone.device)}"})
        for phone in itertools.islice(phones, count)
    ]


def redemption_requests(seeded: Seeded, count: int) -> list[bytes]:
    """Redeem codes of the service, each once, in requests that terminals have signed."""
    terminals = itertools.cycle(seeded.terminals)
    return [_redemption(next(terminals), code) for code in itertools.islice(_codes(seeded), count)]


def naive_redemption_requests(seeded: Seeded, count: int, *, signed: bool) -> list[bytes]:
    """Redeem codes of the naive service, with a bearer token or as the real service wants it: signed."""
    terminals = itertools.cycle(seeded.terminals)
    tokens = {terminal.id: _bearer(seeded, terminal.id) for terminal in seeded.terminals}
    requests = []
    for code in itertools.islice(_naive_codes(seeded), count):
        terminal = next(terminals)
        if signed:
            requests.append(_redemption(terminal, code))
        else:
            body = json.dumps({"code": code, "purpose": _USE}).encode()
            requests.append(_post("/v1/redemptions", body, {"Authorization": f"Bearer {tokens[terminal.id]}"}))
    return requests


def _token(seeded: Seeded, phone: SeededPhone) -> str:
    return seeded.runtime.gate.tokens.issue_token(
        device=phone.device,
        card=phone.card,
        channel="bench",
        thumbprint=phone.thumbprint,
        level="L3",
        scope="card",
    )


def _code_request(seeded: Seeded, phone: SeededPhone, token: str) -> bytes:
    path = f"/v1/cards/{phone.card}/codes"
    claims = {
        "htm": "POST",
        "htu": seeded.runtime.ground.settings.issuer + path,
        "iat": int(time.time()),
        "jti": secrets.token_urlsafe(16),
        "ath": encode_base64url(hashlib.sha256(token.encode()).digest()),
    }
    proof = jwt.encode(claims, phone.key, "ES256", headers={"typ": "dpop+jwt", "jwk": dict(phone.public_jwk)})
    body = json.dumps({"kind": "signed", "class": _USE, "audience": 0}).encode()
    return _post(path, body, {"Authorization": f"DPoP {token}", "DPoP": proof})


def _bearer(seeded: Seeded, subject: str) -> str:
    now, issuer = int(time.time()), seeded.naive["issuer"]
    claims = {"iss": issuer, "aud": issuer, "sub": subject, "iat": now, "exp": now + 600}
    return jwt.encode(claims, seeded.token_key, "ES256")


def _redemption(terminal: SeededTerminal, code: str) -> bytes:
    path, body = "/v1/redemptions", json.dumps({"code": code, "purpose": _USE}).encode()
    authorization = sign_request(
        terminal.signer,
        app_id=terminal.id,
        serial_no=terminal.serial,
        method="POST",
        target=path,
        body=body,
        timestamp=int(time.time()),
        nonce=secrets.token_urlsafe(16),
    )
    return _post(path, body, {"Authorization": authorization, "Idempotency-Key": secrets.token_urlsafe(12)})


def _codes(seeded: Seeded) -> Iterator[str]:
    key = seeded.runtime.codes.keys().minting
    for phone in itertools.cycle(seeded.phones):
        yield mint_signed_code(
            key,
            secrets.token_bytes,
            card_index=phone.card_index,
            code_class=CodeClass.MERCHANT,
            issued_at=system_clock(),
            life_seconds=300,
        )


def _naive_codes(seeded: Seeded) -> Iterator[str]:
    settings = seeded.naive
    keys = settings["private_key"], settings["public_key"], bytes.fromhex(settings["handle_key"])
    for phone in itertools.cycle(seeded.phones):
        yield mint_code(*keys, phone.card_index, _USE)


def _post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1:8460", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
