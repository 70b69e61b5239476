"""What a virtual card holds, and the file it is kept in.

The file contains development keys in the clear and says so; a file that does not is not read.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from physical.chip.atr import HISTORICAL_LENGTH, write_atr
from physical.chip.card import KEY_ID_READ, KEY_ID_UNBLOCK, KEY_ID_UPDATE
from physical.chip.card_keys import CardKeys
from physical.chip.errors import CardFileUnusable, MalformedAnswer
from physical.chip.files import read_ef05, read_ef06
from physical.chip.profiles import PROFILES, CardProfile
from sm.errors import SmError
from sm.sm2 import PrivateKey

FILE_FORMAT = "virtual-social-security-card/1"
MAX_FILE_LENGTH = 64 * 1024
DEVELOPMENT_MARK = "development keys: never for production"
_MAX_PACKED_PIN = 6


@dataclass(slots=True)
class PinState:
    """One PIN of the card: its packed digits and the wrong tries it still takes."""

    packed: bytes = field(repr=False)
    tries_left: int


@dataclass(slots=True)
class CertificateKey:
    """The signing key of a 3.0 card and what is published of it."""

    private_key: PrivateKey = field(repr=False)
    public_key: bytes
    certificate: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class CardContents:
    """Everything that survives a reset."""

    profile: CardProfile
    historical_bytes: bytes
    issuer_records: bytes = field(repr=False)
    holder_records: bytes = field(repr=False)
    keys: CardKeys
    key_tries: dict[int, int]
    pin: PinState
    pki_pin: PinState | None = None
    certificate_key: CertificateKey | None = None
    blocked: bool = False

    @property
    def atr(self) -> bytes:
        """The answer to reset."""
        return write_atr(self.profile.atr_prefix, self.historical_bytes)

    def proving_key(self, key_id: int) -> bytes | None:
        """Give the key that EXTERNAL AUTHENTICATE names, None when the card has no such key."""
        ids = {KEY_ID_READ: self.keys.read, KEY_ID_UPDATE: self.keys.update, KEY_ID_UNBLOCK: self.keys.unblock}
        return ids.get(key_id)


def fresh_key_tries(profile: CardProfile) -> dict[int, int]:
    """Give the counters of a new card's keys."""
    return dict.fromkeys((KEY_ID_READ, KEY_ID_UPDATE, KEY_ID_UNBLOCK), profile.key_tries)


def write_card_file(contents: CardContents) -> str:
    """Write the card as JSON; the text contains its keys and PINs."""
    certificate_key = contents.certificate_key
    return json.dumps(
        {
            "format": FILE_FORMAT,
            "warning": DEVELOPMENT_MARK,
            "profile": contents.profile.name,
            "historical_bytes": contents.historical_bytes.hex(),
            "issuer_records": contents.issuer_records.hex(),
            "holder_records": contents.holder_records.hex(),
            "keys": _write_keys(contents.keys),
            "key_tries": {f"{key_id:02X}": tries for key_id, tries in contents.key_tries.items()},
            "pin": _write_pin(contents.pin),
            "pki_pin": _write_pin(contents.pki_pin) if contents.pki_pin else None,
            "certificate_key": _write_certificate_key(certificate_key) if certificate_key else None,
            "blocked": contents.blocked,
        },
        indent=1,
    )


def _write_keys(keys: CardKeys) -> dict[str, str]:
    return {
        "internal": keys.internal.hex(),
        "read": keys.read.hex(),
        "update": keys.update.hex(),
        "unblock": keys.unblock.hex(),
    }


def _write_pin(pin: PinState) -> dict[str, str | int]:
    return {"packed": pin.packed.hex(), "tries_left": pin.tries_left}


def _write_certificate_key(key: CertificateKey) -> dict[str, str]:
    return {
        "private_key": key.private_key.secret_bytes().hex(),
        "public_key": key.public_key.hex(),
        "certificate": key.certificate.hex(),
    }


def read_card_file(given: str) -> CardContents:
    """Read a card file.

    Raises:
        CardFileUnusable: not such a file, damaged, or without the mark of development
    """
    if len(given) > MAX_FILE_LENGTH:
        raise CardFileUnusable("the file is too long for a card")
    try:
        contents = _read_contents(json.loads(given))
        _require_coherent(contents)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, SmError, MalformedAnswer) as error:
        raise CardFileUnusable(f"the file of the virtual card is damaged ({type(error).__name__})") from None
    return contents


def _read_contents(given: dict[str, Any]) -> CardContents:
    if given["format"] != FILE_FORMAT or given["warning"] != DEVELOPMENT_MARK:
        raise CardFileUnusable("the file is not marked as a development card")
    return CardContents(
        profile=PROFILES[given["profile"]],
        historical_bytes=bytes.fromhex(given["historical_bytes"]),
        issuer_records=bytes.fromhex(given["issuer_records"]),
        holder_records=bytes.fromhex(given["holder_records"]),
        keys=CardKeys(**{name: bytes.fromhex(key) for name, key in given["keys"].items()}),
        key_tries={int(key_id, 16): int(tries) for key_id, tries in given["key_tries"].items()},
        pin=_read_pin(given["pin"]),
        pki_pin=_read_pin(given["pki_pin"]) if given["pki_pin"] is not None else None,
        certificate_key=_read_certificate_key(given["certificate_key"]) if given["certificate_key"] else None,
        blocked=given["blocked"] is True,
    )


def _read_pin(given: dict[str, Any]) -> PinState:
    return PinState(bytes.fromhex(given["packed"]), int(given["tries_left"]))


def _read_certificate_key(given: dict[str, Any]) -> CertificateKey:
    return CertificateKey(
        PrivateKey(bytes.fromhex(given["private_key"])),
        bytes.fromhex(given["public_key"]),
        bytes.fromhex(given["certificate"]),
    )


def _require_coherent(contents: CardContents) -> None:
    read_ef05(contents.issuer_records)
    read_ef06(contents.holder_records)
    pins = [pin for pin in (contents.pin, contents.pki_pin) if pin]
    has_pki = contents.profile.pki is not None
    if (
        len(contents.historical_bytes) != HISTORICAL_LENGTH
        or contents.key_tries.keys() != fresh_key_tries(contents.profile).keys()
        or any(not 1 < len(pin.packed) <= _MAX_PACKED_PIN or not 0 <= pin.tries_left <= 15 for pin in pins)
        or has_pki != (contents.pki_pin is not None)
        or has_pki != (contents.certificate_key is not None)
    ):
        raise CardFileUnusable("the file of the virtual card contradicts itself")
