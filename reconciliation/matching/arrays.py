"""Columns of text as arrow arrays: kernels work on the whole, a single look gives a str."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from payments.references import fold

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

_WORD: Final = 8
"""Bytes that are compared at a time."""
_LONGEST: Final = 64
"""Longer texts are sorted one by one."""


def text_array(
    values: "pd.Series[Any] | Sequence[str] | pa.LargeStringArray",
) -> pa.LargeStringArray:
    """Texts as one arrow array."""
    if isinstance(values, pa.LargeStringArray):
        return values
    array = pa.array(values, type=pa.large_string())
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def numbers_of(array: pa.Array | pa.ChunkedArray, missing: int = -1) -> Ints:
    """An arrow array of numbers as numpy's, its nulls replaced."""
    filled = pc.fill_null(array, missing) if array.null_count else array
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int64)


def bools_of(array: pa.Array | pa.ChunkedArray) -> Bools:
    """An arrow array of truths as numpy's; a null is false."""
    filled = pc.fill_null(array, False) if array.null_count else array
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=bool)


def bytes_of(texts: pa.LargeStringArray) -> tuple[Bytes, Ints]:
    """The bytes of all texts, and where each begins in them; one more says where the last ends."""
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return np.zeros(0, dtype=np.uint8), np.zeros(len(texts) + 1, dtype=np.int64)
    first = texts.offset
    places = np.frombuffer(offsets, dtype=np.int64)[first : first + len(texts) + 1]
    content = np.frombuffer(data, dtype=np.uint8)[places[0] : places[-1]]
    return content, places - places[0]


def by_parts(
    texts: pa.LargeStringArray,
    plain: Callable[[pa.LargeStringArray], pa.LargeStringArray],
    odd: Callable[[str], str],
) -> pa.LargeStringArray:
    """Apply a kernel that is right for ASCII, and a function to each distinct text that is not."""
    done = plain(texts)
    strange = pc.invert(pc.string_is_ascii(texts))
    if not pc.any(strange).as_py():
        return done
    coded = texts.filter(strange).dictionary_encode()
    said = pa.array([odd(text) for text in coded.dictionary.to_pylist()], type=pa.large_string())
    return pc.replace_with_mask(done, strange, said.take(coded.indices))


def folded(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Many texts folded; see ``payments.references.fold``."""
    return by_parts(texts, pc.ascii_upper, fold)


def order_of(texts: pa.LargeStringArray) -> Ints:
    """The rows in the order of their texts by code point; that of equal ones is not said."""
    data, begin = bytes_of(texts)
    size = np.diff(begin)
    longest = int(size.max(initial=0))
    if longest > _LONGEST or not data.all():
        return numbers_of(pc.sort_indices(texts))
    if len(size) and int(size.min()) == longest:
        square = data.reshape(-1, longest)
        square = square[:, (square != square[0]).any(axis=0)]
    else:
        square = np.zeros((len(size), longest), dtype=np.uint8)
        row = np.repeat(np.arange(len(size)), size)
        square[row, np.arange(len(data)) - begin[row]] = data
    keys = _words(square)
    if len(keys) == 1:
        return np.asarray(np.argsort(keys[0]), dtype=np.int64)
    return np.asarray(np.lexsort(keys[::-1]), dtype=np.int64)


def _words(square: Bytes) -> list[NDArray[np.uint64]]:
    """Rows of bytes as rows of numbers, the first bytes the highest."""
    words = max(-(-square.shape[1] // _WORD), 1)
    padded = np.zeros((len(square), words * _WORD), dtype=np.uint8)
    padded[:, : square.shape[1]] = square
    keys = padded.view(">u8").astype(np.uint64)
    return [np.ascontiguousarray(keys[:, word]) for word in range(words)]


class Texts:
    """A column of text in an order of its rows; the texts stay as they are ``stored``."""

    def __init__(self, array: pa.LargeStringArray, order: Ints) -> None:
        self.stored = array
        self.order = order
        self._data, self._begin = bytes_of(array)

    def __getitem__(self, row: int) -> str:
        place = self.order[row]
        start, end = self._begin[place], self._begin[place + 1]
        return bytes(self._data[start:end]).decode()

    def __len__(self) -> int:
        return len(self.order)

    def take(self, rows: Ints) -> pa.LargeStringArray:
        """The texts of these rows."""
        return self.stored.take(pa.array(self.order[rows]))

    def at(self, rows: Ints) -> "Texts":
        """These rows alone, as a column of their own."""
        return Texts(self.take(rows), np.arange(len(rows)))

    def array(self) -> pa.LargeStringArray:
        """All texts in their order."""
        return self.stored.take(pa.array(self.order))

    def are_said(self) -> Bools:
        """Which rows are not empty."""
        return np.asarray(np.diff(self._begin) > 0, dtype=bool)[self.order]

    def are_in(self, texts: pa.LargeStringArray) -> Bools:
        """Which rows hold one of these texts."""
        return bools_of(pc.is_in(self.stored, value_set=texts))[self.order]

    def codes(self) -> Ints:
        """A number for each row; rows of equal text have the same."""
        return numbers_of(self.stored.dictionary_encode().indices)[self.order]

    def codes_with(self, other: "Texts") -> tuple[Ints, Ints]:
        """A number for each row of this column and of another; equal texts have the same."""
        both = pa.concat_arrays([self.stored, other.stored]).dictionary_encode()
        codes = numbers_of(both.indices)
        return codes[: len(self.stored)][self.order], codes[len(self.stored) :][other.order]


@dataclass(frozen=True, slots=True)
class Words:
    """A column that holds few distinct texts; ``codes`` are indexes into ``words``."""

    codes: "NDArray[np.int32]"
    words: list[str]

    @classmethod
    def of(cls, array: pa.LargeStringArray, order: Ints) -> Self:
        """Index a column, its rows in this order."""
        coded = array.dictionary_encode()
        codes = np.asarray(coded.indices, dtype=np.int32)
        return cls(codes[order], coded.dictionary.to_pylist())

    def __getitem__(self, row: int) -> str:
        word: str = self.words[self.codes[row]]
        return word

    def __len__(self) -> int:
        return len(self.codes)

    def at(self, rows: Ints) -> "Words":
        """These rows alone."""
        return Words(self.codes[rows], self.words)

    def are(self, word: str) -> Bools:
        """Which rows hold this word."""
        if word not in self.words:
            return np.zeros(len(self.codes), dtype=bool)
        return np.asarray(self.codes == self.words.index(word), dtype=bool)

    def codes_in(self, words: Sequence[str]) -> Ints:
        """The codes that these rows have in another list of words, which holds all of them."""
        index = {word: at for at, word in enumerate(words)}
        place = np.asarray([index[word] for word in self.words], dtype=np.int64)
        return place[self.codes] if len(place) else self.codes.astype(np.int64)


def together(*keys: Ints) -> Ints:
    """One number for each row, counted from 0: the same where all their keys are equal."""
    joint = np.asarray(pd.factorize(keys[0])[0], dtype=np.int64)
    for key in keys[1:]:
        codes, distinct = pd.factorize(key)
        joint = np.asarray(pd.factorize(joint * len(distinct) + codes)[0], dtype=np.int64)
    return joint


def suspects(keys: Iterable[Ints]) -> Ints:
    """Rows that share a hash of their keys with another row: all that may be equal, few more."""
    mixed: Any = None
    for key in keys:
        number = key.astype(np.uint64)
        mixed = number if mixed is None else (mixed ^ (mixed >> _SHIFT)) * _ODD + number
    return np.flatnonzero(pd.Series(mixed).duplicated(keep=False).to_numpy(dtype=bool))


_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)
