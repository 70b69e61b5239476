"""Names and contents of the card's files (chip-card.md 1.2 and 1.3): issuer data EF05 and holder data EF06."""

import re
from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum
from typing import TypeVar

from physical.chip.errors import MalformedAnswer
from physical.chip.fields import (
    FieldFormat,
    read_date,
    read_digits,
    read_hex,
    read_text,
    write_date,
    write_digits,
    write_text,
)
from physical.chip.tlv import Record, read_records, write_records

AID_SSSE = bytes.fromhex("7378312E73682EC9E7BBE1B1A3D5CF")  # "sx1.sh.社会保障" in GB18030
AID_PKI = bytes.fromhex("504B492EC9E7BBE1B1A3D5CF")  # "PKI.社会保障"
AID_PKI_ADF = bytes.fromhex("53532E434552542E41444631")  # "SS.CERT.ADF1"
AID_PBOC = b"1PAY.SYS.DDF01"  # the bank's, behind a firewall: never ours to select


class FileId(IntEnum):
    """File identifiers."""

    MASTER = 0x3F00
    ISSUER = 0xEF05
    HOLDER = 0xEF06
    FINGERPRINT = 0xEF07
    PHOTO = 0xEF08
    SIGNING_PUBLIC_KEY = 0x0012
    SIGNING_PRIVATE_KEY = 0x0013
    ENCRYPTION_PUBLIC_KEY = 0x0014
    ENCRYPTION_PRIVATE_KEY = 0x0015
    SIGNING_CERTIFICATE = 0x0018
    ENCRYPTION_CERTIFICATE = 0x0019


class Tag(IntEnum):
    """Tags of the records; EF05 holds 01 to 07, EF06 the rest."""

    CARD_IDENTIFICATION_CODE = 0x01
    CARD_CLASS = 0x02
    VERSION = 0x03
    INSTITUTION = 0x04
    ISSUED_ON = 0x05
    EXPIRES_ON = 0x06
    CARD_NUMBER = 0x07
    SOCIAL_SECURITY_NUMBER = 0x08
    NAME = 0x09
    NAME_CONTINUED = 0x4E
    SEX = 0x0A
    ETHNIC_GROUP = 0x0B
    BIRTHPLACE = 0x0C
    BIRTH_DATE = 0x0D


EF05_FIELDS = (
    FieldFormat(Tag.CARD_IDENTIFICATION_CODE, 16, required=True),
    FieldFormat(Tag.CARD_CLASS, 1),
    FieldFormat(Tag.VERSION, 4),
    FieldFormat(Tag.INSTITUTION, 12),
    FieldFormat(Tag.ISSUED_ON, 4),
    FieldFormat(Tag.EXPIRES_ON, 4),
    FieldFormat(Tag.CARD_NUMBER, 9, required=True),
)
EF06_FIELDS = (
    FieldFormat(Tag.SOCIAL_SECURITY_NUMBER, 18, required=True),
    FieldFormat(Tag.NAME, 30, required=True),
    FieldFormat(Tag.NAME_CONTINUED, 20),
    FieldFormat(Tag.SEX, 1),
    FieldFormat(Tag.ETHNIC_GROUP, 1),
    FieldFormat(Tag.BIRTHPLACE, 3),
    FieldFormat(Tag.BIRTH_DATE, 4),
)

CARD_CODE_APPLICATION = "D156000005"  # registered provider identifier inside the card identification code
INSTITUTION_PREFIX = "9156000002"
OLDEST_VERSION = "1.0"  # what an empty version means (chip-card.md 1.1)
_CARD_CODE = re.compile(rf"\d{{6}}{CARD_CODE_APPLICATION}[0-9A-F]{{16}}", re.ASCII)
_SOCIAL_SECURITY_NUMBER = re.compile(r"\d{17}[\dX]", re.ASCII)
_VERSION = re.compile(r"[1-9]\.\d.?", re.ASCII)
_VERSION_LENGTH = 3  # the fourth character does not count
_NAME_LENGTH, _NAME_CONTINUED_LENGTH = 30, 20

_Kind = TypeVar("_Kind", bound=StrEnum)


class CardClass(StrEnum):
    """For whom a card was made (EF05, 02)."""

    PRESCHOOL = "1"
    STUDENT = "2"
    ADULT = "3"
    SENIOR = "4"


class Sex(StrEnum):
    """GB/T 2261.1, as far as the card uses it (EF06, 0A)."""

    MALE = "1"
    FEMALE = "2"
    UNSTATED = "9"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class IssuerData:
    """EF05, readable without any proof.

    `card_identification_code` is 32 hexadecimal digits in upper case; `version` its three characters that count
    ("3.0"); `institution` 24 digits.
    """

    card_identification_code: str
    card_class: CardClass | None = None
    version: str = OLDEST_VERSION
    institution: str | None = None
    issued_on: date | None = None
    expires_on: date | None = None
    card_number: str

    @property
    def region(self) -> str:
        """The six digits of the issuing city, from the card identification code: the F2 of key diversification."""
        return self.card_identification_code[:6]

    def __repr__(self) -> str:
        return f"IssuerData(version={self.version!r}, region={self.region!r}, …)"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HolderData:
    """EF06: who the holder is. Never shown by repr or str."""

    social_security_number: str
    name: str
    sex: Sex | None = None
    ethnic_group: str | None = None
    birthplace: str | None = None
    birth_date: date | None = None

    def __repr__(self) -> str:
        return "HolderData(masked)"


def read_ef05(unverified: bytes) -> IssuerData:
    """Read the records of EF05.

    Raises:
        MalformedAnswer: no such records, a required one absent, or a value that its format does not allow
    """
    values = _read_values(unverified, EF05_FIELDS)
    return IssuerData(
        card_identification_code=_matching(_CARD_CODE, read_hex(values[Tag.CARD_IDENTIFICATION_CODE])),
        card_class=_member(CardClass, read_text(values[Tag.CARD_CLASS])),
        version=_version(read_text(values[Tag.VERSION])),
        institution=read_digits(values[Tag.INSTITUTION]),
        issued_on=read_date(values[Tag.ISSUED_ON]),
        expires_on=read_date(values[Tag.EXPIRES_ON]),
        card_number=_present(read_text(values[Tag.CARD_NUMBER])),
    )


def write_ef05(data: IssuerData) -> bytes:
    """Write EF05 as its maker does, each record at its full length."""
    return _write_values(
        EF05_FIELDS,
        {
            Tag.CARD_IDENTIFICATION_CODE: bytes.fromhex(data.card_identification_code),
            Tag.CARD_CLASS: write_text(data.card_class, 1),
            Tag.VERSION: write_text(f"{data.version}0", 4),
            Tag.INSTITUTION: write_digits(data.institution, 12),
            Tag.ISSUED_ON: write_date(data.issued_on),
            Tag.EXPIRES_ON: write_date(data.expires_on),
            Tag.CARD_NUMBER: write_text(data.card_number, 9),
        },
    )


def read_ef06(unverified: bytes) -> HolderData:
    """Read the records of EF06; the name may go on in record 4E.

    Raises:
        MalformedAnswer: no such records, a required one absent, or a value that its format does not allow
    """
    values = _read_values(unverified, EF06_FIELDS)
    return HolderData(
        social_security_number=_matching(
            _SOCIAL_SECURITY_NUMBER, _present(read_text(values[Tag.SOCIAL_SECURITY_NUMBER]))
        ),
        name=_present(read_text(values[Tag.NAME], values[Tag.NAME_CONTINUED])),
        sex=_member(Sex, read_text(values[Tag.SEX])),
        ethnic_group=read_digits(values[Tag.ETHNIC_GROUP]),
        birthplace=read_digits(values[Tag.BIRTHPLACE]),
        birth_date=read_date(values[Tag.BIRTH_DATE]),
    )


def write_ef06(data: HolderData) -> bytes:
    """Write EF06 as its maker does, each record at its full length."""
    name = write_text(data.name, _NAME_LENGTH + _NAME_CONTINUED_LENGTH)
    return _write_values(
        EF06_FIELDS,
        {
            Tag.SOCIAL_SECURITY_NUMBER: write_text(data.social_security_number, 18),
            Tag.NAME: name[:_NAME_LENGTH],
            Tag.NAME_CONTINUED: name[_NAME_LENGTH:],
            Tag.SEX: write_text(data.sex, 1),
            Tag.ETHNIC_GROUP: write_digits(data.ethnic_group, 1),
            Tag.BIRTHPLACE: write_digits(data.birthplace, 3),
            Tag.BIRTH_DATE: write_date(data.birth_date),
        },
    )


def _read_values(unverified: bytes, fields: tuple[FieldFormat, ...]) -> dict[int, bytes]:
    values = {record.tag: record.value for record in read_records(unverified)}
    if values.keys() - {field.tag for field in fields}:
        raise MalformedAnswer("a record that this file does not have")
    for field in fields:
        field.require_fitting(values.get(field.tag))
    return {field.tag: values.get(field.tag, b"") for field in fields}


def _write_values(fields: tuple[FieldFormat, ...], values: dict[int, bytes]) -> bytes:
    return write_records(tuple(Record(field.tag, values[field.tag]) for field in fields))


def _present(value: str | None) -> str:
    if not value:
        raise MalformedAnswer("a required record is empty")
    return value


def _matching(pattern: re.Pattern[str], value: str) -> str:
    if not pattern.fullmatch(value):
        raise MalformedAnswer("a record does not have its form")
    return value


def _member(kind: type[_Kind], value: str | None) -> _Kind | None:
    if value is None:
        return None
    try:
        return kind(value)
    except ValueError:
        raise MalformedAnswer(f"no such {kind.__name__}") from None


def _version(value: str | None) -> str:
    return _matching(_VERSION, value)[:_VERSION_LENGTH] if value else OLDEST_VERSION
