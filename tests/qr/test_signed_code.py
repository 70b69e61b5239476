import dataclasses
import random
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qr.code import read_code
from qr.code_class import CodeClass
from qr.errors import (
    BadSignature,
    CodeExpired,
    CodeMalformed,
    CodeNotYetValid,
    CodeUnknown,
    WrongAudience,
    WrongClass,
)
from qr.signed_code import (
    EPOCH,
    LEEWAY,
    Flag,
    open_handle,
    read_signed_code,
    require_audience,
    require_class,
    require_live,
    verify_signed_code,
)
from qr.signing_keys import CodeKeys, MintingKey
from sm.keyring import KeyRing, KeyState, RingKey
from sm.sm2 import PrivateKey
from sm.sm4 import BlockCipher, encrypt_block
from tests.qr.builders import CARD_INDEX, HANDLE_KEY, KID, NOW, body_of, code_of

SECOND = timedelta(seconds=1)


class SilentSigner:
    """Signs nothing: for the form of a code, which does not depend on its signature."""

    public_key = bytes(64)

    def sign(self, message):
        return b"\x5a" * 64

    def sign_digest(self, digest):
        return b"\x5a" * 64


def unsigned(issuer):
    return dataclasses.replace(issuer, minting=MintingKey(KID, SilentSigner(), BlockCipher(HANDLE_KEY)))


def verified(issuer, at=NOW, **changes):
    return verify_signed_code(read_code(issuer.mint(**changes)), issuer.keys, at)


def test_a_code_is_written_to_the_byte(issuer):
    code = unsigned(issuer).mint(
        lambda size: b"\xc3" * size,
        issued_at=datetime(2020, 1, 2, 0, 0, 1, tzinfo=UTC),
        flags=Flag.MEDICAL_ELIGIBLE | Flag.TEST,
        audience=0x0102,
    )
    handle = encrypt_block(HANDLE_KEY, (4711).to_bytes(8, "big") + b"\xc3" * 8)
    head = bytes.fromhex("11 0a01 00015181 0c 81")  # version 1 medical, kid, one day and a second, 60 s, flags
    body = head + handle + bytes.fromhex("0102") + b"\x5a" * 64
    assert len(body) == 91
    assert len(code) == 222
    assert code == code_of(body)


@settings(max_examples=300, deadline=None)
@given(
    code_class=st.sampled_from(CodeClass),
    issued_at=st.integers(0, 2**32 - 1),
    life=st.integers(1, 255),
    flags=st.sets(st.sampled_from(list(Flag))),
    audience=st.integers(0, 0xFFFF),
    card_index=st.integers(0, 2**64 - 1),
    drawn=st.binary(min_size=8, max_size=8),
)
def test_what_is_minted_is_read(issuer, code_class, issued_at, life, flags, audience, card_index, drawn):
    code = read_code(
        unsigned(issuer).mint(
            lambda _size: drawn,
            code_class=code_class,
            issued_at=EPOCH + timedelta(seconds=issued_at),
            life_seconds=life * 5,
            flags=Flag(sum(flags)),
            audience=audience,
            card_index=card_index,
        )
    )
    assert (code.code_class, code.kid, code.audience) == (code_class, KID, audience)
    assert code.issued_at == EPOCH + timedelta(seconds=issued_at)
    assert code.expires_at - code.issued_at == timedelta(seconds=life * 5)
    assert code.flags == Flag(sum(flags))
    assert BlockCipher(HANDLE_KEY).decrypt(code.handle) == card_index.to_bytes(8, "big") + drawn


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 10**220 - 1))
def test_a_number_is_read_only_when_it_would_be_written_so(number):
    scanned = f"82{number:0220d}"
    try:
        code = read_signed_code(scanned)
    except CodeMalformed:
        return
    assert code_of(code.signed_part + code.signature) == scanned


def test_a_number_beyond_91_bytes_is_refused(issuer):
    body = body_of(issuer.mint())
    assert read_code(code_of(body)).kid == KID
    for beyond in (int.from_bytes(body, "big") + 2**728, 2**728, 10**220 - 1):
        with pytest.raises(CodeMalformed):
            read_code(f"82{beyond:0220d}")


def test_other_spellings_of_the_same_number_are_refused(issuer):
    code = issuer.mint()
    number = int(code[2:])
    arabic = code.translate({ord(str(digit)): 0x0660 + digit for digit in range(10)})
    spellings = [f" {code}", f"{code}\n", f"{code}\r\n", f"+{code}", f"0{code}", f"820{code[2:]}", f"82{number:x}"]
    spellings += [arabic, code[:2] + arabic[2:], f"{code[:9]}_{code[10:]}", f"82+{number:0219d}", code[:-1], code * 2]
    for spelling in spellings:
        with pytest.raises(CodeMalformed):
            read_code(spelling)


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 0x01), (0, 0x21), (0, 0xF1), *((0, 0x10 | number) for number in (4, 5, 6, 7, 8, 10, 15))],
)
def test_another_version_or_an_unknown_class_is_malformed(issuer, place, value):
    body = bytearray(body_of(issuer.mint()))
    body[place] = value
    with pytest.raises(CodeMalformed):
        read_code(code_of(bytes(body)))


@pytest.mark.parametrize(("place", "value"), [(7, 0), (8, 0x40), (8, 0xFF)])
def test_no_life_or_the_reserved_flag_is_malformed(issuer, place, value):
    body = bytearray(body_of(issuer.mint()))
    body[place] = value
    with pytest.raises(CodeMalformed):
        read_code(code_of(bytes(body)))


def test_a_key_that_nobody_published_is_unknown(issuer):
    with pytest.raises(CodeUnknown):
        verify_signed_code(read_code(issuer.mint()), CodeKeys(KeyRing(), issuer.provider), NOW)


@pytest.mark.parametrize("state", [KeyState.NEXT, KeyState.CURRENT, KeyState.RETIRED])
def test_a_key_verifies_before_during_and_after_its_reign(issuer, state):
    assert verified(issuer.with_key(state=state)).kid == KID


def test_a_withdrawn_key_verifies_nothing(issuer):
    with pytest.raises(BadSignature):
        verified(issuer.with_key(state=KeyState.WITHDRAWN))


def test_a_retired_key_ends_at_its_last_second(issuer):
    retired = issuer.with_key(state=KeyState.RETIRED, not_after=NOW + 10 * SECOND)
    assert verified(retired, at=NOW + 9 * SECOND)
    for late in (10, 11):
        with pytest.raises(BadSignature):
            verified(retired, at=NOW + late * SECOND)


def test_a_terminal_whose_clock_runs_late_takes_the_first_code_of_a_new_key(issuer):
    fresh = issuer.with_key(state=KeyState.NEXT, not_before=NOW)
    assert verified(fresh, at=NOW - LEEWAY)
    with pytest.raises(BadSignature):
        verified(fresh, at=NOW - LEEWAY - SECOND)
    with pytest.raises(BadSignature):
        verified(fresh, at=NOW - SECOND, issued_at=NOW - SECOND)


def test_the_key_of_one_city_signs_nothing_for_another(issuer, provider):
    other = PrivateKey(bytes(31) + b"\x0d")
    key = RingKey(
        KID, KeyState.CURRENT, provider.public_key_of(other), NOW - timedelta(days=1), NOW + timedelta(days=1)
    )
    with pytest.raises(BadSignature):
        verify_signed_code(read_code(issuer.mint()), CodeKeys(KeyRing((key,)), provider), NOW)


@pytest.mark.parametrize("seconds", [-5, -4, 0, 59, 60, 64])
def test_a_code_lives_from_its_issue_to_its_expiry_and_the_leeway_around(issuer, seconds):
    require_live(verified(issuer), NOW + seconds * SECOND)


@pytest.mark.parametrize("seconds", [65, 66, 3600])
def test_a_code_dies_at_its_expiry(issuer, seconds):
    with pytest.raises(CodeExpired):
        require_live(verified(issuer), NOW + seconds * SECOND)


@pytest.mark.parametrize("seconds", [-6, -7, -3600])
def test_a_code_from_the_future_is_refused(issuer, seconds):
    with pytest.raises(CodeNotYetValid):
        require_live(verified(issuer), NOW + seconds * SECOND)


def test_the_last_instant_of_a_code_is_before_its_expiry(issuer):
    code, instant = verified(issuer), timedelta(microseconds=1)
    require_live(code, code.expires_at + LEEWAY - instant)
    with pytest.raises(CodeExpired):
        require_live(code, code.expires_at + LEEWAY)
    require_live(code, code.issued_at - LEEWAY)
    with pytest.raises(CodeNotYetValid):
        require_live(code, code.issued_at - LEEWAY - instant)


@pytest.mark.parametrize("shown", CodeClass)
@pytest.mark.parametrize("taken", CodeClass)
def test_only_the_class_that_is_taken_passes(issuer, shown, taken):
    code = verified(issuer, code_class=shown)
    if shown is taken:
        require_class(code, {taken})
        return
    with pytest.raises(WrongClass):
        require_class(code, {taken})


def test_a_test_code_of_a_real_class_passes_only_where_tests_are_taken(issuer):
    code = verified(issuer, code_class=CodeClass.MEDICAL, flags=Flag.TEST)
    require_class(code, {CodeClass.MEDICAL, CodeClass.TEST})
    with pytest.raises(WrongClass):
        require_class(code, {CodeClass.MEDICAL})


def test_an_audience_is_anyone_or_one_of_ours(issuer):
    require_audience(verified(issuer), ())
    require_audience(verified(issuer, audience=7), {3, 7})
    for audiences in ((), {3}, {0}):
        with pytest.raises(WrongAudience):
            require_audience(verified(issuer, audience=7), audiences)


def test_the_service_finds_the_card_again(issuer):
    assert open_handle(verified(issuer), {KID: BlockCipher(HANDLE_KEY)}) == CARD_INDEX
    with pytest.raises(CodeUnknown):
        open_handle(verified(issuer), {KID + 1: BlockCipher(HANDLE_KEY)})


def test_a_thousand_codes_of_one_card_share_nothing_and_tell_nothing_of_the_person(issuer):
    number, name = "990101199001011234", "测试持卡人"
    codes = [
        unsigned(issuer).mint(issued_at=NOW + place * SECOND, card_index=int(number[6:14])) for place in range(1000)
    ]
    bodies = [body_of(code) for code in codes]
    handles = {body[9:25] for body in bodies}
    assert len(handles) == len({body[3:7] for body in bodies}) == 1000
    # no byte of the handle stays, and no half of it comes twice
    assert all(len({handle[place] for handle in handles}) > 200 for place in range(16))
    assert len({handle[:8] for handle in handles} | {handle[8:] for handle in handles}) == 2000
    fragments = [number[6:14].encode(), int(number).to_bytes(8, "big"), int(number[6:14]).to_bytes(8, "big")]
    fragments += [name.encode("utf-8"), name.encode("gb18030")]
    assert not any(fragment in body for fragment in fragments for body in bodies)
    assert not any(piece in code for piece in (number, number[6:14] + number[14:17]) for code in codes)


def test_two_codes_of_the_same_second_differ_in_handle_and_signature_alone(issuer):
    first, second = body_of(issuer.mint()), body_of(issuer.mint())
    assert first[:9] == second[:9]
    assert first[25:27] == second[25:27]
    assert first[9:25] != second[9:25]
    assert first[27:] != second[27:]


@pytest.mark.parametrize("life_seconds", [0, -5, 3, 61, 1280])
def test_a_life_that_the_format_cannot_tell_is_not_minted(issuer, life_seconds):
    with pytest.raises(ValueError, match="multiple of 5"):
        issuer.mint(life_seconds=life_seconds)


def test_seeding_the_ordinary_generator_changes_nothing(issuer):
    codes = set()
    for _ in range(2):
        random.seed(1)
        codes.add(issuer.mint(secrets.token_bytes))
    assert len(codes) == 2


def test_keys_and_signatures_do_not_show_in_a_log_line(issuer):
    code = read_code(issuer.mint())
    assert repr(code.signature) not in repr(code)
    assert HANDLE_KEY.hex() not in repr(issuer.minting)
    assert "signer" not in repr(issuer.minting)
