"""The register of channels: what is entered, where a channel may move, and what stands below another."""

import json

import pytest
import sqlalchemy as sa

from channels.certificates import warn_of_ends
from channels.errors import (
    AboveStandsLower,
    CertificateNotAccepted,
    ChannelNameTaken,
    ChannelWithoutCertificate,
    KeyInUse,
    TooManyCertificates,
    TransitionNotAllowed,
)
from channels.models import channels
from channels.registry import (
    CLASSES,
    find_channel,
    find_channel_of_client,
    get_channel,
    list_channels,
    read_contacts,
)
from channels.standing import STANDINGS, TRANSITIONS
from core.clock import to_text
from core.errors import Malformed, Missing
from core.outbox import outbox
from sm import city_keys
from sm.certificates import PARTNER_PURPOSE, TERMINAL_PURPOSE
from sm.certificates.issuing import Subject
from sm.der import write_pem
from tests.channels.partners import (
    CONTACTS,
    WAY_UP,
    PartnerApp,
    add_certificate,
    apply,
    change,
    make_partner,
    move,
    propose,
    standing_of,
)
from tests.oauth.clients_of_tests import make_partner as make_client
from tests.service import PROVIDER, Service
from web.worker import Worker

NOBODY = "chn_" + "0" * 26


def registered(service: Service, channel: str):
    with service.database.transaction() as connection:
        return get_channel(connection, channel)


# ── Applications ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_application_may_do_nothing_yet(city):
    channel = registered(city, apply(city, name_zh="示范第一银行"))
    assert (channel.standing, channel.tier, channel.client) == ("applied", 1, None)
    assert (channel.scopes, channel.algorithms) == (("carriage", "news"), ("ESSC-SM2-SM3",))


def test_two_channels_have_different_names(city):
    apply(city, name_zh="示范第二银行")
    with pytest.raises(ChannelNameTaken):
        apply(city, name_zh="示范第二银行")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name_zh": ""},
        {"name_zh": "银" * 101},
        {"name_zh": " 示范银行"},
        {"name_zh": "示范\n银行"},
        {"name_zh": "示范ＢＡＮＫ"},
        {"name_en": ""},
        {"channel_class": "church"},
        {"scopes": ["everything"]},
        {"scopes": ["news", "news"]},
        {"channel_class": "social", "scopes": ["issue"]},
        {"channel_class": "medical", "scopes": ["counter"]},
        {"algorithms": []},
        {"algorithms": ["RSA"]},
        {"algorithms": ["ESSC-SM2-SM3", "ESSC-SM2-SM3"]},
        {"requests_per_minute": 0},
        {"requests_per_minute": 60_001},
        {"requests_per_minute": "600"},
        {"requests_per_minute": True},
        {"contacts": []},
        {"contacts": [{"role": "technical", "name": "A", "reach": "a@bank.example"}]},
        {"contacts": [{"role": "security", "name": "A"}]},
        {"contacts": [{"role": "security", "name": "", "reach": "a@bank.example"}]},
        {"contacts": [{"role": "boss", "name": "A", "reach": "a@bank.example"}]},
        {"contacts": [*CONTACTS] * 11},
    ],
    ids=str,
)
def test_an_application_that_is_not_in_order_is_refused(city, wrong):
    with pytest.raises(Malformed):
        apply(city, **wrong)


def test_contacts_are_sealed_and_open_for_their_channel_alone(city):
    channel = apply(city)
    with city.database.transaction() as connection:
        kept = connection.execute(sa.select(channels.c.contacts).where(channels.c.id == channel)).scalar_one()
        assert b"security" not in bytes(kept)
        assert read_contacts(city.runtime.ground, connection, channel) == [dict(contact) for contact in CONTACTS]


def test_what_is_not_a_channel_is_not_found(city):
    with city.database.transaction() as connection:
        for name in (NOBODY, "", "chn_", "trm_" + "0" * 26, "chn_\n"):
            assert find_channel(connection, name) is None
        with pytest.raises(Missing):
            get_channel(connection, NOBODY)


# ── How a channel stands ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("to", STANDINGS)
@pytest.mark.parametrize("standing", STANDINGS)
def test_a_channel_moves_along_the_table_and_nowhere_else(city, standing, to):
    partner = make_partner(city, standing)
    if to in TRANSITIONS[standing]:
        change(city, partner.channel, "standing", {"from": standing, "to": to})
        assert standing_of(city, partner.channel) == to
    else:
        with pytest.raises(TransitionNotAllowed):
            propose(city, partner.channel, "standing", {"from": standing, "to": to})


def test_every_standing_of_the_way_is_reached(city):
    assert set(WAY_UP) == set(STANDINGS) == set(TRANSITIONS)
    assert {to for steps in TRANSITIONS.values() for to in steps} | {"applied"} == set(STANDINGS)


@pytest.mark.parametrize("to", ["reviewed", "live"])
def test_nobody_is_reviewed_or_goes_live_without_a_certificate(city, to):
    partner = make_partner(city, {"reviewed": "sandbox", "live": "reviewed"}[to])
    change(city, partner.channel, "withdrawal", {"serial": partner.serial, "reason": "tried out"})
    with pytest.raises(ChannelWithoutCertificate):
        move(city, partner.channel, to)


# ── Two tiers ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_tier_channel_enters_through_a_first_tier_one(city):
    first = apply(city)
    second = registered(city, apply(city, above=first))
    assert (second.tier, second.above) == (2, first)
    with pytest.raises(Malformed):
        apply(city, above=second.id)
    with pytest.raises(Missing):
        apply(city, above=NOBODY)
    move(city, first, "closed")
    with pytest.raises(Malformed):
        apply(city, above=first)


def test_a_second_tier_channel_does_not_overtake_the_one_above(city):
    first = make_partner(city, "sandbox")
    second = make_partner(city, "sandbox", above=first.channel)
    with pytest.raises(AboveStandsLower):
        move(city, second.channel, "reviewed")
    move(city, first.channel, "reviewed")
    move(city, second.channel, "reviewed")
    assert standing_of(city, second.channel) == "reviewed"


@pytest.mark.parametrize("to", ["suspended", "closed"])
def test_what_happens_to_a_first_tier_channel_happens_to_those_below(city, to):
    first = make_partner(city)
    below = [make_partner(city, above=first.channel).channel for _ in range(2)]
    beside = make_partner(city).channel
    outcome = move(city, first.channel, to).outcome
    assert outcome is not None
    assert set(outcome["below"]) == set(below)
    assert {standing_of(city, channel) for channel in below} == {to}
    assert standing_of(city, beside) == "live"
    if to == "suspended":
        move(city, first.channel, "live")
        assert {standing_of(city, channel) for channel in below} == {"live"}


def test_a_second_tier_channel_may_do_no_more_than_the_one_above(city):
    first = make_partner(city, scopes=["news"])
    second = registered(city, apply(city, above=first.channel, scopes=["carriage", "news", "issue"]))
    assert second.own_scopes == ("carriage", "news", "issue")
    assert second.scopes == ("news",)


# ── Certificates ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_channel_has_at_most_two_live_certificates(city):
    partner = make_partner(city)
    partner.with_new_key()
    third = PartnerApp(city, partner.channel)
    with pytest.raises(TooManyCertificates):
        add_certificate(city, third)
    change(city, partner.channel, "withdrawal", {"serial": partner.serial, "reason": "changed over"})
    assert add_certificate(city, third)


def test_a_certificate_that_has_ended_makes_room(city):
    partner = make_partner(city)
    add_certificate(city, PartnerApp(city, partner.channel), days=1)
    city.clock.step(86_400)
    assert add_certificate(city, PartnerApp(city, partner.channel))


def test_no_key_is_registered_twice_not_even_after_it_was_withdrawn(city):
    partner, other = make_partner(city), make_partner(city)
    change(city, partner.channel, "withdrawal", {"serial": partner.serial, "reason": "stolen"})
    for channel in (partner.channel, other.channel):
        with pytest.raises(KeyInUse):
            add_certificate(city, PartnerApp(city, channel, signer=partner.signer))


@pytest.mark.parametrize("public_key", ["", "00" * 64, "ff" * 64, "04" + "00" * 64, "zz" * 64, "0" * 127])
def test_what_is_no_key_is_not_registered(city, public_key):
    detail = {"public_key": public_key, "days": 30}
    with pytest.raises((CertificateNotAccepted, Malformed)):
        propose(city, apply(city), "certificate", detail)


@pytest.mark.parametrize("days", [0, 399, -1, True, "30"])
def test_a_certificate_lives_for_a_day_to_thirteen_months(city, days):
    signer = PartnerApp(city, "").signer
    with pytest.raises(Malformed):
        propose(city, apply(city), "certificate", {"public_key": signer.public_key.hex(), "days": days})


def certificate_for(city: Service, name: str, *, purpose: str = PARTNER_PURPOSE, days: int = 90) -> str:
    signer = PartnerApp(city, "").signer
    issued = city_keys.issue_leaf(
        city.runtime.store,
        PROVIDER,
        subject=Subject(common_name=name),
        public_key=signer.public_key,
        purpose=purpose,
        not_before=city.clock(),
        not_after=city.clock().replace(year=city.clock().year + 2) if days > 398 else _after(city, days),
    )
    return write_pem("CERTIFICATE", issued.der)


def _after(city: Service, days: int):
    city.clock.step(days * 86_400)
    moment = city.clock()
    city.clock.step(-days * 86_400)
    return moment


def test_a_certificate_that_a_partner_brings_is_taken_for_its_own_channel(city):
    channel = apply(city)
    outcome = change(city, channel, "certificate", {"certificate": certificate_for(city, channel)}).outcome
    assert outcome is not None
    assert outcome["serial"]


@pytest.mark.parametrize("wrong", ["another's", "a terminal's", "too long", "no certificate", "unknown issuer", "both"])
def test_no_other_certificate_is_taken(city, wrong):
    channel = apply(city)
    pem = {
        "another's": lambda: certificate_for(city, apply(city)),
        "a terminal's": lambda: certificate_for(city, channel, purpose=TERMINAL_PURPOSE),
        "too long": lambda: certificate_for(city, channel, days=399),
        "no certificate": lambda: "-----BEGIN CERTIFICATE-----",
        "unknown issuer": lambda: write_pem("CERTIFICATE", city_keys.read_hierarchy(city.runtime.store).ministry.der),
        "both": lambda: certificate_for(city, channel),
    }[wrong]()
    detail = {"certificate": pem} | ({"days": 30} if wrong == "both" else {})
    with pytest.raises((CertificateNotAccepted, Malformed)):
        propose(city, channel, "certificate", detail)


# ── Warnings ─────────────────────────────────────────────────────────────────────────────────────────────────────


def warnings(service: Service) -> list[str]:
    with service.database.transaction() as connection:
        told = sa.select(outbox.c.content).where(outbox.c.kind == "channel.certificate_expiring")
        return [content["serial"] for content in connection.execute(told.order_by(outbox.c.number)).scalars()]


def test_a_certificate_is_warned_of_from_thirty_days_before_its_end_once_a_day(both):
    partner = make_partner(both)
    worker = Worker(both.runtime)
    both.clock.step(150 * 86_400 - 1)
    worker.clean()
    assert warnings(both) == []
    both.clock.step(1)
    for _ in range(3):
        worker.clean()
    assert warnings(both) == [partner.serial]
    both.clock.step(86_400)
    worker.clean()
    assert warnings(both) == [partner.serial] * 2


def test_nobody_is_warned_of_what_is_withdrawn_or_over(city):
    partner, ended = make_partner(city), make_partner(city)
    change(city, partner.channel, "withdrawal", {"serial": partner.serial, "reason": "stolen"})
    city.clock.step(180 * 86_400)
    with city.database.transaction() as connection:
        told = {certificate.serial for certificate in warn_of_ends(city.runtime.channels, connection)}
    assert not told & {partner.serial, ended.serial}


def test_the_moment_that_an_event_tells_is_the_end(city):
    partner = make_partner(city)
    city.clock.step(179 * 86_400)
    with city.database.transaction() as connection:
        told = warn_of_ends(city.runtime.channels, connection)
    ends = {certificate.serial: to_text(certificate.not_after) for certificate in told}
    assert ends[partner.serial] == "2026-08-29T08:00:00.000Z"


# ── OAuth clients ────────────────────────────────────────────────────────────────────────────────────────────────


def client_standing(service: Service, client: str) -> bool:
    service.runtime.oauth.desk.clients._known.clear()  # as half a second later
    return service.runtime.oauth.desk.clients.find(client) is not None


def test_the_oauth_client_of_a_channel_stands_as_the_channel_does(city):
    first = make_partner(city)
    second = make_partner(city, above=first.channel)
    clients = {}
    for partner in (first, second):
        clients[partner.channel] = make_client(city).id
        detail = {"from": {"client": None}, "to": {"client": clients[partner.channel]}}
        change(city, partner.channel, "terms", detail)
    move(city, first.channel, "suspended")
    assert [client_standing(city, client) for client in clients.values()] == [False, False]
    move(city, first.channel, "live")
    assert [client_standing(city, client) for client in clients.values()] == [True, True]
    with city.database.transaction() as connection:
        found = find_channel_of_client(connection, clients[second.channel])
        assert found is not None
        assert found.id == second.channel
        assert find_channel_of_client(connection, "cli_" + "0" * 26) is None


def test_a_client_belongs_to_one_channel(city):
    one, other, client = make_partner(city), make_partner(city), make_client(city).id
    change(city, one.channel, "terms", {"from": {"client": None}, "to": {"client": client}})
    with pytest.raises(Malformed):
        propose(city, other.channel, "terms", {"from": {"client": None}, "to": {"client": client}})
    with pytest.raises(Missing):
        propose(city, other.channel, "terms", {"from": {"client": None}, "to": {"client": "cli_" + "0" * 26}})


def test_the_classes_are_those_of_the_feature_row(city):
    for channel_class in CLASSES:
        assert registered(city, apply(city, channel_class=channel_class)).channel_class == channel_class
    with city.database.transaction() as connection:
        assert {channel.channel_class for channel in list_channels(connection)} == set(CLASSES)
    assert json.dumps(CLASSES) == '["hrss", "government", "contracted", "bank", "medical", "social"]'
