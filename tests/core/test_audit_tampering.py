"""Somebody with all rights on the database, but without the trail's key, rewrites history."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from core.audit import GENESIS, AuditTrail, Report, _link, audit_entries
from core.database import Database
from web.schema import migrate

pytestmark = pytest.mark.xdist_group("test_audit_tampering")  # what is costly to set up is set up once

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
ENTRIES = 24
TAMPERINGS = 300
COLUMNS = audit_entries.c
Tamper = Callable[[sa.Connection, random.Random], None]


class Chain:
    """A sealed chain without its triggers; each tampering is tried in a transaction that is then taken back."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database = database
        self._trail = trail
        with database.transaction() as connection:
            for number in range(ENTRIES):
                at = NOW + timedelta(seconds=number)
                subject = f"crd_{number}" if number % 3 else None
                trail.record(
                    connection, actor="trm_1", act="code.redeemed", subject=subject, detail={"n": number}, at=at
                )
            _, sequence, link = trail.seal(connection)
            self.head = (sequence, link)
            for trigger in _triggers(database):
                connection.exec_driver_sql(trigger)

    def look(self, tamper: Callable[[sa.Connection], None], *, kept_head: bool = True) -> Report:
        with self._database.engine.connect() as connection:
            tamper(connection)
            report = self._trail.check(connection, expected_head=self.head if kept_head else None)
            connection.rollback()
        return report


def _triggers(database: Database) -> list[str]:
    if database.is_postgresql:
        return ["ALTER TABLE audit_entries DISABLE TRIGGER ALL"]
    return ["DROP TRIGGER audit_entries_no_delete", "DROP TRIGGER audit_entries_sealed_once"]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """One chain for all tests of this file, on each engine; no test leaves a trace on it."""
    if request.param == "sqlite":
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('chain') / 'ecard.sqlite3'}")
    else:
        server = request.getfixturevalue("postgres_server")
        database = Database(server.url(server.create_database()))
    migrate(database)
    yield Chain(database, AuditTrail(bytes(range(32))))
    database.close()


# ── Ways to tamper ───────────────────────────────────────────────────────────────────────────────────────────────


def change(connection: sa.Connection, chance: random.Random) -> None:
    values: dict[str, list[Any]] = {
        "id": ["aud_0", "", "示范"],
        "happened_at": [0, -1, 2**62],
        "actor": ["trm_2", "", "trm_1 "],
        "act": ["card.issued", "code.Redeemed"],
        "subject": ["crd_999", "", "None"],
        "detail": ['{"n":999}', "{}", "", "[", "\u00e9"],
        "mac": ["0" * 64, "", "not hex", "é" * 64],
        "link": ["0" * 64, "", None, "not hex", "é" * 64],
    }
    column = chance.choice(sorted(values))
    update(connection, pick(chance), {column: chance.choice(values[column])})


def remove(connection: sa.Connection, chance: random.Random) -> None:
    gone = chance.sample(range(1, ENTRIES), chance.randint(1, 5))
    connection.execute(audit_entries.delete().where(COLUMNS.sequence.in_(gone)))


def swap_places(connection: sa.Connection, chance: random.Random) -> None:
    one, other = chance.sample(range(1, ENTRIES + 1), 2)
    with_links = chance.random() < 0.5
    links = {sequence: row_of(connection, sequence).link for sequence in (one, other)}
    update(connection, one, {"sequence": 10_000})
    update(connection, other, {"sequence": one} | ({"link": links[one]} if with_links else {}))
    update(connection, 10_000, {"sequence": other} | ({"link": links[other]} if with_links else {}))


def swap_contents(connection: sa.Connection, chance: random.Random) -> None:
    one, other = (row_of(connection, sequence) for sequence in chance.sample(range(1, ENTRIES + 1), 2))
    names = ["happened_at", "actor", "act", "subject", "detail"] + (["mac"] if chance.random() < 0.5 else [])
    update(connection, one.sequence, {name: getattr(other, name) for name in names})
    update(connection, other.sequence, {name: getattr(one, name) for name in names})


def renumber(connection: sa.Connection, chance: random.Random) -> None:
    update(connection, pick(chance), {"sequence": chance.choice([0, -1, -5, ENTRIES + 2, 2**62, None])})


def shift(connection: sa.Connection, chance: random.Random) -> None:
    begin = pick(chance)
    for sequence in range(ENTRIES, begin - 1, -1):
        update(connection, sequence, {"sequence": sequence + 1})


def forge(connection: sa.Connection, chance: random.Random) -> None:
    last = row_of(connection, ENTRIES)
    mac = chance.choice([last.mac, "0" * 64, "".join(chance.choices("0123456789abcdef", k=64))])
    made = forged(mac=mac, sequence=chance.choice([ENTRIES + 1, ENTRIES + 2, 0, -3, None]))
    connection.execute(audit_entries.insert().values(made))
    if made["sequence"] is not None:
        update(connection, made["sequence"], {"link": _link(last.link, made["sequence"], sa_row(made))})


def forge_in_between(connection: sa.Connection, chance: random.Random) -> None:
    place = pick(chance)
    for sequence in range(ENTRIES, place - 1, -1):
        update(connection, sequence, {"sequence": sequence + 1})
    connection.execute(audit_entries.insert().values(forged(mac="a" * 64, sequence=place)))
    chain_anew(connection)


def change_and_chain_anew(connection: sa.Connection, chance: random.Random) -> None:
    update(connection, pick(chance), {"detail": '{"n":1000}'})
    chain_anew(connection)


def cut_the_tail(connection: sa.Connection, chance: random.Random) -> None:
    connection.execute(audit_entries.delete().where(COLUMNS.sequence > ENTRIES - chance.randint(1, ENTRIES)))


def unseal_the_tail(connection: sa.Connection, chance: random.Random) -> None:
    connection.execute(
        audit_entries.update()
        .where(COLUMNS.sequence > ENTRIES - chance.randint(1, ENTRIES))
        .values(sequence=None, link=None)
    )


def remove_and_chain_anew(connection: sa.Connection, chance: random.Random) -> None:
    place = chance.randint(1, ENTRIES)
    connection.execute(audit_entries.delete().where(COLUMNS.sequence == place))
    for sequence in range(place + 1, ENTRIES + 1):
        update(connection, sequence, {"sequence": sequence - 1})
    chain_anew(connection)


def reorder_and_chain_anew(connection: sa.Connection, chance: random.Random) -> None:
    swap_places(connection, chance)
    chain_anew(connection)


FOUND_BY_THEMSELVES: list[Tamper] = [
    change,
    remove,
    swap_places,
    swap_contents,
    shift,
    forge,
    forge_in_between,
    change_and_chain_anew,
]
FOUND_BY_THE_HEAD_ALONE: list[Tamper] = [cut_the_tail, unseal_the_tail, remove_and_chain_anew, reorder_and_chain_anew]
ALL = [*FOUND_BY_THEMSELVES, renumber, *FOUND_BY_THE_HEAD_ALONE]


# ── All of them are found ────────────────────────────────────────────────────────────────────────────────────────


def test_an_untouched_chain_has_no_faults(chain):
    report = chain.look(lambda _connection: None)
    assert (report.sealed, report.head, report.faults) == (ENTRIES, chain.head[1], [])


def test_every_one_of_many_tamperings_is_found(chain):
    missed = []
    for number in range(TAMPERINGS):
        chance, tamper = random.Random(number), ALL[number % len(ALL)]
        if not chain.look(lambda connection, tamper=tamper, chance=chance: tamper(connection, chance)).faults:
            missed.append((number, tamper.__name__))
    assert missed == []


@pytest.mark.parametrize("tamper", FOUND_BY_THEMSELVES)
def test_a_clumsy_tampering_is_found_without_a_head_kept_elsewhere(chain, tamper):
    for number in range(20):
        chance = random.Random(number)
        assert chain.look(lambda connection, chance=chance: tamper(connection, chance), kept_head=False).faults


@pytest.mark.parametrize("tamper", FOUND_BY_THE_HEAD_ALONE)
def test_only_the_head_kept_elsewhere_finds_a_chain_made_anew_or_cut(chain, tamper):
    for number in range(5):
        chances = [random.Random(number), random.Random(number)]
        alone = chain.look(lambda connection, chances=chances: tamper(connection, chances[0]), kept_head=False)
        assert alone.faults == []
        assert chain.look(lambda connection, chances=chances: tamper(connection, chances[1])).faults


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (lambda connection: update(connection, 7, {"actor": "trm_2"}), {"changed"}),
        (lambda connection: connection.execute(audit_entries.delete().where(COLUMNS.sequence == 7)), {"removed"}),
        (lambda connection: swap_places(connection, random.Random(3)), {"reordered"}),
        (lambda connection: cut_the_tail(connection, random.Random(3)), {"cut_off"}),
    ],
)
def test_a_fault_is_told_for_what_it_is(chain, tamper, what):
    assert {fault.what for fault in chain.look(tamper).faults} == what


def test_a_fault_names_its_place(chain):
    (fault,) = chain.look(lambda connection: update(connection, 7, {"actor": "trm_2"})).faults
    assert fault.sequence == 7
    assert fault.entry is not None
    assert fault.entry.startswith("aud_")


def test_sealing_goes_on_after_somebody_put_nonsense_into_the_columns(chain):
    def tamper(connection: sa.Connection) -> None:
        connection.execute(audit_entries.insert().values(forged(mac="not hex", sequence=None)))
        update(connection, ENTRIES, {"link": None})
        assert AuditTrail(bytes(range(32))).seal(connection)[0] == 1

    report = chain.look(tamper)
    assert report.sealed == ENTRIES + 1
    assert report.faults


# ── Tools ────────────────────────────────────────────────────────────────────────────────────────────────────────


def pick(chance: random.Random) -> int:
    return chance.randint(1, ENTRIES)


def row_of(connection: sa.Connection, sequence: int) -> Any:
    return connection.execute(sa.select(audit_entries).where(COLUMNS.sequence == sequence)).one()


def update(connection: sa.Connection, sequence: int, values: dict[str, Any]) -> None:
    connection.execute(audit_entries.update().where(COLUMNS.sequence == sequence).values(values))


def forged(*, mac: str, sequence: int | None) -> dict[str, Any]:
    made = {"id": "aud_forged", "happened_at": 1, "actor": "trm_1", "act": "card.issued", "subject": None}
    return made | {"detail": "{}", "mac": mac, "sequence": sequence}


def sa_row(values: dict[str, Any]) -> Any:
    return type("Row", (), values)


def chain_anew(connection: sa.Connection) -> None:
    """Do what the worker does, which takes no key."""
    link = GENESIS
    for row in connection.execute(sa.select(audit_entries).order_by(COLUMNS.sequence)).all():
        link = _link(link, row.sequence, row)
        update(connection, row.sequence, {"link": link})
