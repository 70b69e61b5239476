"""The OAuth client of a channel: its keys show cards as the channel's do, so two people give it one (threats A1)."""

import contextlib
import json

import pytest
from click.testing import CliRunner

import cli.channel_changes
import cli.channels
import cli.clients
from auth.oauth.client_register import list_client_keys, set_client_standing
from channels.errors import ChangeOutdated, TransitionNotAllowed
from core.errors import Malformed, Missing
from tests.channels.carriers import CarryingApp, make_carrying
from tests.channels.partners import change, move, propose
from tests.oauth.clients_of_tests import Key
from tests.oauth.clients_of_tests import make_partner as make_client


@pytest.fixture
def app(city) -> CarryingApp:
    return make_carrying(city)


@pytest.fixture
def ecard(city, monkeypatch):
    """Run `ecard channels …` or `ecard clients …` on the service of the tests."""

    @contextlib.contextmanager
    def opened():
        yield city.runtime

    for module in (cli.channels, cli.channel_changes, cli.clients):
        monkeypatch.setattr(module, "opened_runtime", opened)

    def run(group: str, *arguments: str, fails: bool = False) -> str:
        command = {"channels": cli.channels.channels, "clients": cli.clients.clients}[group]
        done = CliRunner().invoke(command, [*arguments])
        assert (done.exit_code != 0) == fails, (done.output, done.exception)
        return done.output

    return run


def kids(app: CarryingApp) -> set[str]:
    with app.service.database.transaction() as connection:
        return {key.kid for key in list_client_keys(connection, app.client.id)}


def stop(app: CarryingApp) -> None:
    with app.service.database.transaction() as connection:
        assert set_client_standing(connection, app.client.id, "suspended")


def test_one_operator_gives_a_channel_s_client_nothing(app, ecard, tmp_path):
    file, before = tmp_path / "key.jwk", kids(app)
    file.write_text(json.dumps(Key().jwk))
    ecard("clients", "add-key", app.client.id, "--jwk", str(file), "--operator", "li", fails=True)
    ecard("clients", "add-secret", app.client.id, "--operator", "li", fails=True)
    assert kids(app) == before
    ecard("clients", "set-standing", app.client.id, "suspended", "--operator", "li")
    ecard("clients", "set-standing", app.client.id, "active", "--operator", "li", fails=True)


def test_two_operators_give_a_channel_s_client_a_key_with_which_it_is_proven(app, ecard, tmp_path):
    file, key, before = tmp_path / "key.jwk", Key(), kids(app)
    file.write_text(json.dumps(key.jwk))
    given = ("add-client-key", app.channel, "--jwk", str(file))
    assert "dry run" in ecard("channels", *given, "--operator", "li", "--dry-run")
    waits = ecard("channels", *given, "--operator", "li").split()[0]
    assert kids(app) == before
    ecard("channels", "approve", waits, "--operator", "li", fails=True)
    told = ecard("channels", "approve", waits, "--operator", "wang")
    assert kids(app) - before == {told.split()[-1]}
    app.service.clock.step(1)  # a worker trusts for half a second what it read of a client
    app.service.runtime.oauth.desk.clients._known.clear()
    app.client.key = key
    assert app.client.push().status_code == 201


def test_a_client_stopped_by_itself_goes_on_by_two(app, ecard):
    waits = ecard("channels", "set-client-standing", app.channel, "suspended", "--operator", "li")
    assert waits.startswith("applied")
    waits = ecard("channels", "set-client-standing", app.channel, "active", "--operator", "li").split()[0]
    ecard("channels", "approve", waits, "--operator", "wang")
    stop(app)


@pytest.mark.parametrize(
    ("detail", "refusal"),
    [
        ({"client": "cli_x", "jwk": {}, "days": 1}, Missing),
        ({"jwk": {}, "days": 1}, Malformed),
        ({"jwk": {"kty": "RSA"}, "days": 1}, Malformed),
        ({"jwk": Key().jwk, "days": 0}, Malformed),
        ({"jwk": Key().jwk, "days": 1096}, Malformed),
        ({"jwk": Key().jwk | {"d": "AA"}, "days": 9}, Malformed),
    ],
)
def test_a_key_that_cannot_be_used_is_not_proposed(app, detail, refusal):
    with pytest.raises(refusal):
        propose(app.service, app.channel, "client-key", {"client": app.client.id} | detail)


def test_a_client_of_another_channel_is_not_there(app, city):
    other = make_client(city).id
    for kind, detail in (("client-key", {"jwk": Key().jwk, "days": 1}), ("client-standing", {"from": "a", "to": "b"})):
        with pytest.raises(Missing):
            propose(city, app.channel, kind, {"client": other} | detail)


def test_a_client_stands_no_better_than_its_channel(app, city):
    ahead = {"client": app.client.id, "from": "active", "to": "suspended"}
    back = {"client": app.client.id, "from": "suspended", "to": "active"}
    with pytest.raises(ChangeOutdated):
        propose(city, app.channel, "client-standing", back)
    with pytest.raises(Malformed):
        propose(city, app.channel, "client-standing", ahead | {"to": "gone"})
    change(city, app.channel, "client-standing", ahead)
    move(city, app.channel, "suspended")
    with pytest.raises(TransitionNotAllowed):
        propose(city, app.channel, "client-standing", back)
