"""Decisions as the two sorted frames that FORMATS.md describes."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from reconciliation.matching.arrays import Ints, bytes_of
from reconciliation.matching.columns import MISMATCH_COLUMNS
from reconciliation.matching.decisions import SIDES, Decisions, Flag
from reconciliation.matching.model import Rule
from reconciliation.matching.reasons import sentence
from reconciliation.matching.tables import Tables
from reconciliation.states import ItemKind, Layer

ID_DIGITS: Final = 16
Codes = NDArray[np.int8]
"""Indexes into few names, or signs."""
Rows = NDArray[np.int32]
"""Numbers of matches or rows: half the memory, of which a large run has most here."""

_LAYERS: Final = sorted(Layer, key=str)
_KINDS: Final = sorted(ItemKind, key=str)
_RULES: Final = list(Rule)
_KIND_OF_SIDE: Final = np.array(
    [[_KINDS.index(k) for k in SIDES[layer]] for layer in _LAYERS], dtype=np.int8
)
_PLACES: Final = pa.array(
    [f"{layer}|{kind}|" for layer in _LAYERS for kind in _KINDS], type=pa.large_string()
)
_PART: Final = 50_000
"""As many matches are named, or laid out as rows, at a time."""
_BREAK: Final = pa.array(["", "\n"], type=pa.large_string())


def own_amounts(tables: Tables) -> Mapping[tuple[Layer, ItemKind], Ints]:
    """Each item's own amount in each layer: signed, gross or net."""
    return {
        (Layer.PROVIDER, ItemKind.PAYMENT): tables.payments.signed,
        (Layer.PROVIDER, ItemKind.SETTLEMENT): tables.settlements.gross,
        (Layer.PAYOUT, ItemKind.SETTLEMENT): tables.settlements.net,
        (Layer.PAYOUT, ItemKind.BANK): tables.bank.amount,
        (Layer.DIRECT, ItemKind.PAYMENT): tables.payments.signed,
        (Layer.DIRECT, ItemKind.BANK): tables.bank.amount,
    }


@dataclass(frozen=True, slots=True)
class Members:
    """Every item of every match: of which match it is, and which item of which kind.

    ``layer``, ``kind`` and ``rule`` are indexes into the sorted names; ``balance`` counts the left
    side of a layer as 1, the right as -1. Sorted by match, kind and row.
    """

    match: Rows
    layer: Codes
    rule: Codes
    kind: Codes
    row: Rows
    balance: Codes
    count: int

    @classmethod
    def of(cls, decisions: Decisions) -> Self:
        """Lay out all matches one after another."""
        matches: list[Any] = []
        rows: list[Any] = []
        heads: list[Any] = [np.zeros((0, 2), dtype=np.int8)]
        sides: list[Any] = []
        number = 0
        for block in decisions.pairs:
            size = len(block.left)
            these = np.arange(number, number + size, dtype=np.int32)
            matches += [these, these]
            rows += [block.left.astype(np.int32), block.right.astype(np.int32)]
            sides += [np.zeros(size, dtype=np.int8), np.ones(size, dtype=np.int8)]
            head = [_LAYERS.index(block.layer), _RULES.index(block.rule)]
            heads.append(np.tile(np.array([head], dtype=np.int8), (size, 1)))
            number += size
        sizes, own = [], []
        for group in decisions.groups:
            own += [np.asarray(group.left, np.int32), np.asarray(group.right, np.int32)]
            sizes += [len(group.left), len(group.right)]
            head = [_LAYERS.index(group.layer), _RULES.index(group.rule)]
            heads.append(np.array([head], dtype=np.int8))
        if own:
            rows += own
            matches.append(np.repeat(number + np.arange(len(sizes), dtype=np.int32) // 2, sizes))
            sides.append(
                np.repeat(np.tile(np.array([0, 1], dtype=np.int8), len(sizes) // 2), sizes)
            )
            number += len(decisions.groups)
        return cls._laid_out(matches, rows, sides, np.concatenate(heads), number)

    @classmethod
    def _laid_out(
        cls, matches: list[Any], rows: list[Any], sides: list[Any], head: Codes, count: int
    ) -> Self:
        match, row = _joined(matches, np.int32), _joined(rows, np.int32)
        side = _joined(sides, np.int8)
        layer, rule = head[match, 0], head[match, 1]
        kind = _KIND_OF_SIDE[layer, side]
        most = int(row.max(initial=0)) + 1
        key = match.astype(np.int64)
        key *= len(_KINDS)
        key += kind
        key *= most
        key += row
        order = np.argsort(key)
        balance = 1 - 2 * side
        return cls(
            match[order],
            layer[order],
            rule[order],
            kind[order],
            row[order],
            balance[order],
            count,
        )

    def rows_of(self, layer: Layer, kind: ItemKind) -> Ints:
        """The rows of one kind that are matched in a layer."""
        here = (self.layer == _LAYERS.index(layer)) & (self.kind == _KINDS.index(kind))
        return np.asarray(self.row[here], dtype=np.int64)

    def starts(self) -> Ints:
        """Where each match begins."""
        return np.asarray(np.searchsorted(self.match, np.arange(self.count)), dtype=np.int64)


def _joined(parts: list[Any], of: type[np.signedinteger[Any]]) -> Any:
    return np.concatenate([*parts, np.zeros(0, dtype=of)])


class ItemIds:
    """The ids of all items; an item is its kind and its row."""

    def __init__(self, tables: Tables) -> None:
        ids = {
            ItemKind.PAYMENT: tables.payments.ids,
            ItemKind.SETTLEMENT: tables.settlements.ids,
            ItemKind.BANK: tables.bank.ids,
        }
        self._all = pa.concat_arrays([ids[kind].array() for kind in _KINDS])
        self._base = np.cumsum([0, *(len(ids[kind]) for kind in _KINDS)])

    def take(self, kind: Ints | Codes, row: Ints | Rows) -> pa.LargeStringArray:
        """The ids of these items."""
        return self._all.take(pa.array(self._base[kind] + row))


@dataclass(frozen=True, slots=True)
class Matches:
    """All matches in the order in which they are written, as rows only when they are asked for."""

    members: Members
    ids: ItemIds
    own: Ints
    starts: Ints
    digests: Any
    order: Ints

    @classmethod
    def of(cls, members: Members, tables: Tables) -> Self:
        """Name and sort the matches.

        Raises:
            AssertionError: a match does not balance; a programming error.
        """
        own = _own_amounts(members, tables)
        starts, ids = members.starts(), ItemIds(tables)
        if members.count and np.add.reduceat(own * members.balance, starts).any():
            raise AssertionError("a match does not balance")
        parts = [
            _digests(members, starts[start : start + _PART], ids, _end(members, starts, start))
            for start in range(0, members.count, _PART)
        ]
        digests = np.concatenate([np.zeros((0, ID_DIGITS // 2), dtype=np.uint8), *parts])
        key = digests.view(">u8").reshape(-1).astype(np.uint64)
        order = np.lexsort((key, members.layer[starts]))
        return cls(members, ids, own, starts, digests, order)

    def parts(self) -> Iterator[pd.DataFrame]:
        """Frames of whole matches, at least one, sorted from the first to the last."""
        for start in range(0, max(self.members.count, 1), _PART):
            yield self._frame(self.order[start : start + _PART])

    def _frame(self, matches: Ints) -> pd.DataFrame:
        members = self.members
        rows = _expanded(matches, self.starts, len(members.row))
        rule, kind = members.rule[rows], members.kind[rows]
        names = [_identifiers(b"m", self.digests[members.match[rows]])]
        names.append(_named([str(layer) for layer in _LAYERS], members.layer[rows]))
        names.append(_named([str(rule) for rule in _RULES], rule))
        names.append(_named([str(kind) for kind in _KINDS], kind))
        names.append(self.ids.take(kind, members.row[rows]))
        names.append(_named([rule.confidence for rule in _RULES], rule))
        titles = ("match_id", "layer", "rule", "item_kind", "item_id", "confidence")
        frame = {
            title: pd.Series(pd.array(values, dtype="str"))
            for title, values in zip(titles, names, strict=True)
        }
        return pd.DataFrame({**frame, "amount": self.own[rows]})


def _end(members: Members, starts: Ints, start: int) -> int:
    """The row behind the part of the matches that begins with this one."""
    after = start + _PART
    return int(starts[after]) if after < members.count else len(members.row)


def _expanded(order: Ints, starts: Ints, size: int) -> Ints:
    """The rows of these matches, one match after another."""
    after = np.append(starts[1:], size)
    sizes = after[order] - starts[order]
    begin = np.cumsum(sizes) - sizes
    return np.asarray(np.repeat(starts[order] - begin, sizes) + np.arange(sizes.sum()))


def _own_amounts(members: Members, tables: Tables) -> Ints:
    own = np.zeros(len(members.row), dtype=np.int64)
    for (layer, kind), amounts in own_amounts(tables).items():
        here = members.layer == _LAYERS.index(layer)
        here &= members.kind == _KINDS.index(kind)
        own[here] = amounts[members.row[here]]
    return own


def _digests(members: Members, starts: Ints, ids: ItemIds, end: int) -> Any:
    """The first eight bytes of the SHA-256 of each match's sorted lines, as rows of bytes.

    ``starts`` are those of matches that follow one another, up to the row ``end``.
    """
    first = int(starts[0])
    rows, begins = slice(first, end), starts - first
    kind = members.kind[rows].astype(np.int64)
    more = np.ones(end - first, dtype=np.int64)
    more[np.append(begins[1:], end - first) - 1] = 0
    lines = pc.binary_join_element_wise(
        _PLACES.take(pa.array(members.layer[rows].astype(np.int64) * len(_KINDS) + kind)),
        ids.take(kind, members.row[rows]),
        _BREAK.take(pa.array(more)),
        pa.scalar("", type=pa.large_string()),
    )
    data, begin = bytes_of(lines)
    text = memoryview(data.tobytes())
    places = pairwise([*begin[begins].tolist(), len(data)])
    found = b"".join([hashlib.sha256(text[start:end]).digest()[:8] for start, end in places])
    return np.frombuffer(found, dtype=np.uint8).reshape(-1, ID_DIGITS // 2)


def _identifiers(head: bytes, digests: Any) -> pa.LargeStringArray:
    """Digests as text: a letter and hexadecimal digits."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    text = np.empty((len(digests), ID_DIGITS + 1), dtype=np.uint8)
    text[:, 0] = head[0]
    text[:, 1::2] = digits[digests >> 4]
    text[:, 2::2] = digits[digests & 15]
    begin = np.arange(len(digests) + 1, dtype=np.int64) * (ID_DIGITS + 1)
    buffers = [None, pa.py_buffer(begin), pa.py_buffer(np.ascontiguousarray(text))]
    return pa.LargeStringArray.from_buffers(len(digests), *buffers[1:])


def _named(names: list[str], codes: Ints | Codes) -> pa.LargeStringArray:
    return pa.array(names, type=pa.large_string()).take(pa.array(codes))


def mismatches_frame(
    decisions: Decisions,
) -> tuple[pd.DataFrame, dict[str, tuple[str, Mapping[str, str]]]]:
    """The frame of mismatches, sorted; and each one's reason as code and parameters."""
    rows: list[tuple[str, ...]] = []
    reasons = {}
    for flag, (own, *related) in zip(decisions.flags, _names(decisions), strict=True):
        row = _mismatch(flag, own, related)
        rows.append(row)
        reasons[row[0]] = (flag.code, flag.parameters)
    rows.sort(key=lambda row: (row[2], row[0], row[3], row[4]))
    frame = pd.DataFrame(rows, columns=list(MISMATCH_COLUMNS)).astype("str")
    return frame, dict(sorted(reasons.items()))


def _names(decisions: Decisions) -> Iterator[list[str]]:
    """For each flag the id of its item, and its related items as they are written."""
    kinds = {kind: at for at, kind in enumerate(_KINDS)}
    items = [item for flag in decisions.flags for item in (flag.item, *flag.related)]
    kind = np.array([kinds[kind] for kind, _ in items], dtype=np.int64)
    row = np.array([row for _, row in items], dtype=np.int64)
    ids = iter(ItemIds(decisions.tables).take(kind, row).to_pylist())
    for flag in decisions.flags:
        yield [next(ids), *(f"{other}:{next(ids)}" for other, _ in flag.related)]


def _mismatch(flag: Flag, own: str, related: list[str]) -> tuple[str, ...]:
    kind, layer, type_ = flag.item[0].value, flag.layer.value, flag.type.value
    text = f"{layer}|{kind}|{own}|{type_}"
    return (
        "x" + hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS],
        type_,
        layer,
        kind,
        own,
        ";".join(related),
        flag.expected,
        flag.actual,
        sentence(flag.code, flag.parameters),
    )
