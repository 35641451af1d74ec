"""The bill reference: short, unguessable, and able to correct itself when people mistype it.

A reference is a prefix, seven random data symbols and three check symbols in Crockford's base 32
(0-9 A-Z without I L O U). The check symbols are a shortened systematic Reed-Solomon code over
GF(32): field polynomial x^5 + x^2 + 1, generator roots α^0, α^1, α^2 with α = 2, data first. Its
distance is four, so one wrong symbol at an unknown place is corrected, two are detected, and
three lost at known places are restored; where all three are lost nothing checks the rest.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from reedsolo import ReedSolomonError, RSCodec

from payments.errors import ReferenceUnreadableError

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DATA_SYMBOLS: Final = 7
CHECK_SYMBOLS: Final = 3
CODE_LENGTH: Final = DATA_SYMBOLS + CHECK_SYMBOLS
LOST: Final = "?"
"""Stands for a symbol that is known to be missing."""

VALUES: Final = {symbol: value for value, symbol in enumerate(ALPHABET)}
_LOOK_ALIKES: Final = str.maketrans("OIL", "011")
_FIELD: Final = 31  # number of non-zero elements of GF(32)
_CODEC: Final = RSCodec(nsym=CHECK_SYMBOLS, nsize=_FIELD, fcr=0, prim=0x25, generator=2, c_exp=5)


class Reading(StrEnum):
    """How much of a reference stood in the text.

    ``exact``: all of it. ``corrected``: one symbol was wrong. ``restored``: symbols at known
    places were lost. Only ``exact`` proves itself; the others count with other evidence.
    """

    EXACT = "exact"
    CORRECTED = "corrected"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class ReadReference:
    """A reference in canonical spelling, and how it was read."""

    reference: str
    reading: Reading


def encode(prefix: str, data: Sequence[int]) -> str:
    """The reference of seven data symbols (each 0 to 31).

    Raises:
        ValueError: not seven symbols of that range; a programming error, not an input error.
    """
    if len(data) != DATA_SYMBOLS or not all(0 <= value < len(ALPHABET) for value in data):
        raise ValueError(f"a reference has {DATA_SYMBOLS} data symbols from 0 to 31: {data!r}")
    return prefix + "".join(ALPHABET[value] for value in _CODEC.encode(bytes(data)))


def new_reference(prefix: str, randbelow: Callable[[int], int]) -> str:
    """A random reference. ``randbelow(n)`` gives a random int from 0 to n - 1.

    Uniqueness in the installation is the caller's: ask again when it is taken.
    """
    return encode(prefix, [randbelow(len(ALPHABET)) for _ in range(DATA_SYMBOLS)])


def fold(text: str) -> str:
    """Text as a machine would have typed it: upper case, no diacritics, no invisible characters.

    Full-width forms become ordinary ones, every kind of blank a space, đ becomes D, and format
    characters (zero-width spaces, joiners, direction marks, soft hyphens) vanish.
    """
    if text.isascii():
        return text.upper()
    decomposed = unicodedata.normalize("NFKD", text.translate(_BARRED))
    kept = (c for c in decomposed if unicodedata.category(c) not in _INVISIBLE)
    return "".join(" " if c.isspace() else c for c in kept).upper()


_BARRED: Final = str.maketrans("đĐðÐ", "dDdD")
"""Letters with a bar have no decomposition; eth is often typed for the Vietnamese letter."""
_INVISIBLE: Final = frozenset({"Mn", "Me", "Cf"})


def canonical(text: str) -> str:
    """Folded text without separators, O read as 0, I and L as 1."""
    return "".join(c for c in fold(text) if c.isascii() and c.isalnum()).translate(_LOOK_ALIKES)


def is_codeword(code: str) -> bool:
    """Whether ten canonical symbols agree with their check symbols."""
    values = _values(code)
    return values is not None and not any(_syndromes(values))


def correct(code: str) -> str | None:
    """The codeword within one wrong symbol of ten canonical symbols, or None.

    One character outside the alphabet counts as the wrong symbol. Two wrong symbols are detected:
    they give None, never another codeword.
    """
    strange = [place for place, symbol in enumerate(code) if symbol not in VALUES]
    if len(code) != CODE_LENGTH or len(strange) > 1:
        return None
    if strange:
        return restore(code[: strange[0]] + LOST + code[strange[0] + 1 :])
    values = [VALUES[symbol] for symbol in code]
    place_and_error = _single_error(_syndromes(values))
    if place_and_error is None:
        return None
    place, error = place_and_error
    values[place] ^= error
    return "".join(ALPHABET[value] for value in values)


def restore(code: str) -> str | None:
    """Ten canonical symbols of which up to three are ``LOST``, completed; None where impossible.

    What is left beyond the lost symbols must agree exactly: no wrong symbol is corrected here.
    """
    lost = [place for place, symbol in enumerate(code) if symbol == LOST]
    if len(code) != CODE_LENGTH or len(lost) > CHECK_SYMBOLS:
        return None
    values = _values(code.replace(LOST, ALPHABET[0]))
    if values is None:
        return None
    try:
        whole = bytes(_CODEC.decode(bytes(values), erase_pos=lost, only_erasures=True)[1])
    except ReedSolomonError:
        return None
    if any(_syndromes(whole)) or any(
        whole[place] != values[place] for place in range(CODE_LENGTH) if place not in lost
    ):
        return None
    return "".join(ALPHABET[value] for value in whole)


def parse(typed: str, prefix: str) -> ReadReference:
    """Read a reference as a person typed it: any case, separators, look-alikes, prefix or none.

    A ``corrected`` reading must not be acted upon before it has been found to name a bill.

    Raises:
        ReferenceUnreadableError: not ten symbols, or more than one of them wrong.
    """
    text = canonical(typed)
    head = canonical(prefix)
    code = text[len(head) :] if len(text) == len(head) + CODE_LENGTH else text
    if len(code) != CODE_LENGTH or (code is not text and not text.startswith(head)):
        raise ReferenceUnreadableError(
            f"a reference is {prefix} and {CODE_LENGTH} letters or digits"
        )
    whole = correct(code)
    if whole is None:
        raise ReferenceUnreadableError("at least two characters of the reference are wrong")
    return ReadReference(prefix + whole, Reading.EXACT if whole == code else Reading.CORRECTED)


def parse_cut(typed: str, prefix: str) -> ReadReference:
    """Read a reference whose end is cut off: prefix and at least seven symbols.

    With three symbols lost nothing checks the rest: the reading counts only if it names a known
    bill and the amount agrees.

    Raises:
        ReferenceUnreadableError: too little is left, or what is left does not agree.
    """
    text = canonical(typed)
    head = canonical(prefix)
    code = text[len(head) :] if text.startswith(head) else ""
    if not DATA_SYMBOLS <= len(code) < CODE_LENGTH:
        raise ReferenceUnreadableError(
            f"{DATA_SYMBOLS} letters or digits after {prefix} are needed"
        )
    whole = restore(code.ljust(CODE_LENGTH, LOST))
    if whole is None:
        raise ReferenceUnreadableError("the rest of the reference does not agree")
    return ReadReference(prefix + whole, Reading.RESTORED)


def _values(code: str) -> list[int] | None:
    if len(code) != CODE_LENGTH or any(symbol not in VALUES for symbol in code):
        return None
    return [VALUES[symbol] for symbol in code]


def _powers() -> tuple[list[int], list[int]]:
    """Exponents and logarithms of GF(32), α = 2 over x^5 + x^2 + 1."""
    power, exponents, logarithms = 1, [], [0] * (_FIELD + 1)
    for exponent in range(_FIELD):
        exponents.append(power)
        logarithms[power] = exponent
        power = power << 1 ^ (0x25 if power & 0x10 else 0)
    return exponents, logarithms


EXPONENTS, LOGARITHMS = _powers()
"""``EXPONENTS[n]`` is α^n, and ``LOGARITHMS[α^n]`` is n (of zero, which has none, 0)."""
_TIMES: Final = tuple(
    tuple(
        EXPONENTS[(LOGARITHMS[value] + root) % _FIELD] if value else 0
        for value in range(_FIELD + 1)
    )
    for root in range(CHECK_SYMBOLS)
)
"""``_TIMES[r][v]`` is v · α^r."""


def _syndromes(values: Sequence[int]) -> tuple[int, int, int]:
    """The received polynomial at the three roots, by Horner's rule; all zero for a codeword."""
    zero = one = two = 0
    for value in values:
        zero ^= value
        one = _TIMES[1][one] ^ value
        two = _TIMES[2][two] ^ value
    return zero, one, two


def _single_error(syndromes: tuple[int, int, int]) -> tuple[int, int] | None:
    """Place and value of the one error that explains the syndromes: S = e, e·X, e·X²."""
    zero, one, two = syndromes
    if not (zero or one or two):
        return 0, 0
    if not (zero and one and two):
        return None
    locator = (LOGARITHMS[one] - LOGARITHMS[zero]) % _FIELD
    place = CODE_LENGTH - 1 - locator
    if place < 0 or (LOGARITHMS[two] - LOGARITHMS[one]) % _FIELD != locator:
        return None
    return place, zero
