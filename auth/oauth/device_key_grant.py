"""The token endpoint for phones that carry a card: an assertion of the device key (``auth.device_tokens``)."""

from typing import Any

from auth.device_tokens import SCOPE, AssertionWrong, CardLevel, TokenRequest, grant_token
from auth.errors import DeviceEnded, ProofWrong
from auth.guard import Gate
from auth.oauth.requests import GivenRequest
from auth.oauth.server import Answer
from auth.oauth.token_grants import NO_STORE
from core.errors import Kind, Refusal

_ERRORS: dict[type[Refusal], str] = {
    AssertionWrong: "invalid_grant",
    DeviceEnded: "invalid_grant",
    ProofWrong: "invalid_dpop_proof",
}


def answer_device_key(gate: Gate, card_level: CardLevel, given: GivenRequest) -> Answer:
    """Exchange an assertion of the device key for a DPoP-bound token; raises only ``Unavailable`` and ``Limited``."""
    request = TokenRequest(given.form.get("assertion") or "", given.proof, given.address)
    try:
        token = grant_token(gate, card_level, request)
    except Refusal as refusal:
        if refusal.kind in {Kind.UNAVAILABLE, Kind.LIMITED}:
            raise
        return _refused(refusal)
    seconds = gate.ground.settings.token_seconds
    body = {"access_token": token, "token_type": "DPoP", "expires_in": seconds, "scope": SCOPE}
    return Answer(200, body, NO_STORE)


def _refused(refusal: Refusal) -> Answer:
    detail = f" ({refusal.detail})" if refusal.detail else ""
    body: dict[str, Any] = {
        "error": _ERRORS.get(type(refusal), "invalid_request"),
        "error_description": refusal.title_en + detail,
        "code": refusal.code,
    }
    return Answer(400, body, NO_STORE)
