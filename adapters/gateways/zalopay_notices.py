"""ZaloPay's answers and callbacks as notices: codes, money, and what is not certain left open."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from adapters.gateways import zalopay_codes as codes
from adapters.gateways import zalopay_fields as fields
from adapters.gateways.base import NOT_FOUND
from payments.errors import GatewayUnavailableError
from payments.ports import GatewayNotice, NoticeKind, Outcome, PaymentQuery, RefundOrder

_SAYING_NOTHING: Final = frozenset({0, codes.SUCCESS})


def read_codes(answer: Mapping[str, Any]) -> tuple[int, int]:
    """Return the general and the detailed code; a code that is not there is 0.

    Raises:
        GatewayUnavailableError: they are no integers.
    """
    code, detail = answer.get("return_code", 0), answer.get("sub_return_code", 0)
    if type(code) is not int or type(detail) is not int:
        raise GatewayUnavailableError("the codes of ZaloPay's answer are not integers")
    return code, detail


def reason(code: int, detail: int) -> str:
    """Return the more telling of the two codes."""
    return str(code if detail in _SAYING_NOTHING else detail)


def is_address(value: object) -> bool:
    """Whether a payer's browser can be sent there."""
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"https", "http"} and bool(parts.netloc)


def of_collection(app_id: str, content: Mapping[str, Any], received_at: datetime) -> GatewayNotice:
    """Return what the data of an order's callback say: money was collected.

    Raises:
        ValueError, MoneyFormatError: they lack what they must have.
    """
    reference = fields.reference_of(content.get("app_trans_id"))
    transaction = fields.transaction(content.get("zp_trans_id"))
    if transaction is None:
        raise ValueError("the callback names no zp_trans_id")
    told_at = content.get("server_time")
    return GatewayNotice(
        event_key=f"{app_id}:{content['app_trans_id']}:{transaction}",
        kind=NoticeKind.PAYMENT,
        merchant_reference=reference,
        outcome=Outcome.SUCCEEDED,
        amount=fields.collected(content.get("amount")),
        occurred_at=received_at if told_at is None else fields.instant(told_at),
        provider_txn_id=transaction,
    )


def of_agreement(content: Mapping[str, Any], received_at: datetime) -> GatewayNotice:
    """Return news about an agreement (paying without being asked), which nobody makes here."""
    return GatewayNotice(
        event_key=f"{content.get('app_id')}:agreement:{content.get('app_trans_id')}",
        kind=NoticeKind.OTHER,
        merchant_reference="",
        outcome=Outcome.PENDING,
        amount=None,
        occurred_at=received_at,
        reason_code="agreement",
    )


def of_query(
    app_id: str, query: PaymentQuery, app_trans_id: str, answer: Mapping[str, Any]
) -> GatewayNotice:
    """Return what the answer to an order query says; a payment has the key of its callback.

    Raises:
        ValueError, MoneyFormatError: amount, transaction or time cannot be read.
    """
    code, detail = read_codes(answer)
    transaction = fields.transaction(answer.get("zp_trans_id"))
    amount = fields.collected(answer["amount"]) if answer.get("amount") else None
    outcome = codes.order_outcome(
        code,
        detail,
        is_processing=answer.get("is_processing") is True,
        has_money=transaction is not None and amount is not None,
    )
    paid = outcome is Outcome.SUCCEEDED
    told_at = answer.get("server_time") if paid else None
    state = transaction if paid else f"query:{code}:{detail}:{outcome}"
    return GatewayNotice(
        event_key=f"{app_id}:{app_trans_id}:{state}",
        kind=NoticeKind.PAYMENT,
        merchant_reference=query.merchant_reference,
        outcome=outcome,
        amount=amount if paid else None,
        occurred_at=query.asked_at if told_at is None else fields.instant(told_at),
        provider_txn_id=transaction if paid else None,
        reason_code=reason(code, detail),
    )


def of_unknown(app_id: str, query: PaymentQuery, grace: timedelta) -> GatewayNotice:
    """Return that ZaloPay knows no such order: PENDING until nobody could pay it any more."""
    # The last moment at which the order could have been opened, and its page's life.
    lifetime = fields.page_lifetime(query.created_at, query.expires_at)
    closed_at = query.created_at + fields.START_WINDOW + lifetime
    expired = query.asked_at > closed_at + grace
    return GatewayNotice(
        event_key=f"{app_id}:{query.merchant_reference}:{NOT_FOUND}:{expired}",
        kind=NoticeKind.PAYMENT,
        merchant_reference=query.merchant_reference,
        outcome=Outcome.EXPIRED if expired else Outcome.PENDING,
        amount=None,
        occurred_at=query.asked_at,
        reason_code=NOT_FOUND,
    )


def of_refund(
    order: RefundOrder, m_refund_id: str, outcome: Outcome, reason_code: str
) -> GatewayNotice:
    """Return what became of a refund; one that ZaloPay does not know has no number there."""
    return GatewayNotice(
        event_key=f"{m_refund_id}:{outcome}:{reason_code}",
        kind=NoticeKind.REFUND,
        merchant_reference=order.merchant_reference,
        outcome=outcome,
        amount=order.amount,
        occurred_at=order.asked_at,
        provider_txn_id=None if reason_code == NOT_FOUND else m_refund_id,
        reason_code=reason_code,
        refund_reference=order.refund_reference,
    )
