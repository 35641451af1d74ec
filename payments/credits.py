"""Credits that a bank-notification service tells of: received at once, confirmed by the statement.

A notice and its statement line are one receipt. Money counts as received only where a notice
singles out one open bill: by the attempt that the service knows, or by exactly one whole bill
reference in the narrative. Whatever is weaker waits for the statement, where the matcher sees all
the evidence; so does a credit for a bill that is paid already, because the statement may have
told of the same money before.
"""

import re
from collections.abc import Sequence
from typing import Final

from sqlmodel import Session, col, select

from core.clock import Clock
from payments.billing import account_of_office
from payments.channels import Channel, Rail
from payments.collection import confirm_payment, lock_bill, lock_payment, open_transfer
from payments.gateway_models import CreditNotice, CreditState
from payments.models import Bill, CollectingAccount, Merchant, Office, Payment
from payments.ports import BankCredit, NoticeResult
from payments.references import CODE_LENGTH, canonical, fold, is_codeword
from payments.states import PAYABLE, PaymentStatus

_WORD: Final = re.compile(r"[0-9A-Z]+")


def take_credits(
    session: Session,
    rail: Rail,
    merchant_code: str,
    told: Sequence[BankCredit],
    *,
    event_id: str | None = None,
    clock: Clock,
) -> NoticeResult:
    """Store each credit once, and collect those that single out an open bill of the account.

    The result is that of the last credit which was new here; credits to an account that is not
    the merchant's are not ours and are not stored.
    """
    account = _account_of(session, rail, merchant_code)
    if account is None:
        return NoticeResult.UNKNOWN_REFERENCE
    result = NoticeResult.ALREADY_APPLIED
    for credit in told:
        if credit.account_number not in {account.account_number, ""}:
            result = NoticeResult.UNKNOWN_REFERENCE
            continue
        known = session.exec(
            select(CreditNotice.id)
            .where(CreditNotice.rail == rail, CreditNotice.merchant_code == merchant_code)
            .where(CreditNotice.credit_key == credit.credit_key)
        ).first()
        if known is None:
            notice = _store(session, rail, merchant_code, account, credit, event_id, clock)
            result = _collect(session, notice, credit, account, clock=clock)
    return result


def reference_in(narrative: str, prefix: str) -> str | None:
    """Return the one whole bill reference of a narrative, or None where there is none or several.

    Read strictly: a word of prefix and ten symbols whose check symbols agree, or such a run in the
    text without its separators. Nothing is corrected or restored here.
    """
    folded = fold(narrative)
    found = {_whole(word, prefix) for word in _WORD.findall(folded)} - {None}
    if not found:
        glued = canonical(narrative)
        size = len(prefix) + CODE_LENGTH
        found = {
            _whole(glued[at : at + size], prefix) for at in range(max(0, len(glued) - size + 1))
        } - {None}
    return found.pop() if len(found) == 1 else None


def _whole(word: str, prefix: str) -> str | None:
    text = canonical(word)
    head = canonical(prefix)
    code = text.removeprefix(head)
    if len(text) != len(head) + CODE_LENGTH or len(code) != CODE_LENGTH or not is_codeword(code):
        return None
    return prefix + code


def _account_of(session: Session, rail: Rail, merchant_code: str) -> CollectingAccount | None:
    return session.exec(
        select(CollectingAccount)
        .join(Merchant, col(Merchant.account_id) == CollectingAccount.id)
        .where(Merchant.rail == rail, Merchant.merchant_code == merchant_code)
    ).first()


def _store(
    session: Session,
    rail: Rail,
    merchant_code: str,
    account: CollectingAccount,
    credit: BankCredit,
    event_id: str | None,
    clock: Clock,
) -> CreditNotice:
    notice = CreditNotice(
        rail=rail,
        merchant_code=merchant_code,
        credit_key=credit.credit_key,
        event_id=event_id,
        account_id=account.id,
        amount_minor=credit.amount.amount_minor,
        currency=credit.amount.currency,
        narrative=credit.narrative,
        bank_ref=credit.bank_ref,
        virtual_account=credit.virtual_account,
        counterparty_name=credit.counterparty_name,
        counterparty_account=credit.counterparty_account,
        counterparty_bank_bin=credit.counterparty_bank_bin,
        booked_at=credit.booked_at,
        received_at=clock(),
        state=CreditState.WAITING,
    )
    session.add(notice)
    session.flush()
    return notice


def _collect(
    session: Session,
    notice: CreditNotice,
    credit: BankCredit,
    account: CollectingAccount,
    *,
    clock: Clock,
) -> NoticeResult:
    bill_id = _bill_of(session, credit, account)
    if bill_id is None:
        return NoticeResult.UNKNOWN_REFERENCE
    payment = _attempt_for(session, bill_id, credit)
    if payment is not None:
        payment = lock_payment(session, payment.id)
    bill = lock_bill(session, bill_id)
    if _told_before(session, notice):  # asked with the bill held: two services may tell at once
        notice.state = CreditState.KNOWN
        session.add(notice)
        return NoticeResult.ALREADY_APPLIED
    if bill.status not in PAYABLE or credit.amount.currency is not bill.currency:
        return NoticeResult.APPLIED
    if payment is None or payment.status is PaymentStatus.SUCCEEDED:
        payment = open_transfer(session, bill, account.id, credit.amount, clock=clock)
    confirm_payment(
        session,
        payment,
        credit.amount,
        provider_txn_id=credit.bank_ref or None,
        occurred_at=credit.booked_at,
        clock=clock,
    )
    notice.state, notice.payment_id = CreditState.COLLECTED, payment.id
    session.add(notice)
    same = credit.amount == payment.amount
    return NoticeResult.APPLIED if same else NoticeResult.AMOUNT_DIFFERS


def _bill_of(session: Session, credit: BankCredit, account: CollectingAccount) -> str | None:
    """Return the bill that a credit singles out, if its money goes to this account."""
    if credit.merchant_reference:
        return session.exec(
            select(Payment.bill_id)
            .where(Payment.merchant_reference == credit.merchant_reference)
            .where(Payment.account_id == account.id)
        ).first()
    reference = reference_in(credit.narrative, account.reference_prefix)
    bill = session.exec(select(Bill).where(Bill.bill_reference == reference)).first()
    if bill is None:
        return None
    collecting = account_of_office(session, session.get_one(Office, bill.office_id))
    ours = collecting is not None and collecting.id == account.id
    return bill.id if ours else None


def _told_before(session: Session, notice: CreditNotice) -> bool:
    """Whether the bank's reference was collected already, told by a notice or by the statement."""
    if not notice.bank_ref:
        return False
    return (
        session.exec(
            select(Payment.id)
            .where(Payment.account_id == notice.account_id)
            .where(Payment.channel == Channel.BANK_TRANSFER)
            .where(Payment.status == PaymentStatus.SUCCEEDED)
            .where(Payment.provider_txn_id == notice.bank_ref)
            .where(Payment.collected_minor == notice.amount_minor)
        ).first()
        is not None
    )


def _attempt_for(session: Session, bill_id: str, credit: BankCredit) -> Payment | None:
    """Return the attempt that waits for this transfer: the one named, of this amount, the latest.

    An attempt that has expired or was called off still takes its money: proof of collection wins.
    """
    attempts = session.exec(
        select(Payment)
        .where(Payment.bill_id == bill_id, Payment.channel == Channel.BANK_TRANSFER)
        .where(Payment.status != PaymentStatus.SUCCEEDED)
        .order_by(col(Payment.attempt).desc())
    ).all()
    named = [p for p in attempts if p.merchant_reference == credit.merchant_reference]
    equal = [p for p in attempts if p.amount == credit.amount]
    return next(iter([*named, *equal, *attempts]), None)
