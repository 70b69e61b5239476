"""The table of SM2 providers. A hardware or C provider is one more line: it only has to sign and verify 32 bytes."""

from collections.abc import Callable, Mapping
from importlib import import_module

from sm.errors import ProviderUnavailable
from sm.providers.openssl import OpensslProvider
from sm.providers.selftest import require_self_test
from sm.sm2 import Provider


def _open_gmssl() -> Provider:
    """Load the last resort when it is asked for: every other process is spared it."""
    provider: Provider = import_module("sm.providers.gmssl").GmsslProvider()
    return provider


PROVIDERS: Mapping[str, Callable[[], Provider]] = {
    "openssl": OpensslProvider,
    "gmssl": _open_gmssl,
}


def open_provider(name: str = "openssl", known: Mapping[str, Callable[[], Provider]] = PROVIDERS) -> Provider:
    """Open a provider by name and test it; call it after fork, for hardware keeps its sessions by process.

    Raises ProviderUnavailable for a name that is not in the table, a machine that lacks the provider, a failed test.
    """
    make = known.get(name)
    if make is None:
        raise ProviderUnavailable(f"no SM2 provider {name!r}: choose one of {', '.join(sorted(known))}")
    provider = make()
    require_self_test(provider)
    return provider
