"""Whether a narrative bears a reference, whole or damaged: compared with it symbol by symbol."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from enum import IntEnum
from functools import cached_property, lru_cache
from typing import Final

_LOOK_ALIKES: Final = str.maketrans("OIL", "011")
_APART: Final = re.compile(r"[^0-9A-Z]+")
_CODE: Final = 10
"""Symbols of a bill reference after its prefix."""
_PIECE: Final = 4
"""Symbols in a row that no damage which counts leaves fewer of."""
SHORTEST: Final = 8
"""A dossier code cut off at a narrative's end still names it with as many symbols."""
_CUT: Final = 3
"""As many symbols may be lost at an end of the narrative."""


class Damage(IntEnum):
    """How a reference stands in a narrative."""

    WHOLE = 0
    BARE = 1
    """All ten symbols stand, the prefix is lost or mistyped."""
    WRONG = 2
    SWAPPED = 3
    DROPPED = 4
    ADDED = 5
    CUT = 6


@lru_cache(maxsize=1_000_000)
def plain(text: str) -> str:
    """Capital letters without marks, đ as D; what is neither letter nor digit is one blank."""
    spread = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    return _APART.sub(
        " ", "".join(c for c in spread if not unicodedata.combining(c)).upper()
    ).strip()


@lru_cache(maxsize=1_000_000)
def compact(text: str) -> str:
    """The same without blanks, O read as 0, I and L as 1."""
    return plain(text).replace(" ", "").translate(_LOOK_ALIKES)


def damage_in(text: str, bill_reference: str, prefix: str) -> Damage | None:
    """The least damage with which a bill reference stands in a text, both as they were written.

    Every place of the text is compared: equal, one symbol wrong, two neighbours swapped, one
    dropped or added, up to three cut off where the text or a word of it ends, or the text begins.
    """
    narrative, reference = compact(text), compact(bill_reference)
    if reference in narrative:
        return Damage.WHOLE
    code = reference[-_CODE:]
    if code in narrative:
        return Damage.BARE
    if not any(code[at : at + _PIECE] in narrative for at in range(_CODE - _PIECE + 1)):
        return None
    found = [
        kind
        for start in range(len(narrative))
        for size in (_CODE - 1, _CODE, _CODE + 1)
        if len(there := narrative[start : start + size]) == size
        and (kind := _between(there, code)) is not None
    ]
    if not found and _is_cut(text, code, reference[:-_CODE] or prefix):
        found.append(Damage.CUT)
    return min(found, default=None)


class Codes:
    """Many codes, to be asked which of them a text may bear, without trying each.

    What is asked is compact, as :func:`compact` returns it; what is answered are codes as given.
    """

    def __init__(self, codes: Iterable[str]) -> None:
        self.given: dict[str, set[str]] = defaultdict(set)
        for code in codes:
            if compact(code):
                self.given[compact(code)].add(code)
        self.lengths = sorted({len(code) for code in self.given})

    def inside(self, text: str) -> set[str]:
        """Every code that stands in the text."""
        parts = (text[at : at + n] for n in self.lengths for at in range(len(text) - n + 1))
        return {code for one in self.given.keys() & set(parts) for code in self.given[one]}

    def cut_off(self, text: str) -> set[str]:
        """Every code of which the text's end is the beginning, in ``SHORTEST`` symbols or more."""
        ends = {text[at:] for at in range(len(text) - SHORTEST + 1)}
        return {code for end in ends & self._beginnings.keys() for code in self._beginnings[end]}

    def near(self, text: str) -> set[str]:
        """Every code of ten symbols that may stand damaged in the text: a piece of it stands.

        Of ten symbols one or two neighbours are touched, so four on one side of them stand whole.
        """
        parts = {text[at : at + _PIECE] for at in range(len(text) - _PIECE + 1)}
        return {code for part in parts & self._pieces.keys() for code in self._pieces[part]}

    @cached_property
    def _beginnings(self) -> dict[str, set[str]]:
        return self._by_part(lambda code: (code[:n] for n in range(SHORTEST, len(code))))

    @cached_property
    def _pieces(self) -> dict[str, set[str]]:
        places = range(_CODE - _PIECE + 1)
        return self._by_part(lambda code: (code[at : at + _PIECE] for at in places))

    def _by_part(self, parts: Callable[[str], Iterable[str]]) -> dict[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for code, given in self.given.items():
            for part in parts(code):
                found[part] |= given
        return dict(found)


def _between(there: str, code: str) -> Damage | None:
    if len(there) == len(code):
        wrong = [at for at in range(len(code)) if there[at] != code[at]]
        if len(wrong) == 1:
            return Damage.WRONG
        if len(wrong) == 2 and wrong[1] == wrong[0] + 1:  # noqa: PLR2004
            first, second = wrong
            swapped = there[first] == code[second] and there[second] == code[first]
            return Damage.SWAPPED if swapped else None
        return None
    longer, shorter = (there, code) if len(there) > len(code) else (code, there)
    for at in range(len(longer)):
        if longer[:at] + longer[at + 1 :] == shorter:
            return Damage.ADDED if longer is there else Damage.DROPPED
    return None


def _is_cut(text: str, code: str, prefix: str) -> bool:
    words = [compact(word) for word in plain(text).split()]
    for lost in range(1, _CUT + 1):
        kept = code[:-lost]
        for last in range(1, len(words) + 1):
            before = "".join(words[:last])
            if before.endswith(kept) and _near(before[: -len(kept)], prefix):
                return True
        if "".join(words).startswith(code[lost:]):
            return True
    return False


def _near(before: str, prefix: str) -> bool:
    """Whether the prefix, or one with a wrong symbol, ends here."""
    there = before[-len(prefix) :] if prefix else ""
    return (
        len(there) == len(prefix) and sum(a != b for a, b in zip(there, prefix, strict=True)) <= 1
    )
