"""DPoP at the endpoints of the authorization server: a proof read, its nonce judged, its jti spent (RFC 9449)."""

from auth.errors import ProofWrong
from auth.oauth.client_authentication import FUTURE_SECONDS, first_use
from auth.oauth.desk import OAuthDesk
from auth.oauth.errors import InvalidDpopProofError, UseDpopNonceError, visible
from auth.oauth.requests import GivenRequest
from auth.proofs import PROOF_SECONDS, DeviceProof, ProvenRequest, spent_key, verify_proof

SPENT_SECONDS = PROOF_SECONDS * 2


def verify_given_proof(desk: OAuthDesk, given: GivenRequest, *, nonce_needed: bool) -> DeviceProof | None:
    """Check the proof of a request, if it carries one, and spend it.

    Raises ``InvalidDpopProofError`` or ``UseDpopNonceError``.
    """
    proof = read_given_proof(desk, given, nonce_needed=nonce_needed)
    if proof is not None:
        require_new(desk, proof, new=desk.ground.ephemeral.add_once(spent_key(proof), SPENT_SECONDS))
    return proof


def read_given_proof(desk: OAuthDesk, given: GivenRequest, *, nonce_needed: bool) -> DeviceProof | None:
    """Do the same, but leave it to the caller to spend the proof (``require_new``)."""
    if given.proof is None:
        return None
    try:
        proof = verify_proof(
            desk.ground, given.proof, ProvenRequest(given.method, given.address, future_seconds=FUTURE_SECONDS)
        )
    except ProofWrong as refusal:
        raise InvalidDpopProofError(visible(refusal)) from refusal
    require_nonce(desk, proof, needed=nonce_needed)
    return proof


def require_new(desk: OAuthDesk, proof: DeviceProof, *, new: bool) -> None:
    """Refuse a proof that was not ``new`` to the short memory, or that a memory that is lost may have known."""
    if not new:
        raise InvalidDpopProofError("This proof was used before")
    desk.ground.ephemeral.require_memory(first_use(proof.issued_at))


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
