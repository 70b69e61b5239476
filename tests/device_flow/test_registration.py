"""POST /v1/terminals and /v1/terminals/keys: a terminal enters the register with a key that it has proven."""

import json

import pytest
import sqlalchemy as sa

from auth.models import parties, party_keys
from auth.parties import set_purposes, set_standing, withdraw_key
from core.audit import audit_entries
from tests.device_flow.terminals_of_tests import Rotating, Software, new_key
from tests.oauth.clients_of_tests import Key, make_partner
from tests.oauth.holder import Holder
from tests.service import START

DAYS_365 = 365 * 86_400


def code_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def ready(town, software) -> Software:
    """Software with the token that its operator allowed."""
    return town.let_in(software)


def test_a_terminal_that_enrolled_itself_takes_a_code(fresh):
    software = fresh.let_in(fresh.software())
    answer = software.register()
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["institution"] == {"id": fresh.institution, "name": "示范pharmacy"}
    assert (made["name"], made["site"], made["purposes"]) == ("3 号收银台", "示范路 1 号", ["medical"])
    assert made["not_after"] == "2027-03-02T08:00:00.000Z"
    till = software.till(made)
    assert till.redeem(fresh.phone.code("medical").json()["code"], "medical").status_code == 201
    wrong_purpose = till.redeem(fresh.phone.code("merchant").json()["code"], "merchant")
    assert wrong_purpose.status_code == 403, wrong_purpose.text


def test_who_lost_the_answer_gets_it_again(ready):
    first, second = ready.register(), ready.register()
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()


def test_a_grant_lets_in_one_terminal(town, ready):
    assert ready.register().status_code == 201
    assert code_of(ready.register(new_key())) == (409, "terminal_registered_already")
    with town.service.database.transaction() as connection:
        entries = sa.select(audit_entries.c.subject).where(audit_entries.c.act == "terminal.registered")
        made = [row.subject for row in connection.execute(entries) if row.subject]
        assert len(made) == len(set(made))


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "ESSC-NEXT-KEY-1"},
        {"issuer": "https://elsewhere.example"},
        {"client": "cli_" + "0" * 26},
        {"grant": "grt_" + "0" * 26},
        {"thumbprint": "x" * 43},
        {"key": "00" * 64},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_key_states_for_whom_and_what_it_is(ready, changes):
    proof = ready.signer.sign(ready.stated(**changes)).hex()
    assert code_of(ready.register(proof=proof)) == (422, "terminal_key_unproven")
    assert ready.register().status_code == 201


def test_the_proof_of_another_grant_is_none(town, ready):
    other = town.let_in(town.software())
    other.signer = ready.signer
    borrowed = other.signer.sign(other.stated()).hex()
    assert code_of(ready.register(proof=borrowed)) == (422, "terminal_key_unproven")


def test_nobody_registers_a_key_that_he_does_not_hold(ready):
    stranger = new_key()
    assert code_of(ready.register(public_key=stranger.public_key.hex())) == (422, "terminal_key_unproven")
    forged = stranger.sign(ready.stated()).hex()
    assert code_of(ready.register(proof=forged)) == (422, "terminal_key_unproven")


def test_a_key_that_is_a_terminal_s_already_is_refused(town, ready):
    till = town.service.add_till()
    ready.signer = till.signer
    assert code_of(ready.register()) == (409, "terminal_key_known")
    assert ready.register(new_key()).status_code == 201  # the refusal has used nothing up


@pytest.mark.parametrize(
    "changes",
    [
        {"public_key": ""},
        {"public_key": "00" * 64},
        {"public_key": "ff" * 64},
        {"public_key": "04" + "11" * 64},
        {"public_key": "AB" * 64},
        {"public_key": None},
        {"public_key": 7},
        {"proof": "00" * 64},
        {"proof": "ff" * 64},
        {"proof": "11" * 63},
        {"proof": "11" * 64 + "\n"},
        {"proof": ["11" * 64]},
        {"institution": "ins_" + "0" * 26},
        {"purposes": ["identity"]},
    ],
    ids=str,
)
def test_hostile_bodies_register_nothing(town, ready, changes):
    assert ready.register(**changes).status_code in {400, 422}
    with town.service.database.transaction() as connection:
        known = sa.select(party_keys.c.serial).where(party_keys.c.public_key == ready.signer.public_key.hex())
        assert connection.execute(known).first() is None


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b"{", b'{"public_key": "a", "public_key": "b"}', b"\xff"])
def test_bodies_that_are_no_object_register_nothing(ready, body):
    path = "/v1/terminals"
    headers = ready.client.call_headers(ready.granted["access_token"], path, "POST")
    answer = ready.client.http.post(path, content=body, headers={**headers, "Content-Type": "application/json"})
    assert answer.status_code in {400, 422}


def test_the_token_is_no_good_without_its_key(ready):
    own, ready.client.dpop = ready.client.dpop, Key()
    assert code_of(ready.register()) == (401, "proof_wrong")
    ready.client.dpop = None
    assert code_of(ready.send("/v1/terminals", {})) == (401, "token_wrong")
    ready.client.dpop = own
    assert ready.register().status_code == 201


@pytest.mark.parametrize(("seconds", "status"), [(299, 201), (300, 401)])
def test_the_token_dies_at_its_expiry(ready, seconds, status):
    ready.service.clock.step(seconds)
    assert ready.register().status_code == status


def test_a_purpose_that_the_institution_has_lost_meanwhile_is_refused(fresh):
    software = fresh.let_in(fresh.software(), purposes=("medical", "merchant"))
    with fresh.service.database.transaction() as connection:
        set_purposes(connection, fresh.institution, ["merchant"])
    answer = software.register()
    assert (answer.status_code, answer.json()["code"]) == (403, "purposes_not_allowed")
    with fresh.service.database.transaction() as connection:
        set_purposes(connection, fresh.institution, ["merchant", "medical"])
    assert software.register().json()["purposes"] == ["medical", "merchant"]


def test_a_partner_s_token_registers_no_terminal(fresh):
    holder = Holder(fresh.service, fresh.phone.card, fresh.phone.device)
    partner = make_partner(fresh.service)
    token = holder.tokens_for(partner)["access_token"]
    path = "/v1/terminals"
    body = {"public_key": "11" * 64, "proof": "11" * 64}
    answer = partner.http.post(path, json=body, headers=partner.call_headers(token, path, "POST"))
    assert code_of(answer) == (403, "scope_missing")


def test_a_terminal_s_token_opens_nothing_else(town, ready):
    registered = {rule.rule for rule in town.service.app.url_map.iter_rules()}
    assert "/v1/terminals" in registered
    for path in ("/v1/redemptions", "/v1/enrollments", f"/v1/cards/{town.phone.card}/codes"):
        headers = ready.client.call_headers(ready.granted["access_token"], path, "POST")
        assert ready.client.http.post(path, json={}, headers=headers).status_code == 401


# ── The next key ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def rotating(ready) -> Rotating:
    return Rotating(ready.till(ready.register().json()))


def test_a_terminal_changes_its_key_without_a_gap(town, rotating):
    town.service.clock.step(DAYS_365 - 1)
    signer = new_key()
    added = rotating.add(signer)
    assert added.status_code == 201, added.text
    assert rotating.works()
    town.service.clock.step(1)
    assert not rotating.works()
    rotating.till.serial, rotating.till.signer = added.json()["serial"], signer
    assert rotating.works()
    town.service.clock.step(DAYS_365 - 2)
    assert rotating.works()


def test_a_terminal_whose_key_has_ended_is_too_late(town, rotating):
    town.service.clock.step(DAYS_365)
    assert code_of(rotating.add(new_key())) == (401, "signature_wrong")


def test_the_same_next_key_again_gets_the_same_answer(rotating):
    signer = new_key()
    first, second = rotating.add(signer), rotating.add(signer)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()


def test_a_terminal_has_at_most_two_live_keys(town, rotating):
    first = rotating.add(new_key()).json()
    assert code_of(rotating.add(new_key())) == (409, "too_many_terminal_keys")
    with town.service.database.transaction() as connection:
        withdraw_key(connection, rotating.till.terminal, first["serial"], at=town.service.clock())
    assert rotating.add(new_key()).status_code == 201


def test_a_withdrawn_key_does_not_come_back(town, rotating):
    signer = new_key()
    serial = rotating.add(signer).json()["serial"]
    with town.service.database.transaction() as connection:
        withdraw_key(connection, rotating.till.terminal, serial, at=town.service.clock())
    assert code_of(rotating.add(signer)) == (409, "terminal_key_known")


def test_the_key_of_another_terminal_is_refused(town, rotating):
    assert code_of(rotating.add(town.service.add_till().signer)) == (409, "terminal_key_known")


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "ESSC-TERMINAL-KEY-1"},
        {"issuer": "https://elsewhere.example"},
        {"terminal": "trm_" + "0" * 26},
        {"serial": "key_" + "0" * 26},
        {"key": "00" * 64},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_next_key_states_whose_it_will_be(rotating, changes):
    assert code_of(rotating.add(new_key(), **changes)) == (422, "terminal_key_unproven")


def test_a_stolen_terminal_gives_itself_no_key(town, rotating):
    with town.service.database.transaction() as connection:
        set_standing(connection, rotating.till.terminal, "stolen")
    town.service.runtime.gate.requests._known.clear()
    assert code_of(rotating.add(new_key())) == (401, "signature_wrong")


def test_a_signed_request_for_a_key_works_once(rotating):
    sent = rotating.add(new_key()).request
    assert code_of(rotating.till.http.send(sent)) == (409, "nonce_spent")


def test_the_audit_trail_names_the_key_that_added_a_key(town, rotating):
    serial = rotating.add(new_key()).json()["serial"]
    with town.service.database.transaction() as connection:
        entry = connection.execute(
            sa.select(audit_entries).where(
                audit_entries.c.act == "terminal.key_added", audit_entries.c.subject == rotating.till.terminal
            )
        ).one()
    assert entry.actor == rotating.till.terminal
    assert json.loads(entry.detail) == {"serial": serial, "by": rotating.till.serial}


def test_a_terminal_of_an_institution_without_any_scope_still_keeps_its_key_alive(town):
    till = town.service.add_till(town.service.add_institution(scopes=()))
    assert Rotating(till).add(new_key()).status_code == 201
    with town.service.database.transaction() as connection:
        since = sa.select(parties.c.created_at).where(parties.c.id == till.terminal)
        assert connection.execute(since).scalar_one() == int(START.timestamp() * 1000)
