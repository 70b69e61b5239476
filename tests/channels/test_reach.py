"""Who is told of which kind of event: the table of decision 0026, row by row, and no kind that does not stand in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from auth.devices import bind_device, end_device
from channels.models import notices
from channels.news import NEWS_KINDS, list_news
from core.clock import to_text
from tests.channels.carriers import make_carrying
from tests.channels.news_of_tests import CARDS, happen, make_told_partner, tell
from tests.oauth.conftest import fresh
from tests.oauth.holder import make_holder

__all__ = ["fresh"]

ROOT = Path(__file__).parents[2]
PACKAGES = ("auth", "ecard", "physical", "qr", "channels", "core", "web", "cli")
TABLE = re.compile(r"^\| (`[a-z_.`, ]+`) \| ([^|]+) \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)
PAGE = (ROOT / "docs/decisions/0026-who-is-told-what.md").read_text(encoding="utf-8")
ROWS = [(kind, *who) for kinds, *who in TABLE.findall(PAGE) for kind in re.findall(r"`([^`]+)`", kinds)]
NAMED_BY = {
    "auth/login/endings.py": {"device.ended", "consent.ended"},
    "ecard/standing.py": {"card.loss_reported", "card.loss_lifted", "card.cancelled"},
    "channels/carriage/endings.py": {"carriage.suspended", "carriage.resumed"},
}
"""Where the kind is handed to the function that records: which kinds those are."""
CARD = CARDS[0]
CONTENT = {
    "redemption": "red_" + "0" * 26,
    "carriage": "crg_" + "0" * 26,
    "issuance": "iss_" + "0" * 26,
    "because": "holder",
}
CHANNELS = {
    "all that carry the card": {"own", "phone", "other"},
    "those whose link rested on it": {"phone"},
    "the one that has shown it": {"own"},
    "its own": {"own"},
    "its own, as `carriage.ended`, where a carriage rested on it": set(),
    "none": set(),
}
"""What the words of the table mean for three that carry the card and one that does not. That the end of a link becomes
that of a carriage is in ``test_carriage.py``: here nothing rests on it."""


@pytest.fixture
def told(city):
    """Four channels: in one's app it happens, another's link rests on a phone, the third carries, the last does not."""
    partners = {name: make_told_partner(city) for name in ("own", "phone", "other", "stranger")}
    phones = [bind(city, "a"), bind(city, "b")]
    for name in ("own", "other"):
        partners[name].link(CARD)
    partners["phone"].link(CARD, phone=phones[0])
    partners["stranger"].link(CARDS[1])
    yield partners, phones
    with city.database.transaction() as connection:
        for phone in phones:
            end_device(connection, phone, because="test", at=city.clock())


def bind(city, name: str) -> str:
    at = city.clock()
    with city.database.transaction() as connection:
        return bind_device(connection, card=CARD, channel="c", thumbprint=name, public_jwk={}, at=at)


def happened(city, told, kind: str, **more: str) -> tuple[set[str], set[str]]:
    """Let it happen; tell which channels and which phones have heard of it."""
    partners, phones = told
    event = happen(city, kind, CARD, device=phones[0], grant="grt_" + "0" * 26, **CONTENT, **more)
    tell(city)
    with city.database.transaction() as connection:
        feeds = {name: list_news(connection, one.channel, after=0, limit=500) for name, one in partners.items()}
        noticed = set(connection.execute(sa.select(notices.c.device).where(notices.c.event == event)).scalars())
    return {name for name, feed in feeds.items() if event in [one.id for one in feed]}, noticed


@pytest.mark.parametrize(("kind", "phones", "channels"), ROWS, ids=[row[0] for row in ROWS])
def test_each_kind_of_event_reaches_whom_the_table_names_and_nobody_else(city, told, kind, phones, channels):
    heard, noticed = happened(city, told, kind, channel=told[0]["own"].channel)
    assert heard == CHANNELS[channels]
    assert noticed == {"all": set(told[1]), "that phone": {told[1][0]}, "none": set()}[phones]


@pytest.mark.parametrize("kind", ["code.redeemed", "code.taken_twice"])
def test_what_the_holder_s_own_phone_has_shown_is_no_channel_s_news(city, told, kind):
    heard, noticed = happened(city, told, kind)
    assert (heard, noticed) == (set(), set(told[1]))


def test_a_code_of_one_app_that_is_taken_twice_offline_is_told_to_that_app_alone(fresh):
    holder = make_holder(fresh)
    first, second = (make_carrying(fresh).link(holder) for _ in range(2))
    first.sign(), second.sign()
    item = {"code": first.show().json()["code"], "accepted_at": to_text(fresh.clock())}
    for result in ("recorded", "duplicate"):
        answer = fresh.add_till().send("POST", "/v1/offline-acceptances", {"items": [item]})
        assert [one["result"] for one in answer.json()["outcomes"]] == [result]
    assert [kind for kind, _ in first.app.news()] == ["carriage.signed", "code.redeemed", "code.taken_twice"]
    assert [kind for kind, _ in second.app.news()] == ["carriage.signed"]


def test_the_table_has_every_kind_that_the_service_records_once():
    kinds = [kind for kind, _, _ in ROWS]
    assert len(kinds) == len(set(kinds))
    recorded = set().union(*(kinds_in(path, kinds) for path in sources()))
    assert set(kinds) == recorded


def test_every_kind_of_news_comes_from_a_row_of_the_table():
    told = {kind for kind, _, channels in ROWS if channels != "none"}
    assert set(NEWS_KINDS) == {"carriage.ended" if kind == "link.ended" else kind for kind in told}


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from (ROOT / package).rglob("*.py")


def kinds_in(path: Path, known: list[str]) -> set[str]:
    """Find the kinds of the events that a module records: literals, beginnings of them, or what ``NAMED_BY`` says."""
    text = path.read_text(encoding="utf-8")
    found = set(re.findall(r'"event_kind": "([a-z_.]+)"', text))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "record_event":
            found |= kinds_of(node.args[1], path, known)
    return found


def kinds_of(argument: ast.expr, path: Path, known: list[str]) -> set[str]:
    if isinstance(argument, ast.Constant):
        return {str(argument.value)}
    if isinstance(argument, ast.JoinedStr):
        begins = argument.values[0]
        assert isinstance(begins, ast.Constant)
        return {kind for kind in known if kind.startswith(str(begins.value))}
    return NAMED_BY[str(path.relative_to(ROOT))]
