"""DPoP at the endpoints of the authorization server: a proof read, its nonce judged, its jti spent (RFC 9449)."""

from auth.errors import ProofWrong
from auth.oauth.client_authentication import FUTURE_SECONDS, first_use
from auth.oauth.desk import OAuthDesk
from auth.oauth.errors import InvalidDpopProofError, UseDpopNonceError, visible
from auth.oauth.requests import GivenRequest
from auth.proofs import PROOF_SECONDS, DeviceProof, ProvenRequest, spent_key, verify_proof


def verify_given_proof(desk: OAuthDesk, given: GivenRequest, *, nonce_needed: bool) -> DeviceProof | None:
    """Check the proof of a request, if it carries one; raises ``InvalidDpopProofError`` or ``UseDpopNonceError``."""
    if given.proof is None:
        return None
    try:
        proof = verify_proof(
            desk.ground, given.proof, ProvenRequest(given.method, given.address, future_seconds=FUTURE_SECONDS)
        )
    except ProofWrong as refusal:
        raise InvalidDpopProofError(visible(refusal)) from refusal
    require_nonce(desk, proof, needed=nonce_needed)
    if not desk.ground.ephemeral.add_once(spent_key(proof), PROOF_SECONDS * 2):
        raise InvalidDpopProofError("This proof was used before")
    desk.ground.ephemeral.require_memory(first_use(proof.issued_at))
    return proof


def require_nonce(desk: OAuthDesk, proof: DeviceProof, *, needed: bool) -> None:
    """Refuse a proof without the nonce that is needed, and one with a nonce that is not ours or too old."""
    if proof.nonce is None and not needed:
        return
    if not desk.nonces.is_good(proof.nonce, desk.ground.clock()):
        raise UseDpopNonceError


def require_bound(proof: DeviceProof | None, thumbprint: str | None) -> None:
    """Require the key to which a code or refresh token is bound; raises ``InvalidDpopProofError``."""
    if thumbprint is not None and (proof is None or proof.thumbprint != thumbprint):
        raise InvalidDpopProofError("This needs a proof by the key to which it is bound")
