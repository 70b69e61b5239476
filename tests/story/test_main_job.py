"""From the chip to the pharmacy: the main job, end to end."""

from tests.service import Service


def test_a_chip_card_enrolls_a_phone_and_a_pharmacy_redeems_its_code_once(service: Service) -> None:
    phone = service.enroll()
    till = service.add_till()
    card = phone.call("GET", f"/v1/cards/{phone.card}").json()
    assert card["state"] == "active"
    assert card["level"] == "L3"

    code = phone.code("medical").json()["code"]
    first = till.redeem(code, "medical", key="till-000001")
    assert first.status_code == 201, first.text
    assert first.json()["result"] == "accepted"
    assert first.json()["entitlement"]["insured_region"] == "990100"

    again = till.redeem(code, "medical", key="till-000001")
    assert again.status_code == 201
    assert again.json() == first.json()

    second = till.redeem(code, "medical")
    assert second.status_code == 409
    assert second.json()["code"] == "already_used"
    assert second.json()["where"] == "here"

    uses = phone.call("GET", f"/v1/cards/{phone.card}/uses").json()["items"]
    assert [use["id"] for use in uses] == [first.json()["id"]]


def test_a_counter_code_is_redeemed_once(service: Service) -> None:
    phone, till = service.enroll(), service.add_till()
    code = phone.code("merchant", kind="counter").json()["code"]
    assert len(code) == 20
    assert till.redeem(code, "merchant").status_code == 201
    assert till.redeem(code, "merchant").json()["code"] == "already_used"
    assert till.redeem(code[:-1] + str((int(code[-1]) + 1) % 10), "merchant").json()["code"] == "malformed"
