"""The proofs a table carries: opening + lines = closing, running balance, declared totals."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from adapters.statements.camt_statement import difference
from adapters.statements.problems import Code
from reconciliation.ports import BalanceCheck, Problem


@dataclass(slots=True)
class RunningBalance:
    """Follows the balance printed behind every line, for tables in either order of time."""

    expected: Decimal | None = None
    first: tuple[Decimal, Decimal] | None = None
    last: tuple[Decimal, Decimal] | None = None
    forward_break: str = ""
    backward_break: str = ""
    without_balance: str = ""

    def start(self, opening: Decimal | None) -> None:
        """Begin from a printed opening balance."""
        self.expected = opening

    def take(self, position: str, amount: Decimal, balance: Decimal | None) -> None:
        """Follow one line."""
        if balance is None:
            self.without_balance = self.without_balance or position
            self.expected = None if self.expected is None else self.expected + amount
            return
        if self.expected is not None and self.expected + amount != balance:
            self.forward_break = self.forward_break or position
        if self.last is not None and self.last[1] - self.last[0] != balance:
            self.backward_break = self.backward_break or position
        self.first = self.first or (amount, balance)
        self.last = (amount, balance)
        self.expected = balance

    def ends(self, opening: Decimal | None) -> tuple[Decimal, Decimal] | None:
        """Opening and closing balance as the lines prove them, None where they do not."""
        if self.first is None or self.last is None or self.without_balance:
            return None
        start = self.first[1] - self.first[0]
        if not self.forward_break and opening in (None, start):
            return start, self.last[1]
        start = self.last[1] - self.last[0]
        if not self.backward_break and opening in (None, start):
            return start, self.first[1]
        return None

    def problems(self, opening: Decimal | None) -> Iterator[Problem]:
        """The first line whose balance does not follow from the one before."""
        if self.first is None:
            return
        if self.without_balance:
            if self.forward_break:
                yield self._break()
        elif self.ends(opening) is None:
            yield self._break()

    def _break(self) -> Problem:
        message = "the balance of this line does not follow from the line before"
        return Problem(Code.RUNNING_BALANCE_DIFFERS, self.forward_break or "table", message)


@dataclass(slots=True)
class Proof:
    """Sums over the lines of one table and what is printed to compare them with."""

    opening: Decimal | None = None
    closing: Decimal | None = None
    credit: Decimal = Decimal(0)
    debit: Decimal = Decimal(0)
    declared: tuple[str, Decimal | None, Decimal | None] | None = None
    unproved: tuple[Code, str, str] | None = None
    unusual: bool = False
    columns: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))

    def add(self, amount: Decimal) -> None:
        """Count a line in."""
        if amount < 0:
            self.debit -= amount
        else:
            self.credit += amount

    def add_columns(self, debit: Decimal, credit: Decimal) -> None:
        """Count what the columns of debit and credit print, to compare it with their totals."""
        self.columns = (self.columns[0] + debit, self.columns[1] + credit)

    def needs_proof(self, code: Code, where: str, message: str) -> None:
        """Something is read that only balances which add up can prove; the first stays."""
        self.unproved = self.unproved or (code, where, message)

    def check(self) -> tuple[BalanceCheck, list[Problem]]:
        """Compare, in this order: balances, totals, and what needs the balances' proof."""
        check, problems = self._balances()
        if self.declared is not None:
            problems += self._totals(*self.declared)
        if self.unproved and check is not BalanceCheck.OK:
            problems.append(Problem(*self.unproved))
        return check, problems

    def _balances(self) -> tuple[BalanceCheck, list[Problem]]:
        if self.opening is None or self.closing is None:
            return BalanceCheck.NOT_STATED, []
        if self.opening + self.credit - self.debit == self.closing:
            return BalanceCheck.OK, []
        message = difference(self.opening, self.credit - self.debit, self.closing)
        return BalanceCheck.FAILED, [Problem(Code.BALANCE_DIFFERS, "table", message)]

    def _totals(self, where: str, debit: Decimal | None, credit: Decimal | None) -> list[Problem]:
        problems = []
        for name, declared, read in zip(
            ("debit", "credit"), (debit, credit), self.columns, strict=True
        ):
            if declared is not None and abs(declared) != read and not self.unusual:
                message = f"the {name} total is printed as {declared}, the lines give {read}"
                problems.append(Problem(Code.TOTALS_DIFFER, where, message))
        return problems
