"""Each "no" has one name, and says in two languages what happened and what to do."""

import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator

import auth
import channels
import core
import ecard
import physical
import qr
import web
from core.errors import Kind, Refusal, Unavailable
from web.problems import _HTTP_TITLES, STATUS

# Roots of families; only what is derived from them is ever said.
FAMILIES = {Refusal}


def refusals() -> list[type[Refusal]]:
    for package in (auth, channels, core, ecard, physical, qr, web):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith("physical.chip"):  # runs beside the reader and knows no refusals
                importlib.import_module(module.name)
    return [found for found in below(Refusal) if found not in FAMILIES]


def below(root: type[Refusal]) -> Iterator[type[Refusal]]:
    for refusal in root.__subclasses__():
        yield refusal
        yield from below(refusal)


def test_no_two_refusals_share_a_code():
    codes = Counter(refusal.code for refusal in set(refusals()))
    assert {code: count for code, count in codes.items() if count > 1} == {}


def test_no_refusal_has_the_code_of_what_the_edge_says_by_itself():
    edge = {code for code, _, _ in _HTTP_TITLES.values()} | {"fault"}
    assert {refusal.code for refusal in refusals()} & edge <= {"not_found"}


def test_codes_are_small_letters_and_underscores():
    assert [refusal.code for refusal in refusals() if not refusal.code.replace("_", "").isalpha()] == []
    assert [refusal.code for refusal in refusals() if refusal.code != refusal.code.lower()] == []


def test_every_refusal_has_a_title_of_its_own_in_both_languages():
    for name in ("title_en", "title_zh", "code"):
        inherited = [refusal.__name__ for refusal in refusals() if name not in vars(refusal)]
        assert inherited == [], name


def test_every_refusal_speaks_chinese_and_english():
    for refusal in refusals():
        for text in (refusal.title_en, refusal.next_en):
            assert text.isascii(), refusal
            assert text.endswith("."), refusal
        for text in (refusal.title_zh, refusal.next_zh):
            assert any("\u4e00" <= letter <= "\u9fff" for letter in text), refusal
            assert text.endswith("。"), refusal


def test_every_kind_of_refusal_has_a_status_of_its_own():
    assert set(STATUS) == set(Kind)
    assert len(set(STATUS.values())) == len(Kind)


def test_what_is_unavailable_says_that_it_is():
    assert {refusal.kind for refusal in below(Unavailable)} == {Kind.UNAVAILABLE}
