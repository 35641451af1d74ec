"""What the application does with a rail's messages, as small as can be, and what it then knows.

``Books`` is all that the suite asks of an inbox, so that the application's own may take its
place: give ``open_world`` another maker of books.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from adapters.simulators.bank import BankLine
from core.errors import DoisoatError
from core.money import Currency, Money
from payments.errors import InvalidSignatureError
from payments.ports import (
    GatewayNotice,
    NoticeKind,
    NoticeResult,
    Outcome,
    RawEvent,
)


def bill_of(merchant_reference: str) -> str:
    """Return the bill reference that an attempt's own reference begins with."""
    return merchant_reference.partition("-")[0]


def collected_by(notice: GatewayNotice) -> Money | None:
    """Return the money that a notice or an answer says was collected, None where it says none.

    Transfers to the account prove themselves, whatever the state of the attempt is called.
    """
    if notice.credits:
        return Money(sum(credit.amount.amount_minor for credit in notice.credits))
    paid = notice.kind is NoticeKind.PAYMENT and notice.outcome is Outcome.SUCCEEDED
    return notice.amount if paid else None


class Books(Protocol):
    """An inbox, and what it has booked: by bill reference, in whole VND."""

    raw: list[RawEvent]
    notices: list[GatewayNotice]
    repeated: list[str]
    broken: bool

    def take(self, event: RawEvent) -> NoticeResult:
        """Verify a message and book it once."""
        ...

    def learn(self, notice: GatewayNotice) -> None:
        """Book what the answer to a question or a refund says."""
        ...

    def read_statement(self, lines: Iterable[BankLine]) -> None:
        """Book the credits of a bank statement; a line and the notice of it are one receipt."""
        ...

    def collected(self, bill_reference: str) -> int:
        """Return what was received for a bill."""
        ...

    def refunded(self, bill_reference: str) -> int:
        """Return what was certainly sent back for a bill."""
        ...

    def violations(self, truth: Callable[[str], int]) -> list[str]:
        """Return how the books contradict ``truth``, the provider's own sum for a bill.

        For an empty reference it is the sum of all: what was counted twice may stand under a
        reference that a bank has cut.
        """
        ...


Verify = Callable[[RawEvent], GatewayNotice]


@dataclass
class Receipt:
    """Money for a bill, as the provider told of it, as the bank booked it, or both."""

    bill: str
    amount: int
    told_as: str = ""
    booked_as: str = ""


@dataclass
class SmallBooks:
    """Keeps everything in memory; receipts are told apart by the provider's or bank's own id.

    A credit notice and a statement line are one receipt if both name the same bank reference. A
    payment whose provider names none is the line of the same bill and amount. A credit to another
    account than ``account`` is not ours, whatever its narrative says.
    """

    verify: Verify
    account: str
    raw: list[RawEvent] = field(default_factory=list)
    notices: list[GatewayNotice] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    broken: bool = False
    receipts: list[Receipt] = field(default_factory=list)
    refunds: dict[tuple[str, str], int] = field(default_factory=dict)
    ends: list[tuple[str, Outcome]] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    def take(self, event: RawEvent) -> NoticeResult:
        """Verify, keep once, book."""
        self.raw.append(event)
        if self.broken:
            return NoticeResult.FAILED
        try:
            notice = self.verify(event)
        except InvalidSignatureError:
            return NoticeResult.INVALID_SIGNATURE
        except DoisoatError:
            return NoticeResult.MALFORMED
        if any(known.event_key == notice.event_key for known in self.notices):
            self.repeated.append(notice.event_key)
            return NoticeResult.ALREADY_APPLIED
        self.notices.append(notice)
        self.learn(notice)
        return NoticeResult.APPLIED

    def learn(self, notice: GatewayNotice) -> None:
        """Book receipts, refunds and ends; what is pending books nothing."""
        bill = bill_of(notice.merchant_reference)
        if notice.kind is NoticeKind.REFUND:
            if notice.outcome is Outcome.SUCCEEDED and notice.amount and notice.provider_txn_id:
                cell = bill, notice.provider_txn_id
                known = self.refunds.setdefault(cell, notice.amount.amount_minor)
                self._same(cell[1], known, notice.amount)
            return
        for credit in notice.credits:
            if credit.account_number not in {self.account, ""}:
                continue
            named = bill_of(credit.merchant_reference) or _first_word(credit.narrative)
            self._told(named, credit.bank_ref or credit.credit_key, credit.amount, by_line=True)
        if notice.kind is not NoticeKind.PAYMENT or not notice.outcome.is_final:
            return
        if notice.outcome is not Outcome.SUCCEEDED:
            self.ends.append((bill, notice.outcome))
        elif not notice.credits and notice.amount is not None:
            self._told(bill, notice.provider_txn_id or "", notice.amount, by_line=False)

    def _told(self, bill: str, identity: str, amount: Money, *, by_line: bool) -> None:
        if amount.currency is not Currency.VND:
            return  # a person decides: it is not the money that was asked for
        for known in self.receipts:
            same_line = by_line and identity == known.booked_as
            if same_line or (known.bill == bill and identity == known.told_as):
                # Who knows our attempt knows better than a narrative that a bank has cut.
                known.bill, known.told_as = bill, identity
                self._same(identity, known.amount, amount)
                return
        for known in self.receipts if not by_line else []:
            if (known.bill, known.amount, known.told_as) == (bill, amount.amount_minor, ""):
                known.told_as = identity
                return
        booked_as = identity if by_line else ""
        self.receipts.append(Receipt(bill, amount.amount_minor, identity, booked_as))

    def read_statement(self, lines: Iterable[BankLine]) -> None:
        """Book each credit under the reference that its narrative begins with."""
        for line in lines:
            if line.amount > 0:
                self._booked(_first_word(line.narrative), line)

    def _booked(self, bill: str, line: BankLine) -> None:
        for known in self.receipts:
            if known.booked_as == line.bank_ref:
                self._same(line.bank_ref, known.amount, Money(line.amount))
                return
        for known in self.receipts:
            if (known.bill, known.amount, known.booked_as) == (bill, line.amount, ""):
                known.booked_as = line.bank_ref
                return
        self.receipts.append(Receipt(bill, line.amount, booked_as=line.bank_ref))

    def _same(self, identity: str, known: int, amount: Money) -> None:
        if known != amount.amount_minor:
            self.contradictions.append(f"{identity} is {known} and {amount}")

    def collected(self, bill_reference: str) -> int:
        """Return the sum of the receipts of a bill."""
        return sum(known.amount for known in self.receipts if known.bill == bill_reference)

    def refunded(self, bill_reference: str) -> int:
        """Return the sum of the refunds of a bill that are final."""
        return sum(sum_ for (bill, _), sum_ in self.refunds.items() if bill == bill_reference)

    def violations(self, truth: Callable[[str], int]) -> list[str]:
        """Say what was counted twice, and what was called failed though it was collected."""
        found = list(self.contradictions)
        total = sum(known.amount for known in self.receipts)
        if total > truth(""):
            found.append(f"{total} booked in all, {truth('')} collected")
        found += [
            f"{bill}: {self.collected(bill)} booked, {truth(bill)} collected"
            for bill in sorted({known.bill for known in self.receipts})
            if self.collected(bill) > truth(bill)
        ]
        found += [
            f"{bill}: told as {outcome}, but {truth(bill)} was collected"
            for bill, outcome in self.ends
            if truth(bill)
        ]
        return found


def _first_word(narrative: str) -> str:
    return narrative.partition(" ")[0]
