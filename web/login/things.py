"""What stands on a card, in the words of the account page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from auth.devices import Device
from auth.login.consents import Consent
from auth.oauth.grants import Holding
from auth.oauth.scopes import OFFLINE, SCOPES
from web.login.texts import say

_CHINA = timezone(timedelta(hours=8))
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True)
class Thing:
    """One line of the page: what it is, what is said about it, and the id by which it is ended."""

    id: str
    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Things:
    """Phones, clients with lasting access, and clients whose consent is remembered."""

    devices: list[Thing]
    links: list[Thing]
    consents: list[Thing]


def shown_things(
    language: str, *, devices: Iterable[Device], grants: Iterable[Holding], consents: Iterable[Consent]
) -> Things:
    """Write everything in the language of the page."""
    return Things(
        [_device(language, device) for device in devices],
        [_link(language, held) for held in grants if OFFLINE in held.grant.scopes],
        [_consent(language, consent) for consent in consents],
    )


def say_date(language: str, moment: datetime) -> str:
    """Write a day as it is in China."""
    day = moment.astimezone(_CHINA)
    if language == "zh":
        return f"{day.year} 年 {day.month} 月 {day.day} 日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _device(language: str, device: Device) -> Thing:
    return Thing(device.id, say(language, "account.device", channel=device.channel), ())


def _link(language: str, held: Holding) -> Thing:
    name, grant = held.name_zh if language == "zh" else held.name_en, held.grant
    dates = _dates(language, grant.granted_at, grant.expires_at)
    return Thing(grant.id, name, (_scopes(language, grant.scopes), dates))


def _consent(language: str, consent: Consent) -> Thing:
    name = consent.name_zh if language == "zh" else consent.name_en
    dates = _dates(language, consent.agreed_at, consent.expires_at)
    return Thing(consent.client, name, (_scopes(language, consent.scopes), dates))


def _scopes(language: str, names: tuple[str, ...]) -> str:
    texts = [SCOPES[name].zh if language == "zh" else SCOPES[name].en for name in names if name in SCOPES]
    return ("；" if language == "zh" else "; ").join(texts)


def _dates(language: str, since: datetime, until: datetime) -> str:
    said = (
        say(language, "account.since", date=say_date(language, since)),
        say(language, "account.until", date=say_date(language, until)),
    )
    return ("，" if language == "zh" else ", ").join(said)
