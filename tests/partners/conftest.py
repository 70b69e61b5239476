from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.foreign.town import Town, run_town
from tests.partners.bank_of_tests import QuietBank, customer_row, quiet_bank
from tests.partners.wallets import Wallet, register_wallet
from tests.redemption.processes import make_city
from tests.service import START, Service, running_service


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose keys the bank believes; tests of this folder share it."""
    home = tmp_path_factory.mktemp("city")
    with running_service(f"sqlite:///{home / 'ecard.sqlite3'}", home) as running:
        yield running


@pytest.fixture
def bank(city: Service, tmp_path: Path) -> Iterator[QuietBank]:
    city.clock.now = START
    rows = [customer_row(1), customer_row(2, financial_function="inactive")]
    with quiet_bank(city, tmp_path / "bank", rows) as made:
        yield made
    city.clock.now = START


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The running service behind TLS, with one holder."""
    folder = tmp_path_factory.mktemp("partners")
    with run_town(make_city(folder), folder, f"sqlite:///{folder / 'ecard.sqlite3'}") as running:
        yield running


@pytest.fixture(scope="module")
def registered(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Wallet:
    """A wallet that is registered and does not run."""
    return register_wallet(town, tmp_path_factory.mktemp("wallet"))


@pytest.fixture(scope="module")
def wallet(registered: Wallet) -> Iterator[Wallet]:
    """The same, running."""
    with registered.running():
        yield registered
