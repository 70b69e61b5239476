"""A partner's back end that carries a card, on the Python client: one act for each call of this program.

It stands for your own program, and keeps in one file what you keep in a database. `docs/partners.md` leads through it.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from ecard_client import EcardError, Es256Key, Partner, sm2
from ecard_client.tokens import draw_es256_key, draw_verifier, read_id_token

REDIRECT = "https://bank.example/ecard/back"
KEPT = Path(os.environ.get("CARRY_FILE", "var/carry.json"))


def keys() -> None:
    """Draw the key of your client and the key that tokens are bound to; print the public half to be registered."""
    client_key, dpop_key = draw_es256_key(), draw_es256_key()
    KEPT.touch(mode=0o600)
    _keep({"client_key": _text_of(client_key), "dpop_key": _text_of(dpop_key)})
    _show(client_key.public_jwk)


def link(*scopes: str) -> None:
    """Push a request and print where the holder's browser goes."""
    verifier, challenge = draw_verifier()
    begun = {"verifier": verifier, "state": draw_verifier()[0], "nonce": draw_verifier()[0]}
    asked = {
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": " ".join(scopes),
        "state": begun["state"],
        "nonce": begun["nonce"],
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    pushed = _partner().oauth.post_par(asked)
    _keep(_kept() | begun)
    query = urlencode({"client_id": os.environ["PARTNER_CLIENT"], "request_uri": pushed["request_uri"]})
    sys.stdout.write(f"{os.environ['PARTNER_ADDRESS']}/oauth/authorize?{query}\n")


def back(address: str, out_request_no: str) -> None:
    """Take the browser back from the login, learn the holder's name with you, and sign the card."""
    partner, kept = _partner(), _kept()
    came = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    if came.get("state") != kept["state"] or came.get("iss") != partner.issuer or "code" not in came:
        sys.exit(f"this is not the answer to the login that was begun: {came.get('error', 'other login')}")
    form = {
        "grant_type": "authorization_code",
        "code": came["code"],
        "redirect_uri": REDIRECT,
        "code_verifier": kept["verifier"],
    }
    given = partner.oauth.post_token(form)
    published = partner.public.get_jwks()
    claims = read_id_token(
        given["id_token"], published, client=partner.client, issuer=partner.issuer, nonce=kept["nonce"]
    )
    _keep(kept | {"subject": claims["sub"]})
    _show(partner.holder(given["access_token"]).post_carriages({"out_request_no": out_request_no}))


def sign(out_request_no: str) -> None:
    """Sign the card without a redirect: after the first time, or again."""
    _show(_holder("card.present").post_carriages({"out_request_no": out_request_no}))


def see(seen: str) -> None:
    """See how the card stands; ``seen`` is the highest sequence of its news that you know."""
    _show(_holder("card.read").get_carriage(seen=int(seen)))


def code() -> None:
    """Get a code; your app draws its digits as a QR code."""
    _show(_holder("card.present").post_carriage_codes({"class": "medical", "kind": "signed"}))


def uses() -> None:
    """See where codes that you have shown were used."""
    _show(_holder("card.uses").get_carriage_uses())


def carriages() -> None:
    """List what your app carries, by a call that your channel signs."""
    _show(_partner().channel_calls.get_carriages())


def _holder(scope: str) -> Any:
    """Return to the holder's link; you have just authenticated your customer yourself."""
    return _partner().return_to(_kept()["subject"], scope=scope, authenticated_at=int(time.time()))


def _partner() -> Partner:
    kept, given = _kept(), os.environ
    return Partner(
        issuer=given["PARTNER_ADDRESS"],
        channel=given["PARTNER_APP_ID"],
        serial=given["PARTNER_SERIAL"],
        channel_key=sm2.read_key(Path(given["PARTNER_KEY"]).read_bytes()),
        client=given["PARTNER_CLIENT"],
        client_key=Es256Key(_key_of(kept["client_key"]), given["PARTNER_KID"]),
        dpop_key=Es256Key(_key_of(kept["dpop_key"])),
        pinned=Path(given["PARTNER_PINNED"]).read_text(encoding="ascii"),
    )


def _text_of(key: Es256Key) -> str:
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _key_of(text: str) -> Any:
    return load_pem_private_key(text.encode(), None)


def _kept() -> dict[str, str]:
    read: dict[str, str] = json.loads(KEPT.read_text(encoding="utf-8"))
    return read


def _keep(content: Mapping[str, str]) -> None:
    KEPT.write_text(json.dumps(content), encoding="utf-8")


def _show(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")


ACTS: Mapping[str, Callable[..., None]] = {
    act.__name__: act for act in (keys, link, back, sign, see, code, uses, carriages)
}


def main(act: str = "", *given: str) -> None:
    """Do one act; what the service refuses is one line, without a traceback."""
    if act not in ACTS:
        sys.exit(f"one of: {' '.join(ACTS)}")
    try:
        ACTS[act](*given)
    except EcardError as refusal:
        sys.exit(f"{act}: {refusal}")


if __name__ == "__main__":
    main(*sys.argv[1:])
