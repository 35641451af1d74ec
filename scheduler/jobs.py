"""The jobs: thin steps that open a transaction, call one use case, and commit.

Talking to the outside takes two transactions with the call between them, so that a crash leaves
a visible in-between state which the next run takes up.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, TypeVar

from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from core.actors import SYSTEM
from core.clock import business_day
from core.crypto import Vault
from core.db import reading, transaction
from core.errors import DoisoatError
from core.outbox import MessageStatus, OutboxMessage, due_messages, record_attempt
from payments.billing import expire_bills
from payments.channels import Channel, Rail
from payments.checkout import due_queries, schedule_query
from payments.collection import end_attempt, lock_payment
from payments.contracts import list_contracts
from payments.errors import GatewayRefusedError, GatewayUnavailableError, RefundNotAllowedError
from payments.exchanges import forget_exchanges
from payments.inbox import apply_notice, process_gateway_event, waiting_events
from payments.models import ApiClient, Bill, CollectingAccount, Payment, Refund
from payments.ports import (
    GatewayNotice,
    Outcome,
    PaymentGateway,
    PaymentQuery,
    RefundOrder,
)
from payments.refunds import record_refund_outcome, refund_order, refusal_of, submit_refund
from payments.states import MAY_STILL_COLLECT, PAYABLE, PaymentEvent, RefundStatus
from reconciliation.engine import run_reconciliation
from reconciliation.intake import Delivery, ImportReport, import_settlement, import_statement
from reconciliation.ports import FetchedFile
from scheduler.context import JobContext
from scheduler.runs import claim_step

EVENT_PATIENCE: Final = timedelta(seconds=60)
"""How long a stored message may wait for the request that stored it to process it."""

REPORT_DAYS: Final = 4
"""How many days of payouts are asked for again: over a weekend and a holiday."""

_TO_SEND: Final = frozenset({RefundStatus.APPROVED, RefundStatus.SUBMITTED})
_Item = TypeVar("_Item")
_logger = logging.getLogger(__name__)


class StepsFailedError(DoisoatError):
    """A job has done what it could; some of its steps failed and will be tried again."""

    code = "J001"
    title = "Some steps of the job failed"


def process_events(context: JobContext, due_at: datetime) -> int:
    """Process messages that were stored by a request which then died."""
    del due_at  # takes up whatever waits
    with reading(context.engine) as session:
        waiting = [
            (event.id, event.rail, event.merchant_code)
            for event in waiting_events(session)
            if event.received_at < context.clock() - EVENT_PATIENCE
        ]

    def step(event: tuple[str, Rail, str]) -> None:
        event_id, rail, merchant = event
        gateway = context.gateways.get(rail, merchant)
        with transaction(context.engine) as session:
            process_gateway_event(session, event_id, gateway, clock=context.clock)

    return each(waiting, step)


def poll_payments(context: JobContext, due_at: datetime) -> int:
    """Ask the channels what became of pending attempts, until each answer is final."""
    del due_at  # takes up whatever waits
    with reading(context.engine) as session:
        due = due_queries(session, now=context.clock())
    return each(due, partial(_poll_payment, context))


def send_refunds(context: JobContext, due_at: datetime) -> int:
    """Send approved refunds, and ask again about those still in doubt."""
    del due_at  # takes up whatever waits
    with reading(context.engine) as session:
        waiting = [
            refund.id
            for refund in session.exec(
                select(Refund)
                .where(col(Refund.status).in_(list(_TO_SEND)))
                .where(Refund.channel != Channel.BANK_TRANSFER)  # a payment order sends those
                .order_by(col(Refund.created_at))
            )
        ]
    return each(waiting, partial(_send_refund, context))


def expire(context: JobContext, due_at: datetime) -> int:
    """Expire bills past their last day, and transfer codes that nobody can be asked about."""
    with transaction(context.engine) as session:
        if not claim_step(session, "expire/bills", due_at, now=context.clock()):
            return 0
        count = 0
        while expired := expire_bills(session, clock=context.clock):
            count += expired
        overdue = session.exec(
            select(Payment)
            .where(Payment.rail == Rail.VIETQR)
            .where(col(Payment.status).in_(list(MAY_STILL_COLLECT)))
            .where(col(Payment.expires_at) <= context.clock())
        ).all()
        for found in overdue:
            payment = lock_payment(session, found.id)
            if payment.status in MAY_STILL_COLLECT:  # else it was paid at this moment
                end_attempt(
                    session, payment, PaymentEvent.TIMED_OUT, "expired", clock=context.clock
                )
                count += 1
        return count


def fetch_reports(context: JobContext, due_at: datetime) -> int:
    """Fetch the settlement reports that a channel gives by a call, for the last days.

    A report that was taken before is known by its bytes and adds nothing.
    """
    del due_at  # looks at all of the last days each time: a payout may be announced late
    today = business_day(context.clock())
    with reading(context.engine) as session:
        merchants = [(m.rail, m.merchant_code) for m, _ in list_contracts(session) if m.active]
    count = 0

    def step(merchant: tuple[Rail, str]) -> None:
        nonlocal count
        gateway = context.gateways.get(*merchant)
        if not gateway.capabilities.settlement_report:
            return
        for back in reversed(range(REPORT_DAYS)):
            for report in gateway.settlement_report(today - timedelta(days=back)):
                fetched = FetchedFile(report.name, report.content)
                take_file(context, fetched, source=f"{merchant[0]}/{merchant[1]}")
                count += 1

    each(merchants, step)
    return count


def forget_calls(context: JobContext, due_at: datetime) -> int:
    """Delete calls to providers that are older than they are kept."""
    del due_at  # takes up whatever is old
    with transaction(context.engine) as session:
        return forget_exchanges(session, now=context.clock())


def take_file(context: JobContext, fetched: FetchedFile, *, source: str) -> ImportReport:
    """Parse one file and store it whole in one transaction.

    The provider of a settlement report is told by the folder or the start of its name
    (``vnpay-…``, ``stripe/…``); everything else is a bank statement.
    """
    delivery = Delivery(content=fetched.content, source=source, actor=SYSTEM)
    provider = provider_of(fetched.name)
    with _as_path(fetched, context.scratch) as path:
        if provider is not None:
            report = context.settlements.parse(path, provider=provider.value)
            store = partial(import_settlement, parsed=report, delivery=delivery)
        else:
            parsed = context.statements.parse(path)
            store = partial(import_statement, parsed=parsed, delivery=delivery)
    try:
        return _stored(context, store)
    except IntegrityError:  # somebody stored the same bytes or lines just now: see what is new
        return _stored(context, store)


def _stored(context: JobContext, store: Callable[..., ImportReport]) -> ImportReport:
    with transaction(context.engine) as session:
        return store(session, vault=context.vault, clock=context.clock)


def provider_of(name: str) -> Channel | None:
    """Return the provider that a file's folder or name starts with."""
    for channel in Channel:
        if channel is not Channel.BANK_TRANSFER and name.lower().startswith(channel.value):
            return channel
    return None


def reconcile(context: JobContext, due_at: datetime) -> int:
    """Compare every account on which something has changed since its last run."""
    today = business_day(context.clock())
    with reading(context.engine) as session:
        accounts = list(session.exec(select(CollectingAccount.id).order_by(CollectingAccount.id)))
    compared = 0

    def step(account_id: str) -> None:
        nonlocal compared
        with transaction(context.engine) as session:
            account = session.get_one(CollectingAccount, account_id)
            name = f"reconcile/{account.account_number}"
            if claim_step(session, name, due_at, now=context.clock()):
                run = run_reconciliation(
                    session, account, as_of=today, clock=context.clock, actor=SYSTEM
                )
                compared += run is not None

    each(accounts, step)
    return compared


def send_messages(context: JobContext, due_at: datetime) -> int:
    """Send what the outbox holds; each attempt is noted in a transaction of its own."""
    del due_at  # takes up whatever waits
    now = context.clock()
    with reading(context.engine) as session:
        due = due_messages(session, now=now, kinds=list(context.senders))
        portals = {m.id: session.get(ApiClient, m.recipient) for m in due}
    for message in due:
        delivered, answer = _deliver(context, message, portals[message.id])
        with transaction(context.engine) as session:
            current = session.get_one(OutboxMessage, message.id, with_for_update=True)
            if current.status is MessageStatus.WAITING:  # else another process has delivered it
                record_attempt(current, delivered=delivered, answer=answer, now=context.clock())
                session.add(current)
    return len(due)


def _deliver(
    context: JobContext, message: OutboxMessage, portal: ApiClient | None
) -> tuple[bool, str]:
    try:
        secret = _secret_of(portal, context)
        return True, context.senders[message.kind].send(message, secret)
    except DoisoatError as problem:
        return False, problem.detail
    except Exception as problem:  # one message that cannot be sent must not stop the others
        _logger.exception("message failed", extra={"event": message.topic})
        return False, type(problem).__name__


def _secret_of(client: ApiClient | None, context: JobContext) -> bytes | None:
    if client is None or client.webhook_secret_sealed is None:
        return None
    return webhook_secret(client, context.vault)


def webhook_secret(client: ApiClient, vault: Vault) -> bytes:
    """Return the secret that a portal checks our webhooks with."""
    place = f"api_client.webhook_secret_sealed.{client.id}"
    return vault.decrypt(client.webhook_secret_sealed or b"", place=place)


def _poll_payment(context: JobContext, payment: Payment) -> None:
    """Ask what became of an attempt; what is held is confirmed, what nobody needs is ended."""
    query = PaymentQuery(
        merchant_reference=payment.merchant_reference,
        provider_reference=payment.provider_reference,
        provider_txn_id=payment.provider_txn_id,
        created_at=payment.created_at,
        asked_at=context.clock(),
        request_id=f"{payment.id[4:]}{payment.query_count}"[-32:],
        amount=payment.amount,
        expires_at=payment.expires_at,
    )
    with reading(context.engine) as session:
        wanted = session.get_one(Bill, payment.bill_id).status in PAYABLE
    notice = None
    try:
        gateway = context.gateways.get(payment.rail, payment.merchant_code)
        notice = _ask(gateway, query, wanted=wanted)
    except DoisoatError as problem:
        _logger.warning("no answer", extra={"rail": payment.rail, "code": problem.code})
    except Exception:  # a mistake of ours says nothing about the payment either
        _logger.exception("no answer", extra={"rail": payment.rail})
    with transaction(context.engine) as session:
        current = lock_payment(session, payment.id)
        if notice is not None:
            apply_notice(session, current, notice, clock=context.clock)
        elif current.status in MAY_STILL_COLLECT:
            current.query_count += 1
            schedule_query(current, clock=context.clock)
            session.add(current)


def _ask(gateway: PaymentGateway, query: PaymentQuery, *, wanted: bool) -> GatewayNotice | None:
    """Ask about an attempt; of a bill that needs no more money, end it if the rail can."""
    can = gateway.capabilities
    if can.cancels and not wanted:
        return gateway.cancel(query)
    notice = gateway.query(query) if can.queries else None
    if notice is not None and notice.outcome is Outcome.AUTHORISED and can.confirms:
        return gateway.confirm(query, capture=wanted)
    return notice


def _send_refund(context: JobContext, refund_id: str) -> None:
    with transaction(context.engine) as session:
        refund = session.get_one(Refund, refund_id, with_for_update={"key_share": True})
        payment = session.get_one(Payment, refund.payment_id)
        gateway = context.gateways.get(payment.rail, payment.merchant_code)
        if refund.status not in _TO_SEND:
            return
        if not gateway.capabilities.refunds:
            raise RefundNotAllowedError(f"{payment.channel} sends nothing back: ask for a transfer")
        first = refund.status is RefundStatus.APPROVED
        if first:
            submit_refund(session, refund, clock=context.clock)
    order = refund_order(refund, payment, now=context.clock())
    try:
        notice = _ask_or_send(gateway, order, first=first)
    except GatewayUnavailableError as problem:
        _logger.warning("refund in doubt", extra={"code": problem.code})
        return
    except GatewayRefusedError as refusal:
        if not first:  # what was refused now may have been carried out before
            _logger.warning("refund in doubt", extra={"code": refusal.code})
            return
        notice = refusal_of(payment, refusal, now=context.clock())
    with transaction(context.engine) as session:
        current = session.get_one(Refund, refund_id, with_for_update={"key_share": True})
        record_refund_outcome(session, current, notice, clock=context.clock)


def _ask_or_send(gateway: PaymentGateway, order: RefundOrder, *, first: bool) -> GatewayNotice:
    """Send a refund; one that was sent before is asked about, and sent again if it is not known.

    The order says when it was sent first, and under its reference the channel carries it out once.
    """
    if first or not gateway.capabilities.refund_queries:
        return gateway.refund(order)
    notice = gateway.query_refund(order)
    unknown = notice.outcome is Outcome.PENDING and notice.reason_code == "not_found"
    return gateway.refund(order) if unknown else notice


def each(items: Iterable[_Item], step: Callable[[_Item], None]) -> int:
    """Do a step for each item, also after one has failed; returns how many there were.

    Raises:
        StepsFailedError: some failed; all others are done.
    """
    count, problems = 0, []
    for item in items:
        count += 1
        try:
            step(item)
        except DoisoatError as problem:
            _logger.warning("step failed", extra={"code": problem.code})
            problems.append(f"{_name_of(item)}: {problem.code} {problem.detail}")
        except Exception as problem:  # the trace is in the log, the others must not wait for it
            _logger.exception("step failed")
            problems.append(f"{_name_of(item)}: {type(problem).__name__}")
    if problems:
        raise StepsFailedError(f"{len(problems)} of {count}: {problems[0]}")
    return count


def safe_file_name(name: str) -> str:
    """Return a name from outside as it may stand on our disk: no path, no dots alone, short."""
    last = "".join(c for c in Path(name).name if c.isprintable() and c not in "/\\")
    return last.lstrip(".")[-80:] or "file"


def _name_of(item: object) -> str:
    """Name an item so that an officer finds it: its id, or what it is."""
    name = str(getattr(item, "id", None) or getattr(item, "name", None) or item)
    return "".join(c if c.isprintable() else "?" for c in name)[:80]


@contextmanager
def _as_path(fetched: FetchedFile, scratch: Path) -> Iterator[Path]:
    scratch.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder) / safe_file_name(fetched.name)
        path.write_bytes(fetched.content)
        yield path
