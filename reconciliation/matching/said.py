"""What lines say: references and dossier codes, each line read once whoever asks."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Generic, Self, TypeVar

import numpy as np

from reconciliation.matching.arrays import Bools, Ints
from reconciliation.matching.dossiers import DossierReader
from reconciliation.matching.model import Contracts
from reconciliation.matching.references import Reading, ReferenceReader
from reconciliation.matching.scan import whole_references
from reconciliation.matching.tables import Tables

_T = TypeVar("_T")
Places = tuple[tuple[int, ...], ...]
"""For each place where a dossier code stands in a line, the dossiers it may be."""


class Once(Generic[_T]):
    """Readings by row. Many at once cost little, one by one much, and twice is waste."""

    def __init__(
        self, read: Callable[[Ints], Sequence[_T]], known: dict[int, _T] | None = None
    ) -> None:
        self._read = read
        self._known = {} if known is None else known

    def read(self, rows: Iterable[int]) -> dict[int, _T]:
        """Read these rows, ascending, and give what they say."""
        wanted = sorted(set(rows))
        new = np.asarray([row for row in wanted if row not in self._known], dtype=np.int64)
        self._known.update(zip(new.tolist(), self._read(new), strict=True))
        return {row: self._known[row] for row in wanted}

    def __getitem__(self, row: int) -> _T:
        return self._known[row]

    def at(self, rows: Ints, read: Callable[[Ints], Sequence[_T]]) -> "Once[_T]":
        """What is known of these rows, under their new numbers."""
        known = self._known
        kept = {new: known[old] for new, old in enumerate(rows.tolist()) if old in known}
        return Once(read, kept)


@dataclass(frozen=True, slots=True)
class Said:
    """What the lines of some tables say. Bills and dossiers are indexes into the payments' lists.

    ``whole`` is the one bill of each bank line that the fast scan could read, else -1.
    """

    whole: Ints
    bank: Once[Reading]
    settlements: Once[Reading]
    dossiers: Once[Places]
    references: ReferenceReader
    dossier_reader: Callable[[], DossierReader]

    @classmethod
    def of(cls, tables: Tables, contracts: Contracts, payout_bank: Bools) -> Self:
        """Scan the lines of the direct layer for whole references; read nothing else yet."""
        known = tables.payments.references.array()
        whole = np.full(len(tables.bank.ids), -1, dtype=np.int64)
        rows = np.flatnonzero(~payout_bank & (tables.bank.original < 0))
        narratives = tables.bank.narrative.take(rows)
        whole[rows] = whole_references(narratives, known, contracts.reference_prefix)
        reader = ReferenceReader(known, contracts.reference_prefix)
        dossiers = cache(lambda: DossierReader(tables.payments.dossiers))
        bank, settlements, places = _readings(tables, reader, dossiers)
        return cls(whole, Once(bank), Once(settlements), Once(places), reader, dossiers)

    def at(self, tables: Tables, bank: Ints, settlements: Ints) -> Self:
        """The same of a part of the tables, which has these rows of the whole."""
        own = _readings(tables, self.references, self.dossier_reader)
        return type(self)(
            self.whole[bank],
            self.bank.at(bank, own[0]),
            self.settlements.at(settlements, own[1]),
            self.dossiers.at(bank, own[2]),
            self.references,
            self.dossier_reader,
        )


def _readings(
    tables: Tables, references: ReferenceReader, dossiers: Callable[[], DossierReader]
) -> tuple[
    Callable[[Ints], list[Reading]],
    Callable[[Ints], list[Reading]],
    Callable[[Ints], list[Places]],
]:
    return (
        lambda rows: references.read(tables.bank.narrative.take(rows)),
        lambda rows: references.read(tables.settlements.reference.take(rows)),
        lambda rows: dossiers().read(tables.bank.narrative.take(rows)) if len(rows) else [],
    )
