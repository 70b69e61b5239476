"""How settings name a key without holding it: `file:name`, `mem:name`, `sdf:slot/index`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sm.errors import KeyNotFound, Malformed, ProviderUnavailable
from sm.keystore.entries import read_name
from sm.keystore.protocol import KeyStore
from sm.sm2 import PrivateKey

Scheme = Literal["file", "mem", "sdf"]

_SDF_PLACE = re.compile(r"\d{1,4}/\d{1,4}", re.ASCII)


@dataclass(frozen=True)
class KeyReference:
    """Where a key is: the scheme, and the name or slot/index within it."""

    scheme: Scheme
    place: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.place}"


def read_key_reference(given: str) -> KeyReference:
    """Read `file:name`, `mem:name` or `sdf:slot/index`; raise Malformed."""
    given_scheme, _, place = given.partition(":")
    for scheme in get_args(Scheme):
        if given_scheme == scheme:
            return KeyReference(scheme, _read_place(scheme, place))
    raise Malformed(f"a key reference begins with one of {', '.join(get_args(Scheme))}")


def private_key_for(reference: KeyReference, stores: Mapping[str, KeyStore]) -> PrivateKey:
    """Fetch the SM2 key that a reference names, from the store of its scheme ("file", "mem").

    Raises KeyNotFound, and ProviderUnavailable for a key in hardware, which is used but never fetched.
    """
    if reference.scheme == "sdf":
        raise ProviderUnavailable("no SDF adapter on this machine: use a file: key, or install the adapter")
    if reference.scheme not in stores:
        raise KeyNotFound(f"no key store for {reference}")
    return stores[reference.scheme].private_key(reference.place)


def _read_place(scheme: Scheme, given: str) -> str:
    if scheme != "sdf":
        return read_name(given)
    if not _SDF_PLACE.fullmatch(given):
        raise Malformed("an SDF key is named slot/index")
    return given
