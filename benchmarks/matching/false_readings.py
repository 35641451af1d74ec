"""How often a damaged reference, or none, reads as somebody else's bill: derived and counted.

The derivation uses nothing but the code: 7 data and 3 check symbols of 32, distance 4, so 32^7
codewords lie among 32^10 words, and with N open bills a codeword is a known bill's with N / 32^7.
The count draws seeded words, reads them with the kernels of the product
(``reconciliation.matching.codes``) and counts the codewords, and the known bills, that they reach.
"""

import argparse
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.matching import bulk
from payments.references import CHECK_SYMBOLS, CODE_LENGTH, DATA_SYMBOLS
from reconciliation.matching import codes

Ints = NDArray[np.int64]
Symbols = NDArray[np.uint8]
Found = tuple[Ints, Ints]
"""Rows and the numbers of the codewords they reach; a row may reach several."""

Q: Final = 32
BILLS: Final = 10_000_000
_NEAR: Final = 1 + CODE_LENGTH * (Q - 1)
"""Words within one wrong symbol of a codeword; as many of ten come from nine by adding one."""
_CHECKS: Final = Q**CHECK_SYMBOLS


@dataclass(frozen=True, slots=True)
class Damage:
    """One kind of damage and one way to read it.

    ``derived``: other codewords that one such text reaches, on average. ``loses_truth``: the bill
    that was meant is out of reach of this reading, so that another one may stand alone. ``words``:
    draws so many texts, with the codeword that was meant (-1 where none was).
    """

    name: str
    derived: float
    how: str
    loses_truth: bool
    words: Callable[[np.random.Generator, int], tuple[Symbols, Ints]]
    read: Callable[[Symbols], Found]


@dataclass(frozen=True, slots=True)
class Counted:
    """A kind of damage with its count; ``known`` are codewords of one of the open bills."""

    name: str
    how: str
    loses_truth: bool
    derived: float
    texts: int
    expected: float
    seen: int
    expected_known: float
    seen_known: int


# --- texts ----------------------------------------------------------------------------------------


def _codewords(rng: np.random.Generator, count: int) -> Symbols:
    data = rng.integers(0, Q, (count, DATA_SYMBOLS)).astype(np.uint8)
    return np.concatenate([data, codes.completed(data)], axis=1)


def _random(length: int) -> Callable[[np.random.Generator, int], tuple[Symbols, Ints]]:
    def words(rng: np.random.Generator, count: int) -> tuple[Symbols, Ints]:
        drawn = rng.integers(0, Q, (count, length)).astype(np.uint8)
        return drawn, np.full(count, -1, dtype=np.int64)

    return words


def _wrong(symbols: int, keep: int) -> Callable[[np.random.Generator, int], tuple[Symbols, Ints]]:
    """So many wrong symbols among the first ``keep``, the others cut off."""

    def words(rng: np.random.Generator, count: int) -> tuple[Symbols, Ints]:
        whole = _codewords(rng, count)
        meant = codes.pack(whole)
        places = np.argsort(rng.random((count, keep)), axis=1)[:, :symbols]
        rows = np.arange(count)[:, None]
        whole[rows, places] ^= rng.integers(1, Q, (count, symbols)).astype(np.uint8)
        return whole[:, :keep], meant

    return words


def _digits(rng: np.random.Generator, count: int) -> tuple[Symbols, Ints]:
    drawn = rng.integers(0, 10, (count, CODE_LENGTH)).astype(np.uint8)
    return drawn, np.full(count, -1, dtype=np.int64)


def _missing(rng: np.random.Generator, count: int) -> tuple[Symbols, Ints]:
    whole = _codewords(rng, count)
    kept = np.argsort(rng.random(whole.shape), axis=1)[:, 1:]
    return np.take_along_axis(whole, np.sort(kept, axis=1), axis=1), codes.pack(whole)


# --- readings -------------------------------------------------------------------------------------


def _whole(words: Symbols) -> Found:
    rows = np.flatnonzero(codes.are_codewords(words))
    return rows, codes.pack(words[rows])


def _cut(words: Symbols) -> Found:
    whole = np.concatenate(
        [words[:, :DATA_SYMBOLS], codes.completed(words[:, :DATA_SYMBOLS])], axis=1
    )
    rows = np.flatnonzero((whole[:, : words.shape[1]] == words).all(axis=1))
    return rows, codes.pack(whole[rows])


def _cut_left(words: Symbols) -> Found:
    last = words[:, words.shape[1] - DATA_SYMBOLS :]
    whole = np.concatenate([codes.preceded(last), last], axis=1)
    rows = np.flatnonzero((whole[:, CODE_LENGTH - words.shape[1] :] == words).all(axis=1))
    return rows, codes.pack(whole[rows])


def _kinds() -> tuple[Damage, ...]:
    least = math.comb(CODE_LENGTH, 4) * (Q - 1)  # codewords of weight 4 of an MDS code
    three = 4 * least / (math.comb(CODE_LENGTH, 3) * (Q - 1) ** 3)
    distinct_deletions = 1 + CODE_LENGTH * (Q - 1) / Q
    swaps = (CODE_LENGTH - 1) * (Q - 1) / Q
    # A symbol left out at i and put in at j, three or more places apart, leads to a codeword once
    # in 32²; from one end to the other once in 32, because the code is nearly cyclic.
    missing = (54 / Q**2 + 2 / Q) / CODE_LENGTH * (Q - 1) / Q
    ten, plain = _random(CODE_LENGTH), "nothing was meant: "
    return (
        Damage(f"{plain}ten symbols, read whole", 1 / _CHECKS, "1 / 32³", True, ten, _whole),
        Damage(f"{plain}ten symbols, one corrected", _NEAR / _CHECKS, "311 / 32³", True, ten,
               codes.corrected),
        Damage(f"{plain}ten symbols, two swapped back", swaps / _CHECKS, "9 · 31/32 / 32³", True,
               ten, codes.swapped),
        Damage(f"{plain}eleven symbols, one left out", distinct_deletions / _CHECKS,
               "(1 + 10 · 31/32) / 32³", True, _random(CODE_LENGTH + 1), codes.shortened),
        Damage(f"{plain}nine symbols, one put in", _NEAR / _CHECKS, "311 / 32³", True,
               _random(CODE_LENGTH - 1), codes.filled),
        Damage(f"{plain}nine symbols, the end restored", 1 / Q**2, "1 / 32²", True,
               _random(CODE_LENGTH - 1), _cut),
        Damage(f"{plain}eight symbols, the end restored", 1 / Q, "1 / 32", True,
               _random(CODE_LENGTH - 2), _cut),
        Damage(f"{plain}seven symbols, the end restored", 1.0, "1: nothing checks them", True,
               _random(DATA_SYMBOLS), _cut),
        Damage(f"{plain}a number of ten digits, one corrected", _NEAR / _CHECKS, "311 / 32³", True,
               _digits, codes.corrected),
        Damage(f"{plain}nine symbols that begin a narrative", 1 / Q**2, "1 / 32²", True,
               _random(CODE_LENGTH - 1), _cut_left),
        Damage(f"{plain}eight symbols that begin a narrative", 1 / Q, "1 / 32", True,
               _random(CODE_LENGTH - 2), _cut_left),
        Damage(f"{plain}seven symbols that begin a narrative", 1.0, "1: nothing checks them", True,
               _random(DATA_SYMBOLS), _cut_left),
        Damage("one symbol wrong", 0.0, "0: others are at least 3 away", False,
               _wrong(1, CODE_LENGTH), codes.corrected),
        Damage("two symbols wrong", 0.0, "0: others are at least 2 away", True,
               _wrong(2, CODE_LENGTH), codes.corrected),
        Damage("three symbols wrong", three, "4 · C(10,4) · 31 / (C(10,3) · 31³)", True,
               _wrong(3, CODE_LENGTH), codes.corrected),
        Damage("one symbol missing", missing, "(54 / 32² + 2 / 32) / 10 · 31/32", False, _missing,
               codes.filled),
        Damage("the last one lost, one other wrong", 0.0, "0: 9 of 10 differ in 3 places", True,
               _wrong(1, CODE_LENGTH - 1), _cut),
        Damage("the last two lost, one other wrong", 0.0, "0: 8 of 10 differ in 2 places", True,
               _wrong(1, CODE_LENGTH - 2), _cut),
        Damage("the last three lost, none wrong", 0.0, "0: seven symbols are one codeword", False,
               _wrong(0, DATA_SYMBOLS), _cut),
        Damage("the last three lost, one other wrong", 1.0, "1: nothing checks the rest", True,
               _wrong(1, DATA_SYMBOLS), _cut),
    )  # fmt: skip


KINDS: Final = _kinds()


def count(damage: Damage, known: Ints, texts: int, seed: int) -> Counted:
    """Draw so many texts, read them, and count what else they reach; ``known`` is ascending."""
    rng = np.random.default_rng(seed)
    words, meant = damage.words(rng, texts)
    rows, numbers = damage.read(words)
    order = np.lexsort((numbers, rows))
    rows, numbers = rows[order], numbers[order]
    again = np.zeros(len(rows), dtype=bool)  # one codeword may be reached in several ways
    again[1:] = (rows[1:] == rows[:-1]) & (numbers[1:] == numbers[:-1])
    other = numbers[~again & (numbers != meant[rows])]
    at = np.minimum(np.searchsorted(known, other), len(known) - 1)
    share = len(known) / Q**DATA_SYMBOLS
    return Counted(
        damage.name, damage.how, damage.loses_truth, damage.derived, texts, damage.derived * texts,
        len(other), damage.derived * texts * share, int((known[at] == other).sum()),
    )  # fmt: skip


def open_bills(bills: int, seed: int) -> Ints:
    """The codes of so many bills, ascending."""
    numbers = bulk.numbers(bills, seed)
    places = [(numbers >> 5 * place & 31).astype(np.uint8) for place in range(DATA_SYMBOLS)]
    data = np.stack(places, axis=1)
    return np.sort(codes.pack(np.concatenate([data, codes.completed(data)], axis=1)))


def amounts_agree() -> float:
    """How often two bills of the generator cost the same."""
    weights = 1 / np.arange(1, len(bulk.LEVELS) + 1)
    shares = 0.9 * weights / weights.sum()
    return float((shares**2).sum())


def measure(bills: int, texts: int, seed: int) -> dict[str, Any]:
    """Every kind, derived and counted."""
    known = open_bills(bills, seed)
    counted = [asdict(count(kind, known, texts, seed + at)) for at, kind in enumerate(KINDS)]
    return {"bills": bills, "amounts_agree": amounts_agree(), "kinds": counted}


def main() -> None:
    """Print the counts as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bills", type=int, default=BILLS)
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    print(json.dumps(measure(options.bills, options.texts, options.seed), indent=1))


if __name__ == "__main__":
    main()
