"""The direct layer: bank transfers, refunds by transfer and remittances with statement lines.

Lines are read first, all of them; then grouped by the bill that they name; then each bill is
decided with all its payments and all its lines in view. The common case, one payment and one
whole reference of the same amount, is decided by kernels without looking at rows.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Final

import numpy as np

from reconciliation.matching.arrays import Bools
from reconciliation.matching.decisions import Decisions
from reconciliation.matching.desk import RULES, Desk, Named, Side, Strength
from reconciliation.matching.model import Contracts, Rule
from reconciliation.matching.reading import BankReading
from reconciliation.matching.said import Said
from reconciliation.matching.unexplained import UnexplainedLines
from reconciliation.states import ItemKind, Layer, MismatchType

_LAYER: Final = Layer.DIRECT
_BANK: Final = ItemKind.BANK


def decide(
    decisions: Decisions,
    contracts: Contracts,
    said: Said,
    payout_bank: Bools,
) -> None:
    """Decide every bank line that is not a payout's, and every payment one of them speaks of."""
    desk = Desk(decisions)
    read = BankReading(desk, contracts, said, ~payout_bank)
    layer = _DirectLayer(desk, read)
    layer.flag_repeated()
    read.read()
    read.match_told()
    read.match_plain()
    read.sort_readings()
    layer.decide_debits()
    layer.decide_credits()
    layer.decide_dossiers()
    UnexplainedLines(desk, read).flag_rest()


class _DirectLayer:
    def __init__(self, desk: Desk, read: BankReading) -> None:
        self.desk = desk
        self.read = read
        self.payments = desk.payments
        self.bank = desk.bank
        self.credit = read.credit
        self.debit = read.debit

    def flag_repeated(self) -> None:
        """A line that only repeats another."""
        for row in np.flatnonzero(self.read.mine & (self.bank.original >= 0)).tolist():
            original = int(self.bank.original[row])
            self.desk.decisions.flag(
                MismatchType.DUPLICATE_LINE,
                _LAYER,
                (_BANK, row),
                related=[(_BANK, original)],
                original=self.bank.ids[original],
            )

    def decide_debits(self) -> None:
        """Refunds and remittances first; a debit that undoes a credit next; then what differs."""
        done = self._settle_alone(self.debit, frozenset())
        for bill, lines in sorted(self.debit.lines_of.items()):
            if bill not in done:
                self._settle(self.debit, bill, lines)
        self._decide_joint(self.debit)
        self._decide_reversals()
        for bill, lines in sorted(self.debit.lines_of.items()):
            if bill not in done:
                self._flag_bill(self.debit, bill, lines)
        self._flag_joint(self.debit)
        for row, bills in sorted(self.debit.unsure.items()):
            if self.desk.is_free(row):
                self.desk.flag_ambiguous(self.debit, [row], list(bills))

    def _decide_reversals(self) -> None:
        """A debit that bears the reference and the amount of an earlier credit took it back."""
        credits_of = self._by_name(self.credit)
        for name, debits in sorted(self._by_name(self.debit).items()):
            for debit in self.desk.in_order(debits):
                undone = [
                    row
                    for row in credits_of.get(name, ())
                    if self.desk.is_free(row) and self._undoes(debit, row)
                ]
                if self.desk.is_free(debit) and undone:
                    self._flag_reversal(self.desk.in_order(undone)[-1], debit)

    def _by_name(self, side: Side) -> dict[tuple[str, ...], list[int]]:
        """Lines by the reference or references that they bear, known or not."""
        found: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for bill, lines in side.lines_of.items():
            found[self.payments.references[bill],] += [
                named.row for named in lines if named.strength <= Strength.REPAIRED
            ]
        for bills, rows in side.joint.items():
            found[tuple(self.payments.references[bill] for bill in bills)] += rows
        for row, reading in self.read.readings.items():
            if not reading.exact and len(reading.unknown) == 1 and self.read.side(row) is side:
                found["unknown", *reading.unknown].append(row)
        return found

    def _undoes(self, debit: int, credit: int) -> bool:
        return bool(
            self.bank.amount[debit] == -self.bank.amount[credit]
            and self.bank.value_day[credit] <= self.bank.value_day[debit]
            and self.bank.currency[debit] == self.bank.currency[credit]
        )

    def _flag_reversal(self, credit: int, debit: int) -> None:
        for row, other, variant in ((credit, debit, ""), (debit, credit, "debit")):
            self.desk.decisions.flag(
                MismatchType.REVERSAL,
                _LAYER,
                (_BANK, row),
                related=[(_BANK, other)],
                actual=int(self.bank.amount[row]),
                variant=variant,
                amount=abs(int(self.bank.amount[row])),
                other=self.bank.ids[other],
            )

    def decide_credits(self) -> None:
        """Bills with all their lines in view, then transfers for several bills."""
        contested = self._contested()
        done = self._settle_alone(self.credit, contested)
        for bill, lines in sorted(self.credit.lines_of.items()):
            if bill not in contested and bill not in done:
                self._settle(self.credit, bill, lines)
        self._decide_joint(self.credit)
        for bill, lines in sorted(self.credit.lines_of.items()):
            if bill not in done:
                self._flag_bill(self.credit, bill, lines)
        self._flag_joint(self.credit)
        for row, bills in sorted(self.credit.unsure.items()):
            if self.desk.is_free(row):
                self.desk.flag_ambiguous(self.credit, [row], list(bills))

    def _contested(self) -> set[int]:
        """Bills that one line alone would settle and a joint line would settle as well.

        Both readings are good, so neither counts: the lines are flagged with the joint ones.
        """
        contested: set[int] = set()
        for bills, rows in sorted(self.credit.joint.items()):
            free = [row for row in rows if self.desk.is_free(row)]
            if not any(self.read.sum_agrees(self.credit, row, bills) for row in free):
                continue
            rivals = [
                named.row
                for bill in bills
                for named in self.credit.lines_of.get(bill, ())
                if self.desk.is_free(named.row) and named.strength < Strength.PART
            ]
            if rivals:
                contested |= set(bills)
                lines = [row for row in free if self.read.sum_agrees(self.credit, row, bills)]
                self.desk.flag_ambiguous(self.credit, [*lines, *rivals], list(bills))
        return contested

    def _settle_alone(self, side: Side, contested: AbstractSet[int]) -> set[int]:
        """Settle the bills with one payment that one line names, of one amount: most of them."""
        alone = [
            (bill, pays[0], lines[0].row, int(lines[0].strength))
            for bill, lines in side.lines_of.items()
            if len(lines) == 1
            and lines[0].strength < Strength.PART
            and bill not in contested
            and len(pays := side.pays_of.get(bill, [])) == 1
        ]
        columns = np.array(alone, dtype=np.int64).reshape(-1, 4)
        bills, pays_, rows, strengths = (column.ravel() for column in np.hsplit(columns, 4))
        agrees = self.desk.agree(pays_, rows) & self.desk.are_free(pays_, rows)
        for strength in Strength:
            chosen = agrees & (strengths == strength)
            self.desk.match_pairs(RULES[strength], pays_[chosen], rows[chosen])
        return set(bills[agrees].tolist())

    def _settle(self, side: Side, bill: int, lines: Sequence[Named]) -> None:
        """Match what agrees: single lines first, then all lines of the bill together."""
        able = [p for p in side.pays_of.get(bill, ()) if self.desk.is_able(p)]
        self._settle_singles(able, lines)
        self._settle_together(able, lines)

    def _settle_singles(self, pays: list[int], lines: Sequence[Named]) -> None:
        by_amount: dict[int, list[int]] = defaultdict(list)
        for pay in pays:
            if self.desk.is_free_payment(pay) and self.payments.in_currency[pay]:
                by_amount[int(self.payments.signed[pay])].append(pay)
        strength = {named.row: named.strength for named in lines}
        for amount, same in sorted(by_amount.items()):
            rows = [
                named.row
                for named in lines
                if named.strength < Strength.PART
                and self.desk.is_free(named.row)
                and self.bank.in_currency[named.row]
                and self.bank.amount[named.row] == amount
            ]
            rows = self.desk.in_order(rows)
            turns = self._turns(same, rows) if amount < 0 else [(same, rows)]
            for ordered, moved in turns:
                if moved:
                    self._settle_equal(ordered, moved, strength)

    def _settle_equal(
        self, pays: list[int], rows: list[int], strength: Mapping[int, Strength]
    ) -> None:
        """Payments and lines of one bill and one amount: the earliest lines settle."""
        due = [pay for pay in pays if self.payments.succeeded[pay]]
        if len(rows) >= len(pays):
            chosen = pays
        elif len(rows) == len(due):
            chosen = due  # we were told which attempts succeeded
        else:
            self.desk.flag_ambiguous_payments(rows, pays)
            return
        settling = rows[: len(chosen)]
        rule = RULES[max(strength[row] for row in settling)]
        self.desk.match(rule, chosen, settling)
        for row in rows[len(chosen) :]:
            self.desk.flag_again(row, chosen[0])

    def _turns(self, pays: list[int], rows: list[int]) -> Iterator[tuple[list[int], list[int]]]:
        """Part money back from what was ordered only when all before it had left already."""
        day, pay, row = self.payments.day, 0, 0
        pays = sorted(pays, key=lambda one: (day[one], one))
        for place in range(1, len(pays)):
            gone = int((self.bank.value_day[rows] < day[pays[place]]).sum())
            if gone - row >= place - pay:
                yield pays[pay:place], rows[row:gone]
                pay, row = place, gone
        yield pays[pay:], rows[row:]

    def _settle_together(self, pays: list[int], lines: Sequence[Named]) -> None:
        """All lines that are left together, or one for several payments of the bill."""
        free = [p for p in pays if self.desk.is_free_payment(p) and self.payments.in_currency[p]]
        due = [p for p in free if self.payments.succeeded[p]]
        options = {tuple(option) for option in ([p] for p in free)} | {tuple(due), tuple(free)}
        open_lines = [
            named
            for named in lines
            if self.desk.is_free(named.row) and self.bank.in_currency[named.row]
        ]
        whole = [named for named in open_lines if named.strength is Strength.WHOLE]
        for some in (whole, open_lines) if len(whole) < len(open_lines) else (whole,):
            rows = self.desk.in_order(named.row for named in some)
            total = sum(self.bank.amount[rows].tolist())
            fits = [option for option in options if option and self.desk.amount(option) == total]
            if not rows or not fits:
                continue
            if len(fits) > 1:
                self.desk.flag_ambiguous_payments(rows, free)
            else:
                self.desk.match(_together(some), list(fits[0]), rows)
            return

    def _flag_bill(self, side: Side, bill: int, lines: Sequence[Named]) -> None:
        """What the bill's remaining lines are: again, of another amount, or of a dead payment."""
        pays = side.pays_of.get(bill, [])
        free = [p for p in pays if self.desk.is_able(p) and self.desk.is_free_payment(p)]
        settled = [p for p in pays if self.desk.settled_by[p] >= 0]
        dead = [p for p in pays if not self.desk.is_able(p) and self.desk.is_free_payment(p)]
        rows = self.desk.in_order(
            named.row
            for named in lines
            if self.desk.is_free(named.row)
            and named.strength < Strength.PART
            and (free or self._speaks(named, [*settled, *dead]))
        )
        if not rows:
            return
        if free:
            self.desk.flag_amount(free, rows)
        elif settled and side is self.credit:
            for row in rows:
                self.desk.flag_again(row, settled[0])
        elif dead and not settled:
            self.desk.flag_status(side, dead, rows)

    def _speaks(self, named: Named, pays: Sequence[int]) -> bool:
        """A whole reference speaks of its bill at any amount, all else only at an equal one."""
        whole = named.strength is Strength.WHOLE
        return whole or any(self.desk.fits(pay, named.row) for pay in pays)

    def _decide_joint(self, side: Side) -> None:
        """One line for all bills that it names, or all lines that name the same bills."""
        for bills, rows in sorted(side.joint.items()):
            free = self.desk.in_order(row for row in rows if self.desk.is_free(row))
            pays = self._open_of_each(side, bills)
            if not free or not pays:
                continue
            due = self.desk.amount(pays)
            whole = [row for row in free if self._is_sum(row, due)]
            single = [p for p in pays if any(self.desk.fits(p, row) for row in free)]
            if whole and len(pays) == len(bills):
                self.desk.match(Rule.NARRATIVE_REFERENCE_BILLS, pays, whole[:1])
                for row in whole[1:]:
                    self.desk.flag_again(row, pays[0])
            elif int(self.bank.amount[free].sum()) == due and not single and len(free) > 1:
                self.desk.match(Rule.NARRATIVE_REFERENCE_BILLS, pays, free)
            elif single or whole:
                self.desk.flag_ambiguous_payments(free, pays)

    def _is_sum(self, row: int, due: int) -> bool:
        return bool(self.bank.in_currency[row] and self.bank.amount[row] == due)

    def _open_of_each(self, side: Side, bills: Sequence[int]) -> list[int]:
        """The payments still free, of the bills that have exactly one such."""
        found = []
        for bill in bills:
            pick = self.read.one_of_each(side, [bill])
            if pick and self.desk.is_free_payment(pick[0]) and self.payments.in_currency[pick[0]]:
                found += pick
        return found

    def _flag_joint(self, side: Side) -> None:
        for bills, rows in sorted(side.joint.items()):
            left = self.desk.in_order(row for row in rows if self.desk.is_free(row))
            if not left:
                continue
            pays = [p for bill in bills for p in side.pays_of.get(bill, ())]
            free = [p for p in pays if self.desk.is_able(p) and self.desk.is_free_payment(p)]
            settled = [p for p in pays if self.desk.settled_by[p] >= 0]
            dead = [p for p in pays if not self.desk.is_able(p) and self.desk.is_free_payment(p)]
            if free:
                self.desk.flag_amount(free, left)
            elif settled and side is self.credit:
                for row in left:
                    self.desk.flag_again(row, settled[0])
            elif dead and not settled:
                self.desk.flag_status(side, dead, left)

    def decide_dossiers(self) -> None:
        """Lines that name no bill but a dossier: its one open bill, if there is exactly one."""
        groups: dict[tuple[int, int], list[Named]] = defaultdict(list)
        for row, places in sorted(self.read.dossiers.items()):
            side = self.read.side(row)
            if not self.desk.is_free(row):
                continue
            bills = self.read.bills_at(places)
            open_bills = [bill for bill in bills if self._is_open(side, bill)]
            alternatives = any(len(place) > 1 for place in places)
            if alternatives or len(places) > 1:
                open_bills = [b for b in open_bills if self.read.bill_agrees(side, row, b)]
            if len(places) > 1 and len(open_bills) == 1:
                open_bills = bills
            if len(open_bills) == 1:
                groups[side.sign, open_bills[0]].append(Named(row, Strength.DOSSIER))
            elif open_bills:
                self.desk.flag_ambiguous(side, [row], open_bills)
            elif len(bills) == 1:
                groups[side.sign, bills[0]].append(Named(row, Strength.DOSSIER))
        for (sign, bill), lines in sorted(groups.items()):
            side = self.credit if sign > 0 else self.debit
            self._settle(side, bill, lines)
            self._flag_bill(side, bill, lines)

    def _is_open(self, side: Side, bill: int) -> bool:
        """Whether something is still to be paid: on this side, or by another channel."""
        if any(
            self.desk.is_able(p) and self.desk.is_free_payment(p)
            for p in side.pays_of.get(bill, ())
        ):
            return True
        return side is self.credit and bill in self._pending_elsewhere

    @cached_property
    def _pending_elsewhere(self) -> frozenset[int]:
        rows = self.payments.pending & ~self.payments.direct & (self.payments.bill >= 0)
        return frozenset(self.payments.bill[rows].tolist())


def _together(lines: Sequence[Named]) -> Rule:
    """The rule by which several lines, or several payments, of one bill are matched."""
    whole = all(named.strength is Strength.WHOLE for named in lines)
    return Rule.NARRATIVE_REFERENCE_PARTS if whole else Rule.NARRATIVE_REFERENCE_REPAIRED
