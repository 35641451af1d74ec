"""The bill reference: encoding, reading, correcting, restoring, and what it refuses."""

import itertools
import random

import pytest
from reedsolo import ReedSolomonError, RSCodec

from payments.errors import ReferenceUnreadableError
from payments.references import (
    ALPHABET,
    CODE_LENGTH,
    LOST,
    VALUES,
    Reading,
    ReadReference,
    canonical,
    correct,
    encode,
    fold,
    is_codeword,
    new_reference,
    parse,
    parse_cut,
    restore,
)

RNG = random.Random(5)
CODES = [new_reference("", RNG.randrange) for _ in range(12)]
CODEC = RSCodec(nsym=3, nsize=31, fcr=0, prim=0x25, generator=2, c_exp=5)


def test_the_published_check_vector() -> None:
    reference = encode("MC", [1, 2, 3, 4, 5, 6, 7])
    assert reference.startswith("MC1234567")
    assert [VALUES[symbol] for symbol in reference[-3:]] == [29, 15, 18]


@pytest.mark.parametrize("data", [[1] * 6, [1] * 8, [32, 0, 0, 0, 0, 0, 0], [-1, 0, 0, 0, 0, 0, 0]])
def test_other_than_seven_symbols_of_the_field_are_a_programming_error(data: list[int]) -> None:
    with pytest.raises(ValueError, match="data symbols"):
        encode("MC", data)


def test_a_new_reference_uses_only_the_randomness_it_is_given() -> None:
    assert new_reference("MC", lambda n: n - 1) == encode("MC", [31] * 7)
    asked: list[int] = []
    new_reference("MC", lambda n: asked.append(n) or 0)  # type: ignore[func-returns-value]
    assert asked == [32] * 7


def test_every_single_error_is_corrected() -> None:
    for code in CODES:
        for place, symbol in itertools.product(range(CODE_LENGTH), ALPHABET):
            assert correct(code[:place] + symbol + code[place + 1 :]) == code


def test_every_double_error_of_a_reference_is_detected_never_miscorrected() -> None:
    code = CODES[0]
    for one, two in itertools.combinations(range(CODE_LENGTH), 2):
        for a, b in itertools.product(range(1, 32), repeat=2):
            values = [VALUES[symbol] for symbol in code]
            values[one] ^= a
            values[two] ^= b
            assert correct("".join(ALPHABET[value] for value in values)) is None


def test_random_double_errors_of_many_references_are_detected() -> None:
    rng = random.Random(8)
    for _ in range(5_000):
        code = new_reference("", rng.randrange)
        values = [VALUES[symbol] for symbol in code]
        for place in rng.sample(range(CODE_LENGTH), 2):
            values[place] ^= rng.randrange(1, 32)
        broken = "".join(ALPHABET[value] for value in values)
        assert correct(broken) is None
        with pytest.raises(ReferenceUnreadableError):
            parse("MC" + broken, "MC")


def test_correction_agrees_with_the_reed_solomon_library_on_random_words() -> None:
    rng = random.Random(9)
    for _ in range(3_000):
        word = bytes(rng.randrange(32) for _ in range(CODE_LENGTH))
        try:
            expected = "".join(ALPHABET[value] for value in CODEC.decode(word)[1])
        except ReedSolomonError:
            expected = None
        assert correct("".join(ALPHABET[value] for value in word)) == expected


def test_every_pattern_of_up_to_three_lost_symbols_is_restored() -> None:
    for code in CODES:
        for count in range(4):
            for lost in itertools.combinations(range(CODE_LENGTH), count):
                gaps = "".join(LOST if i in lost else symbol for i, symbol in enumerate(code))
                assert restore(gaps) == code


def test_a_lost_and_a_wrong_symbol_are_not_silently_restored() -> None:
    code = CODES[1]
    for place in range(CODE_LENGTH - 1):
        for symbol in ALPHABET.replace(code[place], ""):
            assert restore(code[:place] + symbol + code[place + 1 : -1] + LOST) is None


@pytest.mark.parametrize("code", ["", "????123456", "123", "12345678901", "12345U7890"])
def test_what_cannot_be_restored_is_none(code: str) -> None:
    assert restore(code) is None


def test_one_letter_outside_the_alphabet_is_one_wrong_symbol() -> None:
    code = CODES[2]
    assert correct(code[:4] + "U" + code[5:]) == code
    assert correct("UU" + code[2:]) is None


@pytest.mark.parametrize(
    "typed",
    [
        "MC1234567XFJ",
        "mc1234567xfj",
        " mc 1234-567.xfj ",
        "1234567XFJ",
        "MCI234567XFJ",
        "mcl234567xfj",
        "ＭＣ１２３４５６７ＸＦＪ",
        "MC12345\u200b67XFJ",
        "MC 1234\u00a0567 XFJ",
    ],
)
def test_a_reference_is_read_however_it_was_typed(typed: str) -> None:
    assert parse(typed, "MC") == ReadReference("MC1234567XFJ", Reading.EXACT)


def test_one_mistyped_symbol_is_corrected_and_said() -> None:
    assert parse("MC1234767XFJ", "MC") == ReadReference("MC1234567XFJ", Reading.CORRECTED)


@pytest.mark.parametrize("typed", ["", "MC", "MC123", "XX1234567XFJ", "MC1234567XFJ9", "hello"])
def test_what_is_no_reference_is_refused(typed: str) -> None:
    with pytest.raises(ReferenceUnreadableError):
        parse(typed, "MC")


@pytest.mark.parametrize("kept", [7, 8, 9])
def test_a_cut_end_is_restored(kept: int) -> None:
    assert parse_cut("mc" + "1234567XFJ"[:kept], "MC") == ReadReference(
        "MC1234567XFJ", Reading.RESTORED
    )


@pytest.mark.parametrize(
    "typed", ["MC123456", "MC1234567XFJ", "1234567", "MC1234567ZZ", "MC123456UU"]
)
def test_a_cut_end_with_too_little_or_wrong_left_is_refused(typed: str) -> None:
    with pytest.raises(ReferenceUnreadableError):
        parse_cut(typed, "MC")


def test_text_is_folded_to_what_a_machine_types() -> None:
    assert fold("Đặng nộp\u00a0phí\u200b") == "DANG NOP PHI"
    assert canonical("o-I l:Ư") == "011U"


def test_a_codeword_has_ten_symbols_of_the_alphabet() -> None:
    assert is_codeword("1234567XFJ")
    assert not is_codeword("1234567XF")
    assert not is_codeword("1234567XFU")
    assert not is_codeword("1234567XFK")
