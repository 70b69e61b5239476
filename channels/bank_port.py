"""The bank port: what we ask of a bank's own core about its customer, and how its answer is proven to be its own.

The request is signed like a channel's, by the key that signs our answers; the answer like ours, under a live
certificate of the bank's channel and for this very request. What cannot be believed is no answer, and is asked for
again.
"""

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from auth.channel_requests import FindChannel
from auth.plain_json import read_plain_json
from auth.signed_requests import CLOCK_SECONDS
from channels.destinations import Destination, Resolver, pin_destination, read_destination
from channels.endpoints import destination_rules
from channels.errors import DestinationNotAllowed
from channels.posting import Post, Posted
from core.ground import Ground
from ecard.assured_issuance import AssuredPerson
from sm.answer_keys import AnswerKeys
from sm.digest import sm3
from sm.errors import SmError
from sm.signed_answer import HEADER, AnswerHeader, answer_base_string, read_answer_header, verify_answer
from sm.signed_request import sign_request
from sm.sm2 import Provider

ACTIVE = "active"
FUNCTIONS = (ACTIVE, "inactive", "not_ours")
"""How the financial function of a person's chip card stands with the bank that is asked."""
_MEMBERS = {"issuance", "financial_function", "phone_agrees"}
_GOOD = 200
_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class BankQuestion:
    """What is asked about a person; ``issuance`` names the question, the same at every try."""

    issuance: str
    out_request_no: str
    person: AssuredPerson

    def body(self) -> bytes:
        """Write it as the bank is sent it."""
        asked = {
            "issuance": self.issuance,
            "out_request_no": self.out_request_no,
            "social_security_number": self.person.social_security_number,
            "name": self.person.name,
            "phone": self.person.phone,
        }
        return json.dumps(asked, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class BankAnswer:
    """What a bank has said and proven; ``evidence`` is what shows it later, without a name or a number."""

    financial_function: str
    phone_agrees: bool
    evidence: dict[str, Any]

    @property
    def vouches(self) -> bool:
        """Tell whether the bank stands for a card at level L2."""
        return self.financial_function == ACTIVE and self.phone_agrees


class NoAnswer(Exception):
    """The bank did not answer, or not so that it can be believed; ``reason`` is a short code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BankPort(Protocol):
    """The bank's core, as the issuance of cards asks it."""

    def ask(self, channel: str, url: str, question: BankQuestion) -> BankAnswer:
        """Ask the bank of a channel at its registered address; raises ``NoAnswer``."""
        ...


@dataclass(frozen=True)
class HttpBankPort:
    """Asks over HTTPS, at an address that is judged and pinned before each try; ``post`` keeps answers."""

    ground: Ground
    provider: Provider
    answer_keys: Callable[[], AnswerKeys]
    find_channel: FindChannel
    resolve: Resolver
    post: Post

    def ask(self, channel: str, url: str, question: BankQuestion) -> BankAnswer:
        """Sign the question, post it, and believe nothing but a signed answer to it."""
        rules, nonce, body = destination_rules(self.ground.settings), secrets.token_hex(_NONCE_BYTES), question.body()
        try:
            pinned = pin_destination(read_destination(url, rules), rules, self.resolve)
        except DestinationNotAllowed as refusal:
            raise NoAnswer(refusal.code) from refusal
        posted = self.post(pinned, self._headers(pinned.destination, nonce, body), body)
        if posted.status != _GOOD:
            raise NoAnswer(posted.reason)
        evidence = self._verify(channel, pinned.destination.target, nonce, posted)
        return _read_answer(posted.body, question, evidence)

    def _headers(self, to: Destination, nonce: str, body: bytes) -> dict[str, str]:
        serial, signer = self.answer_keys().require_signer()
        signed = sign_request(
            signer,
            app_id=urlsplit(self.ground.settings.issuer).hostname or "",
            serial_no=serial,
            method="POST",
            target=to.target,
            body=body,
            timestamp=int(self.ground.clock().timestamp()),
            nonce=nonce,
        )
        return {"content-type": "application/json", "accept": "application/json", "authorization": signed}

    def _verify(self, channel: str, target: str, nonce: str, posted: Posted) -> dict[str, Any]:
        """Require the signature of a live certificate over this very exchange; give the evidence of it."""
        now = self.ground.clock()
        try:
            header = read_answer_header(posted.headers.get(HEADER.lower(), ""))
            if header.nonce != nonce:
                raise NoAnswer("another_nonce")
            if abs(header.timestamp - now.timestamp()) > CLOCK_SECONDS:
                raise NoAnswer("stale")
            party = self.find_channel(channel, header.serial_no)
            if party is None or not party.is_valid(now):
                raise NoAnswer("no_live_certificate")
            verifier = self.provider.verifier(party.public_key)
            verify_answer(verifier, header, status=_GOOD, target=target, body=posted.body)
        except SmError as error:
            raise NoAnswer("not_signed") from error
        return _evidence(header, target, posted.body)


def _evidence(header: AnswerHeader, target: str, body: bytes) -> dict[str, Any]:
    base = answer_base_string(_GOOD, target, header.timestamp, header.nonce, body)
    return {
        "serial": header.serial_no,
        "base_sm3": sm3(base).hex(),
        "signature": header.signature.hex(),
        "signed_at": header.timestamp,
    }


def _read_answer(given: bytes, question: BankQuestion, evidence: dict[str, Any]) -> BankAnswer:
    try:
        read = read_plain_json(given)
    except ValueError as error:
        raise NoAnswer("no_json") from error
    if not isinstance(read, dict) or read.keys() != _MEMBERS or read["issuance"] != question.issuance:
        raise NoAnswer("another_question")
    function, agrees = read["financial_function"], read["phone_agrees"]
    if function not in FUNCTIONS or not isinstance(agrees, bool):
        raise NoAnswer("unknown_words")
    return BankAnswer(function, agrees, evidence)
