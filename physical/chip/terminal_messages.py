"""What the agent and the service say to each other: records with bytes and times in place of JSON's text."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

NONCE_SIZE = 16
DIGEST_SIZE = 32
EXTERNAL_BLOCK_SIZE = 16  # auth8 ‖ data8
LONGEST_TEXT = 512
_HEX = re.compile(r"(?:[0-9a-f]{2})*")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")  # it becomes a part of a path


class AnswerNotUnderstood(Exception):
    """The service answered with success and something that does not read as the answer to this call."""


class SessionPhase(StrEnum):
    OPEN = "open"
    BEGUN = "begun"
    EXPIRED = "expired"
    CLOSED = "closed"


class Proof(StrEnum):
    """How the card proves the PIN: by a signature over the binding, or by verifying the PIN alone."""

    SIGNATURE = "signature"
    PIN = "pin"


class AbandonReason(StrEnum):
    WRONG_PIN = "wrong_pin"
    LAST_TRY_KEPT = "last_try_kept"
    PIN_LOCKED = "pin_locked"
    CARD_REMOVED = "card_removed"
    CARD_MUTE = "card_mute"
    CARD_ERROR = "card_error"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class TerminalSession:
    """An open terminal session; `display` is the text of the code that the phone scans."""

    id: str
    terminal_nonce: bytes
    expires_at: datetime
    display: str


@dataclass(frozen=True, slots=True)
class BegunEnrollment:
    """What a phone began over this terminal's code."""

    id: str
    service_nonce: bytes
    device_key_sm3: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionState:
    phase: SessionPhase
    enrollment: BegunEnrollment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """What the terminal read before any PIN. Holds no holder data, but names the card: not for logs."""

    atr: bytes = field(repr=False)
    interface: str
    algorithm: str
    issuer_data: bytes = field(repr=False)
    internal_authentication: bytes = field(repr=False)
    certificate: bytes | None = field(repr=False)
    challenge: bytes = field(repr=False)
    pin_tries_left: int | None
    round_trip_ms: int

    def as_json(self) -> dict[str, Any]:
        return {
            "atr": self.atr.hex(),
            "interface": self.interface,
            "algorithm": self.algorithm,
            "issuer_data": self.issuer_data.hex(),
            "internal_authentication": self.internal_authentication.hex(),
            "certificate": None if self.certificate is None else self.certificate.hex(),
            "challenge": self.challenge.hex(),
            "pin_tries_left": self.pin_tries_left,
            "round_trip_ms": self.round_trip_ms,
        }


@dataclass(frozen=True, slots=True)
class HelloAnswer:
    external_authentication: bytes = field(repr=False)
    proof: Proof


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What the card gave after the PIN. The holder data is personal: not for logs."""

    holder_data: bytes = field(repr=False)
    signature: bytes | None = field(repr=False)
    default_pin: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "holder_data": self.holder_data.hex(),
            "signature": None if self.signature is None else self.signature.hex(),
            "pin_verified": True,
            "default_pin": self.default_pin,
        }


@dataclass(frozen=True, slots=True)
class Verified:
    """The end of the terminal's part: the phone goes on from here."""

    state: str
    level: str


class Fields:
    """The members of one JSON object, each read with its type. Everything here raises AnswerNotUnderstood."""

    def __init__(self, given: Any) -> None:
        if not isinstance(given, dict):
            raise AnswerNotUnderstood("an object was expected")
        self._members = given

    def text(self, name: str) -> str:
        value = self._members.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST_TEXT:
            raise AnswerNotUnderstood(f"{name} is not a text")
        return value

    def identifier(self, name: str) -> str:
        value = self.text(name)
        if not _IDENTIFIER.fullmatch(value):
            raise AnswerNotUnderstood(f"{name} is not an identifier")
        return value

    def octets(self, name: str, *, at_least: int, at_most: int) -> bytes:
        value = self.text(name)
        if not _HEX.fullmatch(value) or not at_least <= len(value) // 2 <= at_most:
            raise AnswerNotUnderstood(f"{name} is not {at_least} to {at_most} bytes in hexadecimal digits")
        return bytes.fromhex(value)

    def moment(self, name: str) -> datetime:
        try:
            moment = datetime.fromisoformat(self.text(name))
        except ValueError as error:
            raise AnswerNotUnderstood(f"{name} is not a time") from error
        if moment.tzinfo is None:
            raise AnswerNotUnderstood(f"{name} has no time zone")
        return moment

    def choice(self, name: str, kind: type[StrEnum]) -> Any:
        try:
            return kind(self.text(name))
        except ValueError as error:
            raise AnswerNotUnderstood(f"{name} has an unknown value") from error

    def optional_object(self, name: str) -> "Fields | None":
        value = self._members.get(name)
        return None if value is None else Fields(value)


def read_terminal_session(given: Any) -> TerminalSession:
    fields = Fields(given)
    return TerminalSession(
        id=fields.identifier("id"),
        terminal_nonce=fields.octets("terminal_nonce", at_least=NONCE_SIZE, at_most=NONCE_SIZE),
        expires_at=fields.moment("expires_at"),
        display=fields.text("display"),
    )


def read_session_state(given: Any) -> SessionState:
    fields = Fields(given)
    phase: SessionPhase = fields.choice("state", SessionPhase)
    enrollment = fields.optional_object("enrollment")
    if phase is SessionPhase.BEGUN and enrollment is None:
        raise AnswerNotUnderstood("a session that has begun names its enrollment")
    return SessionState(phase, None if enrollment is None else read_begun_enrollment(enrollment))


def read_begun_enrollment(fields: Fields) -> BegunEnrollment:
    return BegunEnrollment(
        id=fields.identifier("id"),
        service_nonce=fields.octets("service_nonce", at_least=NONCE_SIZE, at_most=4 * NONCE_SIZE),
        device_key_sm3=fields.octets("device_key_sm3", at_least=DIGEST_SIZE, at_most=DIGEST_SIZE),
        expires_at=fields.moment("expires_at"),
    )


def read_hello_answer(given: Any) -> HelloAnswer:
    fields = Fields(given)
    size = EXTERNAL_BLOCK_SIZE
    block = fields.octets("external_authentication", at_least=size, at_most=size)
    return HelloAnswer(external_authentication=block, proof=fields.choice("proof", Proof))


def read_verified(given: Any) -> Verified:
    fields = Fields(given)
    return Verified(state=fields.text("state"), level=fields.text("level"))
