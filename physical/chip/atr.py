"""Answer to reset (ISO 7816-3 clause 8), read without any reader software: the service checks what the agent sent."""

from dataclasses import dataclass
from functools import reduce
from operator import xor

from physical.chip.errors import MalformedAnswer

MAX_ATR_LENGTH = 33  # TS and at most 32 more (ISO 7816-3 clause 8.2.1)
HISTORICAL_LENGTH = 13  # of this card, on both interfaces (chip-card.md 1.4)
_CONVENTIONS = {0x3B, 0x3F}  # direct and inverse
_MAX_GROUPS = 8


@dataclass(frozen=True, slots=True)
class Atr:
    """The parts of an ATR: interface bytes (TA1 … TDn), historical bytes, and the protocols offered (0 = T=0)."""

    interface_bytes: bytes
    historical_bytes: bytes
    protocols: tuple[int, ...]


def read_atr(unverified: bytes) -> Atr:
    """Read a whole ATR.

    Raises:
        MalformedAnswer: bytes missing or left over, a wrong check byte, no such first byte
    """
    if not 2 <= len(unverified) <= MAX_ATR_LENGTH or unverified[0] not in _CONVENTIONS:
        raise MalformedAnswer("no ATR begins or ends like this")
    end, protocols = _interface_end(unverified)
    historical_end = end + (unverified[1] & 0x0F)
    has_check_byte = any(protocols)  # T=0 alone has none (ISO 7816-3 clause 8.2.5)
    if len(unverified) != historical_end + has_check_byte:
        raise MalformedAnswer("the ATR does not have the length that it tells")
    if has_check_byte and reduce(xor, unverified[1:]):
        raise MalformedAnswer("the check byte of the ATR is wrong")
    return Atr(bytes(unverified[2:end]), bytes(unverified[end:historical_end]), protocols)


def _interface_end(unverified: bytes) -> tuple[int, tuple[int, ...]]:
    """Follow the chain of T0, TD1, TD2, … to the index after the last interface byte."""
    protocols: list[int] = []
    indicator, position = unverified[1], 2
    for _ in range(_MAX_GROUPS):
        position += (indicator >> 4).bit_count()
        if not indicator & 0x80:
            return position, tuple(protocols) or (0,)
        if position > len(unverified):
            break
        indicator = unverified[position - 1]
        protocols.append(indicator & 0x0F)
    raise MalformedAnswer("the interface bytes of the ATR do not end")


def historical_bytes(unverified: bytes) -> bytes:
    """Give the 13 historical bytes of a social security card; bytes 6 to 13 feed key diversification.

    Raises:
        MalformedAnswer: no ATR, or the historical bytes of some other card
    """
    found = read_atr(unverified).historical_bytes
    if len(found) != HISTORICAL_LENGTH:
        raise MalformedAnswer("a social security card has 13 historical bytes")
    return found


def write_atr(prefix: bytes, historical: bytes) -> bytes:
    """Build an ATR from TS, T0 and interface bytes; the check byte is added where the protocols call for one."""
    atr = prefix + historical
    _, protocols = _interface_end(atr)
    return atr + bytes((reduce(xor, atr[1:]),)) if any(protocols) else atr
