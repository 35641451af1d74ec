"""Reading known dossier codes out of many narratives at once."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from reconciliation.matching.arrays import Bools, Bytes, Ints, text_array
from reconciliation.matching.texts import Folded

_SHORTEST: Final = 8
"""Shorter codes, unseparated, would be found in any number."""
_HEAD: Final = 4
"""Where no code begins with these bytes, none stands."""
_BATCH: Final = 100_000
"""As many codes are folded at a time."""
_DIGITS: Final = np.isin(np.arange(256), np.frombuffer(b"0123456789", dtype=np.uint8))
_BASE: Final = np.uint64(0x100000001B3)

Hashes = NDArray[np.uint64]


class DossierReader:
    """Finds known dossier codes in narratives, with or without their separators.

    ``codes`` are distinct dossier codes; a dossier is its index in them.
    """

    def __init__(self, codes: pa.LargeStringArray | Sequence[str]) -> None:
        folded = _Codes.of(text_array(codes))
        self._codes = folded
        size = np.diff(folded.begin)
        self._heads = _Hashed.of(folded, np.flatnonzero(size >= _SHORTEST), _HEAD)
        self._whole = {
            int(length): _Hashed.of(folded, np.flatnonzero(size == length), int(length))
            for length in np.flatnonzero(np.bincount(size))
            if length >= _SHORTEST
        }
        self._cut: dict[int, _Hashed] = {}

    def read(self, texts: pa.LargeStringArray | Sequence[str]) -> list[tuple[tuple[int, ...], ...]]:
        """For each text, for each place where a known code stands: the dossiers it may be."""
        folded = Folded.of(text_array(texts))
        at = np.arange(max(len(folded.line) - _SHORTEST + 1, 0))
        at = at[folded.ends_of(folded.line[at]) - at >= _SHORTEST]
        at = at[self._heads.hold(_hash(folded.canonical, at, _HEAD))]
        places: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
        for length, known in self._whole.items():
            for start in _standing(folded, at, length, known):
                line, code = int(folded.line[start]), folded.text(start, length)
                dossiers = self._beginning(known, code)
                if dossiers and start + length == folded.begin[line + 1]:
                    dossiers += self._beginning(self._longer_than(length), code)
                if dossiers:
                    places[line][start].update(dossiers)
        found: list[tuple[tuple[int, ...], ...]] = [()] * len(folded)
        for line, sets in places.items():
            found[line] = tuple(sorted({tuple(sorted(dossiers)) for dossiers in sets.values()}))
        return found

    def _longer_than(self, length: int) -> "_Hashed":
        """The codes that a cut at the narrative's end may have left this long."""
        if length not in self._cut:
            longer = np.flatnonzero(np.diff(self._codes.begin) > length)
            self._cut[length] = _Hashed.of(self._codes, longer, length)
        return self._cut[length]

    def _beginning(self, among: "_Hashed", code: str) -> list[int]:
        """The dossiers, among these, whose code begins with this one."""
        return [dossier for dossier in among.alike(code) if self._codes.begins_with(dossier, code)]


@dataclass(frozen=True, slots=True)
class _Codes:
    """The letters and digits of all codes, one after another, and where each begins.

    A whole ``Folded`` needs ten times as much memory, and there is a code for each payment.
    """

    canonical: Bytes
    begin: Ints

    @classmethod
    def of(cls, texts: pa.LargeStringArray) -> Self:
        canonical = [np.zeros(0, dtype=np.uint8)]
        size = [np.zeros(1, dtype=np.int64)]
        for start in range(0, len(texts), _BATCH):
            folded = Folded.of(texts.slice(start, _BATCH))
            canonical.append(folded.canonical)
            size.append(np.diff(folded.begin))
        return cls(np.concatenate(canonical), np.cumsum(np.concatenate(size)))

    def begins_with(self, code: int, text: str) -> bool:
        """Whether a code begins with a text."""
        at = int(self.begin[code])
        return bytes(self.canonical[at : at + len(text)]).decode("ascii") == text


@dataclass(frozen=True, slots=True)
class _Hashed:
    """The beginnings of some codes, hashed; ascending, with the code of each."""

    hashes: Hashes
    codes: Ints

    @classmethod
    def of(cls, folded: _Codes, codes: Ints, length: int) -> Self:
        hashes = _hash(folded.canonical, folded.begin[codes], length)
        order = np.argsort(hashes)
        return cls(hashes[order], codes[order])

    def hold(self, hashes: Hashes) -> Bools:
        """Which of these hashes are a code's."""
        at = np.minimum(np.searchsorted(self.hashes, hashes), max(len(self.hashes) - 1, 0))
        return self.hashes[at] == hashes if len(self.hashes) else np.zeros(len(hashes), dtype=bool)

    def alike(self, text: str) -> list[int]:
        """The codes that have the hash of this text."""
        data = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
        value = _hash(data, np.zeros(1, dtype=np.int64), len(text))
        first, last = (np.searchsorted(self.hashes, value, side)[0] for side in ("left", "right"))
        return [int(code) for code in self.codes[first:last]]


def _standing(folded: Folded, at: Ints, length: int, known: _Hashed) -> list[int]:
    """At which of these places a code of this length seems to stand.

    No digit touches its digits at either end: it is not a part of a longer number.
    """
    at = at[folded.ends_of(folded.line[at]) - at >= length]
    digit = _DIGITS[folded.plain]
    inside = ~folded.starts[at] & digit[at] & digit[at - 1]
    end = at + length - 1
    last = folded.last[end] | ~digit[np.minimum(end + 1, len(digit) - 1)]
    at = at[~inside & last]
    found: list[int] = at[known.hold(_hash(folded.canonical, at, length))].tolist()
    return found


def _hash(data: NDArray[np.uint8], at: Ints, length: int) -> Hashes:
    """A hash of the bytes from each place on; equal bytes have equal ones."""
    value = np.zeros(len(at), dtype=np.uint64)
    for step in range(length):
        value = value * _BASE + data[at + step]
    return value
