"""Reading payout ids out of narratives, one by one."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from payments.references import fold
from reconciliation.matching.arrays import Bools, bools_of, folded

_TOKEN: Final = re.compile(r"[0-9A-Z]+")
_CANONICAL: Final = str.maketrans("OIL", "011")


@dataclass(frozen=True, slots=True)
class Text:
    """A narrative folded, cut into tokens, and joined again without separators.

    Attributes:
        plain: letters and digits of all tokens, as they stood.
        compact: the same, look-alikes read as digits.
        tokens: start and end of each token in both.
        starts: where a token starts.
        ends: where a token ends.
    """

    plain: str
    compact: str
    tokens: tuple[tuple[int, int], ...]
    starts: frozenset[int]
    ends: frozenset[int]

    @classmethod
    def of(cls, narrative: str) -> "Text":
        """Fold a narrative; O reads as 0, I and L as 1 throughout."""
        pieces = _TOKEN.findall(fold(narrative))
        ends = tuple(accumulate(len(piece) for piece in pieces))
        starts = (0, *ends[:-1]) if ends else ()
        plain = "".join(pieces)
        return cls(
            plain,
            plain.translate(_CANONICAL),
            tuple(zip(starts, ends, strict=True)),
            frozenset(starts),
            frozenset(ends),
        )


def _number_starts(text: Text, start: int) -> bool:
    """Whether no digit touches this place from the left."""
    return start in text.starts or not text.plain[start - 1].isdigit()


def _number_ends(text: Text, end: int) -> bool:
    """Whether no digit touches this place from the right: the code is not part of a longer one."""
    return end in text.ends or not text.plain[end].isdigit()


class PayoutReader:
    """Finds known payout ids in narratives. A payout is its index in ``ids``."""

    def __init__(self, ids: Iterable[str]) -> None:
        self._index: dict[str, list[int]] = {}
        beginnings = set()
        for payout, identifier in enumerate(ids):
            plain = Text.of(identifier).plain
            if plain:
                self._index.setdefault(plain, []).append(payout)
                beginnings.add(plain[:_BEGINNING])
        self._lengths = sorted({len(code) for code in self._index}, reverse=True)
        self._beginnings = frozenset(beginnings)
        self._has_short = any(len(word) < _BEGINNING for word in beginnings)
        gap = "[^0-9A-Z]*"
        self._hint = "|".join(gap.join(word) for word in sorted(beginnings))

    def may_stand_in(self, narratives: pa.LargeStringArray) -> Bools:
        """A cheap look at many narratives, whether any id can stand there at all."""
        if not self._hint:
            return np.zeros(len(narratives), dtype=bool)
        return bools_of(pc.match_substring_regex(folded(narratives), self._hint))

    def read(self, text: Text, *, from_provider: bool) -> tuple[int, ...]:
        """The payouts named. Short or purely numeric ids count only in a provider's own credits."""
        found: set[int] = set()
        start = 0
        while start < len(text.plain):
            code = self._longest(text, start, from_provider=from_provider)
            if code:
                found.update(self._index[code])
            start += len(code) or 1
        return tuple(sorted(found))

    def _longest(self, text: Text, start: int, *, from_provider: bool) -> str:
        beginning = text.plain[start : start + _BEGINNING]
        if beginning not in self._beginnings and not self._has_short:
            return ""
        for length in self._lengths:
            code = text.plain[start : start + length]
            if (
                len(code) == length
                and code in self._index
                and (from_provider or _telling(code))
                and _payout_bounded(text, start, start + length)
            ):
                return code
        return ""


_BEGINNING: Final = 4
_TELLING_LENGTH: Final = 8


def _telling(code: str) -> bool:
    """Whether an id cannot be mistaken for a date, an amount or a word."""
    digits = sum(c.isdigit() for c in code)
    return len(code) >= _TELLING_LENGTH and 0 < digits < len(code)


def _payout_bounded(text: Text, start: int, end: int) -> bool:
    """Whether the id is not a part of a longer one: numbers touch neither of its ends.

    A purely numeric id has to be a token of its own.
    """
    code = text.plain[start:end]
    if code.isdigit():
        return start in text.starts and end in text.ends
    before = not code[0].isdigit() or _number_starts(text, start)
    after = not code[-1].isdigit() or _number_ends(text, end)
    return before and after
