"""What every key store offers. Root keys are used through it; an adapter for hardware subclasses it."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Literal, get_args

from sm.errors import KeyNotFound, WrongEnvironment
from sm.keystore.entries import Entry, Kind
from sm.sm2 import PrivateKey

Environment = Literal["development", "production"]
ENVIRONMENTS: tuple[Environment, ...] = get_args(Environment)


class KeyStore(ABC):
    """Named keys and documents at three levels; all errors are `sm.errors.SmError`.

    Levels are "ministry", "province", "city". Kinds of key are "sm2" (a scalar), "p256" (a scalar), "ed25519" (a seed),
    "sm4" (16 bytes) and "hmac" (32 bytes). A document is a small authenticated file, such as a key ring or a
    certificate.
    """

    @property
    @abstractmethod
    def identifier(self) -> str:
        """The store's own random name: 32 hexadecimal digits, never the same for two stores."""

    @property
    @abstractmethod
    def environment(self) -> Environment:
        """What the keys were made for; cannot be edited without the secret."""

    @abstractmethod
    def names(self) -> list[str]:
        """List the names of all keys and documents, sorted; of a file store, opens none of them."""

    @abstractmethod
    def entry(self, name: str) -> Entry:
        """Tell level and kind of a name; raise KeyNotFound."""

    @abstractmethod
    def create(self, name: str, level: str, kind: str) -> Entry:
        """Draw a key and keep it; raise KeyExists when the name is taken."""

    @abstractmethod
    def put(self, name: str, level: str, kind: str, key: bytes) -> Entry:
        """Keep a key that was drawn elsewhere; raise KeyExists, or InvalidKey for a wrong size or range."""

    @abstractmethod
    def write_document(self, name: str, level: str, body: bytes) -> None:
        """Write a document, replacing the former one of this name and level; raise KeyExists if the name is a key's."""

    @abstractmethod
    def writing(self) -> AbstractContextManager[None]:
        """Keep every other writer out for a read-change-write of several entries; may be nested."""

    @abstractmethod
    def rewrap(self, level: str) -> int:
        """Draw a new KEK for a level and seal everything below it anew; data keys stay the same. Tell how many."""

    @abstractmethod
    def read(self, name: str) -> tuple[Entry, bytes]:
        """Open an entry; raise KeyNotFound, or SealBroken when its file was edited, moved or renamed."""

    def symmetric(self, name: str) -> bytes:
        """Hand out a symmetric key: 16 bytes of kind sm4, 32 of kind hmac."""
        return self._content(name, ("sm4", "hmac"))

    def private_key(self, name: str) -> PrivateKey:
        """Hand out an SM2 private key."""
        return PrivateKey(self._content(name, ("sm2",)))

    def p256_scalar(self, name: str) -> bytes:
        """Hand out the 32 bytes of a P-256 private scalar, for ES256."""
        return self._content(name, ("p256",))

    def ed25519_seed(self, name: str) -> bytes:
        """Hand out the 32 bytes of an Ed25519 private key (RFC 8032 section 5.1.5)."""
        return self._content(name, ("ed25519",))

    def document(self, name: str) -> bytes:
        """Read a document."""
        return self._content(name, ("document",))

    def _content(self, name: str, kinds: tuple[Kind, ...]) -> bytes:
        entry, content = self.read(name)
        if entry.kind not in kinds:
            raise KeyNotFound(f"{name} is of kind {entry.kind}, not {' or '.join(kinds)}")
        return content


def read_environment(given: str) -> Environment:
    """Let through "development" or "production"; raise WrongEnvironment."""
    for environment in ENVIRONMENTS:
        if given == environment:
            return environment
    raise WrongEnvironment(f"an environment is one of {', '.join(ENVIRONMENTS)}")


def require_environment(store: KeyStore, environment: str) -> None:
    """Refuse a store that was made for another environment than the one that runs."""
    if store.environment != environment:
        raise WrongEnvironment(f"the key store was made for {store.environment}, this is {environment}")
