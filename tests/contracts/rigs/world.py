"""The world of one test: a rail's provider, the bank, our books, and a clock for each side."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from adapters.http import Breaker, Caller, create_client
from adapters.simulators import bank_web
from adapters.simulators.bank import (
    BankLine,
    BankSimulator,
    BankSimulatorConfig,
    CollectingAccount,
    ProviderIdentity,
)
from adapters.simulators.faults import Fault
from core.clock import Clock, business_day
from core.crypto import sha256_hex
from core.money import Money
from payments.channels import Channel
from payments.errors import GatewayRefusedError
from payments.ports import (
    SECRET_HEADERS,
    Capabilities,
    GatewayCall,
    GatewayNotice,
    Outcome,
    PaymentGateway,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    StartedPayment,
    StartRequest,
)
from tests.contracts.rigs.inbox import Books, SmallBooks, Verify, bill_of
from tests.contracts.rigs.registry import RIGS
from tests.contracts.rigs.rig import (
    ACCOUNT,
    BANK_BIN,
    HOLDER,
    MONDAY,
    OTHER_ACCOUNT,
    REFERENCE,
    Rig,
    Site,
    Traits,
)
from tests.contracts.rigs.serving import Outage, SettableClock, Stage, Wire, open_stage

CLIENT_TIMEOUT = 5.0
SHORT_TIMEOUT = 0.25
MakeBooks = Callable[[Verify], Books]


@dataclass
class World:
    """Everything of one test; ``name`` is the rail under test."""

    name: str
    site: Site
    rig: Rig
    inbox: Books
    wire: Wire
    calls: list[GatewayCall]
    started: dict[str, tuple[StartRequest, StartedPayment]] = field(default_factory=dict)
    unreachable: bool = False
    """Whether the provider's messages do not get through to us."""

    turned_away: int = 0
    """How many of its messages found nobody."""

    dead: bool = False
    _asked: int = 0

    # ------------------------------------------------------------ parts

    @property
    def gateway(self) -> PaymentGateway:
        return self.rig.gateway

    @property
    def can(self) -> Capabilities:
        return self.rig.gateway.capabilities

    @property
    def traits(self) -> Traits:
        return self.rig.traits

    @property
    def simulator(self) -> Any:
        return self.rig.simulator  # type: ignore[attr-defined]

    @property
    def base(self) -> str:
        return self.site.base

    @property
    def client(self) -> httpx2.Client:
        return self.site.client

    @property
    def bank(self) -> BankSimulator:
        return self.site.bank

    @property
    def clock(self) -> SettableClock:
        return self.site.clock

    @property
    def provider_clock(self) -> SettableClock:
        return self.site.provider_clock

    @property
    def direct(self) -> bool:
        """Whether the payer's own transfer arrives at the collecting account."""
        return self.rig.rail.channel is Channel.BANK_TRANSFER

    # ------------------------------------------------------------ time and the wire

    def move(self, step: timedelta) -> None:
        self.clock.move(step)
        self.provider_clock.move(step)

    def tick(self) -> int:
        """Let the provider send what is due; where nobody sends, read the bank's statement."""
        sent = self.rig.deliver_due(self.provider_clock())
        if not self.can.notices:
            self.read_statement()
        return sent

    def wait(self, whole: timedelta, step: timedelta) -> None:
        """Let time pass in steps, with what it brings."""
        for _ in range(int(whole / step)):
            self.move(step)
            self.tick()

    def go_down(self, outage: Outage) -> None:
        """Let the provider be gone: it answers nothing, and nothing of its comes through."""
        self.wire.down, self.unreachable = outage, True

    def come_back(self) -> None:
        self.wire.down, self.unreachable = None, False

    # ------------------------------------------------------------ our side

    def request(self, reference: str = REFERENCE, amount: int = 150_000) -> StartRequest:
        return StartRequest(
            merchant_reference=reference,
            bill_reference=bill_of(reference),
            amount=Money(amount),
            description="Le phi dang ky ho tich",
            return_url=f"{self.base}/return",
            payer_ip="127.0.0.1",
            locale="vi",
            created_at=self.clock(),
            expires_at=self.clock() + timedelta(minutes=40),
            notice_url=self.site.notice_url(self.rig.rail),
            collecting_bank_bin=BANK_BIN,
            collecting_account=ACCOUNT,
            collecting_account_name=HOLDER,
        )

    def start(self, request: StartRequest) -> StartedPayment:
        started = self.rig.starter.start(request)
        self.started[request.merchant_reference] = request, started
        return started

    def act(self, started: StartedPayment, deed: str) -> str | None:
        """Be the payer."""
        return self.rig.act(started, deed)

    def pay(self, request: StartRequest) -> StartedPayment:
        """Start and pay, and hear what is said of it at once."""
        started = self.start(request)
        self.act(started, "pay")
        self.tick()
        return started

    def force(self, reference: str, *faults: Fault) -> None:
        self.rig.force(reference, *faults)

    def question(
        self, request: StartRequest, started: StartedPayment | None = None, txn: str | None = None
    ) -> PaymentQuery:
        self._asked += 1
        return PaymentQuery(
            merchant_reference=request.merchant_reference,
            provider_reference=started.provider_reference if started else None,
            provider_txn_id=txn,
            created_at=request.created_at,
            asked_at=self.clock(),
            request_id=f"ask{self._asked:06d}",
            amount=request.amount,
            expires_at=request.expires_at,
        )

    def ask(self, request: StartRequest, started: StartedPayment | None = None) -> GatewayNotice:
        """Ask the provider and book the answer."""
        notice = self.gateway.query(self.question(request, started))
        self.inbox.learn(notice)
        return notice

    def find_out(self, request: StartRequest, started: StartedPayment | None = None) -> None:
        """Learn what became of an attempt by whatever is beyond notices."""
        if self.can.queries:
            self.ask(request, started)
        if self.direct:
            self.read_statement()

    def statement(self) -> list[BankLine]:
        """Return what the bank has booked on the collecting account until now."""
        day, last = business_day(MONDAY), business_day(self.provider_clock())
        lines: list[BankLine] = []
        while day <= last:
            lines += self.bank.lines(ACCOUNT, day)
            day = date.fromordinal(day.toordinal() + 1)
        return lines

    def read_statement(self) -> None:
        self.inbox.read_statement(self.statement())

    # ------------------------------------------------------------ refunds

    def paid(self, request: StartRequest) -> GatewayNotice:
        """Start, pay, and return what told us so."""
        started = self.pay(request)
        for notice in self.inbox.notices:
            if notice.merchant_reference == request.merchant_reference:
                return notice
        return self.ask(request, started)

    def refund_order(
        self, request: StartRequest, paid: GatewayNotice, amount: int, *, key: str = "refund1"
    ) -> RefundOrder:
        return RefundOrder(
            refund_reference=key,
            merchant_reference=request.merchant_reference,
            provider_reference=paid.provider_reference,
            provider_txn_id=paid.provider_txn_id,
            amount=Money(amount),
            paid_amount=request.amount,
            paid_created_at=request.created_at,
            asked_at=self.clock(),
            operator="officer-7",
            description="Hoan le phi",
        )

    def refund(self, order: RefundOrder) -> GatewayNotice:
        notice = self.gateway.refund(order)
        self.inbox.learn(notice)
        return notice

    def ask_refund(self, order: RefundOrder, told: GatewayNotice) -> GatewayNotice:
        """Ask what became of a refund, as one asks later about an order that was sent."""
        later = replace(
            order,
            asked_at=self.clock(),
            submitted_at=order.asked_at,
            refund_txn_id=told.provider_txn_id,
        )
        notice = self.gateway.query_refund(later)
        self.inbox.learn(notice)
        return notice

    def end_refund(self, order: RefundOrder, told: GatewayNotice) -> GatewayNotice:
        """Wait day by day until a refund has ended."""
        for _ in range(self.traits.refund_days):
            if told.outcome.is_final:
                break
            self.move(timedelta(days=1))
            self.tick()
            told = self.ask_refund(order, told)
        return told

    def refuses(self, order: RefundOrder) -> bool:
        """Whether a refund does not come about: refused, or failed in the end."""
        try:
            told = self.refund(order)
        except GatewayRefusedError:
            return True
        return self.end_refund(order, told).outcome is Outcome.FAILED

    # ------------------------------------------------------------ the truth

    def truth(self, bill_reference: str) -> int:
        return self.rig.collected(bill_reference)

    def agree(self, request: StartRequest, amount: int) -> None:
        """Assert that provider and books both say that just this was collected."""
        bill = request.bill_reference
        assert (self.truth(bill), self.inbox.collected(bill)) == (amount, amount)

    def sums(self, request: StartRequest) -> tuple[int, int]:
        """Return what was sent back, by the provider's word and by our books."""
        refunded = self.rig.refunded(request.merchant_reference)
        return refunded, self.inbox.refunded(request.bill_reference)

    def told(self, request: StartRequest) -> list[GatewayNotice]:
        """Return the notices about an attempt, transfers to the account by their narrative."""
        mine = request.merchant_reference, request.bill_reference
        return [
            notice
            for notice in self.inbox.notices
            if notice.merchant_reference == mine[0]
            or any(mine[1] in credit.narrative for credit in notice.credits)
        ]

    # ------------------------------------------------------------ the application

    def build(self) -> Starlette:
        """Put all parties on their addresses."""
        bank_app = bank_web.create_app(
            clock=self.provider_clock,
            state_path=self.site.state_dir / "bank.sqlite",
            config=BANK,
            line_sink=self.rig.hear,
        )
        self.site.bank = bank_app.state.simulator
        routes = [Mount("/sim/bank", bank_app)]
        for path, app in self.rig.open().items():
            routes.append(Mount(f"/sim/{path}", self.wire.around(app)))
        return Starlette(
            routes=[
                *routes,
                Route(
                    "/notices/{rail}",
                    receiver(lambda: self.gateway, self.inbox, self.clock, self._reached),
                    methods=["GET", "POST"],
                ),
                Route("/return", _returned, methods=["GET", "POST"]),
            ]
        )

    def _reached(self) -> bool:
        self.turned_away += self.unreachable
        return not self.unreachable

    def close(self) -> None:
        """Kill all parties: what is not on their files is gone."""
        if not self.dead:
            self.dead = True
            self.rig.close()
            self.bank.close()


def receiver(
    find_gateway: Callable[[], PaymentGateway],
    books: Books,
    clock: Clock,
    reachable: Callable[[], bool],
) -> Callable[[Request], Awaitable[Response]]:
    """Return the address at which the notices of one rail arrive."""

    async def receive(request: Request) -> Response:
        if not reachable():
            return PlainTextResponse("nobody here", 503)
        gateway = find_gateway()
        event = RawEvent(
            gateway.rail,
            request.method,
            request.url.query,
            as_kept(request.headers),
            await request.body(),
            clock(),
        )
        result = await run_in_threadpool(books.take, event)
        answer = gateway.answer(event, result)
        headers = {**answer.headers, "content-type": answer.media_type}
        return Response(answer.body, answer.status, headers)

    return receive


def as_kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers as the application keeps them: a key that is shown only as its digest."""
    return {
        name: sha256_hex(value.encode()) if name in SECRET_HEADERS else value
        for name, value in headers.items()
    }


async def _returned(request: Request) -> Response:
    del request
    return PlainTextResponse("thank you")


BANK = BankSimulatorConfig(
    (
        CollectingAccount(ACCOUNT, BANK_BIN, HOLDER, 1_000_000),
        CollectingAccount(OTHER_ACCOUNT, BANK_BIN, HOLDER),
    ),
    {"vnpay": ProviderIdentity("VNPAY", "1900100200300")},
)


def small_books(verify: Verify) -> Books:
    """Return the books of the collecting account."""
    return SmallBooks(verify, ACCOUNT)


@contextmanager
def open_world(
    name: str,
    state_dir: Path,
    *,
    stage: Stage | None = None,
    make_books: MakeBooks = small_books,
) -> Iterator[World]:
    """Start provider, bank and inbox of one rail; on ``stage``, or on a server of its own."""
    if stage is None:
        with open_stage() as own, open_world(name, state_dir, stage=own) as opened:
            yield opened
        return
    clock, provider_clock = SettableClock(MONDAY), SettableClock(MONDAY)
    cls = RIGS[name]
    calls: list[GatewayCall] = []
    with create_client(timeout_seconds=CLIENT_TIMEOUT) as client:
        http = Caller(
            client,
            rail=cls.rail,
            merchant_code="contract",
            clock=clock,
            breaker=Breaker(clock),
            record=calls.append,
        )
        # The bank is built with the other parties.
        bank: Any = None
        site = Site(stage.base, clock, provider_clock, state_dir, bank, client, http)
        rig = cls(site)
        # By the gateway of the moment: a test may go on with another one.
        books = make_books(lambda event: rig.gateway.verify_notice(event))  # noqa: PLW0108
        world = World(name, site, rig, books, Wire(), calls)
        before = stage.app
        stage.app = world.build()
        try:
            yield world
        finally:
            stage.app = before
            world.close()
