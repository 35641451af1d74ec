"""A text as the readers see it, where each character still knows its place in the text."""

from collections.abc import Iterator
from typing import Final

from payments.references import canonical, fold

_WORD: Final = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_SHORTEST_DOSSIER: Final = 8


class Stream:
    """Letters and digits of a text, folded, and where each one stood.

    Attributes:
        text: as it was given.
        plain: letters and digits in capitals, without separators.
        canonical: the same, O read as 0, I and L as 1.
        starts: places in ``plain`` where a token starts.
        ends: places in ``plain`` after which a token ends.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._origin: list[int] = []
        kept: list[str] = []
        starts, ends = {0}, set()
        for place, character in enumerate(text):
            for letter in fold(character):
                if letter in _WORD:
                    kept.append(letter)
                    self._origin.append(place)
                else:
                    starts.add(len(kept))
                    ends.add(len(kept))
        self.plain = "".join(kept)
        self.canonical = canonical(self.plain)
        self.starts = frozenset(starts)
        self.ends = frozenset(ends | {len(kept)})

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where characters of the stream stand in the text: first, and one after the last."""
        return self._origin[start], self._origin[end - 1] + 1

    def tokens(self) -> Iterator[tuple[int, int]]:
        """Start and end of each token."""
        start = 0
        for end in sorted(self.ends - {0}):
            yield start, end
            start = end

    def is_token(self, start: int, end: int) -> bool:
        """Whether exactly one token stands here."""
        inside = any(place in self.starts for place in range(start + 1, end))
        return start in self.starts and end in self.ends and not inside

    def is_bounded(self, start: int, end: int) -> bool:
        """Whether no digit touches the digits at either end: no part of a longer number."""
        return self._begins(start) and self._finishes(end)

    def _begins(self, start: int) -> bool:
        if start in self.starts or not self.plain[start].isdigit():
            return True
        return not self.plain[start - 1].isdigit()

    def _finishes(self, end: int) -> bool:
        if end in self.ends or not self.plain[end - 1].isdigit():
            return True
        return not self.plain[end].isdigit()


def places_of(word: str, text: str) -> Iterator[int]:
    """Every place where a word stands in a text."""
    place = text.find(word) if word else -1
    while place >= 0:
        yield place
        place = text.find(word, place + 1)


def find_payout_id(text: str, payout_id: str) -> tuple[int, int] | None:
    """Where a payout's id stands in a narrative, separators disregarded."""
    stream, wanted = Stream(text), Stream(payout_id).plain
    for start in places_of(wanted, stream.plain):
        end = start + len(wanted)
        whole = start in stream.starts and end in stream.ends
        if whole or (not wanted.isdigit() and stream.is_bounded(start, end)):
            return stream.span(start, end)
    return None


def find_dossier(text: str, code: str) -> tuple[int, int, int] | None:
    """Where a dossier code stands in a narrative, and how many characters of its end were cut."""
    stream, wanted = Stream(text), Stream(code).canonical
    for start in places_of(wanted, stream.canonical):
        if len(wanted) >= _SHORTEST_DOSSIER and stream.is_bounded(start, start + len(wanted)):
            return (*stream.span(start, start + len(wanted)), 0)
    for length in range(len(wanted) - 1, _SHORTEST_DOSSIER - 1, -1):
        start = len(stream.plain) - length
        end = len(stream.plain)
        cut = start >= 0 and stream.canonical.endswith(wanted[:length])
        if cut and stream.is_bounded(start, end):
            return (*stream.span(start, end), len(wanted) - length)
    return None
