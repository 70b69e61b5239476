"""Where news may be sent: addresses that a partner names are read strictly, resolved once and held to what was found.

Nothing that a partner registers, and nothing that its name server answers, makes this service open a connection into
its own network (threats.md C7). The lists are written out: Python's ``is_global`` says yes to NAT64, 6to4 and more.
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from channels.errors import DestinationNotAllowed

Resolver = Callable[[str, int], Sequence[str]]
"""Give the addresses of a host, as text; raises ``OSError`` where there are none."""

MOST_CHARACTERS = 500
MOST_ADDRESSES = 16
HTTPS_PORT = 443

_DENIED_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network: RFC 791
        "10.0.0.0/8",  # private: RFC 1918
        "100.64.0.0/10",  # carrier-grade NAT, where clouds keep their metadata too: RFC 6598
        "127.0.0.0/8",  # loopback: RFC 1122
        "169.254.0.0/16",  # link-local, metadata of clouds: RFC 3927
        "172.16.0.0/12",  # private: RFC 1918
        "192.0.0.0/24",  # IETF protocol assignments: RFC 6890
        "192.0.2.0/24",  # TEST-NET-1: RFC 5737
        "192.31.196.0/24",  # AS112: RFC 7535
        "192.52.193.0/24",  # AMT: RFC 7450
        "192.88.99.0/24",  # 6to4 relays: RFC 7526
        "192.168.0.0/16",  # private: RFC 1918
        "192.175.48.0/24",  # AS112: RFC 7534
        "198.18.0.0/15",  # benchmarking: RFC 2544
        "198.51.100.0/24",  # TEST-NET-2: RFC 5737
        "203.0.113.0/24",  # TEST-NET-3: RFC 5737
        "224.0.0.0/4",  # multicast: RFC 5771
        "240.0.0.0/4",  # reserved, and 255.255.255.255: RFC 1112, RFC 919
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
"""What is handed out for global unicast (RFC 4291 section 2.4). Outside lie ::, ::1, mapped and compatible IPv4,
64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), 100::/64 (discard), 5f00::/16 (SRv6), fc00::/7, fe80::/10, fec0::/10, ff00::/8;
they are named below all the same, so that neither list stands alone."""
_DENIED_V6 = tuple(
    IPv6Network(network)
    for network in (
        "::/128",  # unspecified: RFC 4291
        "::1/128",  # loopback: RFC 4291
        "::/96",  # IPv4-compatible: RFC 4291
        "::ffff:0:0/96",  # IPv4-mapped: RFC 4291
        "::ffff:0:0:0/96",  # IPv4-translated: RFC 2765
        "64:ff9b::/96",  # NAT64: RFC 6052
        "64:ff9b:1::/48",  # NAT64 of local use: RFC 8215
        "100::/64",  # discard: RFC 6666
        "100:0:0:1::/64",  # dummy prefix: RFC 9780
        "2001::/23",  # IETF protocols, among them Teredo 2001::/32, benchmarking 2001:2::/48, ORCHID 2001:10::/28 and
        # 2001:20::/28: RFC 2928, RFC 4380, RFC 5180, RFC 7343
        "2001:db8::/32",  # documentation: RFC 3849
        "2002::/16",  # 6to4: RFC 3056
        "2620:4f:8000::/48",  # AS112: RFC 7534
        "3fff::/20",  # documentation: RFC 9637
        "5f00::/16",  # SRv6 segment ids: RFC 9602
        "fc00::/7",  # unique local: RFC 4193
        "fe80::/10",  # link-local: RFC 4291
        "fec0::/10",  # site-local: RFC 3879
        "ff00::/8",  # multicast: RFC 4291
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)  # interface ids that hold an IPv4 address: RFC 5214 section 6.1

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?:{_LABEL}\.){{1,10}}[a-z]{{2,63}}")  # letters at the end: no spelling of an IPv4 address
_LOOPBACK = re.compile(r"127\.0\.0\.1|\[::1\]")
_ADDRESS = re.compile(r"(https?)://([^/?#:@\[\]\\]+|\[::1\])(?::([1-9][0-9]{0,4}))?(/[\x21-\x7e]*)?")
_TARGET = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*")  # RFC 3986: path and query
_INNER = (
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "arpa",
    "onion",
    "test",
    "alt",
)
"""Last labels that never lead out: RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476, and what companies use."""


@dataclass(frozen=True, slots=True)
class Destination:
    """An address of a partner as it was registered and checked; nothing is resolved yet."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def url(self) -> str:
        """Write it in the one spelling in which it is kept."""
        usual = HTTPS_PORT if self.scheme == "https" else 80
        return f"{self.scheme}://{self.host}{'' if self.port == usual else f':{self.port}'}{self.target}"


@dataclass(frozen=True, slots=True)
class PinnedDestination:
    """A destination with the one address that was found good: connections go to this address and no other."""

    destination: Destination
    address: str


@dataclass(frozen=True, slots=True)
class DestinationRules:
    """What a deployment allows: ports beside 443, and in development plain http to this very machine."""

    ports: tuple[int, ...] = (HTTPS_PORT,)
    loopback: bool = False


def read_destination(given: str, rules: DestinationRules) -> Destination:
    """Read a partner's address in its one spelling; raises ``DestinationNotAllowed``."""
    found = _ADDRESS.fullmatch(given) if len(given) <= MOST_CHARACTERS else None
    if found is None:
        raise DestinationNotAllowed("an address is https://host/path, in ASCII, without user, password and fragment")
    scheme, host, port, target = found[1], found[2], found[3], found[4] or "/"
    if not _TARGET.fullmatch(target):
        raise DestinationNotAllowed("path and query have characters that must be written with %")
    destination = Destination(scheme, host, int(port or (HTTPS_PORT if scheme == "https" else 80)), target)
    if not _is_own_machine(destination, rules):
        _require_name(destination, rules)
    return destination


def pin_destination(destination: Destination, rules: DestinationRules, resolve: Resolver) -> PinnedDestination:
    """Resolve a destination, once, and choose the address to connect to; raises ``DestinationNotAllowed``.

    One bad address among good ones refuses them all: who answers like that tries something.
    """
    if _is_own_machine(destination, rules):
        return PinnedDestination(destination, destination.host.strip("[]"))
    _require_name(destination, rules)
    try:
        found = list(resolve(destination.host, destination.port))
    except (OSError, UnicodeError) as error:
        raise DestinationNotAllowed("the host has no address") from error
    if not 0 < len(found) <= MOST_ADDRESSES:
        raise DestinationNotAllowed(f"the host has no address, or more than {MOST_ADDRESSES}")
    for address in found:
        require_public_address(address)
    return PinnedDestination(destination, found[0])


def require_public_address(given: str) -> None:
    """Raise ``DestinationNotAllowed`` for what is no address of the public internet."""
    if "%" in given:
        raise DestinationNotAllowed("an address with a zone is one of this network")
    try:
        address = ip_address(given)
    except ValueError as error:
        raise DestinationNotAllowed("the host's address cannot be read") from error
    if _is_denied_v4(address) if isinstance(address, IPv4Address) else _is_denied_v6(address):
        raise DestinationNotAllowed("the host's address is not one of the public internet")


def resolve_host(host: str, port: int) -> list[str]:
    """Ask the system's resolver for the addresses of a host; raises ``OSError``."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _is_own_machine(destination: Destination, rules: DestinationRules) -> bool:
    return rules.loopback and destination.scheme == "http" and bool(_LOOPBACK.fullmatch(destination.host))


def _require_name(destination: Destination, rules: DestinationRules) -> None:
    """Refuse all but names under a public top-level domain: no literal address, no single label, no Punycode."""
    host = destination.host
    if destination.scheme != "https":
        raise DestinationNotAllowed("news goes to https only")
    if len(host) > 253 or not _NAME.fullmatch(host):
        raise DestinationNotAllowed("the host must be a full name in small ASCII letters, no address")
    labels = host.split(".")
    if any(label[2:4] == "--" for label in labels):
        raise DestinationNotAllowed("internationalized names can be mistaken for others; use one in plain letters")
    if labels[-1] in _INNER:
        raise DestinationNotAllowed(f"names below .{labels[-1]} are not of the public internet")
    if destination.port not in rules.ports:
        raise DestinationNotAllowed(f"the port must be {' or '.join(map(str, rules.ports))}")


def _is_denied_v4(address: IPv4Address) -> bool:
    return any(address in network for network in _DENIED_V4)


def _is_denied_v6(address: IPv6Address) -> bool:
    if address not in _GLOBAL_V6 or any(address in network for network in _DENIED_V6):
        return True
    return (int(address) >> 32) & 0xFFFFFFFF in _ISATAP
