"""Pairs that nothing else touches: found by counting keys, so that loops see only the rest.

A payment and a line are closed if each bears the other's key, nobody else bears it, and no line
of the rest may name the payment's bill or dossier. What becomes of the rest then does not depend
on them (docs/decisions/0011). Keys are counted over whole columns; only the rest is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Self

import numpy as np
import pyarrow.compute as pc

from reconciliation.matching import provider
from reconciliation.matching.arrays import Bools, Ints, bools_of
from reconciliation.matching.decisions import Decisions
from reconciliation.matching.desk import agree
from reconciliation.matching.model import Contracts, Rule
from reconciliation.matching.said import Said
from reconciliation.matching.tables import Tables
from reconciliation.states import ItemKind, Layer

_NONE: Final = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Payments and lines, one to one: their rows."""

    pays: Ints = field(default_factory=_NONE.copy)
    rows: Ints = field(default_factory=_NONE.copy)

    def where(self, chosen: Bools) -> Self:
        """Some of these pairs."""
        return type(self)(self.pays[chosen], self.rows[chosen])


@dataclass(frozen=True, slots=True)
class Closed:
    """The closed pairs of the layers between payments and lines.

    ``told`` says which of the direct pairs a credit notice told of, by the bank's own reference.
    """

    provider: Pairs = field(default_factory=Pairs)
    direct: Pairs = field(default_factory=Pairs)
    told: Bools = field(default_factory=lambda: np.zeros(0, dtype=bool))

    def decide(self, decisions: Decisions) -> None:
        """Match them, by the rules the loops would have matched them by."""
        alone, told = self.direct.where(~self.told), self.direct.where(self.told)
        for layer, rule, pairs in (
            (Layer.PROVIDER, Rule.TXN_ID, self.provider),
            (Layer.DIRECT, Rule.NARRATIVE_REFERENCE, alone),
            (Layer.DIRECT, Rule.BANK_REFERENCE, told),
        ):
            decisions.match_pairs(layer, rule, pairs.pays, pairs.rows)

    def rest(self, tables: Tables) -> dict[ItemKind, Ints]:
        """The rows that are in no closed pair."""
        sides = {
            ItemKind.PAYMENT: (tables.payments.ids, [self.provider.pays, self.direct.pays]),
            ItemKind.SETTLEMENT: (tables.settlements.ids, [self.provider.rows]),
            ItemKind.BANK: (tables.bank.ids, [self.direct.rows]),
        }
        return {
            kind: _others(len(ids), np.concatenate(rows)) for kind, (ids, rows) in sides.items()
        }


def find(tables: Tables, contracts: Contracts, said: Said, payout_bank: Bools) -> Closed:
    """Find the closed pairs; reads every line that is in none."""
    return _Search(tables, contracts, said, payout_bank).closed()


def nothing(tables: Tables, contracts: Contracts, said: Said, payout_bank: Bools) -> Closed:
    """Close nothing: the loops see everything."""
    del tables, contracts, said, payout_bank
    return Closed()


class _Search:
    def __init__(
        self, tables: Tables, contracts: Contracts, said: Said, payout_bank: Bools
    ) -> None:
        self.payments, self.lines, self.bank = tables.payments, tables.settlements, tables.bank
        self.tables, self.contracts, self.said = tables, contracts, said
        self.mine = ~payout_bank
        self.touched = np.zeros(len(self.payments.references), dtype=bool)
        """The bills that a line of the rest may name."""

    def closed(self) -> Closed:
        """Pairs that agree, less those whose bill a line of the rest may name."""
        ours, direct = self._provider_pairs(), self._direct_pairs()
        self._touch_settlements(_others(len(self.lines.ids), ours.rows))
        rest = _others(len(self.bank.ids), direct.rows)
        while len(rest):
            # a pair that is named joins the rest, and its line may name others in turn
            self._touch_bank(rest[self.mine[rest]])
            named = self._are_touched(direct.pays)
            rest, direct = direct.rows[named], direct.where(~named)
        ours = ours.where(~self._are_touched(ours.pays))
        return Closed(ours, direct, self._are_told(direct))

    # --- keys -------------------------------------------------------------------------------

    def _provider_pairs(self) -> Pairs:
        """One payment and one line with an id that nobody else bears, by whatever provider."""
        pay_code, line_code = self.payments.txn_id.codes_with(self.lines.txn_id)
        bearers = np.flatnonzero(~self.payments.direct & self.payments.txn_id.are_said())
        single, only = _single(pay_code, bearers, line_code)
        counted = (self.lines.original < 0) & self.lines.txn_id.are_said()
        rows = np.flatnonzero(counted & single[line_code])
        pairs = Pairs(only[line_code[rows]], rows)
        fees = provider.contracted_fees(self.tables, self.contracts)
        agrees = provider.agree(self.tables, fees, pairs.pays, pairs.rows)
        return pairs.where(agrees & self._same_place(pairs))

    def _same_place(self, pairs: Pairs) -> Bools:
        """Whether payment and line are of one provider and one kind."""
        same = np.ones(len(pairs.pays), dtype=bool)
        for ours, theirs in (
            (self.payments.channel, self.lines.provider),
            (self.payments.kind, self.lines.kind),
        ):
            words = sorted({*ours.words, *theirs.words})
            same &= ours.codes_in(words)[pairs.pays] == theirs.codes_in(words)[pairs.rows]
        return same

    def _direct_pairs(self) -> Pairs:
        """One payment of a bill, and one line that names it, plainly and whole.

        A line that was repeated is named by its copy, which is of the rest.
        """
        size = len(self.payments.references)
        whole = self.said.whole
        rows = np.flatnonzero(whole >= 0)
        named = np.bincount(whole[rows], minlength=size)
        of_bill = np.flatnonzero(self.payments.direct & (self.payments.bill >= 0))
        bills = self.payments.bill[of_bill]
        only = np.full(size, -1, dtype=np.int64)
        only[bills] = of_bill
        single = (np.bincount(bills, minlength=size) == 1) & (named == 1)
        rows = rows[single[whole[rows]]]
        pairs = Pairs(only[whole[rows]], rows)
        pairs = pairs.where(agree(self.tables, pairs.pays, pairs.rows))
        return pairs.where(self._are_told_of_alone(pairs))

    def _are_told_of_alone(self, pairs: Pairs) -> Bools:
        """Whether the bank's own reference joins them with nothing, or just with each other."""
        pay_code, line_code = self.payments.txn_id.codes_with(self.bank.bank_ref)
        size = 1 + int(max(pay_code.max(initial=-1), line_code.max(initial=-1)))
        told = np.bincount(pay_code[self.payments.direct], minlength=size)
        borne = np.bincount(line_code, minlength=size)
        ours, theirs = pay_code[pairs.pays], line_code[pairs.rows]
        tells = self.payments.txn_id.are_said()[pairs.pays]
        bears = self.bank.bank_ref.are_said()[pairs.rows]
        apart = (~tells | (borne[ours] == 0)) & (~bears | (told[theirs] == 0))
        each_other = tells & (ours == theirs) & (told[ours] == 1) & (borne[ours] == 1)
        return np.asarray(apart | each_other, dtype=bool)

    def _are_told(self, pairs: Pairs) -> Bools:
        """Whether a credit notice told of the line: the bank's own reference is on both sides."""
        told = self.payments.txn_id.take(pairs.pays)
        same = bools_of(
            pc.and_(pc.equal(told, self.bank.bank_ref.take(pairs.rows)), pc.not_equal(told, ""))
        )
        return np.asarray(same & self.payments.succeeded[pairs.pays], dtype=bool)

    # --- what the rest may name -------------------------------------------------------------

    def _touch_settlements(self, rows: Ints) -> None:
        for reading in self.said.settlements.read(rows.tolist()).values():
            self._touch((*reading.exact, *reading.repaired))

    def _touch_bank(self, rows: Ints) -> None:
        self._touch(self.said.whole[rows[self.said.whole[rows] >= 0]])
        readings = self.said.bank.read(rows.tolist())
        for reading in readings.values():
            self._touch((*reading.exact, *reading.repaired))
        silent = [row for row, one in readings.items() if not one.exact and not one.unknown]
        places = self.said.dossiers.read(silent).values()
        dossiers = sorted({one for said in places for place in said for one in place})
        if dossiers:
            hit = np.isin(self.payments.dossier, np.asarray(dossiers, dtype=np.int64))
            self._touch(self.payments.bill[hit & (self.payments.bill >= 0)])

    def _touch(self, bills: Iterable[int] | Ints) -> None:
        self.touched[np.asarray(bills, dtype=np.int64)] = True

    def _are_touched(self, pays: Ints) -> Bools:
        bills = self.payments.bill[pays]
        return np.asarray((bills >= 0) & self.touched[bills], dtype=bool)


def _single(pay_code: Ints, bearers: Ints, line_code: Ints) -> tuple[Bools, Ints]:
    """By code: whether one payment among the bearers and one line have it, and that payment."""
    size = 1 + int(max(pay_code.max(initial=-1), line_code.max(initial=-1)))
    single = np.bincount(pay_code[bearers], minlength=size) == 1
    single &= np.bincount(line_code, minlength=size) == 1
    only = np.full(size, -1, dtype=np.int64)
    only[pay_code[bearers]] = bearers
    return np.asarray(single, dtype=bool), only


def _others(size: int, rows: Ints) -> Ints:
    rest = np.ones(size, dtype=bool)
    rest[rows] = False
    return np.flatnonzero(rest)
