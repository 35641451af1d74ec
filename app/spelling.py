"""Amounts in words, as receipts write them so that no digit can be changed: Vietnamese dong.

Each language by its own rules: Vietnamese with *không trăm* and *linh* inside a number, English,
French by the spelling in use, Chinese with the numerals of accounts (大写). Up to 10^15 - 1.
"""

from collections.abc import Callable, Mapping
from typing import Final

from core.money import Currency, Money

LIMIT: Final = 10**15
_THOUSAND: Final = 1_000


def amount_in_words(amount: Money, language: str) -> str:
    """Return an amount of dong in words, or "" for another currency, language or size."""
    spell = _SPELLERS.get(language)
    if spell is None or amount.currency is not Currency.VND or not 0 <= amount.amount_minor < LIMIT:
        return ""
    text = spell(amount.amount_minor)
    return text[0].upper() + text[1:]


def _groups(number: int) -> list[int]:
    """The groups of three digits, the highest first; no group for nought."""
    found: list[int] = []
    while number:
        number, group = divmod(number, _THOUSAND)
        found.insert(0, group)
    return found


# --- Vietnamese -----------------------------------------------------------------------------

_VI: Final = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")


def _vietnamese(number: int) -> str:
    """A thousand nought is said inside a number: *hai triệu ba trăm* alone may mean 2,300,000."""
    high, low = divmod(number, 10**9)
    words = [_vietnamese_groups(high, whole=False), "tỷ"] if high else []
    if low:
        words.append(_vietnamese_groups(low, whole=bool(high)))
    return " ".join([*(words or [_VI[0]]), "đồng"])


def _vietnamese_groups(number: int, *, whole: bool) -> str:
    """A number below 10^9; ``whole`` says that others were said before it."""
    words: list[str] = []
    for name, unit in (("triệu", 10**6), ("nghìn", 10**3), ("", 1)):
        group, rest = number // unit % _THOUSAND, number % unit
        if group:
            words += [_vietnamese_group(group, whole=whole or bool(words)), name]
        elif name == "nghìn" and (words or whole) and rest:
            words += [_VI[0], name]
    return " ".join(word for word in words if word)


def _vietnamese_group(group: int, *, whole: bool) -> str:
    hundreds, rest = divmod(group, 100)
    tens, ones = divmod(rest, 10)
    words: list[str] = []
    if hundreds or whole:
        words += [_VI[hundreds], "trăm"]
    if tens == 0:
        if ones:
            words += ["linh"] if words else []
            words.append(_VI[ones])
        return " ".join(words)
    words += ["mười"] if tens == 1 else [_VI[tens], "mươi"]
    if ones:
        said = {1: "mốt" if tens > 1 else "một", 5: "lăm"}
        words.append(said.get(ones, _VI[ones]))
    return " ".join(words)


# --- English --------------------------------------------------------------------------------

_EN: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)  # fmt: skip
_EN_TENS: Final = (
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
)  # fmt: skip
_EN_GROUPS: Final = ("", "thousand", "million", "billion", "trillion")


def _english(number: int) -> str:
    groups = _groups(number)
    words = [
        f"{_english_group(group)} {_EN_GROUPS[len(groups) - 1 - place]}".strip()
        for place, group in enumerate(groups)
        if group
    ]
    return f"{' '.join(words) or _EN[0]} Vietnamese dong"


def _english_group(group: int) -> str:
    hundreds, rest = divmod(group, 100)
    words = [_EN[hundreds], "hundred"] if hundreds else []
    if rest:
        tens, ones = divmod(rest, 10)
        small = _EN[rest] if rest < len(_EN) else _EN_TENS[tens] + (f"-{_EN[ones]}" if ones else "")
        words += ["and", small] if hundreds else [small]
    return " ".join(words)


# --- French ---------------------------------------------------------------------------------

_FR: Final = (
    "zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix",
    "onze", "douze", "treize", "quatorze", "quinze", "seize", "dix-sept", "dix-huit", "dix-neuf",
)  # fmt: skip
_FR_TENS: Final = {2: "vingt", 3: "trente", 4: "quarante", 5: "cinquante", 6: "soixante"}
_FR_GROUPS: Final = ("", "mille", "million", "milliard", "billion")
_SCORE: Final = 80


def _french(number: int) -> str:
    groups = _groups(number)
    words: list[str] = []
    for place, group in enumerate(groups):
        name = _FR_GROUPS[len(groups) - 1 - place]
        if not group:
            continue
        if name == "mille":
            words += [name] if group == 1 else [_french_group(group, last=False), name]
        else:
            words.append(_french_group(group, last=True))
            words += [name + ("s" if group > 1 else "")] if name else []
    of = "de " if number and number % 1_000_000 == 0 else ""
    dongs = "dong vietnamien" if number in {0, 1} else "dongs vietnamiens"
    return f"{' '.join(words) or _FR[0]} {of}{dongs}"


def _french_group(group: int, *, last: bool) -> str:
    """``last``: no numeral follows, so that *cents* and *quatre-vingts* bear their s."""
    hundreds, rest = divmod(group, 100)
    words = [_FR[hundreds]] if hundreds > 1 else []
    if hundreds:
        words.append("cents" if hundreds > 1 and not rest and last else "cent")
    if rest:
        words.append(_french_small(rest, last=last))
    return " ".join(words)


def _french_small(number: int, *, last: bool) -> str:
    if number < len(_FR):
        return _FR[number]
    if number >= _SCORE:
        rest = number - _SCORE
        return f"quatre-vingt-{_FR[rest]}" if rest else "quatre-vingt" + ("s" if last else "")
    tens, ones = divmod(number, 10)
    if tens == 7:  # noqa: PLR2004 - seventy is said sixty-ten
        tens, ones = 6, ones + 10
    if not ones:
        return _FR_TENS[tens]
    return (
        f"{_FR_TENS[tens]} et {_FR[ones]}" if ones in {1, 11} else f"{_FR_TENS[tens]}-{_FR[ones]}"
    )


# --- Chinese --------------------------------------------------------------------------------

_ZH: Final = "零壹贰叁肆伍陆柒捌玖"
_ZH_PLACES: Final = ("", "拾", "佰", "仟")
_ZH_GROUPS: Final = ("", "万", "亿", "兆")


def _chinese(number: int) -> str:
    digits = str(number)
    text, owed = "", False
    for at, digit in enumerate(digits):
        place, group = (len(digits) - 1 - at) % 4, (len(digits) - 1 - at) // 4
        if digit == "0":
            owed = bool(text)
        else:
            text += (_ZH[0] if owed else "") + _ZH[int(digit)] + _ZH_PLACES[place]
            owed = False
        if place == 0 and group and int(digits[max(0, at - 3) : at + 1]):
            text += _ZH_GROUPS[group]
    return f"{text or _ZH[0]}越南盾整"


_SPELLERS: Final[Mapping[str, Callable[[int], str]]] = {
    "vi": _vietnamese,
    "en": _english,
    "fr": _french,
    "zh": _chinese,
}
