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

from reconciliation.matching.arrays import Ints, bytes_of
from reconciliation.matching.columns import MISMATCH_COLUMNS
from reconciliation.matching.decisions import SIDES, Decisions, Flag
from reconciliation.matching.model import Rule
from reconciliation.matching.reasons import sentence
from reconciliation.matching.tables import Tables
from reconciliation.states import ItemKind, Layer

ID_DIGITS: Final = 16

_LAYERS: Final = sorted(Layer, key=str)
_KINDS: Final = sorted(ItemKind, key=str)
_RULES: Final = list(Rule)
_KIND_OF_SIDE: Final = np.array([[_KINDS.index(k) for k in SIDES[layer]] for layer in _LAYERS])
_PLACES: Final = pa.array(
    [f"{layer}|{kind}|" for layer in _LAYERS for kind in _KINDS], type=pa.large_string()
)
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

    match: Ints
    layer: Ints
    rule: Ints
    kind: Ints
    row: Ints
    balance: Ints
    count: int

    @classmethod
    def of(cls, decisions: Decisions) -> Self:
        """Lay out all matches one after another."""
        matches: list[Any] = []
        rows: list[Any] = []
        heads: list[tuple[int, int]] = []
        sides: list[Any] = []
        number = 0
        for block in decisions.pairs:
            size = len(block.left)
            these = np.arange(number, number + size)
            matches += [these, these]
            rows += [block.left, block.right]
            sides += [np.zeros(size, dtype=np.int64), np.ones(size, dtype=np.int64)]
            heads += [(_LAYERS.index(block.layer), _RULES.index(block.rule))] * size
            number += size
        sizes, own = [], []
        for group in decisions.groups:
            own += [np.asarray(group.left), np.asarray(group.right)]
            sizes += [len(group.left), len(group.right)]
            heads.append((_LAYERS.index(group.layer), _RULES.index(group.rule)))
        if own:
            rows += own
            matches.append(np.repeat(number + np.arange(len(sizes)) // 2, sizes))
            sides.append(np.repeat(np.arange(len(sizes)) % 2, sizes))
            number += len(decisions.groups)
        return cls._laid_out(matches, rows, sides, heads, number)

    @classmethod
    def _laid_out(
        cls, matches: list[Any], rows: list[Any], sides: list[Any], heads: Any, count: int
    ) -> Self:
        match, row, side = (_joined(parts) for parts in (matches, rows, sides))
        head = np.array(heads, dtype=np.int64).reshape(-1, 2)
        layer, rule = head[match, 0], head[match, 1]
        kind = _KIND_OF_SIDE[layer, side]
        most = int(row.max(initial=0)) + 1
        order = np.argsort((match * len(_KINDS) + kind) * most + row)
        return cls(
            match[order],
            layer[order],
            rule[order],
            kind[order],
            row[order],
            (1 - 2 * side)[order],
            count,
        )

    def rows_of(self, layer: Layer, kind: ItemKind) -> Ints:
        """The rows of one kind that are matched in a layer."""
        here = (self.layer == _LAYERS.index(layer)) & (self.kind == _KINDS.index(kind))
        return np.asarray(self.row[here], dtype=np.int64)

    def starts(self) -> Ints:
        """Where each match begins."""
        return np.asarray(np.searchsorted(self.match, np.arange(self.count)), dtype=np.int64)


def _joined(parts: list[Any]) -> Ints:
    return np.concatenate([*parts, np.zeros(0, dtype=np.int64)]).astype(np.int64, copy=False)


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

    def take(self, kind: Ints, row: Ints) -> pa.LargeStringArray:
        """The ids of these items."""
        return self._all.take(pa.array(self._base[kind] + row))


def matches_frame(members: Members, decisions: Decisions) -> pd.DataFrame:
    """The frame of matches, sorted.

    Raises:
        AssertionError: a match does not balance; a programming error.
    """
    own = _own_amounts(members, decisions.tables)
    starts = members.starts()
    if members.count and np.add.reduceat(own * members.balance, starts).any():
        raise AssertionError("a match does not balance")
    item_id = ItemIds(decisions.tables).take(members.kind, members.row)
    digests = _digests(members, starts, item_id)
    key = digests.view(">u8").reshape(-1).astype(np.uint64)
    order = _expanded(np.lexsort((key, members.layer[starts])), starts, len(members.row))
    names = [_identifiers(b"m", digests).take(pa.array(members.match[order]))]
    names.append(_named([str(layer) for layer in _LAYERS], members.layer[order]))
    names.append(_named([str(rule) for rule in _RULES], members.rule[order]))
    names.append(_named([str(kind) for kind in _KINDS], members.kind[order]))
    names.append(item_id.take(pa.array(order)))
    names.append(_named([rule.confidence for rule in _RULES], members.rule[order]))
    titles = ("match_id", "layer", "rule", "item_kind", "item_id", "confidence")
    frame = {
        title: pd.Series(pd.array(values, dtype="str"))
        for title, values in zip(titles, names, strict=True)
    }
    return pd.DataFrame({**frame, "amount": own[order]})


def _expanded(order: Ints, starts: Ints, size: int) -> Ints:
    """The rows of all matches, in this order of the matches."""
    sizes = np.diff(np.append(starts, size))[order]
    begin = np.cumsum(sizes) - sizes
    return np.repeat(starts[order] - begin, sizes) + np.arange(size)


def _own_amounts(members: Members, tables: Tables) -> Ints:
    own = np.zeros(len(members.row), dtype=np.int64)
    for (layer, kind), amounts in own_amounts(tables).items():
        here = members.layer == _LAYERS.index(layer)
        here &= members.kind == _KINDS.index(kind)
        own[here] = amounts[members.row[here]]
    return own


def _digests(members: Members, starts: Ints, item_id: pa.LargeStringArray) -> Any:
    """The first eight bytes of the SHA-256 of each match's sorted lines, as rows of bytes."""
    last = np.zeros(len(members.row), dtype=np.int64)
    last[starts] = 1
    more = 1 - np.append(last[1:], 1)[: len(last)]
    lines = pc.binary_join_element_wise(
        _PLACES.take(pa.array(members.layer * len(_KINDS) + members.kind)),
        item_id,
        _BREAK.take(pa.array(more)),
        pa.scalar("", type=pa.large_string()),
    )
    data, begin = bytes_of(lines)
    text = memoryview(data.tobytes())
    places = pairwise([*begin[starts].tolist(), len(data)])
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


def _named(names: list[str], codes: Ints) -> pa.LargeStringArray:
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
