"""Reading bill references out of narratives, however damaged, many narratives at once.

What a narrative says is read in strengths. *Exact*: the prefix and ten symbols that agree with
their check symbols; that proves itself, unless the beginning of another word would be its end
(``MC8CSMFZE60 HO SO``: was the H dropped, or something before it?), or the symbol glued behind it
makes it another known bill's with one too many. *Repaired*: everything else that leads to a known
bill (one wrong symbol, cut ends, swapped neighbours, a symbol too many or too few, a lost or
mistyped prefix); it counts only where the amount agrees as well, and only if it is the only one.

False positives of one repaired reading, N known bills: an anchored window of ten symbols reaches
about 311 words by one wrong symbol, 320 by a missing one, 20 by a swap or a symbol too many, so a
random one names a bill with probability below 700 · N / 32^10: 6e-6 at ten million bills. The
amount must agree on top, which the commonest fee does in about one of twelve. Windows without a
prefix have to hold a whole code (N / 32^10 each, 9e-9) or stand alone as a token. Ends of seven
symbols, cut left or right, are checked by nothing but the bill and its amount; docs/accuracy.md
says what that costs.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np
import pyarrow as pa

from payments.references import ALPHABET, CODE_LENGTH, DATA_SYMBOLS, canonical
from reconciliation.matching import codes
from reconciliation.matching.arrays import Bools, Ints, text_array
from reconciliation.matching.codes import Symbols
from reconciliation.matching.texts import Folded

_BATCH: Final = 50_000
"""As many texts are taken apart at a time, in some 100 bytes of memory for each character."""
_T = TypeVar("_T", int, str)
_ALL: Final = np.arange(len(ALPHABET), dtype=np.uint8)


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


NOTHING: Final = Reading()


class _KnownBills:
    """The references of all payments, distinct; a bill is its index among them.

    ``numbers`` are the codes of those that have one, ascending. The others, of an older system,
    are ``odd``: the bill of each in canonical spelling.
    """

    def __init__(self, references: pa.LargeStringArray, prefix: str) -> None:
        self.prefix = canonical(prefix)
        number = _numbers(references, self.prefix)
        order = np.argsort(number, kind="stable")
        self._bills = order[np.searchsorted(number[order], 0) :]
        self.numbers = number[self._bills]
        rest = np.flatnonzero(number < 0).tolist()
        spelled = [canonical(references[bill].as_py()) for bill in rest]
        self.odd = {text: bill for text, bill in zip(spelled, rest, strict=True) if text}

    def find(self, numbers: Ints) -> Ints:
        """The bill of each code, -1 where it is nobody's."""
        if not len(self.numbers):
            return np.full(len(numbers), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        return np.where(self.numbers[at] == numbers, self._bills[at], -1)


def _numbers(references: pa.LargeStringArray, prefix: str) -> Ints:
    """The code of each reference that is the prefix and a codeword, else -1."""
    parts = [
        _numbers_of_part(references.slice(start, _BATCH), prefix)
        for start in range(0, len(references), _BATCH)
    ]
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def _numbers_of_part(references: pa.LargeStringArray, prefix: str) -> Ints:
    number = np.full(len(references), -1, dtype=np.int64)
    folded = Folded.of(references)
    begin, size = folded.begin[:-1], np.diff(folded.begin)
    rows = np.flatnonzero(size == len(prefix) + CODE_LENGTH)
    rows = rows[_stand_at(folded, begin[rows], prefix)]
    symbols = folded.window(begin[rows] + len(prefix), CODE_LENGTH)
    right = codes.are_codewords(symbols)
    number[rows[right]] = codes.pack(symbols[right])
    return number


def _stand_at(folded: Folded, at: Ints, text: str) -> Bools:
    """At which places this canonical text stands; they have room for it."""
    stands = np.ones(len(at), dtype=bool)
    for step, letter in enumerate(text.encode("ascii")):
        stands &= folded.canonical[at + step] == letter
    return stands


class ReferenceReader:
    """Finds the known bills that narratives name.

    ``references`` are the distinct references of all payments; a bill is its index in them.
    """

    def __init__(self, references: pa.LargeStringArray | Sequence[str], prefix: str) -> None:
        self._known = _KnownBills(text_array(references), prefix)

    def read(self, texts: pa.LargeStringArray | Sequence[str]) -> list[Reading]:
        """What each text names."""
        readings: list[Reading] = []
        array = text_array(texts)
        for start in range(0, len(array), _BATCH):
            batch = array.slice(start, _BATCH)
            readings += _Batch(self._known, Folded.of(batch)).readings()
        return readings


class _Batch:
    """One batch of narratives, read step by step; each step finds codes in lines."""

    def __init__(self, known: _KnownBills, folded: Folded) -> None:
        self.known = known
        self.folded = folded
        self.prefix = known.prefix
        self.lines: list[Ints] = []
        self.numbers: list[Ints] = []
        self.at, self.line, self.room = self._anchors()

    def _anchors(self) -> tuple[Ints, Ints, Ints]:
        """Where a code may start, right after each prefix: place, line, and the symbols left."""
        folded, size = self.folded, len(self.prefix)
        place = np.arange(len(folded.line) - size + 1 if len(folded.line) >= size else 0)
        line = folded.line[np.minimum(place, max(len(folded.line) - 1, 0))]
        place = place[folded.ends_of(line) - place >= size]
        place = place[_stand_at(folded, place, self.prefix)]
        place = place[place < len(folded.line)]
        line = folded.line[place]
        at = place + size
        return at, line, folded.ends_of(line) - at

    def readings(self) -> list[Reading]:
        """Put together what every step finds."""
        exact, unknown = self._whole()
        doubtful = self._doubtful()
        self._near_anchors()
        self._cut_right()
        self._bare_tokens()
        self._cut_left()
        self._windows()
        lines, numbers = np.concatenate(self.lines), np.concatenate(self.numbers)
        bills = self.known.find(numbers)
        repaired: dict[int, set[int]] = defaultdict(set)
        for line, bill in zip(lines[bills >= 0].tolist(), bills[bills >= 0].tolist(), strict=True):
            repaired[line].add(bill)
        odd = self._odd_tokens()
        found = [NOTHING] * len(self.folded)
        for line in {*exact, *unknown, *repaired, *odd}:
            places = exact.get(line, {})
            named = {bill for at, bill in places.items() if at not in doubtful}
            named |= odd.get(line, set())
            free = {
                code
                for at, code in unknown.get(line, ())
                if not any(abs(at - other) < CODE_LENGTH for other in places)
            }
            maybe = repaired.get(line, set()) - named
            found[line] = Reading(_ascending(named), _ascending(maybe), _ascending(free))
        return found

    def _found(self, line: Ints, numbers: Ints) -> None:
        self.lines.append(line)
        self.numbers.append(numbers)

    def _whole(self) -> tuple[dict[int, dict[int, int]], dict[int, list[tuple[int, str]]]]:
        """Whole references: by line the bill at each place, and the codes nobody has."""
        full = np.flatnonzero(self.room >= CODE_LENGTH)
        at = self.at[full]
        right = codes.are_codewords(self.folded.window(at, CODE_LENGTH))
        at, line = at[right], self.line[full][right]
        whole = self.folded.last[at + CODE_LENGTH - 1]
        inside = self.folded.starts[at[:, None] + np.arange(1, CODE_LENGTH)]
        whole |= ~inside.any(axis=1)
        at, line = at[whole], line[whole]
        numbers = codes.pack(self.folded.window(at, CODE_LENGTH))
        exact: dict[int, dict[int, int]] = defaultdict(dict)
        unknown: dict[int, list[tuple[int, str]]] = defaultdict(list)
        bills = self.known.find(numbers)
        for one, place, number, bill in zip(
            line.tolist(), at.tolist(), numbers.tolist(), bills.tolist(), strict=True
        ):
            if bill >= 0:
                exact[one][place] = bill
            else:
                unknown[one].append((place, codes.spell(number)))
        return exact, unknown

    def _doubtful(self) -> set[int]:
        """Where, with the symbol glued behind it, a code is another bill's with one too many."""
        full = np.flatnonzero(self.room > CODE_LENGTH)
        full = full[~self.folded.last[self.at[full] + CODE_LENGTH - 1]]
        window = self.folded.window(self.at[full], CODE_LENGTH + 1)
        rows, numbers = codes.shortened(window)
        other = numbers != codes.pack(window[rows, :CODE_LENGTH])
        return set(self.at[full][rows[other & (self.known.find(numbers) >= 0)]].tolist())

    def _near_anchors(self) -> None:
        """One slip of the fingers after the prefix: a symbol wrong, swapped, extra or missing."""
        for length, slips in (
            (CODE_LENGTH, (codes.corrected, codes.swapped)),
            (CODE_LENGTH + 1, (codes.shortened,)),
            (CODE_LENGTH - 1, (codes.filled,)),
        ):
            full = np.flatnonzero(self.room >= length)
            window = self.folded.window(self.at[full], length)
            for slip in slips:
                rows, numbers = slip(window)
                self._found(self.line[full][rows], numbers)

    def _cut_right(self) -> None:
        """Codes whose last one to three symbols were cut off, at the end of a token."""
        for length in range(DATA_SYMBOLS, CODE_LENGTH):
            full = np.flatnonzero(self.room >= length)
            full = full[self.folded.last[self.at[full] + length - 1]]
            window = self.folded.window(self.at[full], length)
            full, window = full[_plain(window)], window[_plain(window)]
            whole = _beside(window[:, :DATA_SYMBOLS], codes.completed(window[:, :DATA_SYMBOLS]))
            agrees = (whole[:, :length] == window).all(axis=1)
            self._found(self.line[full][agrees], codes.pack(whole[agrees]))
        last = np.flatnonzero(self.room == CODE_LENGTH - 1)
        window = np.repeat(self.folded.window(self.at[last], CODE_LENGTH - 1), len(_ALL), axis=0)
        ends = np.tile(_ALL, len(last))[:, None]
        rows, numbers = codes.corrected(_beside(window, ends))
        self._found(self.line[last][rows // len(_ALL)], numbers)

    def _bare_tokens(self) -> None:
        """Codes of tokens that are a reference with its prefix damaged or lost."""
        start, length = self.folded.tokens()
        for extra in range(len(self.prefix) + 1):
            at = start[length == CODE_LENGTH + extra]
            damaged = self._is_prefix_damaged(at, extra)
            rows, numbers = codes.corrected(self.folded.window(at[damaged] + extra, CODE_LENGTH))
            self._found(self.folded.line[at[damaged][rows]], numbers)
        if self.prefix:
            at = start[length == CODE_LENGTH + len(self.prefix)]
            self._swapped_with_prefix(at)

    def _is_prefix_damaged(self, at: Ints, extra: int) -> Bools:
        """Whether what stands before the code is the end of the prefix, or the prefix mistyped."""
        size = len(self.prefix)
        damaged = _stand_at(self.folded, at, self.prefix[size - extra :])
        if extra != size or size < 2:  # noqa: PLR2004 - one character alone says nothing
            return damaged
        letters = np.frombuffer(self.prefix.encode("ascii"), dtype=np.uint8)
        head = self.folded.canonical[at[:, None] + np.arange(size)]
        damaged |= (head != letters).sum(axis=1) == 1
        for place in range(size - 1):
            other = head.copy()
            other[:, [place, place + 1]] = other[:, [place + 1, place]]
            damaged |= (other == letters).all(axis=1)
        return damaged

    def _swapped_with_prefix(self, at: Ints) -> None:
        """The prefix's last character and the code's first have changed places."""
        size = len(self.prefix)
        at = at[_stand_at(self.folded, at, self.prefix[:-1])]
        at = at[self.folded.canonical[at + size] == ord(self.prefix[-1])]
        first = self.folded.symbols[at + size - 1][:, None]
        whole = _beside(first, self.folded.window(at + size + 1, CODE_LENGTH - 1))
        right = codes.are_codewords(whole)
        self._found(self.folded.line[at[right]], codes.pack(whole[right]))

    def _cut_left(self) -> None:
        """The code whose first symbols, with the prefix, were cut off at the narrative's start."""
        start, length = self.folded.tokens()
        first = start == self.folded.begin[:-1][self.folded.line[start]]
        for size in range(DATA_SYMBOLS, CODE_LENGTH):
            at = start[first & (length == size)]
            window = self.folded.window(at, size)
            at, window = at[_plain(window)], window[_plain(window)]
            last = window[:, size - DATA_SYMBOLS :]
            whole = _beside(codes.preceded(last), last)
            agrees = (whole[:, CODE_LENGTH - size :] == window).all(axis=1)
            self._found(self.folded.line[at[agrees]], codes.pack(whole[agrees]))

    def _windows(self) -> None:
        """Whole codes anywhere, the prefix lost."""
        symbols = self.folded.symbols
        total = np.zeros(len(symbols) + 1, dtype=np.uint8)
        np.bitwise_xor.accumulate(symbols, out=total[1:])
        at = np.flatnonzero(total[CODE_LENGTH:] == total[:-CODE_LENGTH])
        at = at[self.folded.ends_of(self.folded.line[at]) - at >= CODE_LENGTH]
        window = self.folded.window(at, CODE_LENGTH)
        right = codes.are_codewords(window)
        self._found(self.folded.line[at[right]], codes.pack(window[right]))

    def _odd_tokens(self) -> dict[int, set[int]]:
        """References of another shape (of an older system) stand as a token of their own."""
        found: dict[int, set[int]] = defaultdict(set)
        if self.known.odd:
            start, length = self.folded.tokens()
            fits = np.isin(length, [len(text) for text in self.known.odd])
            for at, size in zip(start[fits].tolist(), length[fits].tolist(), strict=True):
                bill = self.known.odd.get(self.folded.text(at, size))
                if bill is not None:
                    found[int(self.folded.line[at])].add(bill)
        return found


def _ascending(found: set[_T]) -> tuple[_T, ...]:
    return tuple(sorted(found)) if len(found) > 1 else tuple(found)


def _plain(window: Symbols) -> Bools:
    return np.asarray((window < codes.STRANGE).all(axis=1), dtype=bool)


def _beside(left: Symbols, right: Symbols) -> Symbols:
    return np.concatenate([left, right], axis=1)
