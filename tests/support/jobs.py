"""A job context of a test's own: a database, a clock, and an outside that does as it is told."""

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy.engine import Engine

from adapters.gateways.vietqr import VietQRGateway
from adapters.registry import open_source
from adapters.statements.parser import SettlementFileParser, StatementFileParser
from core.clock import Clock
from core.outbox import MessageKind, OutboxMessage
from payments.channels import Rail
from payments.errors import ChannelNotOfferedError, GatewayUnavailableError
from payments.ports import (
    Capabilities,
    GatewayNotice,
    NoticeAnswer,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentGateway,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    StartedPayment,
    StartRequest,
)
from reconciliation.ports import FetchedFile, StatementSource, WaitingFile
from scheduler.context import JobContext, Sender, SourceOpener
from tests.factories import VAULT
from tests.support.clock import MONDAY_MORNING
from tests.support.gateway import FakeGateway


def said(
    outcome: Outcome, *, kind: NoticeKind = NoticeKind.PAYMENT, **more: object
) -> GatewayNotice:
    """Return what a channel says of an attempt."""
    facts = {"event_key": "e", "kind": kind, "merchant_reference": "", "outcome": outcome,
             "amount": None, "occurred_at": MONDAY_MORNING} | more  # fmt: skip
    return GatewayNotice(**facts)  # type: ignore[arg-type]


def no_answer(asked: object) -> GatewayNotice:
    """Lose the answer."""
    raise GatewayUnavailableError(f"timeout after {type(asked).__name__}")


@dataclass
class AnsweringGateway:
    """A channel whose answers a test sets; it keeps what it was asked."""

    on_query: Callable[[PaymentQuery], GatewayNotice] = no_answer
    on_refund: Callable[[RefundOrder], GatewayNotice] = no_answer
    on_refund_query: Callable[[RefundOrder], GatewayNotice] = no_answer
    asked: list[PaymentQuery] = field(default_factory=list)
    refunded: list[RefundOrder] = field(default_factory=list)
    refunds_asked: list[RefundOrder] = field(default_factory=list)
    notices: FakeGateway = field(default_factory=FakeGateway)
    refunds: bool = True
    refund_queries: bool = False

    @property
    def rail(self) -> Rail:
        return Rail.VNPAY

    @property
    def capabilities(self) -> Capabilities:
        return replace(
            self.notices.capabilities, refunds=self.refunds, refund_queries=self.refund_queries
        )

    def start(self, request: StartRequest) -> StartedPayment:
        return self.notices.start(request)

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        return self.notices.verify_notice(event)

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        return self.notices.answer(event, result)

    def query(self, query: PaymentQuery) -> GatewayNotice:
        self.asked.append(query)
        return self.on_query(query)

    def refund(self, order: RefundOrder) -> GatewayNotice:
        self.refunded.append(order)
        return self.on_refund(order)

    def query_refund(self, order: RefundOrder) -> GatewayNotice:
        self.refunds_asked.append(order)
        return self.on_refund_query(order)


@dataclass
class OneGateway:
    """Finds one channel for every merchant but those that nobody configured."""

    gateway: AnsweringGateway = field(default_factory=AnsweringGateway)
    missing: frozenset[str] = frozenset()

    def get(self, rail: Rail, merchant_code: str) -> PaymentGateway:
        if merchant_code in self.missing:
            raise ChannelNotOfferedError(f"{rail} is not configured")
        return VietQRGateway() if rail is Rail.VIETQR else self.gateway


@dataclass
class KeepingSender:
    """Delivers into a list, or fails as it is told."""

    sent: list[OutboxMessage] = field(default_factory=list)
    secrets: list[bytes | None] = field(default_factory=list)
    failure: Exception | None = None

    def send(self, message: OutboxMessage, secret: bytes | None) -> str:
        self.sent.append(message)
        self.secrets.append(secret)
        if self.failure is not None:
            raise self.failure
        return "kept"


@dataclass
class ListSource:
    """Files in memory that are there until they are taken."""

    files: list[FetchedFile] = field(default_factory=list)

    def look(self) -> Iterator[WaitingFile]:
        yield from (WaitingFile(file.name, len(file.content)) for file in self.files)

    def fetch(self) -> Generator[FetchedFile, None, None]:
        yield from list(self.files)

    def taken(self, keys: Iterable[str]) -> None:
        gone = set(keys)
        self.files = [file for file in self.files if file.key not in gone]


def a_context(
    engine: Engine,
    clock: Clock,
    scratch: Path,
    *,
    gateways: OneGateway | None = None,
    sources: dict[str, StatementSource] | None = None,
    open_with: SourceOpener | None = None,
    senders: dict[MessageKind, Sender] | None = None,
) -> JobContext:
    """Make a context with real parsers and a fake outside."""
    return JobContext(
        engine=engine, clock=clock, vault=VAULT, gateways=gateways or OneGateway(),
        statements=StatementFileParser(), settlements=SettlementFileParser(),
        sources=sources or {}, open_source=open_with or open_source,
        senders=senders or {}, scratch=scratch, exports=scratch / "exports",
        checkpoint_file=scratch / "checkpoint", log_origin="books.example/log",
    )  # fmt: skip
