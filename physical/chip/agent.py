"""The agent beside the reader: one enrollment after another, from the code on the screen to the verified card.

The terminal's key and the PIN stay in this process; root keys never come here. What is told to `tell` and to the log
names steps, never the holder, the card or the PIN.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from physical.chip.apdu import wipe
from physical.chip.binding import Binding, holder_digest, internal_challenge
from physical.chip.errors import (
    CardMute,
    CardRemoved,
    ChipError,
    NextStep,
    PinLocked,
    PinUnusable,
    ReaderUnavailable,
    Wording,
    WrongPin,
)
from physical.chip.pinpad import PinNotEntered, PinPad
from physical.chip.presented_card import PresentedCard, present_card
from physical.chip.reader import CardReader, Presence
from physical.chip.status import SW
from physical.chip.terminal_client import ServiceRefused, ServiceUnavailable, Surroundings, TerminalClient
from physical.chip.terminal_messages import (
    AbandonReason,
    BegunEnrollment,
    Completion,
    Hello,
    Proof,
    SessionPhase,
    TerminalSession,
    Verified,
)
from physical.chip.trace import APDU_LOGGER, TracedConnection

POLL_SECONDS = 0.5
LOOK_MS = 500
DEFAULT_PIN = b"123456"  # printed in every leaflet: chip-card.md 4
TRIES_NEVER_TOUCHED = 1  # a holder must not lose the last try at a terminal

Fact = str | int | bool | None
Tell = Callable[..., None]

log = logging.getLogger("physical.chip.agent")


class PhoneDidNotCome(Exception):
    """The terminal session ended before a phone began an enrollment over its code."""


class NoCardPresented(ChipError):
    code = "no_card_presented"
    title = Wording("未放置社保卡", "No card was presented in time")
    next_step = NextStep.START_AGAIN


class LastTryKept(ChipError):
    """One try is left, and it is not used here."""

    code = "last_try_kept"
    title = Wording("密码仅剩一次尝试机会", "Only one try of the PIN is left")
    next_step = NextStep.UNBLOCK_AT_OUTLET

    def __init__(self, tries_left: int) -> None:
        super().__init__()
        self.tries_left = tries_left


REASONS: tuple[tuple[type[ChipError], AbandonReason], ...] = (
    (WrongPin, AbandonReason.WRONG_PIN),
    (LastTryKept, AbandonReason.LAST_TRY_KEPT),
    (PinLocked, AbandonReason.PIN_LOCKED),
    (CardRemoved, AbandonReason.CARD_REMOVED),
    (CardMute, AbandonReason.CARD_MUTE),
    (PinNotEntered, AbandonReason.OPERATOR),
    (PinUnusable, AbandonReason.OPERATOR),
    (NoCardPresented, AbandonReason.OPERATOR),
    (ChipError, AbandonReason.CARD_ERROR),
)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the agent stands: the operator's name, what shows the code, and who is told of each step."""

    operator: str
    show: Callable[[str], None]
    tell: Tell


class EnrollmentAgent:
    """One terminal with one reader."""

    def __init__(
        self, client: TerminalClient, reader: CardReader, pin_pad: PinPad, desk: Desk, surroundings: Surroundings
    ) -> None:
        self._client = client
        self._reader = reader
        self._pin_pad = pin_pad
        self._desk = desk
        self._surroundings = surroundings

    def enroll(self) -> Verified:
        """Carry out one enrollment; the phone confirms it afterwards.

        Raises PhoneDidNotCome, ChipError (the service was told why), ServiceRefused, ServiceUnavailable.
        """
        session = self._client.open_session(self._desk.operator)
        self._desk.tell("session_opened", session=session.id)
        self._desk.show(session.display)
        begun = self._wait_for_phone(session)
        self._desk.tell("phone_begun", enrollment=begun.id)
        with self._abandoning(begun), self._connected_card(begun) as card:
            return self._verify(session, begun, card)

    def wait_until_card_is_taken(self) -> None:
        """Wait until the reader is empty, so that no card stays in it for the next holder's enrollment."""
        told = False
        while (presence := self._look()) is None or presence.card_present:
            if presence is not None and not told:
                self._desk.tell("take_card")
                told = True

    def _verify(self, session: TerminalSession, begun: BegunEnrollment, card: PresentedCard) -> Verified:
        answer = self._client.hello(begun.id, self._read_hello(begun, card))
        self._desk.tell("hello_accepted", proof=answer.proof.value)
        holder_records = card.open_holder_records(answer.external_authentication)
        self._desk.tell("holder_read")
        binding = self._binding(session, begun, card, holder_records)
        default_pin = self._verify_pin(card, for_signature=answer.proof is Proof.SIGNATURE)
        signature = card.sign(binding) if answer.proof is Proof.SIGNATURE else None
        self._desk.tell("card_proved", default_pin=default_pin, signed=signature is not None)
        completion = Completion(holder_data=holder_records, signature=signature, default_pin=default_pin)
        verified = self._client.complete(begun.id, completion)
        self._desk.tell("completed", state=verified.state, level=verified.level)
        return verified

    def _wait_for_phone(self, session: TerminalSession) -> BegunEnrollment:
        while self._surroundings.now() < session.expires_at:
            state = self._client.session_state(session.id)
            if state.phase is SessionPhase.BEGUN and state.enrollment is not None:
                return state.enrollment
            if state.phase is not SessionPhase.OPEN:
                break
            self._surroundings.pause(POLL_SECONDS)
        raise PhoneDidNotCome("no phone scanned the code in time")

    @contextmanager
    def _abandoning(self, begun: BegunEnrollment) -> Iterator[None]:
        """Tell the service why an enrollment cannot go on. What the service refused itself is over already."""
        try:
            yield
        except ChipError as error:
            self._abandon(begun, reason_of(error), tries_left_after(error))
            raise
        except KeyboardInterrupt:
            self._abandon(begun, AbandonReason.OPERATOR, None)
            raise

    def _abandon(self, begun: BegunEnrollment, reason: AbandonReason, tries_left: int | None) -> None:
        self._desk.tell("abandoned", reason=reason.value, pin_tries_left=tries_left)
        try:
            self._client.abandon(begun.id, reason, tries_left)
        except (ServiceRefused, ServiceUnavailable) as error:
            log.warning("the service was not told of an abandoned enrollment: %s", error)  # it expires by itself

    @contextmanager
    def _connected_card(self, begun: BegunEnrollment) -> Iterator[PresentedCard]:
        presence = self._wait_for_card(begun)
        self._reader.connect()
        try:
            card = present_card(TracedConnection(self._reader, logging.getLogger(APDU_LOGGER)), presence.atr)
            self._desk.tell("card_read", generation=card.profile.version, interface=card.profile.interface.value)
            yield card
        finally:
            self._reader.disconnect()

    def _wait_for_card(self, begun: BegunEnrollment) -> Presence:
        self._desk.tell("waiting_for_card")
        while self._surroundings.now() < begun.expires_at:
            presence = self._look()
            if presence is not None and presence.card_present and not presence.mute:
                return presence
        raise NoCardPresented

    def _look(self) -> Presence | None:
        """Look at the reader; one whose daemon restarts is looked at again, with a pause."""
        try:
            return self._reader.look(LOOK_MS)
        except ReaderUnavailable as error:
            self._desk.tell("reader_unavailable", code=error.code)
            self._surroundings.pause(POLL_SECONDS)
            return None

    def _read_hello(self, begun: BegunEnrollment, card: PresentedCard) -> Hello:
        authentication, milliseconds = self._authenticate_card(begun, card)
        certificate = card.certificate()
        tries_left = card.pin_tries_left(for_signature=certificate is not None)
        return Hello(
            atr=card.shown.atr,
            interface=card.profile.interface.value,
            algorithm=card.shown.algorithm.name,
            issuer_data=card.shown.issuer_records,
            internal_authentication=authentication,
            certificate=certificate,
            challenge=card.draw_challenge(),
            pin_tries_left=tries_left,
            round_trip_ms=milliseconds,
        )

    def _authenticate_card(self, begun: BegunEnrollment, card: PresentedCard) -> tuple[bytes, int]:
        """Return the card's answer and how long it took: a relayed card is slower than one that lies here."""
        challenge = internal_challenge(begun.id, begun.service_nonce, self._client.terminal, begun.device_key_sm3)
        before = self._surroundings.ticks()
        authentication = card.authenticate(challenge)
        return authentication, round((self._surroundings.ticks() - before) * 1000)

    def _binding(
        self, session: TerminalSession, begun: BegunEnrollment, card: PresentedCard, holder_records: bytes
    ) -> Binding:
        return Binding(
            enrollment=begun.id,
            service_nonce=begun.service_nonce,
            terminal_nonce=session.terminal_nonce,
            terminal=self._client.terminal,
            device_key_sm3=begun.device_key_sm3,
            card_identification_code=card.shown.issuer.card_identification_code,
            holder_sm3=holder_digest(holder_records),
        )

    def _verify_pin(self, card: PresentedCard, *, for_signature: bool) -> bool:
        """Ask for the PIN and verify it on the card, never with the last try; tell whether it is the default one."""
        require_spare_try(card.pin_tries_left(for_signature=for_signature))
        self._desk.tell("pin_asked")
        pin = self._pin_pad.read_pin()
        try:
            card.verify_pin(pin, for_signature=for_signature)
            return pin == DEFAULT_PIN
        finally:
            wipe(pin)


def require_spare_try(tries_left: int | None) -> None:
    """Raise PinLocked or LastTryKept where a wrong PIN would do harm; None is a card that does not tell."""
    if tries_left == 0:
        raise PinLocked(SW.LOCKED)
    if tries_left is not None and tries_left <= TRIES_NEVER_TOUCHED:
        raise LastTryKept(tries_left)


def tries_left_after(error: ChipError) -> int | None:
    """Return how many tries the PIN has left, where the error tells."""
    match error:
        case WrongPin() | LastTryKept():
            return error.tries_left
        case PinLocked():
            return 0
        case _:
            return None


def reason_of(error: ChipError) -> AbandonReason:
    """Return the reason that the service is told."""
    return next(reason for kind, reason in REASONS if isinstance(error, kind))
