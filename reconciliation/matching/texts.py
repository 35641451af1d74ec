"""Many texts folded and cut into tokens all at once."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pyarrow as pa

from payments.references import VALUES
from reconciliation.matching.arrays import Bools, Bytes, Ints, bytes_of, folded
from reconciliation.matching.codes import STRANGE, Symbols

_LETTERS: Final = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOOK_ALIKES: Final = ((b"O", b"0"), (b"I", b"1"), (b"L", b"1"))


def _word_table() -> Bools:
    table = np.zeros(256, dtype=bool)
    table[list(_LETTERS)] = True
    return table


def _canonical_table() -> Bytes:
    table = np.arange(256, dtype=np.uint8)
    for letter, digit in _LOOK_ALIKES:
        table[letter[0]] = digit[0]
    return table


def _symbol_table() -> Bytes:
    table = np.full(256, STRANGE, dtype=np.uint8)
    for symbol, value in VALUES.items():
        table[ord(symbol)] = value
    return table


_IS_WORD: Final = _word_table()
_CANONICAL: Final = _canonical_table()
_SYMBOL: Final = _symbol_table()


@dataclass(frozen=True, slots=True)
class Folded:
    """Many texts, folded and cut into tokens of letters and digits, all of them one after another.

    Attributes:
        plain: the letters and digits of all texts as they stood, in capitals, as ASCII.
        canonical: the same, look-alikes read as digits.
        symbols: the same as symbols of a code; what is none is ``STRANGE``.
        line: which text each character is of.
        begin: where each text begins; one more says where the last one ends.
        starts: whether a token starts with this character.
        last: whether a token ends with this character.
    """

    plain: Bytes
    canonical: Bytes
    symbols: Symbols
    line: Ints
    begin: Ints
    starts: Bools
    last: Bools

    @classmethod
    def of(cls, texts: pa.LargeStringArray) -> Self:
        """Fold texts; see ``payments.references.fold``."""
        data, offsets = bytes_of(folded(texts))
        size = np.diff(offsets)
        word = _IS_WORD[data]
        line = np.repeat(np.arange(len(size)), size)[word]
        before = np.zeros(len(data), dtype=bool)
        before[1:] = word[:-1]
        before[offsets[:-1][size > 0]] = False
        after = np.zeros(len(data), dtype=bool)
        after[:-1] = word[1:]
        after[(offsets[1:] - 1)[size > 0]] = False
        plain = data[word]
        canonical = _CANONICAL[plain]
        begin = np.zeros(len(size) + 1, dtype=np.int64)
        begin[1:] = np.cumsum(np.bincount(line, minlength=len(size)))
        return cls(plain, canonical, _SYMBOL[canonical], line, begin, ~before[word], ~after[word])

    def __len__(self) -> int:
        return len(self.begin) - 1

    def ends_of(self, line: Ints) -> Ints:
        """Where these texts end."""
        return self.begin[line + 1]

    def window(self, at: Ints, length: int) -> Symbols:
        """The symbols from each place on."""
        seen: Symbols = self.symbols[at[:, None] + np.arange(length)]
        return seen

    def tokens(self) -> tuple[Ints, Ints]:
        """Where each token starts, and how long it is."""
        start = np.flatnonzero(self.starts)
        return start, np.flatnonzero(self.last) + 1 - start

    def text(self, at: int, length: int) -> str:
        """The canonical text from a place on."""
        return bytes(self.canonical[at : at + length]).decode("ascii")
