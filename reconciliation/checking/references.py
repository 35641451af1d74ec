"""Whether a narrative bears a reference, whole or damaged: compared with it symbol by symbol."""

import re
import unicodedata
from enum import IntEnum
from functools import lru_cache
from typing import Final

_LOOK_ALIKES: Final = str.maketrans("OIL", "011")
_APART: Final = re.compile(r"[^0-9A-Z]+")
_CODE: Final = 10
"""Symbols of a bill reference after its prefix."""
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
    if not _may_stand(narrative, code):
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


def _may_stand(narrative: str, code: str) -> bool:
    """Whether three symbols in a row stand anywhere: no damage that counts leaves fewer.

    Of ten symbols one or two neighbours are touched, so four on one side of them stand whole.
    """
    return any(code[at : at + 3] in narrative for at in range(_CODE - 2))


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
