"""What logging in needs, made once by ``web.runtime``; and the ports through which it asks others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from auth.login.records import Login
from auth.oauth.desk import CardStates, OAuthDesk
from auth.oauth.scopes import Scope
from auth.oauth.stored_secrets import StoredSecrets
from core.ephemeral import Ephemeral
from core.ground import Ground


@dataclass(frozen=True, slots=True)
class Described:
    """What a login is for, as phone and page show it; ``host`` is where the browser goes on to."""

    name_zh: str
    name_en: str
    host: str
    scopes: tuple[Scope, ...]


Describe = Callable[[Connection, Login], Described]
"""Tells what a login is for; raises a refusal where that has ended. One for each purpose."""

PasswordCheck = Callable[[Connection, str, str], None]
"""Judge a given password of a card (connection, card, given); raises the refusals of ``ecard``."""


@dataclass(frozen=True)
class LoginDesk:
    """The surroundings of a login.

    Attributes:
        purposes: who describes what a login is for.
        counts: counters in the database: a limit must not fall with a store that does not answer.
    """

    oauth: OAuthDesk
    purposes: Mapping[str, Describe]
    check_password: PasswordCheck
    counts: Ephemeral

    @property
    def ground(self) -> Ground:
        return self.oauth.ground

    @property
    def stored(self) -> StoredSecrets:
        return self.oauth.stored

    @property
    def card_states(self) -> CardStates:
        return self.oauth.card_states

    @property
    def issuer(self) -> str:
        return self.oauth.issuer
