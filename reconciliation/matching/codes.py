"""Codes of bill references as rows of symbols and as numbers, many at once.

A code is ten symbols of five bits (``payments.references`` says what they are and why). Here it
is a row of ten small numbers, where ``STRANGE`` stands for a character that is no symbol, or, if
every symbol is one, one number of fifty bits. Numbers sort as the codes do.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from payments.references import (
    ALPHABET,
    CHECK_SYMBOLS,
    CODE_LENGTH,
    DATA_SYMBOLS,
    EXPONENTS,
    LOGARITHMS,
    LOST,
    VALUES,
    restore,
)
from reconciliation.matching.arrays import Bools, Ints

Symbols = NDArray[np.uint8]
"""Of shape (n, 10) unless something else is said."""

STRANGE: Final = 32
_BITS: Final = 5
_MASK: Final = STRANGE - 1
_FIELD: Final = len(EXPONENTS)
_LOG: Final = np.asarray(LOGARITHMS, dtype=np.int64)


def _products() -> Symbols:
    """Every product of two elements of GF(32)."""
    table = np.zeros((STRANGE, STRANGE), dtype=np.uint8)
    for a in range(1, STRANGE):
        for b in range(1, STRANGE):
            table[a, b] = EXPONENTS[(LOGARITHMS[a] + LOGARITHMS[b]) % _FIELD]
    return table


_TIMES: Final = _products()
_LOCATORS: Final = np.asarray(
    [EXPONENTS[CODE_LENGTH - 1 - place] for place in range(CODE_LENGTH)], dtype=np.uint8
)
"""X of each place: an error e there gives the syndromes e, e·X, e·X²."""
_SQUARES: Final = np.asarray([_TIMES[x, x] for x in _LOCATORS], dtype=np.uint8)
_ONE: Final = _TIMES[_LOCATORS]
_TWO: Final = _TIMES[_SQUARES]
"""What a symbol at each place adds to the second and third syndrome; strange ones never ask."""


def _completions(given: slice, wanted: slice) -> Symbols:
    """For each place and symbol of ``given``: what it adds to the symbols ``wanted``."""
    places = range(*given.indices(CODE_LENGTH))
    rows = np.zeros((len(places), STRANGE, CHECK_SYMBOLS), dtype=np.uint8)
    for at, place in enumerate(places):
        for value in range(STRANGE):
            code = [ALPHABET[0]] * CODE_LENGTH
            code[place] = ALPHABET[value]
            code[wanted] = [LOST] * CHECK_SYMBOLS
            whole = restore("".join(code))
            assert whole is not None  # noqa: S101 - any seven symbols determine the others
            rows[at, value] = [VALUES[symbol] for symbol in whole[wanted]]
    return rows


_LAST_OF_FIRST: Final = _completions(slice(0, DATA_SYMBOLS), slice(DATA_SYMBOLS, CODE_LENGTH))
_FIRST_OF_LAST: Final = _completions(slice(CHECK_SYMBOLS, CODE_LENGTH), slice(0, CHECK_SYMBOLS))


def pack(symbols: Symbols) -> Ints:
    """Rows of symbols, none of them strange, as numbers."""
    packed = np.zeros(len(symbols), dtype=np.int64)
    for place in range(symbols.shape[1]):
        packed = packed << _BITS | symbols[:, place]
    return packed


def spell(packed: int) -> str:
    """The code that a number stands for."""
    shifts = range(_BITS * (CODE_LENGTH - 1), -1, -_BITS)
    return "".join(ALPHABET[packed >> shift & _MASK] for shift in shifts)


def syndromes(symbols: Symbols) -> tuple[Symbols, Symbols, Symbols]:
    """Three numbers for each row, of shape (n,); all are zero for a codeword."""
    zero = np.zeros(len(symbols), dtype=np.uint8)
    one, two = zero.copy(), zero.copy()
    for place in range(CODE_LENGTH):
        value = symbols[:, place]
        zero ^= value
        one ^= _ONE[place][value]
        two ^= _TWO[place][value]
    return zero, one, two


def are_codewords(symbols: Symbols) -> Bools:
    """Which rows agree with their check symbols."""
    right: Bools = np.bitwise_xor.reduce(symbols, axis=1) == 0
    right &= (symbols < STRANGE).all(axis=1)
    rows = np.flatnonzero(right)
    _, one, two = syndromes(symbols[rows])
    right[rows] = (one == 0) & (two == 0)
    return right


def corrected(symbols: Symbols) -> tuple[Ints, Ints]:
    """Rows within one wrong (or strange) symbol of a codeword, and its number."""
    strange = symbols >= STRANGE
    count = strange.sum(axis=1)
    place = np.where(count == 1, strange.argmax(axis=1), -1)
    plain = np.where(strange, 0, symbols).astype(np.uint8)
    zero, one, two = syndromes(plain)
    locator = (_LOG[one] - _LOG[zero]) % _FIELD
    known = (zero != 0) & (one != 0) & (two != 0) & (locator < CODE_LENGTH)
    known &= (_LOG[two] - _LOG[one]) % _FIELD == locator
    found = CODE_LENGTH - 1 - np.where(known, locator, 0)
    at = np.where(place >= 0, place, found)
    agrees = (_TIMES[zero, _LOCATORS[at]] == one) & (_TIMES[zero, _SQUARES[at]] == two)
    right = agrees & ((place >= 0) | known | (zero == 0)) & (count <= 1)
    rows = np.flatnonzero(right)
    whole = plain[rows]
    whole[np.arange(len(rows)), at[rows]] ^= zero[rows]
    return rows, pack(whole)


def filled(symbols: Symbols) -> tuple[Ints, Ints]:
    """Rows of nine symbols that are a codeword without one of its symbols, and its number.

    A row may stand several times: each place may be the empty one.
    """
    rows = np.flatnonzero((symbols < STRANGE).all(axis=1))
    nine = symbols[rows]
    error = np.bitwise_xor.reduce(nine, axis=1)
    found: list[tuple[Ints, Ints]] = []
    for place in range(CODE_LENGTH):
        whole = np.insert(nine, place, error, axis=1)
        _, one, two = syndromes(whole)
        right = np.flatnonzero((one == 0) & (two == 0))
        found.append((rows[right], pack(whole[right])))
    return _joined(found)


def completed(first: Symbols) -> Symbols:
    """The last three symbols to seven given ones, of shape (n, 7)."""
    return _added(first, _LAST_OF_FIRST)


def preceded(last: Symbols) -> Symbols:
    """The first three symbols to seven given ones, of shape (n, 7)."""
    return _added(last, _FIRST_OF_LAST)


def _added(given: Symbols, table: Symbols) -> Symbols:
    sums = np.zeros((len(given), CHECK_SYMBOLS), dtype=np.uint8)
    for at in range(given.shape[1]):
        sums ^= table[at][given[:, at]]
    return sums


def swapped(symbols: Symbols) -> tuple[Ints, Ints]:
    """Rows that are a codeword with two neighbours swapped, and its number."""
    rows = np.flatnonzero(
        (np.bitwise_xor.reduce(symbols, axis=1) == 0) & (symbols < STRANGE).all(axis=1)
    )
    found: list[tuple[Ints, Ints]] = []
    for place in range(CODE_LENGTH - 1):
        other = symbols[rows]
        other[:, [place, place + 1]] = other[:, [place + 1, place]]
        right = are_codewords(other) & (other[:, place] != other[:, place + 1])
        found.append((rows[right], pack(other[right])))
    return _joined(found)


def shortened(symbols: Symbols) -> tuple[Ints, Ints]:
    """Rows of eleven symbols that are a codeword with one too many, and its number."""
    every = np.bitwise_xor.reduce(symbols, axis=1)
    found: list[tuple[Ints, Ints]] = []
    for place in range(CODE_LENGTH + 1):
        rows = np.flatnonzero(every == symbols[:, place])
        other = np.delete(symbols[rows], place, axis=1)
        right = are_codewords(other)
        found.append((rows[right], pack(other[right])))
    return _joined(found)


def _joined(found: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    rows, packed = zip(*found, strict=True)
    return np.concatenate(rows), np.concatenate(packed)
