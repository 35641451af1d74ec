"""The readers of references and dossier codes, slow and plain: one narrative at a time.

The product reads them many at once; this is what that is held to.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from payments.references import (
    ALPHABET,
    CODE_LENGTH,
    DATA_SYMBOLS,
    canonical,
    correct,
    is_codeword,
)
from reconciliation.matching.narrative import Text
from reconciliation.matching.references import Reading

_MISSING: Final = ALPHABET[0]


class PlainReader:
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
            if is_codeword(code) and _is_whole(text, start, start + CODE_LENGTH):
                bill = self._by_code.get(code)
                if bill is None:
                    unknown.append((start, code))
                else:
                    exact[start] = bill
        sure = {bill for start, bill in exact.items() if not self._may_be_another(text, start)}
        bills = sure | self._odd_tokens(text)
        free = [c for at, c in unknown if not any(abs(at - k) < CODE_LENGTH for k in exact)]
        repaired = self._repaired(text) - bills if repair else set()
        return Reading(tuple(sorted(bills)), tuple(sorted(repaired)), tuple(sorted(set(free))))

    def read_field(self, reference: str) -> Reading:
        """The same for a column that holds a reference and nothing else."""
        return self.read(Text.of(reference))

    def _may_be_another(self, text: Text, start: int) -> bool:
        """Whether, with the symbol glued behind it, it is another bill's with one too many."""
        end = start + CODE_LENGTH
        window = text.compact[start : end + 1]
        if end in text.ends or len(window) <= CODE_LENGTH:
            return False
        others = {window[:at] + window[at + 1 :] for at in range(len(window))}
        return bool((others - {window[:CODE_LENGTH]}) & self._by_code.keys())

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
    if len(head) != len(prefix) or len(prefix) < 2:
        return False
    wrong = sum(a != b for a, b in zip(head, prefix, strict=True))
    return wrong == 1 or prefix in _swaps(head)


def _is_whole(text: Text, start: int, end: int) -> bool:
    """Whether a code from start to end ends with a token, or lies within one."""
    return end in text.ends or not any(start < at < end for at in text.starts)


class PlainDossierReader:
    """Finds known dossier codes in one narrative at a time, with or without their separators.

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
