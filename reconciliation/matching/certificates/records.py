"""The inputs and the result of one run, looked up by id, by bill and by decision."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from payments.references import CODE_LENGTH, canonical, fold
from reconciliation.matching.certificates.model import CertifiedItem
from reconciliation.matching.columns import BANK_TRANSFER
from reconciliation.matching.model import CURRENCY, MatchInputs, MatchResult
from reconciliation.matching.references import ReferenceReader
from reconciliation.states import ItemKind, Layer

PAYMENT: Final = ItemKind.PAYMENT
SETTLEMENT: Final = ItemKind.SETTLEMENT
BANK: Final = ItemKind.BANK

_PIECES: Final = ((0, 3), (3, 6), (6, 9))
"""However a code is damaged, one of these pieces of it is whole: one slip touches two at most."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of an item in a layer: the decision's id, and ``matched`` or the type."""

    decision: str
    word: str


@dataclass(frozen=True, slots=True)
class Named:
    """The bills a text names, by their canonical references; see ``references.Reading``."""

    exact: tuple[str, ...]
    repaired: tuple[str, ...]
    unknown: tuple[str, ...]


class Records:
    """Rows of the three inputs, and what a run decided about them."""

    def __init__(self, inputs: MatchInputs, result: MatchResult) -> None:
        self.contracts = inputs.contracts
        self.prefix = inputs.contracts.reference_prefix
        self.result = result
        self._frames: Mapping[ItemKind, pd.DataFrame] = {
            PAYMENT: inputs.payments,
            SETTLEMENT: inputs.settlements,
            BANK: inputs.bank,
        }
        self._columns: dict[tuple[ItemKind, str], list[Any]] = {}
        self._readings: dict[str, Named] = {}

    # --- rows ---------------------------------------------------------------------------------

    def column(self, kind: ItemKind, name: str) -> list[Any]:
        """A whole column, as Python values."""
        found = self._columns.get((kind, name))
        if found is None:
            found = self._frames[kind][name].to_list()
            self._columns[kind, name] = found
        return found

    def names(self, kind: ItemKind) -> list[str]:
        """The names of the columns of one input."""
        return [str(name) for name in self._frames[kind].columns]

    def text(self, kind: ItemKind, row: int, name: str) -> str:
        """One value of a text column."""
        return str(self.column(kind, name)[row])

    def number(self, kind: ItemKind, row: int, name: str) -> int:
        """One value of a column of amounts."""
        return int(self.column(kind, name)[row])

    def day(self, kind: ItemKind, row: int, name: str) -> date:
        """One value of a column of dates; of instants the calendar day at +07:00."""
        value = self.column(kind, name)[row]
        found: date = (value if value.tzinfo is None else value + _OFFSET).date()
        return found

    def id_of(self, kind: ItemKind, row: int) -> str:
        """The id of a row."""
        return self.text(kind, row, "payment_id" if kind is PAYMENT else "line_id")

    @cached_property
    def _rows(self) -> Mapping[ItemKind, Mapping[str, int]]:
        return {
            kind: {item: row for row, item in enumerate(self.column(kind, name))}
            for kind, name in ((PAYMENT, "payment_id"), (SETTLEMENT, "line_id"), (BANK, "line_id"))
        }

    def row_of(self, kind: ItemKind, item: str) -> int:
        """The row of an id."""
        return self._rows[kind][item]

    def kinds_of(self, item: str) -> list[ItemKind]:
        """Under which kinds an id is known; ids are unique within one kind only."""
        return [kind for kind, rows in self._rows.items() if item in rows]

    def amount(self, layer: Layer, kind: ItemKind, row: int) -> int:
        """An item's own amount in a layer: payment signed, settlement gross or net, bank signed."""
        if kind is PAYMENT:
            amount = self.number(PAYMENT, row, "amount")
            return amount if self.text(PAYMENT, row, "kind") == "payment" else -amount
        if kind is SETTLEMENT:
            return self.number(kind, row, "gross" if layer is Layer.PROVIDER else "net")
        return self.number(BANK, row, "amount")

    def item(self, layer: Layer, kind: ItemKind, row: int) -> CertifiedItem:
        """A row as an item of a decision."""
        currency, own = self.text(kind, row, "currency"), self.amount(layer, kind, row)
        return CertifiedItem(kind, self.id_of(kind, row), row, own, currency)

    def due_day(self, pay: int) -> date:
        """The calendar day of ``paid_at`` at +07:00."""
        return self.day(PAYMENT, pay, "paid_at")

    def is_direct(self, pay: int) -> bool:
        """Whether a payment came by transfer."""
        return self.text(PAYMENT, pay, "channel") == BANK_TRANSFER

    def in_currency(self, kind: ItemKind, row: int) -> bool:
        """Whether a row is of the contract's currency."""
        return self.text(kind, row, "currency") == CURRENCY

    # --- decisions ----------------------------------------------------------------------------

    @cached_property
    def matches(self) -> Mapping[str, Sequence[int]]:
        """Each match with its rows of the frame of matches."""
        found: dict[str, list[int]] = defaultdict(list)
        for place, match in enumerate(self.result.matches["match_id"].to_list()):
            found[match].append(place)
        return found

    @cached_property
    def mismatches(self) -> Mapping[str, int]:
        """Each mismatch with its row of the frame of mismatches."""
        ids = self.result.mismatches["mismatch_id"].to_list()
        return {mismatch: place for place, mismatch in enumerate(ids)}

    @cached_property
    def _fates(self) -> Mapping[tuple[str, str, str], Fate]:
        frame = self.result.matches
        keys = zip(*(frame[name].to_list() for name in _PLACE), strict=True)
        found = {
            key: Fate(match, "matched")
            for key, match in zip(keys, frame["match_id"].to_list(), strict=True)
        }
        frame = self.result.mismatches
        keys = zip(*(frame[name].to_list() for name in _PLACE), strict=True)
        ids, types = frame["mismatch_id"].to_list(), frame["type"].to_list()
        for key, mismatch, type_ in zip(keys, ids, types, strict=True):
            found[key] = Fate(mismatch, type_)
        return found

    def fate(self, layer: Layer, kind: ItemKind, row: int) -> Fate:
        """What became of an item; ``open`` where nothing did, which is so of what is not due."""
        return self._fates.get((layer, kind, self.id_of(kind, row)), Fate("", "open"))

    def decisions_of(self, item: str) -> list[str]:
        """The decisions about an id, in the order of the layers it passes through."""
        kinds = self.kinds_of(item)
        found = (self._fates.get((layer, kind, item)) for layer in Layer for kind in kinds)
        return list(dict.fromkeys(fate.decision for fate in found if fate))

    @cached_property
    def _namings(
        self,
    ) -> tuple[list[tuple[str, str, str]], Mapping[tuple[str, str, str], list[int]]]:
        """Of each mismatch its layer, type and item; and the mismatches that name each item so."""
        frame = self.result.mismatches
        names = ("layer", "type", "item_kind", "item_id", "related_items")
        own: list[tuple[str, str, str]] = []
        naming: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        rows = zip(*(frame[name].to_list() for name in names), strict=True)
        for place, (layer, type_, kind, item, related) in enumerate(rows):
            own.append((layer, type_, f"{kind}:{item}"))
            for other in (*related.split(";"), f"{kind}:{item}"):
                naming[layer, type_, other].append(place)
        return own, naming

    def related_to(self, place: int) -> list[int]:
        """Mismatches of the same layer and type that a mismatch names, or that name it."""
        own, naming = self._namings
        layer, type_, _ = own[place]
        related = str(self.result.mismatches["related_items"].iloc[place]).split(";")
        named = [
            one for item in filter(None, related) for one in naming.get((layer, type_, item), ())
        ]
        return [*naming[own[place]], *named]

    # --- bills --------------------------------------------------------------------------------

    @cached_property
    def references(self) -> list[str]:
        """The canonical reference of each payment; empty without."""
        said = self.column(PAYMENT, "bill_reference")
        spelled = {text: canonical(text) for text in set(said)}
        return [spelled[text] for text in said]

    @cached_property
    def _payments_of(self) -> Mapping[str, Sequence[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for row, reference in enumerate(self.references):
            if reference:
                found[reference].append(row)
        return found

    def payments_of(self, reference: str) -> Sequence[int]:
        """The payments of a bill."""
        return self._payments_of.get(reference, ())

    @cached_property
    def _bills(self) -> list[str]:
        return sorted(self._payments_of)

    @cached_property
    def _reader(self) -> ReferenceReader:
        return ReferenceReader(self._bills, self.prefix)

    def named(self, text: str) -> Named:
        """The bills a text names."""
        found = self._readings.get(text)
        if found is None:
            (reading,) = self._reader.read([text])
            found = self._readings[text] = Named(
                tuple(self._bills[bill] for bill in reading.exact),
                tuple(self._bills[bill] for bill in reading.repaired),
                tuple(self.prefix + code for code in reading.unknown),
            )
        return found

    @cached_property
    def _compact(self) -> pa.LargeStringArray:
        """The narratives in canonical spelling."""
        folded = (_OTHER.sub("", fold(text)) for text in self.column(BANK, "narrative"))
        return pa.array((text.translate(_ALIKE) for text in folded), type=pa.large_string())

    def lines_naming(self, reference: str) -> list[int]:
        """Bank lines whose narrative bears a reference, however damaged."""
        code = reference.removeprefix(canonical(self.prefix))
        whole = len(code) != CODE_LENGTH
        pieces = [reference] if whole else [code[a:b] for a, b in _PIECES]
        hits = pc.indices_nonzero(pc.match_substring_regex(self._compact, "|".join(pieces)))
        found = []
        for row in hits.to_pylist():
            named = self.named(self.text(BANK, row, "narrative"))
            if reference in (*named.exact, *named.repaired):
                found.append(row)
        return found

    def rows_with(self, kind: ItemKind, name: str, value: str) -> Sequence[int]:
        """The rows whose text column holds this value; none for an empty one."""
        return self._index(kind, name).get(value, ()) if value else ()

    def _index(self, kind: ItemKind, name: str) -> Mapping[str, Sequence[int]]:
        key = (kind, name)
        if key not in self._indexes:
            found: dict[str, list[int]] = defaultdict(list)
            for row, value in enumerate(self.column(kind, name)):
                found[value].append(row)
            self._indexes[key] = found
        return self._indexes[key]

    @cached_property
    def _indexes(self) -> dict[tuple[ItemKind, str], Mapping[str, Sequence[int]]]:
        return {}


_OFFSET: Final = timedelta(hours=7)
_PLACE: Final = ("layer", "item_kind", "item_id")
_OTHER: Final = re.compile("[^0-9A-Z]+")
_ALIKE: Final = str.maketrans("OIL", "011")


def same_name(left: str, right: str) -> bool:
    """Whether two names are one, but for case, marks and blanks."""
    return " ".join(fold(left).split()) == " ".join(fold(right).split())


def total(amounts: Iterable[int]) -> int:
    """A sum of minor units."""
    return sum(amounts)
