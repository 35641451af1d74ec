"""Amounts in words: by each language's rules, and read back digit for digit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.spelling import LIMIT, amount_in_words
from core.money import Currency, Money

GOLDEN = {
    0: ("Không đồng", "Zero Vietnamese dong", "Zéro dong vietnamien", "零越南盾整"),
    1: ("Một đồng", "One Vietnamese dong", "Un dong vietnamien", "壹越南盾整"),
    10: ("Mười đồng", "Ten Vietnamese dong", "Dix dongs vietnamiens", "壹拾越南盾整"),
    15: ("Mười lăm đồng", "Fifteen Vietnamese dong", "Quinze dongs vietnamiens", "壹拾伍越南盾整"),
    21: ("Hai mươi mốt đồng", "Twenty-one Vietnamese dong", "Vingt et un dongs vietnamiens",
         "贰拾壹越南盾整"),
    71: ("Bảy mươi mốt đồng", "Seventy-one Vietnamese dong", "Soixante et onze dongs vietnamiens",
         "柒拾壹越南盾整"),
    80: ("Tám mươi đồng", "Eighty Vietnamese dong", "Quatre-vingts dongs vietnamiens",
         "捌拾越南盾整"),
    95: ("Chín mươi lăm đồng", "Ninety-five Vietnamese dong",
         "Quatre-vingt-quinze dongs vietnamiens", "玖拾伍越南盾整"),
    105: ("Một trăm linh năm đồng", "One hundred and five Vietnamese dong",
          "Cent cinq dongs vietnamiens", "壹佰零伍越南盾整"),
    200: ("Hai trăm đồng", "Two hundred Vietnamese dong", "Deux cents dongs vietnamiens",
          "贰佰越南盾整"),
    1_005: ("Một nghìn không trăm linh năm đồng", "One thousand five Vietnamese dong",
            "Mille cinq dongs vietnamiens", "壹仟零伍越南盾整"),
    80_000: ("Tám mươi nghìn đồng", "Eighty thousand Vietnamese dong",
             "Quatre-vingt mille dongs vietnamiens", "捌万越南盾整"),
    83_000: ("Tám mươi ba nghìn đồng", "Eighty-three thousand Vietnamese dong",
             "Quatre-vingt-trois mille dongs vietnamiens", "捌万叁仟越南盾整"),
    150_000: ("Một trăm năm mươi nghìn đồng", "One hundred and fifty thousand Vietnamese dong",
              "Cent cinquante mille dongs vietnamiens", "壹拾伍万越南盾整"),
    200_000: ("Hai trăm nghìn đồng", "Two hundred thousand Vietnamese dong",
              "Deux cent mille dongs vietnamiens", "贰拾万越南盾整"),
    1_000_000: ("Một triệu đồng", "One million Vietnamese dong",
                "Un million de dongs vietnamiens", "壹佰万越南盾整"),
    2_000_300: ("Hai triệu không nghìn ba trăm đồng", "Two million three hundred Vietnamese dong",
                "Deux millions trois cents dongs vietnamiens", "贰佰万零叁佰越南盾整"),
    1_234_567: ("Một triệu hai trăm ba mươi bốn nghìn năm trăm sáu mươi bảy đồng",
                ("One million two hundred and thirty-four thousand five hundred and sixty-seven "
                 "Vietnamese dong"),
                ("Un million deux cent trente-quatre mille cinq cent soixante-sept dongs "
                 "vietnamiens"), "壹佰贰拾叁万肆仟伍佰陆拾柒越南盾整"),
    10_000_000_000: ("Mười tỷ đồng", "Ten billion Vietnamese dong",
                     "Dix milliards de dongs vietnamiens", "壹佰亿越南盾整"),
    2_300_000_000_000: ("Hai nghìn ba trăm tỷ đồng",
                        "Two trillion three hundred billion Vietnamese dong",
                        "Deux billions trois cents milliards de dongs vietnamiens",
                        "贰兆叁仟亿越南盾整"),
    100_000_001: ("Một trăm triệu không nghìn không trăm linh một đồng",
                  "One hundred million one Vietnamese dong",
                  "Cent millions un dongs vietnamiens", "壹亿零壹越南盾整"),
}  # fmt: skip


@pytest.mark.parametrize("number", GOLDEN)
def test_amounts_as_people_write_them(number: int) -> None:
    said = tuple(amount_in_words(Money(number), language) for language in ("vi", "en", "fr", "zh"))
    assert said == GOLDEN[number]


VI = {
    "không": 0, "một": 1, "hai": 2, "ba": 3, "bốn": 4, "năm": 5, "sáu": 6, "bảy": 7, "tám": 8,
    "chín": 9, "mốt": 1, "lăm": 5,
}  # fmt: skip
ZH = {digit: value for value, digit in enumerate("零壹贰叁肆伍陆柒捌玖")}


def read_vietnamese(text: str) -> int:
    """Read a number back, word by word, by rules of its own."""
    whole = group = 0
    words = text.lower().removesuffix(" đồng").split()
    for word in words:
        if word == "trăm":
            group *= 100
        elif word == "mười":
            group += 10
        elif word == "mươi":
            group += (group % 10) * 9
        elif word in {"nghìn", "triệu"}:
            whole += group * {"nghìn": 1_000, "triệu": 1_000_000}[word]
            group = 0
        elif word == "tỷ":
            whole, group = (whole + group) * 10**9, 0
        elif word != "linh":
            group += VI[word]
    return whole + group


def read_chinese(text: str) -> int:
    whole = group = digit = 0
    for sign in text.removesuffix("越南盾整"):
        if sign in ZH:
            digit = ZH[sign]
        elif sign in "拾佰仟":
            group, digit = group + digit * {"拾": 10, "佰": 100, "仟": 1000}[sign], 0
        else:
            whole += (group + digit) * {"万": 10**4, "亿": 10**8, "兆": 10**12}[sign]
            group = digit = 0
    return whole + group + digit


@given(st.integers(0, LIMIT - 1) | st.integers(0, 3_000_000) | st.integers(0, 900).map(
    lambda small: small * 1_000_000_007))  # fmt: skip
def test_an_amount_is_read_back_digit_for_digit(number: int) -> None:
    if number >= LIMIT:
        return
    assert read_vietnamese(amount_in_words(Money(number), "vi")) == number
    assert read_chinese(amount_in_words(Money(number), "zh")) == number


@pytest.mark.parametrize("language", ["vi", "en", "fr", "zh"])
def test_no_two_amounts_are_written_alike(language: str) -> None:
    numbers = [*range(12_000), *(n * 1_000 for n in range(12, 3_000)), *(10**k for k in range(15))]
    texts = {amount_in_words(Money(number), language) for number in set(numbers)}
    assert len(texts) == len(set(numbers))


def test_what_has_no_words_has_none() -> None:
    assert not amount_in_words(Money(LIMIT), "vi")
    assert not amount_in_words(Money(-1), "vi")
    assert not amount_in_words(Money(1), "de")
    assert not amount_in_words(Money(1, Currency.USD), "en")
