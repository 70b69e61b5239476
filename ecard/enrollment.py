"""Reader-verified enrollment: phone, reader and chip card prove themselves to each other (chip-card.md section 3).

pending -> hello -> verified -> issued. Every refusal is final; a message that succeeded and is sent again gets the same
answer, also when both come at once: each message holds the enrollment's row until its transaction ends.
"""

from datetime import timedelta
from hmac import compare_digest
from typing import Any

from sqlalchemy.engine import Connection

from auth.proofs import DeviceProof, canonical_jwk
from auth.signed_requests import Terminal
from core.errors import Missing
from core.ground import Ground
from ecard.desk import EnrollmentDesk
from ecard.enrollment_records import (
    Enrollment,
    begin_enrollment,
    count_late_refusal,
    count_since,
    end_expired,
    end_expired_of_card,
    find_enrollment_of_session,
    get_enrollment,
    is_card_taken,
    lock_enrollment,
    move_enrollment,
)
from ecard.errors import (
    EnrollmentLimit,
    EnrollmentOpen,
    EnrollmentOutOfStep,
    EnrollmentOver,
    HolderMismatch,
    PinNotProven,
)
from ecard.holders import is_social_security_number, number_index
from ecard.refused_enrollments import refusals_are_final, refuse_enrollment
from physical.card_proofs import (
    SIGNING_GENERATION,
    Hello,
    card_keys,
    external_authentication,
    read_holder_data,
    read_issuer_data,
    require_registered_chip,
    verify_card_certificate,
    verify_card_signature,
    verify_internal_authentication,
)
from physical.chip.binding import Binding
from physical.chip.files import HolderData
from physical.errors import ChipDataWrong, PinNearlyLocked, ReaderTooSlow, TerminalSessionOver, TooManyWrongPins
from physical.register import ChipCard, get_chip_card, get_chip_card_by_id, require_usable
from physical.terminal_sessions import find_terminal_session, take_terminal_session
from sm.digest import sm3

_DAY = timedelta(days=1)
_WRONG_PINS_PER_CARD = 5  # a day, at all terminals together (threats.md E5)
_WRONG_PIN = "abandoned_wrong_pin"


def start_enrollment(
    ground: Ground, connection: Connection, proof: DeviceProof, *, session: str, terminal_nonce: str, channel: str
) -> Enrollment:
    """Begin with the code that the reader shows; the phone's key has signed exactly these values (step 2)."""
    now = ground.clock()
    end_expired(connection, proof.thumbprint, now)
    try:
        taken = take_terminal_session(connection, session, terminal_nonce, at=now)
    except TerminalSessionOver:
        again = _find_same_start(connection, proof, session, terminal_nonce, channel)
        if again is None:
            raise
        return again
    enrollment = begin_enrollment(
        connection,
        session=taken,
        channel=channel,
        proof=proof,
        device_key_sm3=sm3(canonical_jwk(proof.public_jwk)).hex(),
        at=now,
    )
    if enrollment is None:
        raise EnrollmentOpen(retry_after=ground.settings.enrollment_seconds)
    ground.audit.record(
        connection,
        actor=proof.thumbprint,
        act="enrollment.started",
        subject=enrollment.id,
        detail={"terminal": taken.terminal, "channel": channel},
        at=now,
    )
    return enrollment


def accept_hello(
    desk: EnrollmentDesk, connection: Connection, terminal: Terminal, enrollment_id: str, hello: Hello, given: bytes
) -> dict[str, Any]:
    """Check what the chip proved before anything personal is read; answer with what opens EF06 (step 3)."""
    enrollment = _lock_own(connection, enrollment_id, terminal)
    given_sm3 = sm3(given).hex()
    if enrollment.hello_answer and _is_repeated(desk.ground, enrollment, enrollment.hello_sm3, given_sm3):
        return enrollment.hello_answer
    with refusals_are_final(desk.ground, connection, enrollment, actor=terminal.id):
        require_step(desk.ground, enrollment, "pending")
        _require_reader_is_near(desk.ground, hello)
        chip_card, values = _verify_chip(desk, connection, terminal, enrollment, hello)
        _require_within_limits(desk.ground, connection, chip_card.id, terminal.id)
        _require_card_is_free(desk.ground, connection, chip_card.id, enrollment)
        if not move_enrollment(connection, enrollment, to="hello", values=values | {"hello_sm3": given_sm3}):
            raise EnrollmentOpen(retry_after=desk.ground.settings.enrollment_seconds)
    return dict(values["hello_answer"])


def accept_complete(
    desk: EnrollmentDesk,
    connection: Connection,
    terminal: Terminal,
    enrollment_id: str,
    *,
    holder_data: bytes,
    signature: bytes | None,
    pin_verified: bool,
    default_pin: bool,
    given: bytes,
) -> str:
    """Check the chip's signature over the binding and settle the assurance level (step 5)."""
    enrollment = _lock_own(connection, enrollment_id, terminal)
    given_sm3 = sm3(given).hex()
    if enrollment.level and _is_repeated(desk.ground, enrollment, enrollment.complete_sm3, given_sm3):
        return enrollment.level
    with refusals_are_final(desk.ground, connection, enrollment, actor=terminal.id):
        require_step(desk.ground, enrollment, "hello")
        if not pin_verified:
            raise PinNotProven
        holder = read_holder_data(holder_data)
        level = _verify_binding(desk, connection, enrollment, holder_data, signature)
        _require_registered_holder(desk.ground, connection, enrollment, holder)
        sealed = desk.ground.fields.seal("enrollments", "holder_data", enrollment.id, holder_data.hex())
        values = {
            "holder_data": sealed,
            "card_signature": signature.hex() if signature else None,
            "default_pin": default_pin,
            "level": level,
            "complete_sm3": given_sm3,
        }
        if not move_enrollment(connection, enrollment, to="verified", values=values):
            raise EnrollmentOutOfStep
    return level


def abandon_enrollment(
    ground: Ground, connection: Connection, terminal: Terminal, enrollment_id: str, reason: str
) -> None:
    """End an enrollment because the reader says it cannot go on; wrong PINs are counted from these.

    Raises ``EnrollmentOver`` where the card is issued already.
    """
    enrollment = _lock_own(connection, enrollment_id, terminal)
    because = f"abandoned_{reason}"
    if enrollment.state == "issued":
        raise EnrollmentOver
    if enrollment.is_open:
        refuse_enrollment(ground, connection, enrollment, because, actor=terminal.id)
    elif because == _WRONG_PIN:
        count_late_refusal(connection, enrollment, because)


def view_enrollment(ground: Ground, connection: Connection, proof: DeviceProof, enrollment_id: str) -> Enrollment:
    """Show an enrollment to the phone that began it; raises ``Missing`` to every other one."""
    enrollment = require_own_phone(get_enrollment(connection, enrollment_id), proof)
    if enrollment.is_open and ground.clock() >= enrollment.expires_at:
        refuse_enrollment(ground, connection, enrollment, EnrollmentOver.code, actor=proof.thumbprint)
        return get_enrollment(connection, enrollment_id)
    return enrollment


def require_own_phone(enrollment: Enrollment, proof: DeviceProof) -> Enrollment:
    """Let only the phone that began it see an enrollment; to every other one it is ``Missing``."""
    if not compare_digest(enrollment.thumbprint, proof.thumbprint):
        raise Missing
    return enrollment


def require_step(ground: Ground, enrollment: Enrollment, state: str) -> None:
    """Refuse a message that comes too late or out of turn; good strictly before the expiry."""
    if not enrollment.is_open or ground.clock() >= enrollment.expires_at:
        raise EnrollmentOver
    if enrollment.state != state:
        raise EnrollmentOutOfStep(f"the enrollment is {enrollment.state}, not {state}")


def holder_of(ground: Ground, enrollment: Enrollment) -> HolderData:
    """Open what was read from EF06; only for a verified enrollment."""
    assert enrollment.holder_data is not None
    opened = ground.fields.open("enrollments", "holder_data", enrollment.id, enrollment.holder_data)
    return read_holder_data(bytes.fromhex(opened))


def _verify_chip(
    desk: EnrollmentDesk, connection: Connection, terminal: Terminal, enrollment: Enrollment, hello: Hello
) -> tuple[ChipCard, dict[str, Any]]:
    now = desk.ground.clock()
    issuer_data = read_issuer_data(hello)
    chip_card = get_chip_card(connection, issuer_data.card_identification_code)
    if issuer_data.version[:3] != chip_card.generation:
        raise ChipDataWrong("the card's generation is not the registered one")
    require_usable(chip_card, now)
    if hello.pin_tries_left is not None and hello.pin_tries_left <= 1:
        raise PinNearlyLocked
    keys = card_keys(hello, issuer_data)
    require_registered_chip(chip_card, keys)
    verify_internal_authentication(
        desk.proofs,
        keys,
        hello,
        enrollment=enrollment.id,
        service_nonce=bytes.fromhex(enrollment.service_nonce),
        terminal=terminal.id,
        device_key_sm3=bytes.fromhex(enrollment.device_key_sm3),
    )
    public_key = None
    if chip_card.generation == SIGNING_GENERATION:
        code = chip_card.card_identification_code
        public_key = verify_card_certificate(desk.proofs, hello.certificate, card=code, at=now)
    opening = external_authentication(desk.proofs, keys, hello.challenge)
    answer = {
        "state": "hello",
        "external_authentication": opening.hex(),
        "proof": "signature" if public_key else "pin",
    }
    return chip_card, {
        "chip_card": chip_card.id,
        "interface": hello.interface,
        "card_public_key": public_key.hex() if public_key else None,
        "card_class": issuer_data.card_class,
        "pin_tries_left": hello.pin_tries_left,
        "hello_answer": answer,
    }


def _verify_binding(
    desk: EnrollmentDesk, connection: Connection, enrollment: Enrollment, holder_data: bytes, signature: bytes | None
) -> str:
    """Rebuild the binding from what the service itself knows; a card without certificate reaches L2."""
    if enrollment.card_public_key is None:
        return "L2"
    if signature is None:
        raise PinNotProven("this card must sign")
    session = find_terminal_session(connection, enrollment.session)
    assert session is not None
    assert enrollment.chip_card is not None
    binding = Binding(
        version=1,
        enrollment=enrollment.id,
        service_nonce=bytes.fromhex(enrollment.service_nonce),
        terminal_nonce=bytes.fromhex(session.terminal_nonce),
        terminal=enrollment.terminal,
        device_key_sm3=bytes.fromhex(enrollment.device_key_sm3),
        card_identification_code=get_chip_card_by_id(connection, enrollment.chip_card).card_identification_code,
        holder_sm3=sm3(holder_data),
    )
    verify_card_signature(desk.proofs, bytes.fromhex(enrollment.card_public_key), binding, signature)
    return "L3"


def _require_registered_holder(
    ground: Ground, connection: Connection, enrollment: Enrollment, holder: HolderData
) -> None:
    if not is_social_security_number(holder.social_security_number):
        raise ChipDataWrong("the number's check digit is wrong")
    assert enrollment.chip_card is not None
    expected = get_chip_card_by_id(connection, enrollment.chip_card).holder_index
    if expected is None and enrollment.card_public_key is None:
        raise HolderMismatch("this card signs nothing, and the register does not know its holder")
    if expected and not compare_digest(expected, number_index(ground, holder.social_security_number)):
        raise HolderMismatch


def _require_reader_is_near(ground: Ground, hello: Hello) -> None:
    if hello.round_trip_ms > ground.settings.round_trip_ceiling_ms:
        raise ReaderTooSlow(f"{hello.round_trip_ms} ms")


def _require_within_limits(ground: Ground, connection: Connection, chip_card: str, terminal: str) -> None:
    since = ground.clock() - _DAY
    settings = ground.settings
    if count_since(connection, since, chip_card=chip_card, because=_WRONG_PIN) >= _WRONG_PINS_PER_CARD:
        raise TooManyWrongPins("card", retry_after=3600)
    if count_since(connection, since, terminal=terminal, because=_WRONG_PIN) >= settings.pin_failures_per_terminal_day:
        raise TooManyWrongPins("terminal", retry_after=3600)
    if count_since(connection, since, terminal=terminal) > settings.enrollments_per_terminal_day:
        raise EnrollmentLimit("terminal", retry_after=3600)
    if count_since(connection, since, chip_card=chip_card) >= settings.enrollments_per_card_day:
        raise EnrollmentLimit("card", retry_after=3600)


def _require_card_is_free(ground: Ground, connection: Connection, chip_card: str, enrollment: Enrollment) -> None:
    """Refuse a second open enrollment of one card; the unique index decides where two come at the same moment."""
    end_expired_of_card(connection, chip_card, ground.clock())
    if is_card_taken(connection, chip_card, enrollment.id):
        raise EnrollmentOpen(retry_after=ground.settings.enrollment_seconds)


def _lock_own(connection: Connection, enrollment_id: str, terminal: Terminal) -> Enrollment:
    enrollment = lock_enrollment(connection, enrollment_id)
    if enrollment.terminal != terminal.id:
        raise Missing
    return enrollment


def _is_repeated(ground: Ground, enrollment: Enrollment, known_sm3: str | None, given_sm3: str) -> bool:
    """Tell whether this very message has succeeded before, in an enrollment that still stands or led to a card."""
    is_alive = enrollment.is_open and ground.clock() < enrollment.expires_at
    return known_sm3 == given_sm3 and (is_alive or enrollment.state == "issued")


def _find_same_start(
    connection: Connection, proof: DeviceProof, session: str, terminal_nonce: str, channel: str
) -> Enrollment | None:
    """Find what this very phone has begun with this very code: the answer may have been lost on its way."""
    known = find_enrollment_of_session(connection, session)
    shown = find_terminal_session(connection, session)
    if known is None or shown is None or not known.is_open or known.channel != channel:
        return None
    is_same = compare_digest(shown.terminal_nonce, terminal_nonce) and compare_digest(
        known.thumbprint, proof.thumbprint
    )
    return known if is_same else None
