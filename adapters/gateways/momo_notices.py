"""What MoMo's messages and answers become: notices of payments and of refunds."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from adapters.gateways import momo_codes as codes
from adapters.gateways.base import NOT_FOUND
from adapters.gateways.momo_fields import code_of, is_order_id, money, texts, transaction_or_none
from core.money import Money
from payments.ports import GatewayNotice, NoticeKind, Outcome, PaymentQuery, RefundOrder


def payment_notice(
    fields: Mapping[str, str], outcome: Outcome, *, code: int, occurred_at: datetime
) -> GatewayNotice:
    """Return what a result, or the answer to a query, says of an order.

    Raises:
        ValueError: it names no order, or tells of money without saying how much by what number.
    """
    partner, reference = fields.get("partnerCode", ""), fields.get("orderId", "")
    if not is_order_id(reference):
        raise ValueError("the message names no orderId")
    transaction = transaction_or_none(fields.get("transId", ""))
    taken = outcome in {Outcome.SUCCEEDED, Outcome.AUTHORISED}
    if taken and transaction is None:
        raise ValueError("money taken without a transId")
    return GatewayNotice(
        # The code belongs to the key: a payment held (9000) and taken later (0) has one transId,
        # and the second message must not be dropped.
        event_key=f"{partner}:{reference}:{transaction or 0}:{code}",
        kind=NoticeKind.PAYMENT,
        merchant_reference=reference,
        outcome=outcome,
        amount=money(fields.get("amount", "")) if taken else None,
        occurred_at=occurred_at,
        # A refusal bears a number too, but one that will stand in no report.
        provider_txn_id=None if outcome.is_final and not taken else transaction,
        reason_code=str(code),
    )


def unknown_order(query: PaymentQuery, partner: str, *, lifetime: timedelta) -> GatewayNotice:
    """Return that MoMo knows no such order: expired once nobody can open it any more.

    ``lifetime`` is counted from the expiry of the attempt.
    """
    expired = query.asked_at > (query.expires_at or query.created_at) + lifetime
    return GatewayNotice(
        event_key=f"{partner}:{query.merchant_reference}:{NOT_FOUND}:{expired}",
        kind=NoticeKind.PAYMENT,
        merchant_reference=query.merchant_reference,
        outcome=Outcome.EXPIRED if expired else Outcome.PENDING,
        amount=None,
        occurred_at=query.asked_at,
        reason_code=NOT_FOUND,
    )


def refund_notice(order: RefundOrder, reply: Mapping[str, str], *, code: int) -> GatewayNotice:
    """Return what an answer says of a refund.

    Raises:
        ValueError: a success that does not tell the amount, or tells another one.
    """
    outcome = codes.refund_outcome(code)
    amount = money(reply["amount"]) if reply.get("amount") else None
    if outcome is Outcome.SUCCEEDED and amount != order.amount:
        raise ValueError("a refund is said to be done, but not of this amount")
    transaction = transaction_or_none(reply.get("transId", ""))
    return _refund_notice(
        order,
        outcome,
        reason=str(code),
        amount=amount,
        # Some answers repeat the number of the payment, which is not the refund's.
        transaction=None if transaction == order.provider_txn_id else transaction,
    )


def listed_refund(order: RefundOrder, listed: Any, reference: str) -> GatewayNotice:
    """Return what a list of refunds says of the one whose order is ``reference``.

    Raises:
        ValueError: it is no such list, or a refund stands in it twice.
    """
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError("refundTrans is not a list of refunds")
    found = [fields for fields in map(texts, listed) if fields.get("orderId") == reference]
    if not found:
        return unknown_refund(order)
    if len(found) > 1:
        raise ValueError("a refund is listed twice")
    return refund_notice(order, found[0], code=code_of(found[0]))


def unknown_refund(order: RefundOrder) -> GatewayNotice:
    """Return that MoMo knows no such refund, which does not mean that it will never be done."""
    return _refund_notice(order, Outcome.PENDING, reason=NOT_FOUND, amount=None, transaction=None)


def _refund_notice(
    order: RefundOrder,
    outcome: Outcome,
    *,
    reason: str,
    amount: Money | None,
    transaction: str | None,
) -> GatewayNotice:
    return GatewayNotice(
        event_key=f"refund:{order.refund_reference}:{transaction or 0}:{reason}",
        kind=NoticeKind.REFUND,
        merchant_reference=order.merchant_reference,
        outcome=outcome,
        amount=amount,
        occurred_at=order.asked_at,
        provider_txn_id=transaction,
        reason_code=reason,
        refund_reference=order.refund_reference,
    )
