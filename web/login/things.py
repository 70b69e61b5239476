"""What stands on a card, in the words of the account page."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from auth.devices import Device
from auth.login.consents import Consent
from auth.oauth.grants import Holding
from auth.oauth.scopes import SCOPES
from web.login.dates import say_date
from web.login.texts import say


@dataclass(frozen=True, slots=True)
class Thing:
    """One line of the page: what it is, what is said about it, and the id by which it is ended.

    ``is_own``: the phone with which the holder has logged in here.
    """

    id: str
    name: str
    lines: tuple[str, ...]
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class Things:
    """Phones, clients with lasting access, and clients whose consent is remembered; at most 100 of each."""

    devices: list[Thing]
    links: list[Thing]
    consents: list[Thing]

    def of(self, kind: str) -> list[Thing]:
        """Give those of one kind, by the name that addresses use."""
        return {"devices": self.devices, "links": self.links, "consents": self.consents}[kind]


def shown_things(
    language: str,
    *,
    devices: Iterable[Device],
    this_device: str,
    links: Iterable[Holding],
    consents: Iterable[Consent],
) -> Things:
    """Write everything in the language of the page."""
    return Things(
        [_device(language, device, is_own=device.id == this_device) for device in devices],
        [_link(language, held) for held in links],
        [_consent(language, consent) for consent in consents],
    )


def _device(language: str, device: Device, *, is_own: bool) -> Thing:
    since = say(language, "account.since", date=say_date(language, device.bound_at))
    lines = (say(language, "account.this_device"), since) if is_own else (since,)
    return Thing(device.id, say(language, "account.device", channel=device.channel), lines, is_own=is_own)


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
