"""Issue the electronic card at level L2 on a bank's word: no chip is read, no phone is bound (docs/decisions/0021).

Record, sign, record, as in ``ecard.issuance``. A card that is there already is used as it stands: its level is never
lowered, and holding the chip to a reader later raises this one to L3.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from core.ground import Ground
from core.ids import new_id
from core.outbox import record_event
from ecard.cards import ElectronicCard, enter_card, find_card_of_chip, get_card
from ecard.credential import Statement, draft_credential, sign_credential
from ecard.desk import EnrollmentDesk
from ecard.errors import NotEligible
from ecard.holders import find_name_index, keep_holder, keep_phone, name_index_of, number_index
from physical.register import ChipCard, lock_usable_cards_of_holder
from sm.digest import sm3

LEVEL = "L2"
_UNKNOWN_CLASS = "3"
"""Adult, until a reader reads the class from the chip."""


@dataclass(frozen=True, slots=True, repr=False)
class AssuredPerson:
    """Whom a bank vouches for, in clear; never printed, logged or put into an error."""

    social_security_number: str
    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Assurance:
    """Who has it issued: the bank's ``channel``, under the id of its request, which stands in the audit trail."""

    channel: str
    issuance: str


@dataclass(frozen=True, slots=True)
class AssuredPlan:
    """A card that is going to be issued and its credential, or one that is there: then ``draft`` is None."""

    card: str
    draft: str | None


@dataclass(frozen=True, slots=True)
class AssuredCard:
    """The card of the person; ``is_new`` where it was issued by this very request."""

    card: ElectronicCard
    is_new: bool


def plan_assured_card(
    desk: EnrollmentDesk, connection: Connection, person: AssuredPerson, assurance: Assurance
) -> AssuredPlan:
    """Write down what is about to be signed for a person; raises ``NotEligible``, whatever the reason."""
    ground = desk.ground
    chip, known = _require_eligible(ground, connection, person)
    if known is not None:
        return AssuredPlan(known.id, None)
    now, card = ground.clock(), new_id("crd")
    draft = draft_credential(ground, desk.credentials, _statement(card, chip), now)
    ground.audit.record(
        connection,
        actor=assurance.channel,
        act="credential.to_be_signed",
        subject=card,
        detail={"issuance": assurance.issuance, "draft_sm3": sm3(draft.encode()).hex()},
        at=now,
    )
    return AssuredPlan(card, draft)


def sign_plan(desk: EnrollmentDesk, plan: AssuredPlan) -> str | None:
    """Sign what was planned; None where there is nothing to sign."""
    return None if plan.draft is None else sign_credential(desk.credentials, plan.draft)


def issue_assured_card(
    desk: EnrollmentDesk,
    connection: Connection,
    person: AssuredPerson,
    assurance: Assurance,
    plan: AssuredPlan,
    credential: str | None,
) -> AssuredCard:
    """Issue what was planned and signed, or use the card that is there by now, and keep the person's telephone number.

    Raises ``NotEligible`` where the person is no longer, and ``PlanOutdated`` where it takes another signature.
    """
    ground = desk.ground
    # the chip card is locked: a loss report comes before this transaction or after it, never into it (threats.md E6)
    chip, known = _require_eligible(ground, connection, person)
    now, number, name = ground.clock(), person.social_security_number, person.name
    holder = keep_holder(ground, connection, number, name, now, is_signed=False)
    keep_phone(ground, connection, holder, person.phone)
    if known is not None:
        return AssuredCard(known, is_new=False)
    if credential is None or not _enter(connection, plan.card, chip, holder, credential, now):
        raise PlanOutdated
    _tell(ground, connection, assurance, plan.card, chip, credential, now)
    return AssuredCard(get_card(connection, plan.card), is_new=True)


class PlanOutdated(Exception):
    """Somebody else issued the card at this moment: a new plan finds it there."""


def _require_eligible(
    ground: Ground, connection: Connection, person: AssuredPerson
) -> tuple[ChipCard, ElectronicCard | None]:
    """Lock the one chip card of a person and find its e-card; one answer, after the same statements, for every no.

    Whoever asks does not learn whether the number is unknown, has another name or a lost card (threats.md E5).
    """
    index = number_index(ground, person.social_security_number)
    chips = lock_usable_cards_of_holder(connection, index, ground.clock())
    known_name = find_name_index(connection, index)
    known = find_card_of_chip(connection, chips[0].id if chips else "")
    named_so = known_name in {None, name_index_of(ground, person.name)}
    if len(chips) != 1 or not named_so or (known is not None and known.standing != "active"):
        raise NotEligible
    return chips[0], known


def _statement(card: str, chip: ChipCard) -> Statement:
    return Statement(
        card=card,
        chip_card=chip.card_identification_code,
        level=LEVEL,
        region=chip.region,
        card_class=_UNKNOWN_CLASS,
        thumbprint=None,
    )


def _enter(connection: Connection, card: str, chip: ChipCard, holder: str, credential: str, now: datetime) -> bool:
    said = {
        "level": LEVEL,
        "default_pin": True,  # nobody has seen another PIN at work: it counts as the one that everybody knows
        "card_class": _UNKNOWN_CLASS,
        "credential": credential,
    }
    return enter_card(connection, card, chip, holder, said, now)


def _tell(
    ground: Ground,
    connection: Connection,
    assurance: Assurance,
    card: str,
    chip: ChipCard,
    credential: str,
    now: datetime,
) -> None:
    detail = {"issuance": assurance.issuance, "level": LEVEL, "chip_card": chip.id}
    detail["credential_sm3"] = sm3(credential.encode()).hex()
    ground.audit.record(connection, actor=assurance.channel, act="card.issued", subject=card, detail=detail, at=now)
    content = {"level": LEVEL, "channel": assurance.channel}
    record_event(connection, "card.issued", card=card, content=content, at=now)
