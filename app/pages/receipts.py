"""What a receipt says, in one place for page and paper: fees, amounts, rows, its standing."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.i18n import Language, Words
from app.pages import labels
from app.spelling import amount_in_words
from core.money import Currency, Money
from payments.models import BillLine
from payments.queries import ReceiptView
from payments.receipts import refund_that_voided
from reconciliation.models import StatementLine


@dataclass(frozen=True, slots=True)
class FeeText:
    """One fee on a receipt: its name, its kind with the legal basis, and its amount."""

    name: str
    basis: str
    amount: str


@dataclass(frozen=True, slots=True)
class ReceiptText:
    """Everything that stands on a receipt; page and paper only place it.

    ``fees`` and ``sums`` add up: the fees make the first sum. ``voided`` is empty while the
    receipt is valid; ``replaces`` where it is the payment's first.
    """

    number: str
    subject: str
    amount: str
    in_words: str
    fees: list[FeeText]
    sums: list[tuple[str, str]]
    rows: list[tuple[str, str]]
    voided: str
    replaces: str


def receipt_text(
    view: ReceiptView, bank: Sequence[StatementLine], words: Words, *, named: bool
) -> ReceiptText:
    """Return what a receipt says; ``bank`` are the bank lines that show its money.

    The payer's name is said only where ``named``.
    """
    receipt, bill = view.receipt, view.paid.bill
    return ReceiptText(
        number=receipt.number,
        subject=words.legal_name(bill.title_vi, bill.title_en),
        amount=words.minor(receipt.amount_minor, receipt.currency.value),
        in_words=amount_in_words(
            Money(receipt.amount_minor, Currency(receipt.currency)), words.language.value
        ),
        fees=_fees(view, words),
        sums=_sums(view, words),
        rows=[row for row in _rows(view, bank, words, named=named) if row[1]],
        voided=_voided(view, words),
        replaces=_replaces(view, words),
    )


def _fees(view: ReceiptView, words: Words) -> list[FeeText]:
    currency, charge = view.paid.bill.currency.value, view.paid.payment.kept_surcharge_minor
    fees = [_fee(line, currency, words, waived=line.position in view.waived) for line in view.lines]
    if charge:
        channel = words.say(labels.name(view.paid.payment.rail))
        fees.append(
            FeeText(words.say("The channel's charge"), channel, words.minor(charge, currency))
        )
    return fees


def _fee(line: BillLine, currency: str, words: Words, *, waived: bool) -> FeeText:
    parts = [
        words.say(labels.name(line.kind)),
        words.say("Legal basis: %(text)s", text=line.legal_basis),
    ]
    if waived:
        parts.append(words.say("Waived"))
    amount = 0 if waived else line.amount_minor
    return FeeText(
        words.legal_name(line.name_vi, line.name_en),
        " · ".join(parts),
        words.minor(amount, currency),
    )


def _sums(view: ReceiptView, words: Words) -> list[tuple[str, str]]:
    """The total of the fees; and, where this payment brought another amount, that one too."""
    currency, receipt = view.paid.bill.currency, view.receipt
    total = view.paid.payment.kept_surcharge_minor + sum(
        line.amount_minor for line in view.lines if line.position not in view.waived
    )
    sums = [(words.say("Total"), words.minor(total, currency.value))]
    if (receipt.amount_minor, receipt.currency) != (total, currency):
        brought = words.minor(receipt.amount_minor, receipt.currency.value)
        sums.append((words.say("Received with this payment"), brought))
    return sums


def _rows(
    view: ReceiptView, bank: Sequence[StatementLine], words: Words, *, named: bool
) -> list[tuple[str, str]]:
    say, paid, payment = words.say, view.paid, view.paid.payment
    return [
        (say("Payer"), paid.bill.payer_name if named else ""),
        (say("Office"), words.legal_name(paid.office.name_vi, paid.office.name_en)),
        (say("Dossier"), paid.bill.dossier_code),
        (say("Bill"), paid.bill.bill_reference),
        (say("Channel"), say(labels.name(payment.rail))),
        (say("Number at the channel"), payment.provider_txn_id or ""),
        (say("Bank reference"), _bank_reference(bank, words)),
        (say("Paid"), words.instant(payment.paid_at)),
        (say("Issued"), words.instant(view.receipt.issued_at)),
    ]


def _bank_reference(bank: Sequence[StatementLine], words: Words) -> str:
    """Each bank line by its reference and day; a bank that gives none is told by the day alone."""
    said = [
        words.say(
            "%(reference)s, booked on %(day)s",
            reference=line.bank_ref,
            day=words.day(line.booking_date),
        )
        if line.bank_ref
        else words.say("booked on %(day)s", day=words.day(line.booking_date))
        for line in bank
    ]
    return "; ".join(said) or words.say("Not yet on a bank statement")


def _voided(view: ReceiptView, words: Words) -> str:
    receipt = view.receipt
    if receipt.voided_at is None:
        return ""
    since = words.instant(receipt.voided_at)
    refund = refund_that_voided(receipt)
    reason = (
        words.say(
            "This receipt is void since %(time)s: money went back by refund %(refund)s.",
            time=since,
            refund=refund,
        )
        if refund
        else words.say(
            "This receipt is void since %(time)s: the money was taken back by the payer's bank.",
            time=since,
        )
    )
    if view.replaced_by is None:
        return reason
    instead = words.say("It is replaced by receipt %(number)s.", number=view.replaced_by.number)
    return reason + ("" if words.language is Language.CHINESE else " ") + instead


def _replaces(view: ReceiptView, words: Words) -> str:
    if view.replaces is None:
        return ""
    return words.say(
        "This receipt replaces receipt %(number)s, which is void.", number=view.replaces.number
    )
