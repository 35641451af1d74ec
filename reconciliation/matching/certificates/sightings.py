"""Where a text bears a known reference, and what was repaired to read it there.

The matcher's reader says which bills a narrative may mean. Here the bill is known, and the question
is turned round: which characters say so, and by which slips do they differ from the reference.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from payments.references import CODE_LENGTH, DATA_SYMBOLS, canonical, is_codeword
from reconciliation.matching.certificates.model import Finding
from reconciliation.matching.certificates.streams import Stream, places_of


@dataclass(frozen=True, slots=True)
class Sighting:
    """A place in a text that bears a reference.

    Attributes:
        start: of the first character, from 0.
        end: one after the last character.
        text: these characters, as they stood.
        read: the same folded, look-alikes read as digits, separators left out.
        repairs: what made the reference of it; empty where it is whole.
        folding: how the spelling differs from the canonical one.
    """

    start: int
    end: int
    text: str
    read: str
    repairs: tuple[Finding, ...]
    folding: tuple[Finding, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the reference stands there undamaged."""
        return not self.repairs


_Found = tuple[int, int, tuple[Finding, ...]]
"""Start and end in the stream, and the repairs."""
_ENDS: Final = range(DATA_SYMBOLS, CODE_LENGTH)


def find_reference(text: str, reference: str, prefix: str) -> Sighting | None:
    """The place that bears a reference with the least repairs, or None.

    ``reference`` is canonical, of this installation (prefix and ten symbols) or of another shape.
    """
    stream, head = Stream(text), canonical(prefix)
    code = reference[len(head) :]
    if len(code) != CODE_LENGTH or not reference.startswith(head) or not is_codeword(code):
        return next((_sighting(stream, one) for one in _odd(stream, reference)), None)
    found = chain(
        _whole(stream, head, code),
        _slips(stream, head, code),
        _cut_ends(stream, head, code),
        _prefixes(stream, head, code),
        _cut_starts(stream, head, code),
        _bare(stream, head, code),
    )
    ranked = sorted(found, key=lambda one: (len(one[2]), one[0]))
    return _sighting(stream, ranked[0]) if ranked else None


def _sighting(stream: Stream, found: _Found) -> Sighting:
    start, end, repairs = found
    first, last = stream.span(start, end)
    said = stream.text[first:last]
    return Sighting(
        first, last, said, stream.canonical[start:end], repairs, _folding(stream, start, end, said)
    )


def _folding(stream: Stream, start: int, end: int, said: str) -> tuple[Finding, ...]:
    """What the spelling differs in: separators, look-alikes, small letters and marks."""
    plain, read = stream.plain[start:end], stream.canonical[start:end]
    found = []
    if any(place in stream.starts for place in range(start + 1, end)):
        found.append(Finding.of("folding.separators", was=said, read=read))
    alike = sorted({(a, b) for a, b in zip(plain, read, strict=True) if a != b})
    found += [Finding.of("folding.look_alike", was=a, read=b) for a, b in alike]
    if not set(plain) <= set(said):
        found.append(Finding.of("folding.letters", was=said, read=read))
    return tuple(found)


def _anchors(stream: Stream, head: str) -> Iterator[int]:
    """Where a code may start, right after each prefix."""
    if head:
        yield from (at + len(head) for at in places_of(head, stream.canonical))
    else:
        yield from range(len(stream.canonical))


def _odd(stream: Stream, reference: str) -> Iterator[_Found]:
    for start, end in stream.tokens():
        if stream.canonical[start:end] == reference:
            yield start, end, ()


def _whole(stream: Stream, head: str, code: str) -> Iterator[_Found]:
    for at in _anchors(stream, head):
        end = at + CODE_LENGTH
        if stream.canonical[at:end] == code:
            broken = any(place in stream.starts for place in range(at + 1, end))
            runs_on = broken and end not in stream.ends
            yield at - len(head), end, (Finding.of("repair.runs_on"),) if runs_on else ()


def _slips(stream: Stream, head: str, code: str) -> Iterator[_Found]:
    """One symbol after the prefix wrong, swapped with its neighbour, too many or missing."""
    for at in _anchors(stream, head):
        start = at - len(head)
        ten = stream.canonical[at : at + CODE_LENGTH]
        for repair in (*_wrong(ten, code), *_swapped(ten, code)):
            yield start, at + CODE_LENGTH, (repair,)
        eleven = stream.canonical[at : at + CODE_LENGTH + 1]
        for place in _extra(eleven, code):
            found = Finding.of("repair.added", place=place + 1, was=eleven[place])
            yield start, at + CODE_LENGTH + 1, (found,)
        nine = stream.canonical[at : at + CODE_LENGTH - 1]
        for place in _extra(code, nine):
            found = Finding.of("repair.dropped", place=place + 1, meant=code[place])
            yield start, at + CODE_LENGTH - 1, (found,)


def _wrong(seen: str, code: str) -> tuple[Finding, ...]:
    """The one place where two texts of one length differ."""
    if len(seen) != len(code):
        return ()
    places = [at for at, pair in enumerate(zip(seen, code, strict=True)) if pair[0] != pair[1]]
    if len(places) != 1:
        return ()
    at = places[0]
    return (Finding.of("repair.wrong", place=at + 1, was=seen[at], meant=code[at]),)


def _swapped(seen: str, code: str) -> tuple[Finding, ...]:
    for at in range(len(seen) - 1):
        if seen[:at] + seen[at + 1] + seen[at] + seen[at + 2 :] == code != seen:
            was, meant = seen[at : at + 2], code[at : at + 2]
            return (Finding.of("repair.swapped", place=at + 1, other=at + 2, was=was, meant=meant),)
    return ()


def _extra(longer: str, shorter: str) -> Sequence[int]:
    """The first place whose symbol is too many in the longer text; none where it is not that."""
    if len(longer) != len(shorter) + 1:
        return ()
    every = range(len(longer))
    return [at for at in every if longer[:at] + longer[at + 1 :] == shorter][:1]


def _cut_ends(stream: Stream, head: str, code: str) -> Iterator[_Found]:
    """The last one to three symbols cut off; at the text's end one more may be wrong."""
    for at in _anchors(stream, head):
        for length in _ENDS:
            end = at + length
            if stream.canonical[at:end] == code[:length] and end in stream.ends:
                yield at - len(head), end, (_cut("end", code[length:]),)
        rest = stream.canonical[at:]
        if len(rest) == CODE_LENGTH - 1:
            for wrong in _wrong(rest, code[:-1]):
                yield at - len(head), len(stream.plain), (wrong, _cut("end", code[-1]))


def _cut(side: str, meant: str) -> Finding:
    return Finding.of(f"repair.cut_{side}", count=len(meant), meant=meant)


def _prefixes(stream: Stream, head: str, code: str) -> Iterator[_Found]:
    """A token that is the code behind a prefix mistyped, cut, lost or swapped into the code."""
    for start, end in stream.tokens():
        extra = end - start - CODE_LENGTH
        if not 0 <= extra <= len(head):
            continue
        before, seen = (
            stream.canonical[start : start + extra],
            stream.canonical[end - CODE_LENGTH : end],
        )
        for repair in _prefix_repairs(before, head):
            if seen == code:
                yield start, end, (repair,)
            for wrong in _wrong(seen, code):
                yield start, end, (repair, wrong)
        if head and extra == len(head):
            straight = before[:-1] + seen[0] + before[-1] + seen[1:]
            if straight == head + code != before + seen:
                yield (
                    start,
                    end,
                    (
                        Finding.of(
                            "repair.prefix_swapped", was=before + seen[0], meant=head + code[0]
                        ),
                    ),
                )


def _prefix_repairs(before: str, head: str) -> tuple[Finding, ...]:
    if before != head and head.endswith(before):
        return (Finding.of("repair.prefix_lost", lost=head.removesuffix(before), prefix=head),)
    if len(before) > 1 and (_wrong(before, head) or _swapped(before, head)):
        return (Finding.of("repair.prefix_damaged", was=before, prefix=head),)
    return ()


def _cut_starts(stream: Stream, head: str, code: str) -> Iterator[_Found]:
    """The text begins inside the code."""
    for start, end in list(stream.tokens())[:1]:
        if end - start in _ENDS and code.endswith(stream.canonical[start:end]):
            lost = code[: CODE_LENGTH - (end - start)]
            yield start, end, (_cut("start", head + lost),)


def _bare(stream: Stream, head: str, code: str) -> Iterator[_Found]:
    for at in places_of(code, stream.canonical):
        lost = Finding.of("repair.prefix_lost", lost=head, prefix=head)
        yield at, at + CODE_LENGTH, (lost,)
