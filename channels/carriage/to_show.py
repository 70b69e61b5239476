"""What it takes to show a code in a partner's app, by one statement: the hot path of the card in an app."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from auth.errors import ScopeMissing
from auth.guard import Partner
from channels.carriage.access import NO_SCOPE, card_of, require_carrier
from channels.errors import CarriageNotSigned, CarriagePaused
from channels.signing import listed
from channels.standing import effective_standing
from core.clock import to_millis
from core.database import Database, Statement
from core.errors import Missing
from ecard.cards import require_active
from qr.presentment import ShownFace

_FIND = Statement(
    "SELECT c.id, c.standing, a.standing, c.scopes, a.scopes, e.sandbox, t.ahead_seconds,"
    " e.standing, e.level, e.card_class, r.state, r.face, g.ended_at, g.expires_at"
    " FROM electronic_cards e LEFT JOIN channels c ON c.client = :client LEFT JOIN channels a ON a.id = c.above"
    " LEFT JOIN carriages r ON r.channel = c.id AND r.card = e.id LEFT JOIN oauth_grants g ON g.id = r.link"
    " LEFT JOIN sandbox_clocks t ON t.channel = e.sandbox WHERE e.id = :card"
)


class _Carried(NamedTuple):
    """How the card stands, and what the channel has made of it; all None from ``state`` on where it carries none."""

    standing: str
    level: str
    card_class: str
    state: str | None
    face: int | None
    link_ended_at: int | None
    link_expires_at: int | None


@dataclass(frozen=True, slots=True)
class ToShow:
    """The face that codes are minted for; ``test_at`` is the time in the sandbox of a made-up card, None of others."""

    face: ShownFace
    test_at: datetime | None


def require_to_show(database: Database, partner: Partner, at: datetime) -> ToShow:
    """Find the face of a token's card in the channel of its client.

    Raises what ``require_channel`` raises, ``CarriageNotSigned``, the refusal of a card that is not active, and
    ``CarriagePaused``, in this order: a card that is lost says so before the app's own pause does.
    """
    rows = database.look(_FIND, {"client": partner.client, "card": card_of(partner)})
    if not rows:
        raise Missing
    channel, own, above, own_scopes, scopes_above, sandbox, ahead, *rest = rows[0]
    if channel is None:
        raise ScopeMissing(NO_SCOPE)
    scopes = set(listed(own_scopes)) & set(listed(own_scopes if above is None else scopes_above))
    require_carrier(channel, own, effective_standing(own, above), scopes, sandbox)
    carried = _Carried(*rest)
    if _is_over(carried, to_millis(at)):
        raise CarriageNotSigned
    require_active(carried.standing)
    if carried.face is None:
        raise CarriagePaused
    test_at = None if sandbox is None else at + timedelta(seconds=ahead or 0)
    return ToShow(ShownFace(carried.face, carried.level, carried.card_class), test_at)


def _is_over(carried: _Carried, now: int) -> bool:
    """Tell whether it is revoked in effect, as ``channels.carriage.records`` reckons it, or was never there."""
    if carried.state in {None, "revoked"} or carried.standing == "revoked":
        return True
    return carried.link_ended_at is not None or carried.link_expires_at is None or carried.link_expires_at <= now
