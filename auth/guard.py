"""The guard of every route: who may call it stands in the decorator, and nobody else gets through.

``@allow(Terminal)`` hands the proven caller to the view as its first argument. A test walks all routes and fails
for one without a guard.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, cast

from flask import current_app, request

from auth.addresses import counted_address
from auth.arrived import given_credentials, received_request, request_target, take_plain_body
from auth.channel_requests import Channel, LimitsOfClient, SigningChannel, Standing, count_request
from auth.errors import (
    ChannelNotLive,
    FormNotAgreed,
    ProofWrong,
    ScopeMissing,
    StepUpNeeded,
    TerminalNotAllowed,
    TokenWrong,
)
from auth.kept_answers import KeptAnswers
from auth.oauth.access_tokens import ClientToken
from auth.oauth.client_authentication import FUTURE_SECONDS, first_use
from auth.oauth.scopes import SCOPES, reaches
from auth.oauth.server import OAuthServer
from auth.parties import Party
from auth.proofs import PROOF_SECONDS, DeviceProof, ProvenRequest, spent_key, verify_proof
from auth.repeated_requests import Idempotent, answer_once, has_key
from auth.signed_forms.choice import read_signed
from auth.signed_forms.envelope import EnvelopeSecret
from auth.signed_requests import SignedRequests, Terminal, spend_nonce
from auth.tokens import TokenDesk
from core.errors import Limited
from core.ground import Ground
from sm.answer_keys import AnswerKeys
from sm.sm2 import Signer

View = Callable[..., Any]

ANSWER_TO = "ecard.answer_to"
"""Where the guard leaves what an answer to a channel is signed with, in the request's environ."""
PROVEN_CHANNEL = "ecard.proven_channel"
"""Where it leaves which channel was proven, for the channel's own log."""


class Anyone:
    """Nobody in particular: a public route."""


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A phone that proved its key for this request and its body, without saying which card it carries."""

    proof: DeviceProof


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone with a token for a card; that card and device still stand is asked where it matters."""

    device: str
    card: str
    thumbprint: str
    level: str


@dataclass(frozen=True, slots=True)
class Partner:
    """An OAuth client with a token for what a holder has allowed it; grant, client and phone stand at this moment.

    ``subject`` is the holder's pseudonym, the only name of the holder that may go back to the client. ``card`` is None
    where an operator has allowed a terminal something, not a holder the own card; ``subject`` is then the client.
    """

    client: str
    grant: str
    card: str | None
    device: str | None
    subject: str
    scopes: tuple[str, ...]
    acr: str


@dataclass(frozen=True, slots=True)
class AnswerTo:
    """The request that an answer is signed for, and the key that was there before anything was done."""

    target: str
    nonce: str
    serial: str
    signer: Signer


@dataclass(frozen=True, slots=True)
class Gate:
    """What the guard needs; made once by ``web.runtime``."""

    ground: Ground
    requests: SignedRequests[Party]
    channels: SignedRequests[SigningChannel]
    limits_of_client: LimitsOfClient
    envelope_secret: EnvelopeSecret
    answer_keys: Callable[[], AnswerKeys]
    tokens: TokenDesk
    answers: KeptAnswers


CALLERS = {
    Anyone: "anyone",
    DeviceKey: "phone (device key)",
    Phone: "phone (token)",
    Terminal: "terminal",
    Partner: "partner (access token)",
    Channel: "channel",
}


def gate() -> Gate:
    return cast("Gate", current_app.extensions["auth.gate"])


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may call a route, with which scope, and which of the limits of ``settings`` counts its calls.

    ``resource`` is the path of the protected resource that a partner's token must be for; ``standing`` tells how a
    channel must stand. ``idempotent`` tells what makes a repeated POST or PUT harmless: answers ``kept`` under an
    Idempotency-Key, or the view's ``own`` doing.
    """

    caller: type
    scope: str | None
    limit: str
    resource: str = "/v1"
    standing: Standing = "live"
    idempotent: Idempotent = "kept"


def allow(
    caller: type,
    *,
    scope: str | None = None,
    limit: str = "phone_requests_per_minute",
    resource: str = "/v1",
    standing: Standing = "live",
    idempotent: Idempotent = "kept",
) -> Callable[[View], View]:
    """Let one kind of caller in.

    Args:
        caller: ``Anyone``, ``DeviceKey``, ``Phone``, ``Terminal``, ``Partner`` or ``Channel``.
        scope: for terminals the institution's scope, for channels their own, for phones and partners the token's, that
            the route needs.
        limit: for phones and partners, the setting that limits the calls of a minute.
        resource: for partners, the protected resource that the route is a part of.
        standing: for channels, how one must stand: others than live ones may call only where no holder is concerned.
        idempotent: "own" where the same request twice is harmless by itself, so that no answer need be kept.
    """
    admit = _ADMIT[caller]
    rule = Rule(caller, scope, limit, resource, standing, idempotent)

    def decorate(view: View) -> View:
        def answered(*args: Any, **kwargs: Any) -> Any:
            return _answer_once(view, args, kwargs) if has_key(rule.idempotent) else view(*args, **kwargs)

        def admitted(*args: Any, **kwargs: Any) -> Any:
            take_plain_body(request.get_data())
            return answered(*args, **kwargs)

        run = {Anyone: view, Channel: answered}.get(caller, admitted)  # a channel's body may be wrapped

        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            return admit(run, rule, args, kwargs)

        guarded.rule = rule  # type: ignore[attr-defined]  # read by the test of all routes and by OpenAPI
        return guarded

    return decorate


def _admit_anyone(view: View, _rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return view(*args, **kwargs)


def _admit_terminal(view: View, rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Verify, spend the nonce and run the view in one transaction: a request that failed half-way was never sent.

    With an Idempotency-Key, which not every signature covers, the nonce is spent before anything is said about the key.
    """
    at = gate()
    proven = at.requests.verify_request(
        request.headers.get("Authorization"), request.method, request_target(), request.get_data()
    )
    terminal = Terminal(proven.party, proven.evidence)
    if rule.scope and rule.scope not in terminal.party.institution.scopes:
        raise TerminalNotAllowed(f"scope {rule.scope}")
    with at.ground.database.transaction() as connection:
        spend_nonce(connection, terminal.evidence)
        if not has_key(rule.idempotent):
            return view(terminal, *args, **kwargs)
    return view(terminal, *args, **kwargs)


def _admit_channel(view: View, rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Do the same for a channel; from the moment on when it is proven, refusals too are signed for it.

    Raises ``KeyNotUsable`` before anything is done where no key may sign the answer.
    """
    at = gate()
    received = received_request(at.ground.settings.issuer)
    given = read_signed(received, at.envelope_secret)
    proven = at.channels.verify(given.unverified)
    channel = request.environ[PROVEN_CHANNEL] = Channel(proven.party, proven.evidence)
    request.environ[ANSWER_TO] = AnswerTo(received.target, channel.evidence.nonce, *at.answer_keys().require_signer())
    _require_channel_may(rule, channel)
    with at.ground.database.transaction() as connection:
        spend_nonce(connection, channel.evidence)
        take_plain_body(request.get_data(), given.content)
        if not has_key(rule.idempotent):
            return view(channel, *args, **kwargs)
    return view(channel, *args, **kwargs)


def _require_channel_may(rule: Rule, channel: Channel) -> None:
    if channel.evidence.algorithm not in channel.party.algorithms:
        raise FormNotAgreed(channel.evidence.algorithm)
    if not channel.party.stands(rule.standing):
        raise ChannelNotLive
    if rule.scope and rule.scope not in channel.scopes:
        raise ScopeMissing(f"scope {rule.scope}")


def _admit_device_key(view: View, _rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    at = gate()
    proof = verify_proof(at.ground, request.headers.get("DPoP"), _proven(body=request.get_data()))
    _spend_and_count(at, proof, caller_address(), "address_requests_per_minute")
    return view(DeviceKey(proof), *args, **kwargs)


def _admit_phone(view: View, rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    at = gate()
    given = given_credentials("dpop")[1]
    token = at.tokens.verify_token(given)
    proof = verify_proof(at.ground, request.headers.get("DPoP"), _proven(access_token=given))
    if proof.thumbprint != token.thumbprint:
        raise ProofWrong("the proof's key is not the token's")
    if rule.scope and rule.scope not in token.scope:
        raise ScopeMissing(f"scope {rule.scope}")
    _spend_and_count(at, proof, token.device, rule.limit)
    return view(Phone(token.device, token.card, token.thumbprint, token.level), *args, **kwargs)


def caller_address() -> str:
    """Tell from where somebody calls: the peer, or what the one trusted proxy says of its own peer.

    The header has no hyphen: servers take Client_Address for Client-Address, and a proxy may let the one pass that
    it would have replaced as the other.
    """
    peer = request.remote_addr or "unknown"
    if peer == gate().ground.settings.trusted_proxy:
        peer = request.headers.get("ClientAddress", peer).strip()
    return counted_address(peer)


def _spend_and_count(at: Gate, proof: DeviceProof | None, caller: str, limit: str) -> None:
    """Spend the proof and count the call, in one journey: by address before there is a token, then by who it names."""
    per_minute: int = getattr(at.ground.settings, limit)
    counted = f"{limit}:{caller}"
    if proof is None:
        first, count = True, at.ground.ephemeral.count(counted, 60)
    else:
        first, count = at.ground.ephemeral.add_once_and_count(spent_key(proof), PROOF_SECONDS * 2, counted, 60)
    if not first:
        raise ProofWrong("this proof was used before")
    if count > per_minute:
        raise Limited(f"{limit}: {per_minute}", retry_after=60)


def _admit_partner(view: View, rule: Rule, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    at, oauth = gate(), cast("OAuthServer", current_app.extensions["auth.oauth"])
    scheme, given = given_credentials("dpop", "bearer")
    token = oauth.access_tokens.verify_token(given)
    if at.ground.settings.issuer + rule.resource not in token.resources:
        raise TokenWrong("the token is for another resource")
    proof = _verify_possession(oauth, token, scheme, given)
    card, device = oauth.access_tokens.find_live(token)
    _require_scope(rule, token)
    _spend_and_count(at, proof, token.grant, rule.limit)
    for channel, most in at.limits_of_client(token.client):  # before any transaction, which could undo the count
        count_request(at.ground, channel, most)
    if proof is not None:
        at.ground.ephemeral.require_memory(first_use(proof.issued_at))
    partner = Partner(token.client, token.grant, card, device, token.subject, token.scopes, token.acr)
    return view(partner, *args, **kwargs)


def _verify_possession(oauth: OAuthServer, token: ClientToken, scheme: str, given: str) -> DeviceProof | None:
    """Require the proof of a bound token; a bound one sent as bearer is as wrong as a bearer one sent as bound.

    The clock of a partner's server may be ten seconds fast, here as at the token endpoint.
    """
    if (scheme == "dpop") != (token.thumbprint is not None):
        raise TokenWrong("the scheme is not the token's: DPoP for a bound token, Bearer for one that is not")
    if token.thumbprint is None:
        return None
    proven = replace(_proven(access_token=given), future_seconds=FUTURE_SECONDS)
    proof = verify_proof(oauth.desk.ground, request.headers.get("DPoP"), proven)
    if proof.thumbprint != token.thumbprint:
        raise ProofWrong("the proof's key is not the token's")
    return proof


def _require_scope(rule: Rule, token: ClientToken) -> None:
    if rule.scope and rule.scope not in token.scopes:
        raise ScopeMissing(f"scope {rule.scope}")
    if rule.scope and not reaches(token.acr, SCOPES[rule.scope].least_level):
        raise StepUpNeeded(SCOPES[rule.scope].least_level)


_ADMIT: dict[type, Callable[..., Any]] = {
    Anyone: _admit_anyone,
    DeviceKey: _admit_device_key,
    Phone: _admit_phone,
    Terminal: _admit_terminal,
    Partner: _admit_partner,
    Channel: _admit_channel,
}
CALLER_NAMES: dict[type, Callable[[Any], str]] = {
    DeviceKey: lambda key: f"key {key.proof.thumbprint}",
    Phone: lambda phone: f"phone {phone.device}",
    Terminal: lambda terminal: f"terminal {terminal.id}",
    Partner: lambda partner: f"partner {partner.client} {partner.grant}",
    Channel: lambda channel: f"channel {channel.id}",
}
"""Whose an Idempotency-Key is: no caller meets the keys of another, nor a partner those of its other holders."""


def _answer_once(view: View, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    caller = args[0]
    name = CALLER_NAMES[type(caller)](caller)
    return answer_once(gate().answers, name, request_target(), lambda: view(*args, **kwargs))


def _proven(*, body: bytes | None = None, access_token: str | None = None) -> ProvenRequest:
    return ProvenRequest(request.method, gate().ground.settings.issuer + request.path, body, access_token)
