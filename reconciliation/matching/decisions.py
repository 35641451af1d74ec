"""Where the layers put what they decide; each item of a layer is decided at most once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from reconciliation.matching.arrays import Bools, Ints
from reconciliation.matching.model import Rule
from reconciliation.matching.tables import Tables
from reconciliation.states import ItemKind, Layer, MismatchType

Item = tuple[ItemKind, int]
"""An item by its kind and its row in the sorted table."""

MOST_CANDIDATES: Final = 10
"""As many related items are named; more help nobody."""
_MANY: Final = 16
"""From so many items on a kernel is quicker than one look at each."""


SIDES: Final[Mapping[Layer, tuple[ItemKind, ItemKind]]] = {
    Layer.PROVIDER: (ItemKind.PAYMENT, ItemKind.SETTLEMENT),
    Layer.PAYOUT: (ItemKind.SETTLEMENT, ItemKind.BANK),
    Layer.DIRECT: (ItemKind.PAYMENT, ItemKind.BANK),
}
"""What is matched with what: in a match the sums of the two sides are equal."""


@dataclass(frozen=True, slots=True)
class PairBlock:
    """Many 1:1 matches of one rule: the rows of either side."""

    layer: Layer
    rule: Rule
    left: Ints
    right: Ints


@dataclass(frozen=True, slots=True)
class GroupMatch:
    """One match of any shape: the rows of either side."""

    layer: Layer
    rule: Rule
    left: Sequence[int] | Ints
    right: Sequence[int] | Ints


@dataclass(frozen=True, slots=True)
class Flag:
    """One mismatch, its reason still as code and parameters."""

    type: MismatchType
    layer: Layer
    item: Item
    related: tuple[Item, ...]
    expected: str
    actual: str
    code: str
    parameters: Mapping[str, str]


@dataclass(slots=True)
class Decisions:
    """Everything decided so far, and which items that leaves.

    ``taken[layer, kind]`` says for each row whether it is decided in that layer.
    """

    tables: Tables
    pairs: list[PairBlock] = field(default_factory=list)
    groups: list[GroupMatch] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    taken: dict[tuple[Layer, ItemKind], Bools] = field(init=False)

    def __post_init__(self) -> None:
        sizes = {
            ItemKind.PAYMENT: len(self.tables.payments.ids),
            ItemKind.SETTLEMENT: len(self.tables.settlements.ids),
            ItemKind.BANK: len(self.tables.bank.ids),
        }
        self.taken = {
            (layer, kind): np.zeros(size, dtype=bool)
            for layer in Layer
            for kind, size in sizes.items()
        }

    def match_pairs(self, layer: Layer, rule: Rule, left: Ints, right: Ints) -> None:
        """Match rows one to one, all by the same rule."""
        if not len(left):
            return
        self._take_rows(layer, left, right)
        self.pairs.append(PairBlock(layer, rule, left, right))

    def match(
        self, layer: Layer, rule: Rule, left: Sequence[int] | Ints, right: Sequence[int] | Ints
    ) -> None:
        """Match rows as one group."""
        if len(left) + len(right) > _MANY:
            self._take_rows(layer, np.asarray(left), np.asarray(right))
        else:
            for kind, rows in zip(SIDES[layer], (left, right), strict=True):
                for row in rows:
                    self._take(layer, (kind, row))
        self.groups.append(GroupMatch(layer, rule, left, right))

    def flag(
        self,
        type_: MismatchType,
        layer: Layer,
        item: Item,
        *,
        related: Iterable[Item] = (),
        expected: object = "",
        actual: object = "",
        variant: str = "",
        **parameters: object,
    ) -> None:
        """Flag one item. ``variant`` chooses among the sentences of the type."""
        self._take(layer, item)
        code = f"{type_}.{variant}" if variant else str(type_)
        named = tuple(other for other in related if other != item)
        parameters |= {"expected": expected, "actual": actual}
        texts = {name: str(value) for name, value in parameters.items() if value != ""}
        flag = Flag(type_, layer, item, named, str(expected), str(actual), code, texts)
        self.flags.append(flag)

    def take_over(self, part: "Decisions", rows: Mapping[ItemKind, Ints]) -> None:
        """Add what was decided over a part of the tables, which has these rows of them."""
        for (layer, kind), taken in part.taken.items():
            self.taken[layer, kind][rows[kind][taken]] = True
        for pair in part.pairs:
            left, right = (rows[kind] for kind in SIDES[pair.layer])
            self.pairs.append(replace(pair, left=left[pair.left], right=right[pair.right]))
        for group in part.groups:
            left, right = (rows[kind] for kind in SIDES[group.layer])
            mine = left[np.asarray(group.left)], right[np.asarray(group.right)]
            self.groups.append(GroupMatch(group.layer, group.rule, *mine))
        row_of = {kind: those.tolist() for kind, those in rows.items()}
        for flag in part.flags:
            (kind, row), related = flag.item, flag.related
            named = tuple((other, row_of[other][at]) for other, at in related)
            self.flags.append(replace(flag, item=(kind, row_of[kind][row]), related=named))

    def is_free(self, layer: Layer, item: Item) -> bool:
        """Whether the item has not been decided in this layer."""
        kind, row = item
        return not self.taken[layer, kind][row]

    def _take_rows(self, layer: Layer, left: Ints, right: Ints) -> None:
        for kind, rows in zip(SIDES[layer], (left, right), strict=True):
            taken = self.taken[layer, kind]
            if taken[rows].any() or not np.diff(np.sort(rows)).all():
                raise AssertionError(f"an item of {layer} is decided twice")
            taken[rows] = True

    def _take(self, layer: Layer, item: Item) -> None:
        kind, row = item
        if self.taken[layer, kind][row]:
            raise AssertionError(f"{kind} {row} of {layer} is decided twice")
        self.taken[layer, kind][row] = True
