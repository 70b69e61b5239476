"""What counts as one address where callers are limited by it."""

from ipaddress import IPv6Address, ip_address

_LONGEST = 45  # an IPv6 address that ends in an IPv4 one


def counted_address(given: str) -> str:
    """Name what one caller has to itself: an IPv4 address, of IPv6 the /64 that every line gets (RFC 6177 section 2).

    Anything that is no address stands for itself.
    """
    try:
        address = ip_address(given)
    except ValueError:
        return given[:_LONGEST]
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> 64 << 64)}/64"
