"""Personal data: sealed where it rests, nowhere else, and gone when it is not needed (threats.md A3, A4; PIPL)."""

import json

import pytest
import sqlalchemy as sa

from core.sealed_fields import FieldBroken
from ecard.enrollment import holder_of
from ecard.enrollment_records import get_enrollment
from ecard.models import enrollments
from physical.chip.agent import EnrollmentAgent
from physical.chip.errors import WrongPin
from physical.chip.files import write_ef06
from physical.chip.pin import pack_pin
from physical.chip.profiles import CONTACT_2_0, CONTACT_3_0
from physical.chip.trace import APDU_LEVEL, APDU_LOGGER
from tests.enrollment.attempt import PIN, Attempt
from tests.enrollment.certificates import code_of_card
from tests.persons import Person, make_person
from tests.service import Service


def spellings(text: str) -> set[bytes]:
    """A text as it could stand in a log or a database."""
    encoded = {text.encode(), text.encode("gb18030"), json.dumps(text)[1:-1].encode()}
    return encoded | {data.hex().encode() for data in encoded} | {data.hex().upper().encode() for data in encoded}


def canaries(person: Person) -> set[bytes]:
    return spellings(person.social_security_number) | spellings(person.name)


def dump(service: Service) -> bytes:
    """Every value of every table, bytes as they are and as hex digits."""
    found = []
    with service.database.transaction() as connection:
        tables = sa.inspect(connection).get_table_names()
        for table in tables:
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"'):
                for value in row:
                    raw = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
                    found += [raw, raw.hex().encode()]
    return b"\n".join(found)


@pytest.fixture
def logged(caplog, service_log):
    """Everything that the service and the agent write to a log, down to single APDUs."""
    caplog.set_level(1)
    caplog.set_level(APDU_LEVEL, APDU_LOGGER)

    def written() -> bytes:
        return "".join(
            [service_log.getvalue(), caplog.text, *(str(record.__dict__) for record in caplog.records)]
        ).encode()

    return written


# ── At rest ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reached", ["hello", "complete", "confirm"])
def test_the_database_holds_no_name_and_no_number_in_clear(city: Service, reached):
    number = 8000 + len(reached)
    attempt = Attempt(city, card=city.make_card(number)).until(reached)
    held = dump(city)
    assert attempt.id.encode() in held
    assert [canary for canary in canaries(make_person(number)) if canary in held] == []
    assert code_of_card(attempt.card).encode() in held  # the register has the card's code: it is not personal alone


def test_the_holder_s_data_opens_in_its_own_row_only(attempt: Attempt):
    attempt.until("complete")
    other = Attempt(attempt.service).until("complete")
    ground = attempt.service.runtime.ground
    with ground.database.transaction() as connection:
        moved = enrollments.update().where(enrollments.c.id == other.id).values(holder_data=attempt.row.holder_data)
        connection.execute(moved)
        assert holder_of(ground, get_enrollment(connection, attempt.id)).name
        with pytest.raises(FieldBroken):
            holder_of(ground, get_enrollment(connection, other.id))


@pytest.mark.parametrize(
    "end",
    [
        lambda attempt: attempt.confirm(),
        lambda attempt: attempt.confirm(confirmed=False),
        lambda attempt: attempt.abandon("operator"),
        lambda attempt: attempt.complete(default_pin=True),
        lambda attempt: (attempt.service.clock.step(120), attempt.look()),
    ],
    ids=["issued", "not confirmed", "abandoned", "out of step", "expired"],
)
def test_with_the_end_of_an_enrollment_the_holder_s_data_goes(attempt: Attempt, end):
    attempt.until("complete")
    assert attempt.row.holder_data is not None
    end(attempt)
    assert attempt.row.ended_at is not None
    assert attempt.row.holder_data is None


# ── In logs, answers and news ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("profile", [CONTACT_3_0, CONTACT_2_0], ids=lambda profile: profile.name)
def test_no_log_of_a_whole_enrollment_tells_who_it_was(sqlite_city: Service, logged, profile):
    person, card = make_person(9001), sqlite_city.make_card(9001, profile)
    phone = sqlite_city.enroll(card=card)
    phone.call("GET", f"/v1/cards/{phone.card}")
    written = logged()
    assert b"00A4" in written.upper()  # APDUs were traced
    assert b'"route": "/v1/enrollments/<enrollment>/complete"' in written
    unwanted = canaries(person) | spellings(code_of_card(card)) | {card.contents.holder_records.hex().encode()}
    assert [canary for canary in unwanted if canary in written] == []


def test_a_recorded_pin_exchange_is_not_in_any_log(sqlite_city: Service, logged, monkeypatch):
    exchanged: list[bytes] = []
    card = sqlite_city.make_card()
    pass_on = card.send_and_receive

    def listen(apdu):
        if bytes(apdu[:4]) == bytes.fromhex("00200181") and len(apdu) > 5:
            exchanged.append(bytes(apdu[5:21]))
        return pass_on(apdu)

    monkeypatch.setattr(card, "send_and_receive", listen)
    sqlite_city.enroll(card=card)
    assert len(exchanged) == 1
    packed = bytes(pack_pin(bytearray(PIN)))
    written = logged().upper()
    for secret in (PIN, packed.hex().encode(), exchanged[0].hex().encode()):
        assert secret.upper() not in written


@pytest.mark.parametrize("pin", [PIN, b"314159"])
def test_the_agent_wipes_the_pin_whether_it_was_right_or_wrong(sqlite_city: Service, pin):
    given = bytearray(pin)

    class Pad:
        def read_pin(self) -> bytearray:
            return given

    phone = sqlite_city.phone()
    agent = sqlite_city.agent(sqlite_city.add_till(), sqlite_city.make_card(), on_show=phone.begin)
    assert isinstance(agent, EnrollmentAgent)
    agent._pin_pad = Pad()
    try:
        agent.enroll()
    except WrongPin:
        assert pin != PIN
    assert given.strip(b"\0") == b""


def test_refusals_and_faults_tell_nobody_who_it_was(sqlite_city: Service, logged, monkeypatch):
    person, other = make_person(9002), make_person(9003)
    card = sqlite_city.make_card(9002, CONTACT_2_0)
    mismatch = Attempt(sqlite_city, card=card).until("hello")
    told = mismatch.complete(holder_data=write_ef06(other.holder_data()).hex()).text
    strange = Attempt(sqlite_city, card=card).until("hello")
    told += strange.complete(holder_data=card.contents.holder_records.hex()[:-2]).text
    told += strange.complete(holder_data=person.name).text

    def fail(*_given, **_more):
        raise RuntimeError(f"{person.name} {person.social_security_number}")

    faulty = Attempt(sqlite_city, card=card).until("hello")
    with monkeypatch.context() as patched:
        patched.setattr("ecard.enrollment.read_holder_data", fail)
        fault = faulty.complete()
    assert fault.status_code == 500
    everything = logged() + told.encode() + fault.content
    assert b"holder_mismatch" in everything
    assert [canary for canary in canaries(person) | canaries(other) if canary in everything] == []


def test_news_and_audit_hold_ids_only(city: Service):
    attempt = Attempt(city, card=city.make_card(9004)).until("confirm")
    columns = {"outbox": "content", "audit_entries": "detail", "signed_requests": "signature", "notices": "content"}
    with city.database.transaction() as connection:
        told = "".join(
            str(value)
            for table, column in columns.items()
            for value in connection.exec_driver_sql(f"SELECT {column} FROM {table}").scalars()
        ).encode()
    assert attempt.id.encode() in told
    unwanted = canaries(make_person(9004)) | spellings(code_of_card(attempt.card))
    assert [canary for canary in unwanted if canary in told] == []
