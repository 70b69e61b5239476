import pytest

from sm.providers import open_provider
from tests.qr.builders import make_issuer


@pytest.fixture(scope="session")
def provider():
    return open_provider()


@pytest.fixture(scope="session")
def issuer(provider):
    return make_issuer(provider)
