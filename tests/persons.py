"""Persons for tests. None of them exists: no region begins with 99, and the names belong to nobody."""

from dataclasses import dataclass
from datetime import date

from physical.chip.files import HolderData, Sex

REGION = "990100"
OTHER_REGION = "990200"
OTHER_PROVINCE_REGION = "980100"

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643 clause 4.4, ISO 7064 MOD 11-2
_CHECK_DIGITS = "10X98765432"
_SURNAMES = "测试样例范虚拟"
_HAN_GROUP = "01"


@dataclass(frozen=True)
class Person:
    """One synthetic person."""

    name: str
    birth_date: date
    sequence: int
    sex: Sex
    region: str = REGION

    @property
    def social_security_number(self) -> str:
        return social_security_number(self.region, self.birth_date, self.sequence)

    def holder_data(self) -> HolderData:
        return HolderData(
            social_security_number=self.social_security_number,
            name=self.name,
            sex=self.sex,
            ethnic_group=_HAN_GROUP,
            birthplace=self.region,
            birth_date=self.birth_date,
        )


def social_security_number(region: str, birth_date: date, sequence: int) -> str:
    """Compose 18 characters with a valid check digit; an odd sequence number is a man's, an even one a woman's."""
    digits = f"{region}{birth_date:%Y%m%d}{sequence:03}"
    return digits + check_digit(digits)


def check_digit(first_17: str) -> str:
    """Compute the check character of GB 11643."""
    return _CHECK_DIGITS[sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True)) % 11]


def make_person(number: int, region: str = REGION) -> Person:
    """Make the number-th person, always the same one; all numbers up to 999 * 28 * 12 * 60 differ."""
    rest, sequence = divmod(number, 999)
    rest, day = divmod(rest, 28)
    rest, month = divmod(rest, 12)
    surname = _SURNAMES[number % len(_SURNAMES)]
    sex = Sex.MALE if (sequence + 1) % 2 else Sex.FEMALE
    return Person(f"{surname}第{number}号", date(1940 + rest % 60, month + 1, day + 1), sequence + 1, sex, region)


ANNA = Person("测试甲", date(1985, 3, 14), 12, Sex.FEMALE)
BOJIN = Person("样例乙", date(1950, 11, 30), 7, Sex.MALE)
CHILD = Person("虚拟丙", date(2015, 6, 1), 21, Sex.MALE)
LONG_NAME = Person("测试·阿卜杜样例·买买提范例·虚拟艾山江", date(1978, 1, 2), 5, Sex.MALE)
RARE_CHARACTER = Person("样𠮷", date(1992, 2, 29), 8, Sex.FEMALE)

PERSONS = (ANNA, BOJIN, CHILD, LONG_NAME, RARE_CHARACTER)
