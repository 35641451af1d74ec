"""Reading bill references, dossier codes and payout ids out of narratives, however damaged.

What a narrative says is read in strengths. *Exact*: the prefix and ten symbols that agree with
their check symbols; that proves itself, unless the beginning of another word would be its end
(``MC8CSMFZE60 HO SO``: was the H dropped, or something before it?). *Repaired*: everything else
that leads to a known bill (one wrong symbol, cut ends, swapped neighbours, a symbol too many or
too few, a lost or mistyped prefix); it counts only where the amount agrees as well, and only if it
is the only one.

False positives of one repaired reading, N known bills: an anchored window of ten symbols reaches
about 311 words by one wrong symbol, 320 by a missing one, 20 by a swap or a symbol too many, so a
random one names a bill with probability below 700 · N / 32^10: 6e-6 at ten million bills. The
amount must agree on top, which the commonest fee does in about one of twelve. Windows without a
prefix have to hold a whole code (N / 32^10 each, 9e-9) or stand alone as a token.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from payments.references import (
    ALPHABET,
    CODE_LENGTH,
    DATA_SYMBOLS,
    canonical,
    correct,
    fold,
    is_codeword,
)

_TOKEN: Final = re.compile(r"[0-9A-Z]+")
_CANONICAL: Final = str.maketrans("OIL", "011")
_MISSING: Final = ALPHABET[0]


@dataclass(frozen=True, slots=True)
class Reading:
    """What one narrative names; bills and dossiers are indexes into the lists they came from.

    Attributes:
        exact: bills named by a whole reference.
        repaired: bills that a damaged reference may mean; never one of ``exact``.
        unknown: whole references that are no known bill's.
        dossiers: for each place where a dossier code stands, the codes it may be.
    """

    exact: tuple[int, ...] = ()
    repaired: tuple[int, ...] = ()
    unknown: tuple[str, ...] = ()
    dossiers: tuple[tuple[int, ...], ...] = ()


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

    def is_whole(self, start: int, end: int) -> bool:
        """Whether a code from start to end ends with a token, or lies within one."""
        return end in self.ends or not any(start < at < end for at in self.starts)


class ReferenceReader:
    """Finds the known bills that a narrative names.

    ``references`` are the distinct references of all payments; a bill is its index in them.
    """

    def __init__(self, references: Sequence[str], prefix: str) -> None:
        self._prefix = canonical(prefix)
        self._by_code: dict[str, int] = {}
        self._odd: dict[str, int] = {}
        for bill, reference in enumerate(references):
            code = canonical(reference)
            if code.startswith(self._prefix) and is_codeword(code[len(self._prefix) :]):
                self._by_code[code[len(self._prefix) :]] = bill
            elif code:
                self._odd[code] = bill
        self._by_head: dict[str, str] | None = None
        self._by_tail: dict[str, str] | None = None

    def read(self, text: Text, *, repair: bool = True) -> Reading:
        """Everything the narrative names; without ``repair`` only whole references."""
        exact: dict[int, int] = {}
        unknown = []
        for start in self._anchors(text.compact):
            code = text.compact[start : start + CODE_LENGTH]
            if is_codeword(code) and text.is_whole(start, start + CODE_LENGTH):
                bill = self._by_code.get(code)
                if bill is None:
                    unknown.append((start, code))
                else:
                    exact[start] = bill
        bills = set(exact.values()) | self._odd_tokens(text)
        free = [c for at, c in unknown if not any(abs(at - k) < CODE_LENGTH for k in exact)]
        repaired = self._repaired(text) - bills if repair else set()
        return Reading(tuple(sorted(bills)), tuple(sorted(repaired)), tuple(sorted(set(free))))

    def read_field(self, reference: str) -> Reading:
        """The same for a column that holds a reference and nothing else."""
        return self.read(Text.of(reference))

    def _anchors(self, compact: str) -> Iterator[int]:
        """Where a code may start: right after each occurrence of the prefix."""
        start = compact.find(self._prefix)
        while start >= 0 and start < len(compact):
            yield start + len(self._prefix)
            start = compact.find(self._prefix, start + 1)

    def _odd_tokens(self, text: Text) -> set[int]:
        """References of another shape (of an older system) stand as a token of their own."""
        if not self._odd:
            return set()
        words = (text.compact[start:end] for start, end in text.tokens)
        return {self._odd[word] for word in words if word in self._odd}

    def _repaired(self, text: Text) -> set[int]:
        codes: set[str | None] = set()
        for start in self._anchors(text.compact):
            codes |= _neighbours(text.compact[start : start + CODE_LENGTH + 1])
            codes |= self._cut_right(text, start)
        for start, end in text.tokens:
            codes |= self._bare(text.compact[start:end])
        codes |= self._cut_left(text)
        last = len(text.compact) - CODE_LENGTH
        codes |= {text.compact[at : at + CODE_LENGTH] for at in range(last + 1)}
        return {self._by_code[code] for code in codes if code in self._by_code}

    def _cut_right(self, text: Text, start: int) -> set[str | None]:
        """Codes whose last one to three symbols were cut off, at the end of a token."""
        found: set[str | None] = set()
        for length in range(DATA_SYMBOLS, CODE_LENGTH):
            end = start + length
            if end <= len(text.compact) and end in text.ends:
                rest = text.compact[start:end]
                code = self._heads.get(rest[:DATA_SYMBOLS], "")
                if code.startswith(rest):
                    found.add(code)
        if start + CODE_LENGTH - 1 == len(text.compact):
            found |= {correct(text.compact[start:] + symbol) for symbol in ALPHABET}
        return found

    def _cut_left(self, text: Text) -> set[str | None]:
        """The code whose first symbols, with the prefix, were cut off at the narrative's start."""
        if not text.tokens:
            return set()
        rest = text.compact[: text.tokens[0][1]]
        if not DATA_SYMBOLS <= len(rest) < CODE_LENGTH:
            return set()
        code = self._tails.get(rest[-DATA_SYMBOLS:], "")
        return {code} if code.endswith(rest) else set()

    def _bare(self, token: str) -> set[str | None]:
        """Codes of a token that is a reference with its prefix damaged or lost."""
        extra = len(token) - CODE_LENGTH
        if not 0 <= extra <= len(self._prefix):
            return set()
        head, code = token[:extra], token[extra:]
        found: set[str | None] = set()
        if self._prefix.endswith(head) or _mistyped(head, self._prefix):
            found.add(correct(code))
        if extra == len(self._prefix):
            found |= {
                swapped[extra:] for swapped in _swaps(token) if swapped.startswith(self._prefix)
            }
        return found

    @property
    def _heads(self) -> Mapping[str, str]:
        """First seven symbols → code. Unique: they determine the check symbols."""
        if self._by_head is None:
            self._by_head = {code[:DATA_SYMBOLS]: code for code in self._by_code}
        return self._by_head

    @property
    def _tails(self) -> Mapping[str, str]:
        """Last seven symbols → code. Unique as well: any seven symbols determine the others."""
        if self._by_tail is None:
            self._by_tail = {code[-DATA_SYMBOLS:]: code for code in self._by_code}
        return self._by_tail


def _neighbours(window: str) -> set[str | None]:
    """Codes that one slip of the fingers turns into the window's beginning.

    One wrong symbol, two neighbours swapped, one symbol too many (the window has eleven), or one
    too few (its first nine are what was typed).
    """
    code = window[:CODE_LENGTH]
    found: set[str | None] = {correct(code), *_swaps(code)}
    if len(window) > CODE_LENGTH:
        found |= {window[:at] + window[at + 1 :] for at in range(len(window))}
    typed = window[: CODE_LENGTH - 1]
    if len(typed) == CODE_LENGTH - 1:
        for at in range(CODE_LENGTH):
            filled = correct(typed[:at] + _MISSING + typed[at:])
            if filled is not None and filled[:at] + filled[at + 1 :] == typed:
                found.add(filled)
    return found


def _swaps(code: str) -> Iterator[str]:
    for at in range(len(code) - 1):
        if code[at] != code[at + 1]:
            yield code[:at] + code[at + 1] + code[at] + code[at + 2 :]


def _mistyped(head: str, prefix: str) -> bool:
    """Whether the head is the prefix with one character wrong or two neighbours swapped."""
    if len(head) != len(prefix) or len(prefix) < 2:  # noqa: PLR2004 - one character alone says nothing
        return False
    wrong = sum(a != b for a, b in zip(head, prefix, strict=True))
    return wrong == 1 or prefix in _swaps(head)


class DossierReader:
    """Finds known dossier codes in narratives, with or without their separators.

    ``codes`` are distinct dossier codes; a dossier is its index in them.
    """

    def __init__(self, codes: Sequence[str]) -> None:
        self._index: dict[str, list[int]] = {}
        for dossier, code in enumerate(codes):
            if len(canonical(code)) >= _SHORTEST_DOSSIER:
                self._index.setdefault(canonical(code), []).append(dossier)
        self._ordered = sorted(self._index)
        self._lengths = sorted({len(code) for code in self._index})

    def read(self, text: Text) -> tuple[tuple[int, ...], ...]:
        """For each place where a known code stands, the dossiers it may be."""
        places = set()
        for start in range(len(text.compact)):
            codes = set(self._codes_at(text, start))
            if codes:
                places.add(tuple(sorted(d for code in codes for d in self._index[code])))
        return tuple(sorted(places))

    def _codes_at(self, text: Text, start: int) -> Iterator[str]:
        if text.plain[start].isdigit() and not _number_starts(text, start):
            return
        for length in self._lengths:
            code = text.compact[start : start + length]
            if len(code) < length:
                return
            if code in self._index and _number_ends(text, start + length):
                yield code
                if start + length == len(text.compact):
                    yield from self._longer(code)

    def _longer(self, code: str) -> Iterator[str]:
        """Codes that a cut at the narrative's end would have turned into this one."""
        at = bisect_left(self._ordered, code) + 1
        while at < len(self._ordered) and self._ordered[at].startswith(code):
            yield self._ordered[at]
            at += 1


_SHORTEST_DOSSIER: Final = 8
"""Shorter codes, unseparated, would be found in any number."""


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
        self._hint = re.compile("|".join(gap.join(word) for word in sorted(beginnings)) or "(?!)")

    def may_stand_in(self, narrative: str) -> bool:
        """A cheap look whether any id can stand there at all."""
        return self._hint.search(fold(narrative)) is not None

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
