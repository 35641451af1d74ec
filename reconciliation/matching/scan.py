"""The kernel that reads plain, whole references out of many narratives at once."""

import re
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from payments.references import CODE_LENGTH, canonical
from reconciliation.matching.arrays import Ints, numbers_of

_SYMBOL: Final = "[0-9A-TV-Z]"
_LOOK_ALIKES: Final = (("O", "0"), ("I", "1"), ("L", "1"))
_SPELLED: Final = {"0": "[0O]", "1": "[1IL]"}


def whole_references(
    texts: pa.LargeStringArray, references: pa.LargeStringArray, prefix: str
) -> Ints:
    """For each narrative the one known reference it bears, as an index; -1 where not so plain.

    Plain is: ASCII, the prefix in one place only (separators disregarded), and right after it,
    unbroken, the ten symbols of a known reference with nothing glued behind them. All else is left
    to the careful reader, which would give the same answer here.
    """
    head = canonical(prefix)
    if not head or not len(texts) or not len(references):
        return np.full(len(texts), -1, dtype=np.int64)
    upper = pc.ascii_upper(texts)
    letters = [_SPELLED.get(letter, re.escape(letter)) for letter in head]
    places = pc.count_substring_regex(upper, "[^0-9A-Z]*".join(letters))
    pattern = f"{''.join(letters)}(?P<code>{_SYMBOL}{{{CODE_LENGTH}}})(?P<behind>[0-9A-Z]?)"
    found = pc.extract_regex(upper, pattern)
    codes = pc.struct_field(found, "code")
    for letter, digit in _LOOK_ALIKES:
        codes = pc.replace_substring(codes, letter, digit)
    alone = pc.equal(pc.struct_field(found, "behind"), "")
    plain = pc.and_(pc.and_(pc.string_is_ascii(texts), pc.equal(places, 1)), alone)
    index = pc.index_in(
        pc.binary_join_element_wise(_text(head), codes, _text("")),
        value_set=references,
    )
    return numbers_of(pc.if_else(plain, index, None))


def _text(value: str) -> pa.Scalar:
    return pa.scalar(value, type=pa.large_string())
