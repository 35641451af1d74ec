"""Reading known dossier codes out of many narratives at once."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reconciliation.matching.arrays import (
    Ints,
    Texts,
    bools_of,
    bytes_of,
    order_of,
    text_array,
)
from reconciliation.matching.texts import Folded

_SHORTEST: Final = 8
"""Shorter codes, unseparated, would be found in any number."""
_HEAD: Final = 4
"""Where no code begins with these bytes, none stands."""
_DIGITS: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789", dtype=np.uint8))
_BASE: Final = np.uint64(0x100000001B3)

Hashes = NDArray[np.uint64]


class DossierReader:
    """Finds known dossier codes in narratives, with or without their separators.

    ``codes`` are distinct dossier codes; a dossier is its index in them.
    """

    def __init__(self, codes: pa.LargeStringArray | Sequence[str]) -> None:
        plain = _canonical(text_array(codes))
        dossiers = np.flatnonzero(bools_of(pc.greater_equal(pc.binary_length(plain), _SHORTEST)))
        plain = plain.take(pa.array(dossiers))
        order = order_of(plain)
        self._dossiers = dossiers[order]
        self._codes = Texts(plain, order)
        self._heads = np.unique(_hash(*_begins(plain), _HEAD))
        self._hashes = _hashes_by_length(plain)

    def read(self, texts: pa.LargeStringArray | Sequence[str]) -> list[tuple[tuple[int, ...], ...]]:
        """For each text, for each place where a known code stands: the dossiers it may be."""
        folded = Folded.of(text_array(texts))
        at = np.arange(max(len(folded.line) - _SHORTEST + 1, 0))
        at = at[folded.ends_of(folded.line[at]) - at >= _SHORTEST]
        at = at[np.isin(_hash(folded.canonical, at, _HEAD), self._heads)]
        places: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        for length in self._hashes:
            for start, place in self._standing(folded, at, length):
                line = int(folded.line[start])
                cut = start + length == folded.begin[line + 1]
                places[line][start].update(self._meant(place, cut=cut))
        found: list[tuple[tuple[int, ...], ...]] = [()] * len(folded)
        for line, sets in places.items():
            found[line] = tuple(sorted({tuple(sorted(dossiers)) for dossiers in sets.values()}))
        return found

    def _standing(self, folded: Folded, at: Ints, length: int) -> Iterator[tuple[int, int]]:
        """At which of these places a code of this length stands, and its place among the codes.

        No digit touches its digits at either end: it is not a part of a longer number.
        """
        at = at[folded.ends_of(folded.line[at]) - at >= length]
        digit = _DIGITS[folded.plain]
        inside = ~folded.starts[at] & digit[at] & digit[at - 1]
        end = at + length - 1
        last = folded.last[end] | ~digit[np.minimum(end + 1, len(digit) - 1)]
        at = at[~inside & last]
        known = self._hashes[length]
        window = _hash(folded.canonical, at, length)
        for place in at[np.isin(window, known)].tolist():
            code = folded.text(place, length)
            where = self._find(code)
            if where >= 0:
                yield place, where

    def _find(self, code: str) -> int:
        """The first place of this code, or -1."""
        low, high = 0, len(self._codes)
        while low < high:
            middle = (low + high) // 2
            if self._codes[middle] < code:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self._codes) and self._codes[low] == code else -1

    def _meant(self, place: int, *, cut: bool) -> Iterator[int]:
        """The dossiers of a code; and of those that a cut at the narrative's end would make it."""
        code = self._codes[place]
        while place < len(self._codes):
            other = self._codes[place]
            if other != code and not (cut and other.startswith(code)):
                return
            yield int(self._dossiers[place])
            place += 1


def _canonical(codes: pa.LargeStringArray) -> pa.LargeStringArray:
    """See ``payments.references.canonical``."""
    folded = Folded.of(codes)
    buffers = [None, pa.py_buffer(folded.begin), pa.py_buffer(folded.canonical)]
    return pa.LargeStringArray.from_buffers(len(codes), *buffers[1:])


def _begins(codes: pa.LargeStringArray) -> tuple[NDArray[np.uint8], Ints]:
    data, begin = bytes_of(codes)
    return data, begin[:-1]


def _hashes_by_length(codes: pa.LargeStringArray) -> dict[int, Hashes]:
    data, begin = bytes_of(codes)
    size = np.diff(begin)
    return {
        int(length): np.unique(_hash(data, begin[:-1][size == length], int(length)))
        for length in np.unique(size)
    }


def _hash(data: NDArray[np.uint8], at: Ints, length: int) -> Hashes:
    """A hash of the bytes from each place on; equal bytes have equal ones."""
    value = np.zeros(len(at), dtype=np.uint64)
    for step in range(length):
        value = value * _BASE + data[at + step]
    return value
