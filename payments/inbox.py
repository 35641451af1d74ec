"""The inbox of channels' messages: stored raw first, then verified, then applied once."""

from sqlmodel import Session, col, select

from core.clock import Clock
from core.errors import DoisoatError
from payments.checkout import schedule_query
from payments.collection import confirm_payment, end_attempt, lock_payment
from payments.errors import InvalidSignatureError, MalformedNoticeError
from payments.models import EventState, GatewayEvent, Payment, Refund
from payments.ports import (
    GatewayNotice,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentGateway,
    RawEvent,
)
from payments.refunds import record_refund_outcome
from payments.states import MAY_STILL_COLLECT, PaymentEvent, PaymentStatus

_ENDS = {
    Outcome.FAILED: PaymentEvent.DECLINED,
    Outcome.EXPIRED: PaymentEvent.TIMED_OUT,
    Outcome.CANCELLED: PaymentEvent.ABANDONED,
}


def record_gateway_event(session: Session, raw: RawEvent, merchant_code: str) -> GatewayEvent:
    """Store a message exactly as it came, before anything is believed of it."""
    event = GatewayEvent(
        channel=raw.channel,
        merchant_code=merchant_code,
        method=raw.method,
        query_string=raw.query_string,
        headers=dict(raw.headers),
        body=raw.body,
        received_at=raw.received_at,
    )
    session.add(event)
    session.flush()
    return event


def process_gateway_event(
    session: Session, event_id: str, gateway: PaymentGateway, *, clock: Clock
) -> NoticeResult:
    """Verify a stored message and apply it, once however often it is repeated or processed."""
    event = session.exec(
        select(GatewayEvent).where(GatewayEvent.id == event_id).with_for_update()
    ).one()
    if event.state is not EventState.RECEIVED:
        return NoticeResult(event.result)
    event.processed_at = clock()
    session.add(event)
    try:
        notice = _verify(gateway, event)
    except (InvalidSignatureError, MalformedNoticeError) as problem:
        return _close(event, EventState.REFUSED, _refusal(problem), problem.detail)
    if notice.kind is NoticeKind.OTHER:
        return _close(event, EventState.APPLIED, NoticeResult.APPLIED)
    payment = find_payment(session, notice.merchant_reference) or _find_by_provider(
        session, event, notice
    )
    if payment is None or not _speaks_for(event, payment):
        return _close(event, EventState.UNASSIGNED, NoticeResult.UNKNOWN_REFERENCE)
    event.payment_id = payment.id
    key = f"{event.channel}:{event.merchant_code}:{notice.event_key}"
    if session.exec(select(GatewayEvent).where(GatewayEvent.applied_key == key)).first():
        return _close(event, EventState.DUPLICATE, NoticeResult.ALREADY_APPLIED)
    event.applied_key = key
    return _close(event, EventState.APPLIED, apply_notice(session, payment, notice, clock=clock))


def apply_notice(
    session: Session, payment: Payment, notice: GatewayNotice, *, clock: Clock
) -> NoticeResult:
    """Let a verified message, or the answer to a query, take effect on its payment.

    A failure after a success changes nothing: collected money is only undone by proof of it. A
    success told again after the money was taken back does not bring it back either.
    """
    payment = lock_payment(session, payment.id)
    if notice.kind is NoticeKind.REFUND:
        return _apply_to_refund(session, payment, notice, clock=clock)
    if notice.kind is NoticeKind.CHARGEBACK:
        return NoticeResult.APPLIED  # evidence; the settlement line decides, an officer books it
    payment.provider_reference = notice.provider_reference or payment.provider_reference
    unclear = notice.outcome is Outcome.PENDING or _collects_nothing(notice)
    if notice.outcome is Outcome.SUCCEEDED and not unclear:
        return _apply_success(session, payment, notice, clock=clock)
    if payment.status not in MAY_STILL_COLLECT:
        return NoticeResult.ALREADY_APPLIED
    if unclear:
        payment.query_count += 1
        schedule_query(payment, clock=clock)
        session.add(payment)
        return NoticeResult.APPLIED
    end_attempt(session, payment, _ENDS[notice.outcome], notice.reason_code, clock=clock)
    return NoticeResult.APPLIED


def find_payment(session: Session, merchant_reference: str) -> Payment | None:
    """Return the attempt with this reference, held against other transactions."""
    return session.exec(
        select(Payment)
        .where(Payment.merchant_reference == merchant_reference)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).first()


def waiting_events(session: Session, *, limit: int = 100) -> list[GatewayEvent]:
    """Return messages that were stored but not processed, because a process died in between."""
    return list(
        session.exec(
            select(GatewayEvent)
            .where(GatewayEvent.state == EventState.RECEIVED)
            .order_by(col(GatewayEvent.received_at))
            .limit(limit)
        )
    )


def raw_event(event: GatewayEvent) -> RawEvent:
    """Return the message as the gateway reads it."""
    return RawEvent(
        channel=event.channel,
        method=event.method,
        query_string=event.query_string,
        headers=event.headers,
        body=event.body,
        received_at=event.received_at,
    )


def _apply_success(
    session: Session, payment: Payment, notice: GatewayNotice, *, clock: Clock
) -> NoticeResult:
    told_before = notice.provider_txn_id in {None, payment.provider_txn_id}
    if payment.status is PaymentStatus.SUCCEEDED:
        return NoticeResult.ALREADY_APPLIED
    if payment.status is PaymentStatus.REVERSED and told_before:
        return NoticeResult.ALREADY_APPLIED
    collected = notice.amount or payment.amount
    confirm_payment(
        session,
        payment,
        collected,
        provider_txn_id=notice.provider_txn_id,
        occurred_at=notice.occurred_at,
        clock=clock,
    )
    return NoticeResult.APPLIED if collected == payment.amount else NoticeResult.AMOUNT_DIFFERS


def _apply_to_refund(
    session: Session, payment: Payment, notice: GatewayNotice, *, clock: Clock
) -> NoticeResult:
    refund = None
    if notice.provider_txn_id is not None:  # refunds whose answer was lost have none either
        refund = session.exec(
            select(Refund)
            .where(Refund.payment_id == payment.id)
            .where(Refund.provider_txn_id == notice.provider_txn_id)
        ).first()
    if refund is None:
        return NoticeResult.UNKNOWN_REFERENCE  # the provider's report will bring it to an officer
    record_refund_outcome(session, refund, notice, clock=clock)
    return NoticeResult.APPLIED


def _find_by_provider(
    session: Session, event: GatewayEvent, notice: GatewayNotice
) -> Payment | None:
    """Return the payment that a message without our reference names by the channel's own id.

    Refunds and disputes that began at the channel know nothing of us.
    """
    if notice.merchant_reference or notice.provider_reference is None:
        return None
    return session.exec(
        select(Payment)
        .where(Payment.channel == event.channel, Payment.merchant_code == event.merchant_code)
        .where(Payment.provider_txn_id == notice.provider_reference)
        .with_for_update()
    ).first()


def _verify(gateway: PaymentGateway, event: GatewayEvent) -> GatewayNotice:
    notice = gateway.verify_notice(raw_event(event))
    if _collects_nothing(notice):
        raise MalformedNoticeError("a success without money")
    return notice


def _collects_nothing(notice: GatewayNotice) -> bool:
    return (
        notice.kind is NoticeKind.PAYMENT
        and notice.outcome is Outcome.SUCCEEDED
        and notice.amount is not None
        and notice.amount.amount_minor <= 0
    )


def _speaks_for(event: GatewayEvent, payment: Payment) -> bool:
    """Whether a message came over the merchant of the payment it names.

    Every merchant has its own secret: whoever holds one may speak of that one's payments only.
    """
    return (event.channel, event.merchant_code) == (payment.channel, payment.merchant_code)


def _refusal(problem: DoisoatError) -> NoticeResult:
    if isinstance(problem, InvalidSignatureError):
        return NoticeResult.INVALID_SIGNATURE
    return NoticeResult.MALFORMED


def _close(
    event: GatewayEvent, state: EventState, result: NoticeResult, error: str = ""
) -> NoticeResult:
    event.state, event.result, event.error = state, result.value, error[:300]
    return result
