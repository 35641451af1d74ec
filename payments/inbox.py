"""The inbox of channels' messages: stored raw first, then verified, then applied once."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

from core.clock import Clock
from core.errors import DoisoatError
from payments.checkout import schedule_query
from payments.collection import confirm_payment, end_attempt, lock_payment, remember_held
from payments.credits import take_credits
from payments.errors import InvalidSignatureError, MalformedNoticeError
from payments.gateway_models import CreditNotice
from payments.models import EventState, GatewayEvent, Payment
from payments.ports import (
    GatewayNotice,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentGateway,
    RawEvent,
)
from payments.refunds import find_refund, record_refund_outcome
from payments.states import MAY_STILL_COLLECT, PaymentEvent, PaymentStatus

_ENDS = {
    Outcome.FAILED: PaymentEvent.DECLINED,
    Outcome.EXPIRED: PaymentEvent.TIMED_OUT,
    Outcome.CANCELLED: PaymentEvent.ABANDONED,
}


def record_gateway_event(session: Session, raw: RawEvent, merchant_code: str) -> GatewayEvent:
    """Store a message exactly as it came, before anything is believed of it."""
    event = GatewayEvent(
        rail=raw.rail,
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
    try:
        notice = _verify(gateway, event)
    except (InvalidSignatureError, MalformedNoticeError) as problem:
        effect = _Effect(EventState.REFUSED, _refusal(problem), error=problem.detail[:300])
    else:
        effect = _take_effect(session, event, notice, clock=clock)
    # Written once, at the end: every change before would be a statement of its own.
    event.state, event.result, event.error = effect.state, effect.result.value, effect.error
    event.payment_id, event.applied_key = effect.payment_id, effect.applied_key
    event.processed_at = clock()
    session.add(event)
    return effect.result


@dataclass(frozen=True, slots=True)
class _Effect:
    """What a message did."""

    state: EventState
    result: NoticeResult
    payment_id: str | None = None
    applied_key: str | None = None
    error: str = ""


def _take_effect(
    session: Session, event: GatewayEvent, notice: GatewayNotice, *, clock: Clock
) -> _Effect:
    if notice.kind is NoticeKind.OTHER:
        return _Effect(EventState.APPLIED, NoticeResult.APPLIED)
    if notice.kind is NoticeKind.CREDIT:
        return _take_credits(session, event, notice, clock=clock)
    payment = find_payment(session, notice.merchant_reference) or _find_by_provider(
        session, event, notice
    )
    if payment is None or not _speaks_for(event, payment):
        return _Effect(EventState.UNASSIGNED, NoticeResult.UNKNOWN_REFERENCE)
    key = f"{event.rail}:{event.merchant_code}:{notice.event_key}"
    if session.exec(select(GatewayEvent.id).where(GatewayEvent.applied_key == key)).first():
        return _Effect(EventState.DUPLICATE, NoticeResult.ALREADY_APPLIED, payment.id)
    result = apply_notice(session, payment, notice, clock=clock)
    return _Effect(EventState.APPLIED, result, payment.id, key)


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
    if notice.credits:
        take_credits(session, payment.rail, payment.merchant_code, notice.credits, clock=clock)
        payment = lock_payment(session, payment.id)
    unclear = not notice.outcome.is_final or _collects_nothing(notice)
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
    found = session.exec(
        select(Payment)
        .where(Payment.merchant_reference == merchant_reference)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).first()
    if found is not None:
        remember_held(session, found.id)
    return found


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
        rail=event.rail,
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
    refund = find_refund(session, payment, notice)
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
        .where(Payment.rail == event.rail, Payment.merchant_code == event.merchant_code)
        .where(Payment.provider_txn_id == notice.provider_reference)
        .with_for_update()
    ).first()


def _take_credits(
    session: Session, event: GatewayEvent, notice: GatewayNotice, *, clock: Clock
) -> _Effect:
    """Take the transfers that a service tells of; each is stored once by its own key."""
    result = take_credits(
        session,
        event.rail,
        event.merchant_code,
        notice.credits,
        event_id=event.id,
        clock=clock,
    )
    paid = session.exec(
        select(CreditNotice.payment_id).where(
            CreditNotice.event_id == event.id, col(CreditNotice.payment_id).is_not(None)
        )
    ).first()
    state = {
        NoticeResult.UNKNOWN_REFERENCE: EventState.UNASSIGNED,
        NoticeResult.ALREADY_APPLIED: EventState.DUPLICATE,
    }.get(result, EventState.APPLIED)
    return _Effect(state, result, paid)


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
    return (event.rail, event.merchant_code) == (payment.rail, payment.merchant_code)


def _refusal(problem: DoisoatError) -> NoticeResult:
    if isinstance(problem, InvalidSignatureError):
        return NoticeResult.INVALID_SIGNATURE
    return NoticeResult.MALFORMED
