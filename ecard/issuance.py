"""Issue the electronic card: what will be signed is recorded, signed, and recorded with everything else at once.

The first transaction leaves a trace of what is about to be signed; the second one writes e-card, device binding,
credential, audit entry and event together. A crash between them leaves the trace and no card.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from auth.devices import active_devices, bind_device, end_device
from auth.proofs import DeviceProof
from core.clock import to_millis
from core.errors import Refusal
from core.ground import Ground
from core.ids import new_id
from core.outbox import record_event
from ecard.cards import ElectronicCard, find_card_of_chip, get_card
from ecard.credential import Statement, draft_credential, sign_credential
from ecard.desk import EnrollmentDesk
from ecard.enrollment import holder_of, view_enrollment
from ecard.enrollment_records import Enrollment, end_enrollment, finish_enrollment
from ecard.errors import CardEnded, EnrollmentOutOfStep, EnrollmentOver, NotConfirmed
from ecard.holders import keep_holder
from ecard.models import electronic_cards
from physical.register import ChipCard, lock_chip_card, require_usable
from sm.digest import sm3


@dataclass(frozen=True, slots=True)
class IssuePlan:
    """What is going to be issued; ``draft`` is the credential before its signature."""

    enrollment: Enrollment
    card: str
    draft: str


@dataclass(frozen=True, slots=True)
class Issued:
    """The answer to the phone."""

    card: ElectronicCard
    device: str


def issue_card(
    desk: EnrollmentDesk, proof: DeviceProof, enrollment_id: str, *, chip_card: str, confirmed: bool
) -> Issued:
    """Issue the card that the holder has confirmed on the phone; asking again gives the same answer.

    Runs its own transactions. Raises what ends an enrollment, or the refusal of a card that stands badly by now.
    """
    ground = desk.ground
    with ground.database.transaction() as connection:
        done = _find_issued(ground, connection, proof, enrollment_id)
        if done:
            return done
        plan = _plan(desk, connection, proof, enrollment_id, chip_card=chip_card, confirmed=confirmed)
    credential = sign_credential(desk.credentials, plan.draft)
    with ground.database.transaction() as connection:
        return _issue(ground, connection, plan, credential)


def _find_issued(ground: Ground, connection: Connection, proof: DeviceProof, enrollment_id: str) -> Issued | None:
    enrollment = view_enrollment(ground, connection, proof, enrollment_id)
    if enrollment.state != "issued" or enrollment.card is None or enrollment.device is None:
        return None
    return Issued(get_card(connection, enrollment.card), enrollment.device)


def _plan(
    desk: EnrollmentDesk,
    connection: Connection,
    proof: DeviceProof,
    enrollment_id: str,
    *,
    chip_card: str,
    confirmed: bool,
) -> IssuePlan:
    ground = desk.ground
    enrollment = view_enrollment(ground, connection, proof, enrollment_id)
    _require_confirmed(ground, connection, enrollment, chip_card=chip_card, confirmed=confirmed)
    chip = lock_chip_card(connection, chip_card)
    known = find_card_of_chip(connection, chip_card)
    card = known.id if known else new_id("crd")
    now = ground.clock()
    draft = draft_credential(ground, desk.credentials, _statement(enrollment, card, chip), now)
    ground.audit.record(
        connection,
        actor=proof.thumbprint,
        act="credential.to_be_signed",
        subject=card,
        detail={"enrollment": enrollment.id, "draft_sm3": sm3(draft.encode()).hex()},
        at=now,
    )
    return IssuePlan(enrollment, card, draft)


def _issue(ground: Ground, connection: Connection, plan: IssuePlan, credential: str) -> Issued:
    now = ground.clock()
    enrollment = plan.enrollment
    assert enrollment.chip_card is not None
    # 1. the chip card is locked: a loss report comes before this transaction or after it, never into it
    chip = lock_chip_card(connection, enrollment.chip_card)
    _require_still_usable(ground, connection, enrollment, chip)
    # 2. the e-card, made or renewed
    card = _write_card(ground, connection, plan, chip, credential, now)
    # 3. the phone, and by policy the end of those before it
    device = _bind_phone(ground, connection, enrollment, card.id, now)
    # 4. the enrollment; the guard decides between two confirmations at once
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


def _require_confirmed(
    ground: Ground, connection: Connection, enrollment: Enrollment, *, chip_card: str, confirmed: bool
) -> None:
    if not enrollment.is_open:
        raise EnrollmentOver(recorded=True)
    if enrollment.state != "verified":
        raise EnrollmentOutOfStep(f"the enrollment is {enrollment.state}, not verified")
    if not confirmed or chip_card != enrollment.chip_card:
        _burn(ground, connection, enrollment, NotConfirmed.code)
        raise NotConfirmed(recorded=True)


def _require_still_usable(ground: Ground, connection: Connection, enrollment: Enrollment, chip: ChipCard) -> None:
    try:
        require_usable(chip, ground.clock())
    except Refusal as refusal:
        _burn(ground, connection, enrollment, refusal.code)
        refusal.recorded = True
        raise


def _burn(ground: Ground, connection: Connection, enrollment: Enrollment, because: str) -> None:
    end_enrollment(connection, enrollment, state="refused", because=because, at=ground.clock())
    detail = {"because": because}
    ground.audit.record(
        connection,
        actor=enrollment.thumbprint,
        act="enrollment.refused",
        subject=enrollment.id,
        detail=detail,
        at=ground.clock(),
    )


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
    ground: Ground, connection: Connection, plan: IssuePlan, chip: ChipCard, credential: str, now: datetime
) -> ElectronicCard:
    enrollment = plan.enrollment
    person = holder_of(ground, enrollment)
    holder = keep_holder(ground, connection, person.social_security_number, person.name, now)
    renewed = {
        "level": enrollment.level,
        "default_pin": bool(enrollment.default_pin),
        "card_class": enrollment.card_class or "3",
        "credential": credential,
    }
    known = find_card_of_chip(connection, chip.id)
    if known is None:
        _insert_card(connection, plan.card, chip, holder, renewed, now)
    elif known.id != plan.card:
        raise EnrollmentOutOfStep("another phone enrolled this card at the same moment")
    elif known.standing == "revoked":
        raise CardEnded
    else:
        connection.execute(electronic_cards.update().where(electronic_cards.c.id == known.id).values(**renewed))
    return get_card(connection, plan.card)


def _insert_card(
    connection: Connection, card: str, chip: ChipCard, holder: str, renewed: Mapping[str, object], now: datetime
) -> None:
    connection.execute(
        electronic_cards.insert().values(
            id=card,
            card_index=secrets.randbits(63),  # inside the code's handle, encrypted; random so that it tells no order
            chip_card=chip.id,
            holder=holder,
            region=chip.region,
            standing="active",
            standing_since=to_millis(now),
            issued_at=to_millis(now),
            **renewed,
        )
    )


def _bind_phone(ground: Ground, connection: Connection, enrollment: Enrollment, card: str, now: datetime) -> str:
    """Bind the new phone; the oldest ones beyond ``settings.max_devices`` end now and are told (threats.md D1)."""
    before = active_devices(connection, card)
    same = [device for device in before if device.thumbprint == enrollment.thumbprint]
    if same:
        return same[0].id
    most_kept = ground.settings.max_devices - 1
    for device in before[: max(0, len(before) - most_kept)]:
        end_device(connection, device.id, because="moved_to_another_phone", at=now)
        content = {"device": device.id, "because": "moved_to_another_phone"}
        record_event(connection, "device.ended", card=card, content=content, at=now)
        ground.audit.record(
            connection,
            actor=enrollment.thumbprint,
            act="device.ended",
            subject=device.id,
            detail={"card": card},
            at=now,
        )
    return bind_device(
        connection,
        card=card,
        channel=enrollment.channel,
        thumbprint=enrollment.thumbprint,
        public_jwk=enrollment.public_jwk,
        at=now,
    )
