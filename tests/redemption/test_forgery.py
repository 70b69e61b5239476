"""Forged and edited codes over HTTP (trust.md, figures 6 and 7; threats.md, Q1 and S3)."""

import itertools
import random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.till import Till
from qr.code_class import CodeClass
from qr.counter_code import check_digit
from qr.errors import BadSignature, CodeSpent
from qr.signing_keys import USER_ID
from sm.sm2 import USER_ID_DEFAULT, N, random_private_key
from tests.redemption.counter import KINDS, USES, Counter, require_accepted, require_verdict, take
from tests.service import PROVIDER

EXAMPLES = 500
SIGNED_PART = 27

thoroughly = settings(
    max_examples=EXAMPLES,
    deadline=None,  # no test here is timed
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
edits = st.lists(
    st.tuples(st.integers(0, 221), st.integers(1, 9)), min_size=1, max_size=8, unique_by=lambda edit: edit[0]
)


def body_of(code: str) -> bytes:
    return int(code[2:]).to_bytes(91, "big")


def code_of(body: bytes) -> str:
    return f"82{int.from_bytes(body, 'big'):0220d}"


def edited(code: str, changes: list[tuple[int, int]]) -> str:
    digits = list(code)
    for place, change in changes:
        digits[place] = str((int(digits[place]) + change) % 10)
    return "".join(digits)


def require_refused(answer: httpx.Response) -> None:
    """Require a refusal by a rule of ours: no acceptance, and no fault."""
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["code"] != "fault"


@pytest.fixture
def forger(sqlite_counter: Counter) -> Till:
    return sqlite_counter.till()


@given(changes=edits, use=st.sampled_from(USES))
@thoroughly
def test_a_code_with_changed_digits_is_refused(
    sqlite_counter: Counter, forger: Till, changes: list[tuple[int, int]], use: str
) -> None:
    code = sqlite_counter.mint(code_class=CodeClass[use.upper()])
    require_refused(take(forger, edited(code, changes), use))


def test_a_flipped_bit_is_refused_wherever_it_stands(sqlite_counter: Counter, forger: Till) -> None:
    number = int(sqlite_counter.show()[2:])
    for bit in (*range(0, 512, 8), *range(512, 728)):  # of the signature some, of what is signed all
        require_refused(take(forger, f"82{number ^ 1 << bit:0220d}"))


def test_the_signature_of_one_code_does_not_serve_another(sqlite_counter: Counter, forger: Till) -> None:
    codes = [body_of(sqlite_counter.mint()) for _ in range(20)]
    for head, tail in itertools.pairwise(codes):
        require_verdict(take(forger, code_of(head[:SIGNED_PART] + tail[SIGNED_PART:])), BadSignature)


def test_a_signature_of_another_key_or_for_another_use_is_refused(sqlite_counter: Counter, forger: Till) -> None:
    signed_part = body_of(sqlite_counter.mint())[:SIGNED_PART]
    stranger = PROVIDER.signer(random_private_key(), USER_ID)
    store, kid = sqlite_counter.service.runtime.store, sqlite_counter.minting_key.kid
    moved = PROVIDER.signer(store.private_key(f"city/code-signing/{kid}"), USER_ID_DEFAULT)
    for signer in (stranger, moved):
        require_verdict(take(forger, code_of(signed_part + signer.sign(signed_part))), BadSignature)


@pytest.mark.parametrize("spent", [False, True])
def test_numbers_turned_around_or_out_of_range_are_refused(sqlite_counter: Counter, forger: Till, spent: bool) -> None:
    code = sqlite_counter.show()
    if spent:
        require_accepted(take(forger, code))
    body = body_of(code)
    r, s = int.from_bytes(body[27:59], "big"), int.from_bytes(body[59:], "big")
    pairs = [(r, N - s), (N - r, s), (N - r, N - s), (r, 0), (0, s), (0, 0), (r, N), (N, s), (r, N - r), (s, r)]
    pairs += [(2**256 - 1, s), (r, 2**256 - 1), (1, 1), (r, s ^ 1), (r ^ 1, s)]
    pairs += [(r, s + N)] if s + N < 2**256 else []
    for other_r, other_s in pairs:
        forged = code_of(body[:SIGNED_PART] + other_r.to_bytes(32, "big") + other_s.to_bytes(32, "big"))
        require_verdict(take(forger, forged), BadSignature)


@pytest.mark.parametrize("kind", KINDS)
def test_another_text_of_a_used_code_is_not_taken_again(sqlite_counter: Counter, kind: str) -> None:
    till, code = sqlite_counter.till(), sqlite_counter.show(kind=kind)
    require_accepted(take(till, code))
    before, chance = sqlite_counter.count(), random.Random(20260302)
    for number in range(EXAMPLES):
        if number % 50 == 0:
            till = sqlite_counter.till()  # before it is stopped for guessing
        require_refused(take(till, other_text(code, chance)))
    assert sqlite_counter.count() == before


def other_text(code: str, chance: random.Random) -> Any:
    places = chance.sample(range(len(code)), chance.choice((1, 1, 2, 3)))
    changed = edited(code, [(place, chance.randint(1, 9)) for place in places])
    blank = chance.choice((" ", "\n", "\t", "\u3000", "\u200b", "\ufeff", "\x1d", "-"))
    place = chance.randrange(len(code) + 1)
    return chance.choice(
        (
            changed,
            changed,
            changed[:-1] + check_digit(changed[:-1]),
            code[:place] + blank + code[place:],
            code[:place] + "0" + code[place:],
            "0" + code,
            code[:-1],
            f"+{code}",
            code.translate({ord(digit): 0x0660 + int(digit) for digit in "0123456789"}),
            int(code),
        )
    )


def test_a_code_that_the_issuer_signed_once_more_is_the_same_code(counter: Counter) -> None:
    till, code = counter.till(), counter.show()
    signed_part = body_of(code)[:SIGNED_PART]
    again = [code_of(signed_part + counter.minting_key.signer.sign(signed_part)) for _ in range(5)]
    require_accepted(take(till, again[0]))
    for text in (code, *again):
        assert require_verdict(take(till, text), CodeSpent)["where"] == "here"
    assert len({code, *again}) == 6


texts = st.one_of(st.text(max_size=520), st.text("0123456789", max_size=520), st.binary(max_size=91).map(code_of))


@given(scanned=texts)
@settings(thoroughly, max_examples=200)
def test_whatever_is_scanned_is_answered_by_a_rule(sqlite_counter: Counter, forger: Till, scanned: str) -> None:
    require_refused(take(forger, scanned))


@pytest.mark.parametrize(
    "scanned", [None, 82, 8.2, True, [], {}, ["8"], "\ud800", "82" + "\ud800" * 220, "8\x002", "\x00", "8" * 513, ""]
)
def test_a_code_is_a_text_of_modest_length(sqlite_counter: Counter, forger: Till, scanned: object) -> None:
    require_refused(take(forger, scanned))


def test_three_hundred_codes_tell_no_name_and_no_number(sqlite_counter: Counter) -> None:
    card = sqlite_counter.card()
    bodies = [body_of(sqlite_counter.mint()) for _ in range(300)]
    handles = {body[9:25] for body in bodies}
    assert len(handles) == len(bodies)
    hidden = card.card_index.to_bytes(8, "big")
    assert not [body for body in bodies if hidden in body]
    columns = [{body[place] for body in bodies} for place in range(9, 25)]
    assert min(len(values) for values in columns) > 128  # of 256: no byte of the handle stays the same


def test_fifty_counter_codes_of_a_phone_have_nothing_in_common(sqlite_counter: Counter) -> None:
    codes = [sqlite_counter.show(kind="counter") for _ in range(50)]
    tokens = [code[3:-1] for code in codes]
    assert len(set(tokens)) == 50
    assert all(len({token[place] for token in tokens}) > 3 for place in range(16))
