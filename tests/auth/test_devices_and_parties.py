import pytest
import sqlalchemy as sa

from auth.devices import active_devices, bind_device, devices_of_key, end_device, find_device
from auth.parties import (
    add_key,
    find_party,
    list_terminals,
    register_terminal,
    require_institution,
    require_party,
    set_standing,
    withdraw_key,
)
from core.errors import Missing
from sm.errors import InvalidKey
from sm.sm2 import random_private_key
from tests.service import PROVIDER, START

CARD = "crd_" + "1" * 26
JWK = {"crv": "P-256", "kty": "EC", "x": "x" * 43, "y": "y" * 43}


def bind(connection: sa.Connection, thumbprint: str, card: str = CARD) -> str:
    return bind_device(connection, card=card, channel="app", thumbprint=thumbprint, public_jwk=JWK, at=START)


def test_a_phone_is_found_by_card_by_key_and_by_name(service):
    with service.database.transaction() as connection:
        first, second = bind(connection, "a" * 43), bind(connection, "b" * 43)
        assert [device.id for device in active_devices(connection, CARD)] == [first, second]
        assert [device.id for device in devices_of_key(connection, "b" * 43)] == [second]
        found = find_device(connection, first)
        assert found is not None
        assert (found.card, found.standing) == (CARD, "active")
        assert find_device(connection, "dev_" + "0" * 26) is None


def test_a_phone_ends_once_and_stays_on_record(service):
    with service.database.transaction() as connection:
        device = bind(connection, "a" * 43)
        assert end_device(connection, device, because="ended_by_holder", at=START)
        assert not end_device(connection, device, because="again", at=START)
        assert active_devices(connection, CARD) == []
        assert [known.standing for known in devices_of_key(connection, "a" * 43)] == ["ended"]


def test_one_key_is_bound_to_a_card_once_at_a_time(service):
    with service.database.transaction() as connection:
        device = bind(connection, "a" * 43)
        bind(connection, "a" * 43, card="crd_" + "2" * 26)
    with pytest.raises(sa.exc.IntegrityError), service.database.transaction() as connection:
        bind(connection, "a" * 43)
    with service.database.transaction() as connection:
        end_device(connection, device, because="ended_by_holder", at=START)
        assert bind(connection, "a" * 43) != device


def test_a_terminal_is_found_with_the_key_that_signed_and_with_no_other(service):
    till, other = service.add_till(), service.add_till()
    found = find_party(service.database, till.terminal, till.serial)
    assert found is not None
    assert (found.public_key, found.institution.id) == (till.signer.public_key, service.institution)
    assert found.purposes == {"medical", "merchant", "test"}
    assert found.institution.scopes == {"enroll", "redeem"}
    assert find_party(service.database, till.terminal, other.serial) is None
    assert find_party(service.database, "trm_" + "0" * 26, till.serial) is None


@pytest.mark.parametrize("key", [b"", bytes(64), b"\x04" + bytes(64), b"\x01" * 64, bytes(63)], ids=range(5))
def test_a_terminal_is_not_registered_with_a_key_that_is_none(service, key):
    given = {
        "name": "1",
        "site": "1",
        "institution": service.institution,
        "purposes": (),
        "public_key": key,
        "at": START,
    }
    with pytest.raises(InvalidKey), service.database.transaction() as connection:
        register_terminal(connection, **given)
    with service.database.transaction() as connection:
        assert list_terminals(connection) == []


def test_an_institution_that_is_not_there_gets_no_terminal(service):
    key = PROVIDER.signer(random_private_key()).public_key
    with pytest.raises(sa.exc.IntegrityError), service.database.transaction() as connection:
        register_terminal(
            connection, name="1", site="1", institution="ins_" + "0" * 26, purposes=(), public_key=key, at=START
        )


def test_acts_on_a_terminal_tell_whether_they_changed_anything(service):
    till = service.add_till()
    with service.database.transaction() as connection:
        assert set_standing(connection, till.terminal, "suspended")
        assert not set_standing(connection, till.terminal, "suspended")
        assert not set_standing(connection, "trm_" + "0" * 26, "suspended")
        assert not withdraw_key(connection, till.terminal, "key_" + "0" * 26, at=START)
        assert withdraw_key(connection, till.terminal, till.serial, at=START)
        assert [row.standing for row in list_terminals(connection)] == ["suspended"]


def test_who_is_not_registered_is_missing(service):
    till = service.add_till()
    with service.database.transaction() as connection:
        require_party(connection, till.terminal)
        require_institution(connection, service.institution)
        for require, name in ((require_party, "trm_" + "0" * 26), (require_institution, till.terminal)):
            with pytest.raises(Missing):
                require(connection, name)


def test_each_key_of_a_terminal_has_a_serial_of_its_own(service):
    till = service.add_till()
    keys = [PROVIDER.signer(random_private_key()).public_key for _ in range(3)]
    with service.database.transaction() as connection:
        serials = {add_key(connection, till.terminal, key, at=START) for key in keys}
        assert len(serials | {till.serial}) == 4
