"""The tables of docs/conformance.md, the tests of this folder and the suite's names say the same."""

from collections import Counter

from tests.docs.pages import ROOT, code_in, text_of
from tests.fapi2.modules import MODULES, NOT_APPLICABLE, NOT_MET, PASS, PREFIX, played
from tests.fapi2.requirements import OPERATOR, REQUIREMENTS, shown_by

PAGE = ROOT / "docs" / "conformance.md"


def test_every_module_has_one_test_that_is_named_after_it():
    assert sorted((module, function) for module, _, function in played()) == sorted(
        (module.name, module.test) for module in MODULES
    )


def test_no_module_and_no_test_stands_twice():
    names = Counter(module.name for module in MODULES)
    tests = Counter(module.test for module in MODULES)
    assert [name for name, count in (names + tests).items() if count > 1] == []
    assert all(name.startswith(PREFIX) for name in names)


def test_the_page_names_every_module():
    assert {code for code in code_in(text_of(PAGE)) if code.startswith(PREFIX)} >= {module.name for module in MODULES}


def test_what_is_no_pass_says_why_and_its_test_s_name_says_what_is_there_instead():
    others = [module for module in MODULES if module.mark != PASS]
    assert [module.name for module in others if not (module.note and module.ending)] == []
    assert [module.name for module in others if (module.mark == NOT_MET) != ("not_met" in module.ending)] == []


def test_every_requirement_names_its_tests_unless_it_is_the_operator_s():
    assert [one.clause for one in REQUIREMENTS if not (one.tests or one.mark in {OPERATOR, NOT_APPLICABLE})] == []
    assert [one.clause for one in REQUIREMENTS if one.mark in {NOT_MET, NOT_APPLICABLE} and not one.note] == []


def test_a_requirement_that_is_not_met_has_a_test_whose_name_says_so():
    unmet = [one for one in REQUIREMENTS if one.mark == NOT_MET]
    assert [one.clause for one in unmet if not any("not_met" in test for test in shown_by(one))] == []
