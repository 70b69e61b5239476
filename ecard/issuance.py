"""Issue the electronic card: what will be signed is recorded, signed, and recorded with everything else at once.

The first transaction leaves a trace of what is about to be signed; the second one writes e-card, device binding,
credential, audit entry and event together. A crash between them leaves the trace and no card.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from auth.devices import active_devices, bind_device, find_device, renew_proof
from auth.errors import DeviceEnded
from auth.login.endings import end_phone
from auth.proofs import DeviceProof
from core.ground import Ground
from core.ids import new_id
from core.outbox import record_event
from ecard.cards import ElectronicCard, enter_card, find_card_of_chip, get_card
from ecard.credential import Statement, draft_credential, sign_credential
from ecard.desk import EnrollmentDesk
from ecard.enrollment import holder_of, require_own_phone, require_step
from ecard.enrollment_records import Enrollment, finish_enrollment, lock_enrollment
from ecard.errors import CardEnded, EnrollmentOutOfStep, EnrollmentOver, NotConfirmed
from ecard.holders import keep_holder
from ecard.models import electronic_cards
from ecard.refused_enrollments import refusals_are_final
from physical.register import ChipCard, lock_chip_card, require_usable
from sm.digest import sm3


@dataclass(frozen=True, slots=True)
class IssuePlan:
    """What is going to be issued; ``draft`` is the credential before its signature."""

    card: str
    draft: str


@dataclass(frozen=True, slots=True)
class Issued:
    """The answer to the phone."""

    card: ElectronicCard
    device: str


class _CardCameMeanwhile(Exception):
    """A bank had the e-card issued (``ecard.assured_issuance``) after this enrollment had planned a new one.

    No other enrollment can: each holds its chip card from hello on.
    """


def issue_card(
    desk: EnrollmentDesk, proof: DeviceProof, enrollment_id: str, *, chip_card: str, confirmed: bool
) -> Issued:
    """Issue the card that the holder has confirmed on the phone; asking again gives the same answer.

    Runs its own transactions. Raises what ends an enrollment, or the refusal of a card that stands badly by now.
    """
    try:
        return _record_sign_record(desk, proof, enrollment_id, chip_card=chip_card, confirmed=confirmed)
    except _CardCameMeanwhile:  # a card never goes away again: the second plan finds it
        return _record_sign_record(desk, proof, enrollment_id, chip_card=chip_card, confirmed=confirmed)


def _record_sign_record(
    desk: EnrollmentDesk, proof: DeviceProof, enrollment_id: str, *, chip_card: str, confirmed: bool
) -> Issued:
    ground = desk.ground
    with ground.database.transaction() as connection:
        enrollment = require_own_phone(lock_enrollment(connection, enrollment_id), proof)
        if enrollment.state == "issued":
            return _issued_before(connection, enrollment)
        plan = _plan(desk, connection, enrollment, chip_card=chip_card, confirmed=confirmed)
    credential = sign_credential(desk.credentials, plan.draft)
    with ground.database.transaction() as connection:
        # a confirmation that came at the same moment is waited for; what it issued is the answer to both
        enrollment = lock_enrollment(connection, enrollment_id)
        if enrollment.state == "issued":
            return _issued_before(connection, enrollment)
        return _issue(ground, connection, enrollment, plan, credential)


def _issued_before(connection: Connection, enrollment: Enrollment) -> Issued:
    assert enrollment.card is not None
    assert enrollment.device is not None
    device = find_device(connection, enrollment.device)
    if device is None or device.standing != "active":
        raise DeviceEnded
    return Issued(get_card(connection, enrollment.card), device.id)


def _plan(
    desk: EnrollmentDesk, connection: Connection, enrollment: Enrollment, *, chip_card: str, confirmed: bool
) -> IssuePlan:
    ground = desk.ground
    now = ground.clock()
    with refusals_are_final(ground, connection, enrollment, actor=enrollment.thumbprint):
        require_step(ground, enrollment, "verified")
        if not confirmed or chip_card != enrollment.chip_card:
            raise NotConfirmed
        chip, known = _lock_usable(ground, connection, chip_card)
    card = known.id if known else new_id("crd")
    draft = draft_credential(ground, desk.credentials, _statement(enrollment, card, chip), now)
    ground.audit.record(
        connection,
        actor=enrollment.thumbprint,
        act="credential.to_be_signed",
        subject=card,
        detail={"enrollment": enrollment.id, "draft_sm3": sm3(draft.encode()).hex()},
        at=now,
    )
    return IssuePlan(card, draft)


def _issue(ground: Ground, connection: Connection, enrollment: Enrollment, plan: IssuePlan, credential: str) -> Issued:
    now = ground.clock()
    with refusals_are_final(ground, connection, enrollment, actor=enrollment.thumbprint):
        if not enrollment.is_open or enrollment.chip_card is None:
            raise EnrollmentOver
        # 1. the chip card is locked: a loss report comes before this transaction or after it, never into it
        chip, known = _lock_usable(ground, connection, enrollment.chip_card)
    # 2. the e-card, made or renewed
    card = _write_card(ground, connection, enrollment, plan, chip, known, credential, now)
    # 3. the phone, and by policy the end of those before it
    device = _bind_phone(ground, connection, enrollment, card.id, now)
    # 4. the enrollment, still in the state in which it was locked
    if not finish_enrollment(connection, enrollment, card=card.id, device=device, at=now):
        raise EnrollmentOutOfStep
    # 5. audit and news of it
    detail = {"enrollment": enrollment.id, "device": device, "level": card.level, "chip_card": chip.id}
    detail["credential_sm3"] = sm3(credential.encode()).hex()
    ground.audit.record(
        connection, actor=enrollment.thumbprint, act="card.issued", subject=card.id, detail=detail, at=now
    )
    content = {"device": device, "level": card.level, "channel": enrollment.channel}
    record_event(connection, "card.issued", card=card.id, content=content, at=now)
    return Issued(card, device)


def _lock_usable(ground: Ground, connection: Connection, chip_card: str) -> tuple[ChipCard, ElectronicCard | None]:
    """Lock a chip card that is in use and in date, and find its e-card, which must not have ended."""
    chip = lock_chip_card(connection, chip_card)
    require_usable(chip, ground.clock())
    known = find_card_of_chip(connection, chip_card)
    if known is not None and known.standing == "revoked":
        raise CardEnded
    return chip, known


def _statement(enrollment: Enrollment, card: str, chip: ChipCard) -> Statement:
    assert enrollment.level is not None
    return Statement(
        card=card,
        chip_card=chip.card_identification_code,
        level=enrollment.level,
        region=chip.region,
        card_class=enrollment.card_class or "3",
        thumbprint=enrollment.thumbprint,
    )


def _write_card(
    ground: Ground,
    connection: Connection,
    enrollment: Enrollment,
    plan: IssuePlan,
    chip: ChipCard,
    known: ElectronicCard | None,
    credential: str,
    now: datetime,
) -> ElectronicCard:
    renewed = {
        "level": enrollment.level,
        "default_pin": bool(enrollment.default_pin),
        "card_class": enrollment.card_class or "3",
        "credential": credential,
    }
    person = holder_of(ground, enrollment)
    is_signed = enrollment.card_public_key is not None
    number, name = person.social_security_number, person.name
    holder = keep_holder(ground, connection, number, name, now, is_signed=is_signed)
    if known is None:
        if not enter_card(connection, plan.card, chip, holder, renewed, now):
            raise _CardCameMeanwhile
    elif known.id != plan.card:
        raise _CardCameMeanwhile
    else:
        connection.execute(electronic_cards.update().where(electronic_cards.c.id == known.id).values(**renewed))
    return get_card(connection, plan.card)


def _bind_phone(ground: Ground, connection: Connection, enrollment: Enrollment, card: str, now: datetime) -> str:
    """Bind the new phone; the oldest ones beyond ``settings.max_devices`` end now and are told (threats.md D1)."""
    before = active_devices(connection, card)
    same = [device.id for device in before if device.thumbprint == enrollment.thumbprint]
    others = [device.id for device in before if device.id not in same]
    most_kept = ground.settings.max_devices - 1
    for device in others[: max(0, len(others) - most_kept)]:
        end_phone(
            ground, connection, card=card, device=device, actor=enrollment.thumbprint, because="moved_to_another_phone"
        )
    if same:
        renew_proof(connection, same[0], at=now)
        return same[0]
    return bind_device(
        connection,
        card=card,
        channel=enrollment.channel,
        thumbprint=enrollment.thumbprint,
        public_jwk=enrollment.public_jwk,
        at=now,
    )
