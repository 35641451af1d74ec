"""Payment orders: approved refunds by transfer, in one file with which the bank is told to pay."""

from collections.abc import Sequence
from typing import Final

from sqlmodel import Session, func, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock, business_day
from core.crypto import sha256_hex
from core.ids import new_id
from core.money import Money
from payments.channels import Channel
from payments.collection import lock_bill
from payments.errors import PaymentOrderNotPossibleError
from payments.models import Bill, CollectingAccount, Payment, PaymentOrder, Refund
from payments.refunds.beneficiary import beneficiary_of
from payments.refunds.limits import bill_id_of, lock_refund, refuse_uncovered
from payments.refunds.order_file import OrderFile, OrderRow, write_pain001, write_sheet
from payments.refunds.outcomes import submit_refund
from payments.states import RefundStatus

MAX_ROWS: Final = 500
"""More refunds than this go into several files: banks limit what one file may hold."""


def prepare_payment_order(
    session: Session,
    account: CollectingAccount,
    refunds: Sequence[Refund],
    *,
    actor: Actor,
    clock: Clock,
) -> PaymentOrder:
    """Make the file with which the account's bank is ordered to send these refunds.

    They are in doubt from now on, until the statement shows the debits. Each was approved by a
    second person before; none is ever in two files.

    Raises:
        PaymentOrderNotPossibleError: none or too many are named, or one of them is no approved
            transfer from this account, is in a file already, or lacks the beneficiary.
        RefundNotAllowedError: the money of one was taken back since it was approved.
    """
    actor.require(Permission.RESOLVE)
    if not 0 < len(refunds) <= MAX_ROWS:
        raise PaymentOrderNotPossibleError(f"a file holds 1 to {MAX_ROWS} refunds")
    account = session.exec(
        select(CollectingAccount)
        .where(CollectingAccount.id == account.id)
        .with_for_update(key_share=True)  # new payments to the account need not wait
    ).one()  # files are numbered one after the other
    held = [lock_refund(session, one) for one in sorted({refund.id for refund in refunds})]
    for refund in held:
        _refuse_unfit(refund, account)
        refuse_uncovered(session, refund, lock_bill(session, bill_id_of(session, refund)), 0)
    order = _new_order(session, account, held, actor=actor, clock=clock)
    for refund in held:
        refund.payment_order_id = order.id
        submit_refund(session, refund, clock=clock)
    record_audit(
        session,
        actor,
        "prepare_payment_order",
        ("payment_order", order.id),
        clock=clock,
        after={"refunds": [refund.refund_reference for refund in held], "sha256": order.sha256},
    )
    for refund in held:
        record_audit(
            session, actor, "order_refund", ("refund", refund.id), clock=clock,
            after={"payment_order": order.name, "status": refund.status.value},
        )  # fmt: skip
    return order


def _refuse_unfit(refund: Refund, account: CollectingAccount) -> None:
    fit = (
        refund.status is RefundStatus.APPROVED
        and refund.channel is Channel.BANK_TRANSFER
        and (refund.account_id, refund.currency) == (account.id, account.currency)
        and refund.payment_order_id is None
        and beneficiary_of(refund).is_complete
    )
    if not fit:
        raise PaymentOrderNotPossibleError(
            f"{refund.refund_reference} is no approved and complete transfer of this account"
        )


def _new_order(
    session: Session,
    account: CollectingAccount,
    refunds: Sequence[Refund],
    *,
    actor: Actor,
    clock: Clock,
) -> PaymentOrder:
    now = clock()
    year = business_day(now).year
    last = session.exec(
        select(func.max(PaymentOrder.number)).where(
            PaymentOrder.account_id == account.id, PaymentOrder.year == year
        )
    ).one()
    file = OrderFile(
        number=f"{year}-{(last or 0) + 1:04d}",
        account=account.account_number,
        account_name=account.account_name,
        bank_bin=account.bank_bin,
        created_at=now,
        rows=tuple(_row(session, refund) for refund in refunds),
    )
    content, sheet = write_pain001(file), write_sheet(file)
    order = PaymentOrder(
        id=new_id("ord"),
        account_id=account.id,
        year=year,
        number=(last or 0) + 1,
        refund_count=len(refunds),
        amount_minor=file.total.amount_minor,
        currency=file.total.currency,
        content=content,
        sha256=sha256_hex(content),
        sheet=sheet,
        sheet_sha256=sha256_hex(sheet),
        created_by=actor.id,
        created_at=now,
    )
    session.add(order)
    session.flush()
    return order


def _row(session: Session, refund: Refund) -> OrderRow:
    payment = session.get_one(Payment, refund.payment_id)
    bill = session.get_one(Bill, payment.bill_id)
    return OrderRow(
        end_to_end_id=refund.refund_reference,
        amount=Money(refund.amount_minor, refund.currency),
        beneficiary=beneficiary_of(refund),
        narrative=f"{bill.bill_reference} hoan tien phi le phi",
    )
