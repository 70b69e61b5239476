"""The register of channels: which partner apps there are, what each may do and how it stands (feature row 2).

A second-tier channel entered through a first-tier one: it stands no better and may do no more than that one.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from auth.signed_forms.received import ALGORITHMS, HEADER
from channels.errors import ChannelNameTaken
from channels.models import channels
from channels.standing import effective_standing
from core.clock import from_millis, to_millis
from core.database import insert_if_new
from core.errors import Malformed, Missing
from core.ground import Ground
from core.ids import is_id, new_id

CLASSES = ("hrss", "government", "contracted", "bank", "medical", "social")
"""Human resources and social security, government, nationally contracted, bank, medical or pharmacy, social."""
SCOPES: Mapping[str, Sequence[str]] = {
    "carriage": CLASSES,
    "news": CLASSES,
    "statements": CLASSES,
    "issue": ("bank",),
    "counter": ("bank",),
}
"""What a channel may be allowed, and which classes: keep carried cards, fetch news and statements; banks issue cards
at level L2 and do card business at their counters."""
CONTACT_ROLES = ("security", "technical", "business")
MOST_CONTACTS = 10
MOST_REQUESTS = 60_000
DEFAULT_REQUESTS = 600
_CONTACT_MEMBERS = {"role", "name", "reach"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """What a partner applies with; ``above`` is the first-tier channel through which a second-tier one enters.

    A contact has a ``role`` of ``CONTACT_ROLES``, a ``name`` and, as ``reach``, a telephone number or an address.
    """

    name_zh: str
    name_en: str
    channel_class: str
    contacts: Sequence[Mapping[str, str]]
    above: str | None = None
    scopes: Sequence[str] = ("carriage", "news")
    algorithms: Sequence[str] = (HEADER,)
    requests_per_minute: int = DEFAULT_REQUESTS


@dataclass(frozen=True, slots=True)
class RegisteredChannel:
    """A channel as it is registered; ``standing`` and ``scopes`` are those in effect, with the channel above."""

    id: str
    name_zh: str
    name_en: str
    channel_class: str
    above: str | None
    own_standing: str
    standing: str
    own_scopes: tuple[str, ...]
    scopes: tuple[str, ...]
    algorithms: tuple[str, ...]
    requests_per_minute: int
    client: str | None
    applied_at: datetime
    changed_at: datetime

    @property
    def in_sandbox(self) -> bool:
        """Tell whether it has a sandbox: it stands there by itself and in effect."""
        return self.own_standing == self.standing == "sandbox"

    @property
    def tier(self) -> int:
        return 1 if self.above is None else 2


def apply_for_channel(ground: Ground, connection: Connection, given: Application) -> str:
    """Enter an application and return the channel's id (chn_…): it may do nothing yet.

    Raises ``Malformed``, ``ChannelNameTaken``, and ``Missing`` for a channel above that there is not.
    """
    _require_names(given)
    require_terms(given.channel_class, given.scopes, given.algorithms, given.requests_per_minute)
    _require_contacts(given.contacts)
    _require_first_tier(connection, given.above)
    channel, now = new_id("chn"), to_millis(ground.clock())
    values = {
        "id": channel,
        "name_zh": given.name_zh,
        "name_en": given.name_en,
        "channel_class": given.channel_class,
        "above": given.above,
        "standing": "applied",
        "scopes": list(given.scopes),
        "algorithms": list(given.algorithms),
        "requests_per_minute": given.requests_per_minute,
        "contacts": _seal_contacts(ground, channel, given.contacts),
        "applied_at": now,
        "changed_at": now,
    }
    if not insert_if_new(connection, channels, values):
        raise ChannelNameTaken(given.name_zh)
    return channel


def find_channel(connection: Connection, given: str) -> RegisteredChannel | None:
    """Find a channel by its id, however it stands."""
    return _first(connection, _SELECT.where(channels.c.id == given)) if is_id(given, "chn") else None


def get_channel(connection: Connection, given: str) -> RegisteredChannel:
    """Find a channel by its id; raises ``Missing``."""
    found = find_channel(connection, given)
    if found is None:
        raise Missing("there is no such channel")
    return found


def lock_channel(connection: Connection, given: str) -> RegisteredChannel:
    """Find a channel and keep others from changing it, or the one above it, until this transaction ends."""
    found = get_channel(connection, given)
    rows = sa.select(channels.c.id).where(channels.c.id.in_([found.above or found.id, found.id]))
    connection.execute(rows.order_by(channels.c.above.is_not(None)).with_for_update())
    return get_channel(connection, given)


def find_channel_of_client(connection: Connection, client: str) -> RegisteredChannel | None:
    """Find the channel whose OAuth client this is."""
    return _first(connection, _SELECT.where(channels.c.client == client))


def list_channels(connection: Connection) -> list[RegisteredChannel]:
    """List all channels, the oldest first."""
    return [_channel_of(row) for row in connection.execute(_SELECT.order_by(channels.c.applied_at, channels.c.id))]


def list_channels_below(connection: Connection, channel: str) -> list[RegisteredChannel]:
    """List the second-tier channels that entered through a first-tier one."""
    return [_channel_of(row) for row in connection.execute(_SELECT.where(channels.c.above == channel))]


def read_contacts(ground: Ground, connection: Connection, channel: str) -> list[dict[str, str]]:
    """Open whom to call about a channel; personal data, for operators only."""
    sealed = connection.execute(sa.select(channels.c.contacts).where(channels.c.id == channel)).scalar_one()
    contacts: list[dict[str, str]] = json.loads(ground.fields.open("channels", "contacts", channel, bytes(sealed)))
    return contacts


def require_terms(
    channel_class: str, scopes: Sequence[str], algorithms: Sequence[str], requests_per_minute: int
) -> None:
    """Raise ``Malformed`` unless a channel of this class may have these scopes, forms of signature and limit."""
    if channel_class not in CLASSES:
        raise Malformed(f"classes are {', '.join(CLASSES)}")
    allowed = [scope for scope, classes in SCOPES.items() if channel_class in classes]
    if len(set(scopes)) != len(scopes) or not set(scopes) <= set(allowed):
        raise Malformed(f"a channel of the class {channel_class} may have {', '.join(allowed)}, each once")
    if not algorithms or len(set(algorithms)) != len(algorithms) or not set(algorithms) <= set(ALGORITHMS):
        raise Malformed(f"a channel signs in one or more of {', '.join(ALGORITHMS)}, each named once")
    if type(requests_per_minute) is not int or not 1 <= requests_per_minute <= MOST_REQUESTS:
        raise Malformed(f"a channel makes between 1 and {MOST_REQUESTS} requests a minute")


def _require_names(given: Application) -> None:
    for name in (given.name_zh, given.name_en):
        plain = unicodedata.is_normalized("NFKC", name) and name.isprintable() and name.strip() == name
        if not 0 < len(name) <= 100 or not plain:
            raise Malformed("a channel has a Chinese and an English name of at most 100 plain letters")


def _require_contacts(contacts: Sequence[Mapping[str, str]]) -> None:
    for contact in contacts:
        if contact.keys() != _CONTACT_MEMBERS or contact["role"] not in CONTACT_ROLES:
            raise Malformed(f"a contact has a role ({', '.join(CONTACT_ROLES)}), a name and a reach")
        if not all(isinstance(text, str) and 0 < len(text) <= 100 and text.isprintable() for text in contact.values()):
            raise Malformed("a contact's name and reach have at most 100 letters")
    if len(contacts) > MOST_CONTACTS or "security" not in {contact["role"] for contact in contacts}:
        raise Malformed(f"a channel has at most {MOST_CONTACTS} contacts, one of them for security")


def _require_first_tier(connection: Connection, above: str | None) -> None:
    if above is None:
        return
    first = get_channel(connection, above)
    if first.tier != 1 or first.standing == "closed":
        raise Malformed("a second-tier channel enters through a first-tier channel that is not closed")


def _seal_contacts(ground: Ground, channel: str, contacts: Sequence[Mapping[str, str]]) -> bytes:
    text = json.dumps([dict(contact) for contact in contacts], ensure_ascii=False, sort_keys=True)
    return ground.fields.seal("channels", "contacts", channel, text)


_ABOVE = channels.alias("above_channels")
_SELECT = sa.select(
    channels, _ABOVE.c.standing.label("above_standing"), _ABOVE.c.scopes.label("above_scopes")
).select_from(channels.outerjoin(_ABOVE, _ABOVE.c.id == channels.c.above))


def _first(connection: Connection, query: sa.Select[Any]) -> RegisteredChannel | None:
    row = connection.execute(query).first()
    return None if row is None else _channel_of(row)


def _channel_of(row: Any) -> RegisteredChannel:
    own = tuple(row.scopes)
    return RegisteredChannel(
        id=row.id,
        name_zh=row.name_zh,
        name_en=row.name_en,
        channel_class=row.channel_class,
        above=row.above,
        own_standing=row.standing,
        standing=effective_standing(row.standing, row.above_standing),
        own_scopes=own,
        scopes=own if row.above is None else tuple(scope for scope in own if scope in row.above_scopes),
        algorithms=tuple(row.algorithms),
        requests_per_minute=row.requests_per_minute,
        client=row.client,
        applied_at=from_millis(row.applied_at),
        changed_at=from_millis(row.changed_at),
    )
