"""Nothing of a password stands anywhere but, hidden, in its one row."""

import io
import json
import logging
import re
from dataclasses import replace

import httpx
import pytest
import sqlalchemy as sa
import structlog

from core.database import metadata
from ecard.errors import PasswordLocked, PasswordWrong
from ecard.password import check_password
from tests.password.conftest import GOOD, MANY_A_MINUTE, Owner, make_owner
from tests.service import ISSUER, running_service
from tests.web.recording import Recording
from web.logs import configure_logs
from web.worker import Worker

SET, CHANGED, WRONG, WEAK = "274958", "830472", "618305", "123409"
NEEDLES = [SET, CHANGED, WRONG, WEAK]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    stream, before, home = io.StringIO(), structlog.get_config(), tmp_path_factory.mktemp("secrecy")
    handler, root, level = logging.StreamHandler(stream), logging.getLogger(), logging.getLogger().level
    handler.addFilter(lambda line: not line.name.startswith("http"))  # httpx is the caller's, not the service's
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    configure_logs(as_json=True, stream=stream)
    try:
        with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home, **MANY_A_MINUTE) as service:
            recording = Recording(service.app)
            service.app, service.http = recording, client_of(recording)
            act(make_owner(service))
            while Worker(service.runtime).tell():
                pass
            yield {
                "logs": stream.getvalue(),
                "answers": "\n".join(answer.body.decode() for answer in recording.answers),
                "rows": rows_of(service),
                "reprs": f"{service.runtime.passwords!r} {service.runtime!r}",
            }
            service.http.close()
    finally:
        structlog.configure(**before)
        root.removeHandler(handler)
        root.setLevel(level)


def client_of(app) -> httpx.Client:
    return httpx.Client(transport=httpx.WSGITransport(app=app), base_url=ISSUER)


def act(owner: Owner) -> None:
    """Set, change, fail, lock, err in every way, and have a fault in the middle of it."""
    assert owner.put(SET).status_code == 200
    assert owner.put(CHANGED, SET).status_code == 200
    statuses = [owner.put(given, CHANGED).status_code for given in (WEAK, f"{SET}x", f" {WRONG}")]
    path = f"/v1/cards/{owner.phone.card}/password"
    bodies = ({"password": [SET]}, {SET: WRONG}, {"password": SET, WRONG: 1}, [SET], SET)
    statuses += [owner.phone.call("PUT", path, body).status_code for body in bodies]
    statuses.append(owner.phone.call("PUT", f"{path}?password={SET}", {"password": WEAK}).status_code)
    fault(owner, path)
    statuses += [owner.put(SET, WRONG).status_code for _ in range(6)]
    assert set(statuses) == {400, 403, 422}


def fault(owner: Owner, path: str) -> None:
    """Have the database refuse a row in the middle of a change."""
    with owner.service.database.transaction() as connection:
        connection.execute(sa.text("ALTER TABLE card_passwords RENAME COLUMN mac TO gone"))
    assert owner.phone.call("PUT", path, {"password": SET, "current": CHANGED}).status_code in {500, 503}
    with owner.service.database.transaction() as connection:
        connection.execute(sa.text("ALTER TABLE card_passwords RENAME COLUMN gone TO mac"))


def rows_of(service) -> str:
    with service.database.transaction() as connection:
        return "\n".join(
            str(tuple(row)) for table in metadata.tables.values() for row in connection.execute(sa.select(table))
        )


def stands_in(text: str, needle: str) -> bool:
    """Six digits are found inside of hashes and of times; a password is what stands between other characters."""
    return re.search(rf"(?<![0-9a-z.]){needle}(?![0-9a-z])", text) is not None


@pytest.mark.parametrize("place", ["logs", "answers", "rows", "reprs"])
@pytest.mark.parametrize("needle", NEEDLES)
def test_no_password_given_or_set_stands_anywhere(told, place, needle):
    assert not stands_in(told[place], needle)


def test_there_was_something_to_be_found(told):
    assert told["logs"].count('"event": "request"') > 20
    assert told["answers"].count("password_") > 8
    for kind in ("card.password_changed", "card.password_locked", "password.locked"):
        assert kind in told["rows"]


def test_refusals_hold_nothing_of_what_was_given(citizen):
    for _ in range(6):
        with pytest.raises((PasswordWrong, PasswordLocked)) as caught:
            citizen.check(WRONG)
        refusal = caught.value
        assert WRONG not in f"{refusal!r} {refusal} {refusal.args} {json.dumps(refusal.extra)} {vars(refusal)}"


def test_a_copy_of_the_database_without_the_key_confirms_no_guess(citizen):
    row = citizen.row()
    assert re.fullmatch("[0-9a-f]{32}", row["salt"])
    assert re.fullmatch("[0-9a-f]{64}", row["mac"])
    assert citizen.row()["mac"] != make_owner(citizen.service, GOOD).row()["mac"]
    stolen = replace(citizen.service.runtime.passwords, key=b"k" * 32)
    with citizen.service.database.transaction() as connection, pytest.raises(PasswordWrong):
        check_password(stolen, connection, citizen.phone.card, GOOD)
    assert "kkkk" not in repr(stolen)
