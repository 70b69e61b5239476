"""A bank has its customer's card issued: what comes of it, and that it is a card like any other."""

import pytest
import sqlalchemy as sa

from auth.oauth.grants import Holding, list_links
from channels.issuance.finishing import LINK_LIFE
from channels.registry import require_terms
from core.audit import audit_entries
from core.errors import Malformed
from ecard.credential import verify_credential
from ecard.holders import get_holder
from ecard.models import holders
from sm import city_keys
from tests.channels.partners import make_partner
from tests.exchange.returning import Link, claims_of, make_link
from tests.issuance.banks import EVIDENCE, PHONE, Bank, Core, make_bank, make_customer, row_of
from tests.oauth.holder import Holder
from tests.persons import make_person
from tests.service import ISSUER, PROVIDER


def test_a_customer_s_card_is_issued_at_l2_and_linked_at_once(both):
    bank, person = make_bank(both), make_customer(both)
    issued = bank.issue(person, out_request_no="B-1-1")
    assert issued.items() >= {"out_request_no": "B-1-1", "state": "issued", "because": None, "result": "001"}.items()
    card = bank.card_of(issued)
    assert (card.level, card.standing, card.default_pin) == ("L2", "active", True)
    carried = bank.app.send("GET", f"/v1/carriages/{issued['carriage']}").json()
    assert carried.items() >= {"state": "active", "subject": issued["subject"], "level": "L2", "payment": False}.items()
    answer = bank.link(issued).exchange()
    assert (answer.status_code, answer.json()["scope"]) == (200, "card.read card.present card.uses")
    told = {"sub": issued["subject"], "acr": "L2", "amr": ["bank"], "aud": f"{ISSUER}/v1"}
    assert claims_of(answer.json()["access_token"]).items() >= told.items()
    with both.database.transaction() as connection:
        [holding] = list_links(connection, card.id, both.clock())[0]
    grant = holding.grant
    assert (grant.client, grant.device, grant.acr, grant.amr) == (bank.client.id, None, "L2", ("bank",))
    assert grant.expires_at - grant.granted_at == LINK_LIFE


def test_the_holder_is_kept_with_the_phone_that_the_bank_vouched_for(bank):
    person = make_customer(bank.service)
    card = bank.card_of(bank.issue(person))
    fields = bank.service.runtime.ground.fields
    with bank.service.database.transaction() as connection:
        holder = get_holder(bank.service.runtime.ground, connection, card.holder)
        row = connection.execute(sa.select(holders).where(holders.c.id == card.holder)).one()
    assert (holder.social_security_number, holder.name) == (person.social_security_number, person.name)
    assert row.phone_index == fields.index("phone", PHONE)
    assert fields.open("holders", "phone", card.holder, row.phone) == PHONE
    assert PHONE.encode() not in row.phone


def test_the_credential_says_l2_and_names_no_phone(bank):
    service = bank.service
    card = bank.card_of(bank.issue(make_customer(service)))
    public_key = PROVIDER.public_key_of(service.runtime.store.private_key(city_keys.CARD_CREDENTIAL))
    claims = verify_credential(PROVIDER, public_key, card.credential, service.clock())
    assert (claims["sub"], claims["acr"], "cnf" in claims) == (card.id, "L2", False)


def test_the_bank_s_app_shows_codes_that_a_till_redeems_at_l2_and_that_pay_nothing(both):
    bank, till = make_bank(both), both.add_till(purposes=("medical", "merchant", "identity"))
    link = bank.link(bank.issue(make_customer(both)))
    token = link.token()
    told = {"sub": link.subject, "acr": "L2", "amr": ["bank"], "aud": f"{ISSUER}/v1"}
    assert claims_of(token).items() >= told.items()
    for purpose, said in (("medical", {}), ("merchant", {"payment": False}), ("identity", {"level": "L2"})):
        taken = till.redeem(show(bank, token, purpose), purpose)
        assert taken.status_code == 201, taken.text
        assert taken.json()["entitlement"].items() >= said.items()
    items = bank.client.http.get(
        "/v1/carriage/uses", headers=bank.client.call_headers(token, "/v1/carriage/uses", "GET")
    )
    assert [use["purpose"] for use in items.json()["items"]] == ["identity", "merchant", "medical"]


def show(bank: Bank, token: str, purpose: str) -> str:
    headers = bank.client.call_headers(token, "/v1/carriage/codes", "POST")
    shown = bank.client.http.post("/v1/carriage/codes", json={"class": purpose, "kind": "signed"}, headers=headers)
    assert shown.status_code == 201, shown.text
    return str(shown.json()["code"])


def test_a_chip_at_a_reader_raises_the_card_to_l3_and_the_link_stays(both):
    bank, chip, person = make_bank(both), both.make_card(1), make_person(1)
    issued = bank.issue(person)
    before = bank.card_of(issued)
    phone = both.enroll(card=chip)
    after = bank.card_of(issued)
    assert (phone.card, before.level, after.level, after.default_pin) == (before.id, "L2", "L3", False)
    assert after.credential != before.credential
    assert bank.app.send("GET", f"/v1/carriages/{issued['carriage']}").json()["payment"] is True
    assert claims_of(bank.link(issued).token())["acr"] == "L2"


def test_a_card_that_is_there_is_used_as_it_stands_with_result_002(both):
    bank, chip = make_bank(both), both.make_card(1)
    phone = both.enroll(card=chip)
    issued = bank.issue(make_person(1))
    card = bank.card_of(issued)
    assert (issued["state"], issued["result"], card.id, card.level) == ("issued", "002", phone.card, "L3")
    assert phone.code("medical").status_code == 201
    kinds = ["credential.to_be_signed", "card.issued"]
    assert [kind for kind in kinds if kind in acts_of(bank, card.id)] == kinds
    assert acts_of(bank, card.id).count("card.issued") == 1


def test_a_second_bank_gets_the_same_card_with_result_002(both):
    first, second, person = make_bank(both), make_bank(both), make_customer(both)
    issued, again = first.issue(person), second.issue(person)
    assert first.card_of(issued) == second.card_of(again)
    assert (issued["result"], again["result"]) == ("001", "002")
    assert issued["subject"] != again["subject"]


def test_the_same_bank_may_ask_anew_and_goes_on_by_the_same_link(bank):
    person = make_customer(bank.service)
    first, second = bank.issue(person), bank.issue(person)
    assert (second["result"], second["carriage"], second["subject"]) == ("002", first["carriage"], first["subject"])
    assert bank.link(second).exchange().status_code == 200
    assert len(links_of(bank, bank.card_of(second).id)) == 1


def test_a_link_that_the_holder_made_by_a_redirect_stays_and_is_not_lowered(both):
    bank, chip = make_bank(both), both.make_card(1)
    phone = both.enroll(card=chip)
    made = make_link(Holder(both, phone.card, phone.device), bank.client)
    issued = bank.issue(make_person(1))
    assert issued["subject"] == made.subject
    assert claims_of(bank.link(issued).token())["acr"] == "L3"
    assert len(links_of(bank, phone.card)) == 1


def test_a_link_that_allows_less_is_joined_by_one_that_allows_what_the_app_may(both):
    bank, chip = make_bank(both), both.make_card(1)
    phone = both.enroll(card=chip)
    make_link(Holder(both, phone.card, phone.device), bank.client, {"scope": "openid offline_access card.read"})
    both.clock.step(1)
    issued = bank.issue(make_person(1))
    assert bank.link(issued).exchange().json()["scope"] == "card.read card.present card.uses"


def links_of(bank: Bank, card: str) -> list[Holding]:
    with bank.service.database.transaction() as connection:
        return list_links(connection, card, bank.service.clock())[0]


def test_the_same_request_again_has_the_same_answer_and_another_one_under_its_number_none(bank):
    person = make_customer(bank.service)
    first = bank.send(person, out_request_no="B-same")
    bank.work()
    again = bank.send(person, out_request_no="B-same")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    other = bank.send(person, out_request_no="B-same", phone="19900000002")
    assert (other.status_code, other.json()["code"]) == (422, "out_request_no_reused")
    assert len([question for _, question in bank.core.asked]) == 1


def test_a_lost_answer_is_found_by_the_bank_s_own_number(bank):
    issued = bank.issue(make_customer(bank.service), out_request_no="B-lost")
    assert bank.app.send("GET", "/v1/bank-issuances?out_request_no=B-lost").json() == issued
    for query in ("", "?out_request_no=", "?out_request_no=%2e"):
        assert bank.app.send("GET", f"/v1/bank-issuances{query}").status_code == 400
    assert bank.app.send("GET", "/v1/bank-issuances?out_request_no=B-none").status_code == 404


def test_another_channel_sees_nothing_of_it(bank):
    other = make_bank(bank.service)
    issued = bank.issue(make_customer(bank.service), out_request_no="B-mine")
    unknown = f"iss_{'0' * 26}"
    answers = [
        other.app.send("GET", f"/v1/bank-issuances/{issued['id']}"),
        other.app.send("GET", f"/v1/bank-issuances/{unknown}"),
        other.app.send("GET", "/v1/bank-issuances?out_request_no=B-mine"),
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({without_id(answer.json()) for answer in answers}) == 1
    assert other.client.id != bank.client.id
    assert Link(other.client, issued["subject"], {}).exchange().status_code == 400


def without_id(problem: dict[str, object]) -> str:
    return str({name: value for name, value in problem.items() if name != "request_id"})


@pytest.mark.parametrize("scopes", [("carriage", "news"), ("news",)])
def test_a_channel_without_the_scope_asks_for_nothing(bank, scopes):
    other = make_partner(bank.service, scopes=scopes)
    body = b"{}"
    for method, path in (("POST", ""), ("GET", "?out_request_no=a"), ("GET", f"/iss_{'0' * 26}")):
        answer = other.send(method, f"/v1/bank-issuances{path}", body if method == "POST" else b"")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_the_scope_is_a_bank_s():
    with pytest.raises(Malformed):
        require_terms("social", ("issue",), ("ESSC-SM2-SM3",), 60)


def test_a_channel_in_the_sandbox_asks_for_nothing(bank):
    other = make_partner(bank.service, "sandbox", scopes=("issue",))
    answer = other.send("POST", "/v1/bank-issuances", b"{}")
    assert (answer.status_code, answer.json()["code"]) == (403, "channel_not_live")


def test_a_bank_that_is_not_set_up_is_told_so_at_once(bank):
    app, person = make_partner(bank.service, scopes=("issue",)), make_customer(bank.service)
    half = Bank(app, bank.client, Core())
    for _ in range(2):  # no port, then no client
        answer = half.send(person)
        assert (answer.status_code, answer.json()["code"]) == (409, "issuance_not_set_up")
        if answer.json()["detail"].startswith("no bank port"):
            half.set_port()


def test_what_was_asked_is_erased_when_it_ends(bank):
    issued = bank.issue(make_customer(bank.service))
    row = row_of(bank.service, issued["id"])
    assert (row.asked, row.reason) == (None, None)
    assert row.evidence == EVIDENCE


def test_each_step_stands_in_the_audit_trail(bank):
    issued = bank.issue(make_customer(bank.service))
    card = bank.card_of(issued).id
    told = ["issuance.asked", "credential.to_be_signed", "card.issued", "carriage.signed", "issuance.issued"]
    assert acts_of(bank, issued["id"], card, issued["carriage"]) == told


def acts_of(bank: Bank, *subjects: str) -> list[str]:
    table = audit_entries.c
    query = sa.select(table.act, table.actor).where(table.subject.in_(subjects)).order_by(table.number)
    with bank.service.database.transaction() as connection:
        return [row.act for row in connection.execute(query)]
