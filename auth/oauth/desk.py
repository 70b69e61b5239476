"""What the authorization server needs, made once by ``web.runtime``; and the ports through which it asks others."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from auth.oauth.clients import Clients
from auth.oauth.nonces import ProofNonces
from auth.oauth.stored_secrets import StoredSecrets
from auth.oauth.token_keys import TokenKeys
from core.database import Database
from core.ground import Ground
from sm.sm2 import Provider


@dataclass(frozen=True, slots=True)
class CardState:
    """How an electronic card stands: its assurance level, and whether anything may be granted on it now.

    ``holder`` is the blind index of its person's number, the same for each card of that person.
    """

    level: str
    active: bool
    holder: str


class CardStates(Protocol):
    """Asked of ``ecard``."""

    def __call__(self, database: Database, card: str) -> CardState | None:
        """Tell how a card stands, or None for one that does not exist."""


class MayMeet(Protocol):
    """Asked of ``channels``."""

    def __call__(self, database: Database, client: str, card: str) -> bool:
        """Tell whether this client and this card are of one world: both real, or both of one channel's sandbox."""


class LoginPages(Protocol):
    """Where the holder logs in and agrees (``auth.login``)."""

    def address_of(self, interaction: str) -> str:
        """Tell where the browser goes for this login request; a path of this service."""


@dataclass(frozen=True)
class OAuthDesk:
    """The authorization server's surroundings."""

    ground: Ground
    provider: Provider
    clients: Clients
    stored: StoredSecrets
    nonces: ProofNonces
    token_keys: Callable[[], TokenKeys]
    card_states: CardStates
    may_meet: MayMeet
    pairwise_key: bytes = field(repr=False)
    login: LoginPages

    @property
    def issuer(self) -> str:
        return self.ground.settings.issuer

    @property
    def api(self) -> str:
        """The resource that this service is itself: audience of tokens for /v1."""
        return f"{self.issuer}/v1"

    @property
    def userinfo(self) -> str:
        return f"{self.issuer}/oauth/userinfo"
