"""A loopback world for each gateway: its simulator, the bank, and an inbox for its notices."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from adapters.gateways.stripe import StripeConfig, StripeGateway
from adapters.gateways.vietqr import VietQRGateway
from adapters.gateways.vnpay import VNPayConfig, VNPayGateway
from adapters.http import create_client
from adapters.simulators.bank import BankSimulatorConfig, CollectingAccount, ProviderIdentity
from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.server import Parties, ServerConfig, create_server
from adapters.simulators.stripe_config import StripeAccount, StripeSimulatorConfig
from adapters.simulators.vnpay_config import VNPaySimulatorConfig, VNPayTerminal
from adapters.simulators.web import RawBody
from core.money import Money
from payments.channels import Channel
from payments.errors import DoisoatError, InvalidSignatureError
from payments.ports import (
    GatewayNotice,
    NoticeResult,
    PaymentGateway,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    StartedPayment,
    StartRequest,
)

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
"""09:00 in Vietnam on a working day."""

ACCOUNT = "0071000123456"
BANK_BIN = "970436"
TMN = "DOISOAT1"
ACCT = "acct_demo"
SECRET = "vnpay-contract-secret"
WHSEC = "whsec_contract"
CLIENT_TIMEOUT = 0.8


class SettableClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, step: timedelta) -> None:
        self.at += step


def free_listener(port: int = 0) -> tuple[socket.socket, int]:
    """Return a bound socket on loopback and its port."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    return listener, listener.getsockname()[1]


@contextmanager
def serving(app: FastAPI, listener: socket.socket) -> Iterator[None]:
    """Serve ``app`` on loopback by uvicorn in a thread."""
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@dataclass
class Inbox:
    """What the application does with notices, as small as can be: verify, keep once, answer."""

    clock: SettableClock
    gateways: dict[str, PaymentGateway] = field(default_factory=dict)
    raw: list[RawEvent] = field(default_factory=list)
    notices: list[GatewayNotice] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    broken: bool = False

    def take(self, event: RawEvent) -> NoticeResult:
        self.raw.append(event)
        if self.broken:
            return NoticeResult.FAILED
        try:
            notice = self.gateways[event.channel].verify_notice(event)
        except InvalidSignatureError:
            return NoticeResult.INVALID_SIGNATURE
        except DoisoatError:
            return NoticeResult.MALFORMED
        if any(known.event_key == notice.event_key for known in self.notices):
            self.repeated.append(notice.event_key)
            return NoticeResult.ALREADY_APPLIED
        self.notices.append(notice)
        return NoticeResult.APPLIED

    def routes(self) -> FastAPI:
        app = FastAPI()

        @app.api_route("/notices/{name}", methods=["GET", "POST"])
        def receive(name: str, request: Request, body: RawBody) -> Response:
            headers = dict(request.headers)
            channel = Channel(name)
            event = RawEvent(
                channel, request.method, request.url.query, headers, body, self.clock()
            )
            answer = self.gateways[channel].answer(self.take(event))
            return Response(answer.body, answer.status, media_type=answer.media_type)

        @app.get("/return")
        def returned() -> Response:
            return Response("thank you")

        @app.get("/")
        def root() -> Response:
            return RedirectResponse("/return")

        return app


@dataclass
class World:
    """Everything of one test: a clock for us, one for the providers, and all the parties."""

    clock: SettableClock
    provider_clock: SettableClock
    parties: Parties
    inbox: Inbox
    client: httpx2.Client
    base: str
    gateway: PaymentGateway

    @property
    def name(self) -> str:
        return self.gateway.channel.value

    @property
    def simulator(self) -> Any:
        return getattr(self.parties, self.name)

    def move(self, step: timedelta) -> None:
        self.clock.move(step)
        self.provider_clock.move(step)

    def request(self, reference: str = "MC1234567ABC-1", amount: int = 150_000) -> StartRequest:
        return StartRequest(
            merchant_reference=reference,
            bill_reference=reference.partition("-")[0],
            amount=Money(amount),
            description="Le phi dang ky ho tich",
            return_url=f"{self.base}/return",
            payer_ip="127.0.0.1",
            locale="vi",
            created_at=MONDAY,
            expires_at=MONDAY + timedelta(minutes=40),
            collecting_bank_bin=BANK_BIN,
            collecting_account=ACCOUNT,
            collecting_account_name="UBND PHUONG MONG CAI 1",
        )

    def act(self, started: StartedPayment, outcome: str) -> str | None:
        """Be the payer, through the control API as the demonstration is."""
        body = {"url": started.redirect_url, "outcome": outcome}
        answer = self.client.post(f"{self.base}/sim/{self.name}/_control/act", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["return_url"]

    def force(self, reference: str, *faults: Fault) -> None:
        with self.simulator.store.transaction() as records:
            force_faults(records, reference, faults)

    def question(
        self, request: StartRequest, started: StartedPayment | None = None, txn: str | None = None
    ) -> PaymentQuery:
        self._asked = getattr(self, "_asked", 0) + 1
        return PaymentQuery(
            merchant_reference=request.merchant_reference,
            provider_reference=started.provider_reference if started else None,
            provider_txn_id=txn,
            created_at=request.created_at,
            asked_at=self.clock(),
            request_id=f"ask{self._asked:06d}",
            expires_at=request.expires_at,
        )

    def refund_order(
        self,
        request: StartRequest,
        paid: GatewayNotice,
        amount: int,
        *,
        key: str = "refund1",
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

    def tick(self) -> int:
        return int(self.simulator.deliver_due(self.provider_clock()))

    def refunded_at_provider(self, reference: str) -> int:
        """Return what the provider itself says it has sent back."""
        if self.name == "vnpay":
            refunds = self.parties.vnpay.order(TMN, reference)["refunds"]
            return sum(refund["amount"] for refund in refunds) // 100
        with self.parties.stripe.store.transaction() as records:
            refunds = records.labelled("refund", ACCT)
            return sum(refund["amount"] for refund in refunds)


def server_config(base: str) -> ServerConfig:
    terminal = VNPayTerminal(TMN, SECRET, f"{base}/notices/vnpay", ACCOUNT)
    account = StripeAccount(ACCT, "sk_test_contract", f"{base}/notices/stripe", WHSEC, ACCOUNT)
    return ServerConfig(
        vnpay=VNPaySimulatorConfig((terminal,), slow_seconds=CLIENT_TIMEOUT * 2),
        stripe=StripeSimulatorConfig(
            (account,), f"{base}/sim/stripe", slow_seconds=CLIENT_TIMEOUT * 2
        ),
        bank=BankSimulatorConfig(
            (CollectingAccount(ACCOUNT, BANK_BIN, "UBND PHUONG MONG CAI 1", 1_000_000),),
            {"vnpay": ProviderIdentity("VNPAY", "1900100200300")},
        ),
    )


def gateways(base: str, client: httpx2.Client, clock: SettableClock) -> dict[str, PaymentGateway]:
    vnpay = VNPayConfig(
        tmn_code=TMN,
        hash_secret=SECRET,
        pay_url=f"{base}/sim/vnpay/paymentv2/vpcpay.html",
        api_url=f"{base}/sim/vnpay/merchant_webapi/api/transaction",
    )
    stripe = StripeConfig(
        api_key="sk_test_contract", webhook_secret=WHSEC, api_url=f"{base}/sim/stripe"
    )
    return {
        "bank_transfer": VietQRGateway(),
        "vnpay": VNPayGateway(vnpay, client, clock),
        "stripe": StripeGateway(stripe, clock, client=client),
    }


@contextmanager
def open_world(name: str, state_dir: Path) -> Iterator[World]:
    """Start simulators and inbox on one loopback port, for one gateway under test."""
    listener, port = free_listener()
    base = f"http://127.0.0.1:{port}"
    clock, provider_clock = SettableClock(MONDAY), SettableClock(MONDAY)
    inbox = Inbox(clock)
    simulators = create_server(
        clock=provider_clock, state_dir=state_dir, config=server_config(base), environment="test"
    )
    app = inbox.routes()
    app.mount("/sim", simulators)
    parties = simulators.state.parties
    client = create_client(timeout_seconds=CLIENT_TIMEOUT)
    inbox.gateways = gateways(base, client, clock)
    with serving(app, listener), client:
        yield World(clock, provider_clock, parties, inbox, client, base, inbox.gateways[name])
    parties.close()
