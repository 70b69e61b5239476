"""A card HSM in software, for development and tests: root keys from a key store, never in production.

In this process as `SoftCardHsm`; as a process of its own with `python -m physical.soft_hsm`, which prints one line of
JSON with its port when it is ready and ends at SIGTERM.
"""

import hmac
import json
import logging
import secrets
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import click

from physical.chip.card import AUTHENTICATION_LENGTH, CHALLENGE_LENGTH, INTERNAL_CHALLENGE_LENGTH
from physical.chip.card_keys import (
    CardKeys,
    derive_card_key,
    external_authentication,
    factors,
    internal_authentication,
)
from physical.hsm import CardKeyReference, CardNotAuthentic, ExternalAuthentication, HsmError, HsmHealth, HsmRefused
from physical.hsm_wire import read_link_key
from physical.soft_hsm_server import FailMode, SoftHsmServer
from sm.errors import SmError
from sm.keystore import FileKeyStore, KeyStore

ROOT_KEY_NAMES = {
    "internal": "chip/internal",
    "read": "chip/read",
    "update": "chip/update",
    "unblock": "chip/unblock",
}
"""Where the ministry's root keys IRK, RK(SSSE), UK(SSSE) and PUK lie in a key store."""

ROOT_KEY_LEVEL = "ministry"
PRODUCTION = "production"
GENERATIONS = frozenset({"1.0", "2.0", "3.0"})

_logger = logging.getLogger(__name__)


class DevelopmentOnly(HsmError):
    """A software HSM was started where real cards are."""

    code = "development_only"


class SoftCardHsm:
    """A `CardHsm` in this process.

    Raises:
        DevelopmentOnly: the environment or the key store is production
        KeyNotFound: the store has no root keys
    """

    def __init__(
        self, store: KeyStore, environment: str, randomness: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        require_development(store, environment)
        _logger.warning("software card HSM: development keys, not for production")
        self._internal_root = store.symmetric(ROOT_KEY_NAMES["internal"])
        self._read_root = store.symmetric(ROOT_KEY_NAMES["read"])
        self._environment = environment
        self._randomness = randomness

    def __repr__(self) -> str:
        return f"SoftCardHsm({self._environment})"

    def verify_internal_authentication(
        self, card: CardKeyReference, challenge: bytes, unverified_answer: bytes
    ) -> None:
        """Compute what the card answers and compare."""
        if len(challenge) != INTERNAL_CHALLENGE_LENGTH:
            raise HsmRefused("challenge_length")
        expected = internal_authentication(_card_key(self._internal_root, card), challenge)
        if not hmac.compare_digest(expected, unverified_answer):
            raise CardNotAuthentic("the card did not prove its key")

    def external_authentication(self, card: CardKeyReference, card_random: bytes) -> ExternalAuthentication:
        """Prove RK(SSSE) over the card's random bytes and eight fresh ones of ours."""
        if len(card_random) != CHALLENGE_LENGTH:
            raise HsmRefused("random_length")
        data = self._randomness(AUTHENTICATION_LENGTH)
        proof = external_authentication(_card_key(self._read_root, card), card_random, data)
        return ExternalAuthentication(proof, data)

    def health(self) -> HsmHealth:
        """Tell what this is."""
        return HsmHealth("soft-card-hsm", self._environment)


def _card_key(root_key: bytes, card: CardKeyReference) -> bytes:
    if card.generation not in GENERATIONS:
        raise HsmRefused("unknown_generation")
    return derive_card_key(root_key, factors(card.historical_bytes, card.region))


def require_development(store: KeyStore, environment: str) -> None:
    """Refuse production, whether the environment or the key store says so."""
    if PRODUCTION in {environment, store.environment}:
        raise DevelopmentOnly("the software HSM does not run in production")


def create_root_keys(store: KeyStore) -> None:
    """Draw the root keys that the store does not have yet; of development."""
    require_development(store, store.environment)
    for name in set(ROOT_KEY_NAMES.values()).difference(store.names()):
        store.create(name, ROOT_KEY_LEVEL, "sm4")


def development_root_keys(store: KeyStore) -> CardKeys:
    """Give the root keys to the maker of virtual cards; raise DevelopmentOnly for a store of production."""
    require_development(store, store.environment)
    return CardKeys(**{role: store.symmetric(name) for role, name in ROOT_KEY_NAMES.items()})


@click.command(name="soft-hsm")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 takes any free port.")
@click.option("--keys", "directory", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--secret", envvar="ECARD_KEYSTORE_SECRET", required=True, help="Opens the key store.")
@click.option("--link-key", envvar="ECARD_CARD_HSM_LINK_KEY", required=True, help="64 hexadecimal digits.")
@click.option("--environment", envvar="ECARD_ENVIRONMENT", default="development", show_default=True)
@click.option("--create-keys", is_flag=True, help="Draw root keys that the store lacks.")
@click.option("--fail", type=click.Choice([mode.value for mode in FailMode]), default=FailMode.NONE.value)
@click.option("--delay", type=click.FloatRange(0, 600), default=1.0, show_default=True, help="Seconds of --fail slow.")
def main(
    *,
    host: str,
    port: int,
    directory: Path,
    secret: str,
    link_key: str,
    environment: str,
    create_keys: bool,
    fail: str,
    delay: float,
) -> None:
    """Run the software card HSM until SIGTERM."""
    try:
        if environment == PRODUCTION:
            raise DevelopmentOnly("the software HSM does not run in production")
        store = FileKeyStore(directory, secret)
        if create_keys:
            create_root_keys(store)
        hsm = SoftCardHsm(store, environment)
        server = SoftHsmServer((host, port), hsm, read_link_key(link_key), FailMode(fail), delay)
    except (HsmError, SmError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    _serve(server)


def _serve(server: SoftHsmServer) -> None:
    stopping = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stopping.set())
    with server.running() as port:
        click.echo(json.dumps({"port": port}))
        stopping.wait()


if __name__ == "__main__":
    main()
