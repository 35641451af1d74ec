"""The direct layer's reading: which bill, or bills, each bank line names, and how surely."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from reconciliation.matching.arrays import Bools, Ints, Texts
from reconciliation.matching.desk import Desk, Named, Side, Strength
from reconciliation.matching.model import Contracts, Rule
from reconciliation.matching.references import Reading
from reconciliation.matching.said import Said
from reconciliation.states import ItemKind, Layer

_LAYER: Final = Layer.DIRECT
_PAYMENT: Final = ItemKind.PAYMENT
_BANK: Final = ItemKind.BANK


class BankReading:
    """Every line of the layer, read; ``credit`` and ``debit`` say which bill each one names.

    Made in four steps: ``read``, ``match_told``, ``match_plain``, ``sort_readings``.
    """

    def __init__(self, desk: Desk, contracts: Contracts, said: Said, mine: Bools) -> None:
        self.desk = desk
        self.contracts = contracts
        self.said = said
        self.payments = desk.payments
        self.bank = desk.bank
        self.mine = mine
        self.readings: dict[int, Reading] = {}
        self.whole = said.whole.copy()
        """The one bill of each line that the fast scan could read, else -1."""
        self.dossiers: dict[int, tuple[tuple[int, ...], ...]] = {}
        self.bills_of: dict[int, list[int]] = defaultdict(list)
        self.credit = Side(1)
        self.debit = Side(-1)

    def read(self) -> None:
        """Read every narrative in full that bears no plain, whole reference."""
        rows = np.flatnonzero(self.mine & (self.bank.original < 0))
        self._read_fully(rows[self.whole[rows] < 0])

    def match_told(self) -> None:
        """Credits that a notice told of: the bank's own reference, on both sides once, and the sum.

        A narrative that names another known bill contradicts it: then the line is read as any.
        """
        told = np.flatnonzero(self.payments.direct & self.payments.succeeded)
        mine = np.flatnonzero(self.mine & (self.bank.original < 0))
        pays, rows = _sole_pairs(self.payments.txn_id, told, self.bank.bank_ref, mine)
        bills = self.payments.bill[pays]
        agrees = self.desk.agree(pays, rows) & (
            (self.whole[rows] < 0) | (self.whole[rows] == bills)
        )
        for at in np.flatnonzero(agrees & (self.whole[rows] < 0)).tolist():
            agrees[at] = set(self.readings[int(rows[at])].exact) <= {int(bills[at])}
        pays, rows = pays[agrees], rows[agrees]
        self.desk.match_pairs(Rule.BANK_REFERENCE, pays, rows)
        self.whole[rows] = -1
        for row in rows.tolist():
            self.readings.pop(row, None)

    def match_plain(self) -> None:
        """A bill with one payment, named by one line, of one amount."""
        size = len(self.payments.references)
        rows = np.flatnonzero(self.whole >= 0)
        named = np.bincount(self.whole[rows], minlength=size)
        others = [bill for one in self.readings.values() for bill in (*one.exact, *one.repaired)]
        named += 2 * np.bincount(np.array(others, dtype=np.int64), minlength=size)
        of_bill = np.flatnonzero(self.payments.direct & (self.payments.bill >= 0))
        bills = self.payments.bill[of_bill]
        only = np.full(size, -1, dtype=np.int64)
        only[bills] = of_bill
        single = np.bincount(bills, minlength=size) == 1
        candidates = rows[(named[self.whole[rows]] == 1) & single[self.whole[rows]]]
        pays = only[self.whole[candidates]]
        agrees = self.desk.agree(pays, candidates) & (self.desk.settled_by[pays] < 0)
        self.desk.match_pairs(Rule.NARRATIVE_REFERENCE, pays[agrees], candidates[agrees])
        # the kernel's lines that were not plain: there may be more in them
        self._read_fully(rows[~np.isin(rows, candidates[agrees])])

    def _read_fully(self, rows: Ints) -> None:
        self.readings.update(self.said.bank.read(rows.tolist()))

    def sort_readings(self) -> None:
        """Put each line to the bill or bills that it names."""
        self.dossiers = self._dossier_readings()
        self._collect_payments()
        for row, reading in sorted(self.readings.items()):
            side = self.side(row)
            self._sort_reading(side, row, reading)
        for row, bill in self._sole_dossier_bills():
            side = self.side(row)
            if bill in side.lines_of:
                side.lines_of[bill].append(Named(row, Strength.PART))

    def _collect_payments(self) -> None:
        """The payments of every bill that a line may name."""
        readings = self.readings.values()
        named = {bill for one in readings for bill in (*one.exact, *one.repaired)}
        named.update(bill for bills in self.bills_of.values() for bill in bills)
        known = self.payments.direct & np.isin(self.payments.bill, sorted(named))
        for pay in np.flatnonzero(known).tolist():
            side = self.credit if self.payments.signed[pay] > 0 else self.debit
            side.pays_of.setdefault(int(self.payments.bill[pay]), []).append(pay)

    def side(self, row: int) -> Side:
        """Credits are one side, debits the other."""
        return self.credit if self.bank.amount[row] >= 0 else self.debit

    def _sort_reading(self, side: Side, row: int, reading: Reading) -> None:
        bills = reading.exact
        if bills:
            bills = self._with_repaired(side, row, reading)
        if len(bills) == 1:
            side.lines_of[bills[0]].append(Named(row, Strength.WHOLE))
        elif bills:
            side.joint[bills].append(row)
        elif reading.repaired and not reading.unknown:
            self._sort_repaired(side, row, reading.repaired)

    def _with_repaired(self, side: Side, row: int, reading: Reading) -> tuple[int, ...]:
        """The bills named; a damaged reference beside whole ones counts if only so sums agree."""
        if not reading.repaired or self.sum_agrees(side, row, reading.exact):
            return reading.exact
        together = tuple(sorted({*reading.exact, *reading.repaired}))
        fits = [
            bills
            for bills in {
                together,
                *(tuple(sorted({*reading.exact, bill})) for bill in reading.repaired),
            }
            if self.sum_agrees(side, row, bills)
        ]
        return fits[0] if len(fits) == 1 else reading.exact

    def sum_agrees(self, side: Side, row: int, bills: Sequence[int]) -> bool:
        """Whether the line pays exactly one payment of each of these bills."""
        pays = self.one_of_each(side, bills)
        return pays is not None and self.desk.amount(pays) == self.bank.amount[row]

    def one_of_each(self, side: Side, bills: Sequence[int]) -> list[int] | None:
        """The one payment of each bill that a line may settle; None if a bill has none or several.

        Where a bill has several, the one that we recorded as received is meant.
        """
        chosen = []
        for bill in bills:
            able = [p for p in side.pays_of.get(bill, ()) if self.desk.is_able(p)]
            due = [p for p in able if self.payments.succeeded[p]]
            pick = able if len(able) == 1 else due
            if len(pick) != 1:
                return None
            chosen.append(pick[0])
        return chosen

    def _sort_repaired(self, side: Side, row: int, bills: tuple[int, ...]) -> None:
        """A damaged reference names a bill if exactly one of its readings has this amount."""
        agreeing = [bill for bill in bills if self.bill_agrees(side, row, bill)]
        if len(agreeing) == 1:
            side.lines_of[agreeing[0]].append(Named(row, Strength.REPAIRED))
        elif agreeing:
            side.unsure[row] = tuple(agreeing)
        elif len(bills) > 1 and self.sum_agrees(side, row, bills):
            side.joint[bills].append(row)
        elif len(bills) == 1:
            side.lines_of[bills[0]].append(Named(row, Strength.PART))

    def bill_agrees(self, side: Side, row: int, bill: int) -> bool:
        """Whether the bill has a payment, or for a debit a credit it may reverse, of this sum."""
        if any(self.desk.fits(pay, row) for pay in side.pays_of.get(bill, ())):
            return True
        return side is self.debit and any(
            self.desk.fits(pay, row, sign=-1) for pay in self.credit.pays_of.get(bill, ())
        )

    def _dossier_readings(self) -> dict[int, tuple[tuple[int, ...], ...]]:
        """Dossier codes of the lines that name no bill by its reference."""
        rows = [
            row
            for row, reading in self.readings.items()
            if not reading.exact and not reading.unknown
        ]
        read = self.said.dossiers.read(rows)
        found = {row: places for row, places in read.items() if places}
        wanted = {d for places in found.values() for place in places for d in place}
        if wanted:
            hit = np.isin(self.payments.dossier, np.asarray(sorted(wanted), dtype=np.int64))
            for pay in np.flatnonzero(hit & (self.payments.bill >= 0)).tolist():
                bills = self.bills_of[int(self.payments.dossier[pay])]
                if int(self.payments.bill[pay]) not in bills:
                    bills.append(int(self.payments.bill[pay]))
        return found

    def _sole_dossier_bills(self) -> Iterable[tuple[int, int]]:
        """Lines whose dossier has one bill at all, and not this amount: they may be a part."""
        for row, places in sorted(self.dossiers.items()):
            bills = self.bills_at(places)
            side = self.side(row)
            if len(bills) == 1 and not self.readings[row].repaired:
                able = [p for p in side.pays_of.get(bills[0], ()) if self.desk.is_able(p)]
                if able and not any(self.desk.fits(p, row) for p in able):
                    yield row, bills[0]

    def bills_at(self, places: tuple[tuple[int, ...], ...]) -> list[int]:
        """All bills of the dossiers that stand at these places."""
        dossiers = sorted({dossier for place in places for dossier in place})
        return sorted({bill for dossier in dossiers for bill in self.bills_of.get(dossier, ())})


def _sole_pairs(left: Texts, of_left: Ints, right: Texts, of_right: Ints) -> tuple[Ints, Ints]:
    """Rows that bear the same text, where it stands once among these rows of either side."""
    every_left, every_right = left.codes_with(right)
    ours, theirs = every_left[of_left], every_right[of_right]
    size = int(max(ours.max(initial=-1), theirs.max(initial=-1))) + 1
    sole = np.bincount(ours, minlength=size) == 1
    sole &= np.bincount(theirs, minlength=size) == 1
    row_of = np.full(size, -1, dtype=np.int64)
    row_of[theirs] = of_right
    at = np.flatnonzero(sole[ours])
    at = at[left.are_said()[of_left[at]]]
    return of_left[at], row_of[ours[at]]
