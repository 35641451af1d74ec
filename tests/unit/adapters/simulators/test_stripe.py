"""The fake Stripe behind the real gateway and the real package, over HTTP on loopback."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stripe
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response

from adapters.gateways.base import NOT_FOUND
from adapters.gateways.stripe import StripeConfig, StripeGateway
from adapters.gateways.stripe_transport import StripeTransport
from adapters.http import Caller, create_client
from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.stripe import StripeSimulator
from adapters.simulators.stripe_config import (
    CHECKOUT_EVENTS,
    INTENT_EVENTS,
    StripeAccount,
    StripeSimulatorConfig,
)
from adapters.simulators.stripe_web import create_app
from adapters.simulators.web import RawBody
from adapters.statements.parser import SettlementFileParser
from core.clock import at_vietnam_time
from core.errors import DoisoatError, NotFoundError
from core.money import Money
from payments.channels import Rail
from payments.errors import GatewayRefusedError, GatewayUnavailableError
from payments.ports import (
    GatewayNotice,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    StartedPayment,
    StartRequest,
)
from reconciliation.ports import Outcome as FileOutcome

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
"""09:00 in Vietnam on a working day."""

ACCT, KEY, WHSEC = "acct_demo", "sk_test_unit", "whsec_unit"
REFERENCE = "MC1234567ABC-1"
DAY = timedelta(days=1)


@dataclass
class World:
    """Stripe, an inbox that applies each message once, and the gateway between them."""

    base: str
    at: datetime = MONDAY
    notices: list[GatewayNotice] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    client: httpx2.Client = field(default_factory=lambda: create_client(timeout_seconds=5))
    simulator: StripeSimulator = field(init=False)

    @property
    def http(self) -> Caller:
        return Caller(self.client, rail=Rail.STRIPE, merchant_code=ACCT, clock=lambda: self.at)

    @property
    def config(self) -> StripeConfig:
        return StripeConfig(api_key=KEY, webhook_secret=WHSEC, api_url=f"{self.base}/stripe")

    @property
    def gateway(self) -> StripeGateway:
        return StripeGateway(self.config, self.http)

    @property
    def sdk(self) -> stripe.StripeClient:
        return stripe.StripeClient(
            KEY,
            base_addresses={"api": self.config.api_url},
            max_network_retries=0,
            http_client=StripeTransport(self.http),
        )

    def request(self, reference: str = REFERENCE, amount: int = 150_000) -> StartRequest:
        return StartRequest(
            merchant_reference=reference,
            bill_reference=reference.partition("-")[0],
            amount=Money(amount),
            description="Le phi ho tich",
            return_url=f"{self.base}/return",
            payer_ip="127.0.0.1",
            locale="vi",
            created_at=self.at,
            expires_at=self.at + timedelta(hours=1),
        )

    def pay(self, reference: str = REFERENCE, amount: int = 150_000) -> StartedPayment:
        started = self.gateway.start(self.request(reference, amount))
        self.act(started, "pay")
        return started

    def act(self, started: StartedPayment, outcome: str) -> str | None:
        body = {"url": started.redirect_url, "outcome": outcome}
        answer = self.client.post(f"{self.base}/stripe/_control/act", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["return_url"]  # type: ignore[no-any-return]

    def question(
        self, provider_reference: str | None, reference: str = REFERENCE, amount: int = 150_000
    ) -> PaymentQuery:
        return PaymentQuery(
            merchant_reference=reference,
            provider_reference=provider_reference,
            provider_txn_id=None,
            created_at=MONDAY,
            asked_at=self.at,
            request_id="ask1",
            amount=Money(amount),
        )

    def order(self, amount: int = 20_000, key: str = "R-1") -> RefundOrder:
        [paid] = [n for n in self.notices if n.outcome is Outcome.SUCCEEDED][:1]
        return RefundOrder(
            refund_reference=key,
            merchant_reference=paid.merchant_reference,
            provider_reference=paid.provider_reference,
            provider_txn_id=paid.provider_txn_id,
            amount=Money(amount),
            paid_amount=Money(150_000),
            paid_created_at=MONDAY,
            asked_at=self.at,
            operator="officer-7",
            description="Hoan le phi",
        )

    def move(self, step: timedelta) -> None:
        self.at += step
        self.simulator.deliver_due(self.at)

    def force(self, *faults: Fault) -> None:
        with self.simulator.store.transaction() as records:
            force_faults(records, REFERENCE, faults)

    @property
    def money(self) -> list[GatewayNotice]:
        return [notice for notice in self.notices if notice.kind is NoticeKind.PAYMENT]

    def take(self, event: RawEvent) -> NoticeResult:
        try:
            self.notices.append(self.gateway.verify_notice(event))
        except DoisoatError:
            return NoticeResult.MALFORMED
        return NoticeResult.APPLIED


def application(world: World, folder: Path, events: frozenset[str]) -> FastAPI:
    account = StripeAccount(ACCT, KEY, f"{world.base}/notice", WHSEC, "0071000123456", events)
    config = StripeSimulatorConfig((account,), f"{world.base}/stripe")
    stripe_app = create_app(
        clock=lambda: world.at, state_path=folder / "stripe.sqlite", config=config
    )
    world.simulator = stripe_app.state.simulator
    app = FastAPI()
    app.mount("/stripe", stripe_app)

    @app.post("/notice")
    def notice(request: Request, body: RawBody) -> Response:
        event = RawEvent(Rail.STRIPE, "POST", "", dict(request.headers), body, world.at)
        answer = world.gateway.answer(event, world.take(event))
        world.answers.append(answer.status)
        return Response(answer.body, answer.status)

    return app


@contextmanager
def open_world(folder: Path, events: frozenset[str]) -> Iterator[World]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    world = World(f"http://127.0.0.1:{listener.getsockname()[1]}")
    app = application(world, folder, events)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield world
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        world.client.close()
        world.simulator.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An endpoint registered for what docs/rails/stripe.md names."""
    with open_world(tmp_path, CHECKOUT_EVENTS) as opened:
        yield opened


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[World]:
    """An endpoint registered for intents too: each payment is told twice."""
    with open_world(tmp_path, CHECKOUT_EVENTS | INTENT_EVENTS) as opened:
        yield opened


# ---------------------------------------------------------------- intents


def test_a_payment_told_by_session_and_intent_is_the_same_money(talkative: World) -> None:
    started = talkative.pay()

    intent, session = talkative.money
    assert intent.event_key != session.event_key
    assert {n.provider_txn_id for n in talkative.money} == {session.provider_txn_id}
    assert {(n.merchant_reference, n.outcome, n.amount) for n in talkative.money} == {
        (REFERENCE, Outcome.SUCCEEDED, Money(150_000))
    }
    assert (session.provider_reference, intent.provider_reference) == (
        started.provider_reference,
        None,
    )
    assert set(talkative.answers) == {200}


def test_a_declined_card_leaves_the_page_open_and_the_attempt_pending(talkative: World) -> None:
    started = talkative.gateway.start(talkative.request())
    talkative.act(started, "insufficient")
    asked = talkative.gateway.query(talkative.question(started.provider_reference))
    talkative.act(started, "pay")

    assert [(n.outcome, n.reason_code) for n in talkative.money] == [
        (Outcome.PENDING, "insufficient_funds"),
        (Outcome.SUCCEEDED, ""),
        (Outcome.SUCCEEDED, ""),
    ]
    assert (asked.outcome, asked.reason_code) == (Outcome.PENDING, "insufficient_funds")


def test_a_method_that_takes_days_is_pending_until_it_fails_for_good(talkative: World) -> None:
    started = talkative.gateway.start(talkative.request())
    talkative.act(started, "fail_later")
    talkative.move(timedelta(hours=7))

    told = [notice.outcome for notice in talkative.money]
    assert told == [Outcome.PENDING, Outcome.PENDING, Outcome.PENDING, Outcome.FAILED]
    asked = talkative.gateway.query(talkative.question(started.provider_reference))
    assert asked.outcome is Outcome.FAILED


def test_an_expired_session_takes_its_intent_along(talkative: World) -> None:
    started = talkative.gateway.start(talkative.request())
    talkative.act(started, "decline")
    talkative.move(timedelta(hours=2))

    told = [(notice.outcome, notice.reason_code) for notice in talkative.money[1:]]
    assert told == [(Outcome.CANCELLED, "automatic"), (Outcome.EXPIRED, "")]


def bare(world: World, **changed: Any) -> Any:
    return {
        "amount": 150_000,
        "currency": "vnd",
        "automatic_payment_methods": {"enabled": True},
        "metadata": {"merchant_reference": REFERENCE},
        **changed,
    }


def test_an_intent_made_elsewhere_is_told_asked_about_and_refunded(talkative: World) -> None:
    intents = talkative.sdk.v1.payment_intents
    made = intents.create(bare(talkative))
    before = talkative.gateway.query(talkative.question(made.id))
    with pytest.raises(stripe.CardError) as declined:
        intents.confirm(made.id, {"payment_method": "pm_card_chargeDeclined"})
    intents.confirm(made.id, {"payment_method": "pm_card_visa"})
    talkative.move(timedelta(0))

    found = talkative.gateway.query(talkative.question(None))
    asked = talkative.gateway.query(talkative.question(made.id))
    refund = talkative.gateway.refund(talkative.order())
    assert before.outcome is Outcome.PENDING
    assert declined.value.code == "card_declined"
    assert [notice.outcome for notice in talkative.money] == [Outcome.PENDING, Outcome.SUCCEEDED]
    assert (asked.outcome, asked.amount, asked.provider_txn_id) == (
        Outcome.SUCCEEDED,
        Money(150_000),
        made.id,
    )
    assert found == asked
    assert refund.outcome is Outcome.SUCCEEDED
    assert talkative.simulator.refunded(ACCT, REFERENCE) == 20_000


def test_an_intent_made_elsewhere_is_called_off_once(talkative: World) -> None:
    made = talkative.sdk.v1.payment_intents.create(bare(talkative))

    for _ in range(2):
        told = talkative.gateway.cancel(talkative.question(made.id))
        assert told.outcome is Outcome.CANCELLED
    with pytest.raises(stripe.InvalidRequestError):
        talkative.sdk.v1.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa"})


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 0},
        {"amount": "1.5"},
        {"currency": ""},
        {"confirm": True, "payment_method": "pm_other"},
    ],
)
def test_unusable_intents_are_refused(world: World, changed: dict[str, Any]) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        world.sdk.v1.payment_intents.create(bare(world, **changed))


def test_the_intent_of_a_session_is_not_cancelled_by_itself(world: World) -> None:
    started = world.gateway.start(world.request())
    world.act(started, "decline")
    session = world.sdk.v1.checkout.sessions.retrieve(str(started.provider_reference))
    with pytest.raises(stripe.InvalidRequestError):
        world.sdk.v1.payment_intents.cancel(str(session.payment_intent))


# ---------------------------------------------------------------- calling off


def test_an_open_session_is_called_off_and_cannot_be_paid(world: World) -> None:
    started = world.gateway.start(world.request())
    question = world.question(started.provider_reference)

    told = world.gateway.cancel(question)
    world.act(started, "pay")

    assert told.outcome is Outcome.EXPIRED
    assert world.gateway.query(question).outcome is Outcome.EXPIRED
    assert world.gateway.cancel(question).outcome is Outcome.EXPIRED
    assert [notice.outcome for notice in world.money] == [Outcome.EXPIRED]


def test_calling_off_too_late_finds_the_money(world: World) -> None:
    started = world.pay()

    for reference in (started.provider_reference, None):
        told = world.gateway.cancel(world.question(reference))
        assert (told.outcome, told.amount) == (Outcome.SUCCEEDED, Money(150_000))


def test_calling_off_needs_no_id(world: World) -> None:
    world.force(Fault.LOST_START)
    with pytest.raises(GatewayUnavailableError):
        world.gateway.start(world.request())

    assert world.gateway.cancel(world.question(None)).outcome is Outcome.EXPIRED


# ---------------------------------------------------------------- refunds


def test_a_refund_is_asked_about_by_its_id_and_by_ours(world: World) -> None:
    world.pay()
    order = world.order()
    before = world.gateway.query_refund(order)
    made = world.gateway.refund(order)
    told = [
        world.gateway.query_refund(order),
        world.gateway.query_refund(replace(order, refund_txn_id=made.provider_txn_id)),
    ]

    assert (before.outcome, before.reason_code) == (Outcome.PENDING, NOT_FOUND)
    for notice in told:
        assert notice == made
    assert (made.refund_reference, made.amount) == ("R-1", Money(20_000))


def test_days_later_a_refund_is_found_and_not_paid_twice(world: World) -> None:
    world.pay()
    first = world.order()
    made = world.gateway.refund(first)
    other = world.gateway.refund(world.order(5_000, "R-2"))
    for days in (2, 30):
        late = replace(first, submitted_at=first.asked_at, asked_at=MONDAY + days * DAY)
        world.at = MONDAY + days * DAY
        assert world.gateway.refund(late) == made

    assert other.provider_txn_id != made.provider_txn_id
    assert world.simulator.refunded(ACCT, REFERENCE) == 25_000


def test_days_later_a_refund_that_never_arrived_is_sent(world: World) -> None:
    world.pay()
    order = replace(world.order(), submitted_at=MONDAY, asked_at=MONDAY + 2 * DAY)
    world.at = MONDAY + 2 * DAY

    assert world.gateway.refund(order).outcome is Outcome.SUCCEEDED
    assert world.simulator.refunded(ACCT, REFERENCE) == 20_000


def test_more_than_was_paid_is_refused(world: World) -> None:
    world.pay()
    world.gateway.refund(world.order(140_000))
    with pytest.raises(GatewayRefusedError):
        world.gateway.refund(world.order(20_000, "R-2"))


# ---------------------------------------------------------------- payouts


def test_the_fetched_report_is_what_was_settled_to_the_last_dong(
    world: World, tmp_path: Path
) -> None:
    world.pay()
    world.pay("MC7654321CBA-12", 99_999)
    disputed = world.notices[-1]
    order = world.order()
    world.gateway.refund(order)
    by_hand = {"payment_intent": str(order.provider_txn_id), "amount": 1_000}
    world.sdk.v1.refunds.create(by_hand)  # type: ignore[arg-type]
    dispute = {"payment_intent": disputed.provider_txn_id}
    world.pay("MC1111111AAA-1", 500_000)
    world.client.post(f"{world.base}/stripe/_control/disputes", json=dispute)
    world.move(DAY)
    [payout] = world.simulator.payouts()
    rows = world.simulator.settlement(ACCT, MONDAY.date())
    world.at = at_vietnam_time(payout.payout_date, 10)

    [report] = world.gateway.settlement_report(payout.payout_date)

    path = tmp_path / report.name
    path.write_bytes(report.content)
    parsed = SettlementFileParser().parse(path, provider="stripe")
    assert report.name == f"stripe-{payout.payout_id}.csv"
    assert (parsed.outcome, parsed.problems) == (FileOutcome.OK, [])
    assert sorted(
        (
            line.kind,
            line.provider_txn_id,
            line.bill_reference,
            line.gross,
            line.fee,
            line.net,
            datetime.fromisoformat(line.occurred_at),
            line.payout_id,
            line.payout_date,
        )
        for line in parsed.lines
    ) == sorted(
        (
            row.kind,
            row.provider_txn_id,
            row.merchant_reference.partition("-")[0],
            Money(row.gross),
            Money(row.fee),
            Money(row.net),
            row.occurred_at,
            row.payout_id,
            row.payout_date,
        )
        for row in rows
    )
    assert [line.kind for line in parsed.lines].count("refund") == 2
    assert [line.kind for line in parsed.lines].count("chargeback") == 1
    assert sum(line.net.amount_minor for line in parsed.lines) == payout.amount


def test_only_the_day_of_arrival_has_the_report(world: World) -> None:
    world.pay()
    world.move(5 * DAY)
    [payout] = world.simulator.payouts()

    for step in (-2, -1, 1, 2):
        assert world.gateway.settlement_report(payout.payout_date + step * DAY) == []
    assert len(world.gateway.settlement_report(payout.payout_date)) == 1


def test_a_payout_of_many_pages_is_read_whole(world: World) -> None:
    with world.simulator.store.transaction() as records:
        inside = {"account": ACCT, "reference": ""}
        for number in range(230):
            world.simulator.enter(records, inside, "payment", f"pi_{number}", 10_000, MONDAY)
    world.move(DAY)
    [payout] = world.simulator.payouts()

    [report] = world.gateway.settlement_report(payout.payout_date)

    assert len(report.content.splitlines()) == 231
    assert payout.amount == 230 * (10_000 - 290 - 7_500)


def test_a_payout_that_does_not_add_up_has_no_report(world: World) -> None:
    world.pay()
    world.move(DAY)
    [payout] = world.simulator.payouts()
    with world.simulator.store.transaction() as records:
        kept = records.get("payout", payout.payout_id) or {}
        changed = {**kept, "amount": kept["amount"] + 1}
        records.put("payout", payout.payout_id, changed, label=kept["report_id"])

    with pytest.raises(GatewayUnavailableError):
        world.gateway.settlement_report(payout.payout_date)


def test_the_package_reads_balance_payouts_and_movements(world: World) -> None:
    world.pay()
    before = world.sdk.v1.balance.retrieve()
    world.move(DAY)
    after = world.sdk.v1.balance.retrieve()
    [payout] = world.sdk.v1.payouts.list().data
    rows = world.sdk.v1.balance_transactions.list({"payout": payout.id, "expand": ["data.source"]})
    charge, debit = sorted(rows.data, key=lambda row: row.amount, reverse=True)
    none = world.sdk.v1.balance_transactions.list({"type": "refund"})

    assert (before.pending[0].amount, after.pending[0].amount) == (150_000 - 11_850, 0)
    assert (charge.reporting_category, debit.reporting_category) == ("charge", "payout")
    assert charge.net + debit.net == 0
    assert charge.fee_details[0].amount == charge.fee == 11_850
    assert isinstance(charge.source, stripe.Charge)
    assert charge.source.payment_intent == world.money[0].provider_txn_id
    assert debit.source == payout.id
    assert payout.arrival_date % 86_400 == 0, "days of Stripe's are midnights of UTC"
    assert payout.reconciliation_status == "completed"
    assert world.sdk.v1.payouts.retrieve(payout.id).amount == payout.amount
    assert none.data == []
    with pytest.raises(stripe.InvalidRequestError):
        world.sdk.v1.balance_transactions.list({"payout": "po_none"})


# ---------------------------------------------------------------- the set-up, the control API


def test_the_set_up_is_checked_without_moving_money(world: World) -> None:
    right = world.gateway.check(at=world.at)
    wrong = StripeGateway(replace(world.config, api_key="sk_test_other"), world.http)
    nobody = StripeGateway(replace(world.config, api_url="http://127.0.0.1:9"), world.http)

    assert (right.works, wrong.check(at=world.at).works) == (True, False)
    assert "does not know" in wrong.check(at=world.at).sentence
    assert "cannot be reached" in nobody.check(at=world.at).sentence
    assert world.notices == []


def test_a_publishable_key_is_refused_in_stripes_words(world: World) -> None:
    answer = world.client.get(
        f"{world.base}/stripe/v1/balance", headers={"Authorization": "Bearer pk_test_1"}
    )

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "secret_key_required"


def test_an_order_shows_what_was_sent_back_and_every_message(world: World) -> None:
    world.pay()
    world.gateway.refund(world.order())
    world.move(timedelta(0))

    order = world.client.get(f"{world.base}/stripe/_control/orders/{ACCT}/{REFERENCE}").json()

    assert order["amount_total"] == 150_000
    assert [refund["amount"] for refund in order["refunds"]] == [20_000]
    assert len(order["notices"]) == 3
    assert all(notice["accepted"] for notice in order["notices"])
    assert world.simulator.refunded(ACCT, REFERENCE) == 20_000
    with pytest.raises(NotFoundError):
        world.simulator.order(ACCT, "MC0-1")


def test_turning_back_and_walking_away_leave_the_session_open(world: World) -> None:
    started = world.gateway.start(world.request())

    assert world.act(started, "cancel") == f"{world.base}/return"
    assert world.act(started, "abandon") is None
    asked = world.gateway.query(world.question(started.provider_reference))
    assert asked.outcome is Outcome.PENDING


def test_the_control_api_shows_what_was_settled(world: World) -> None:
    world.pay()
    world.move(DAY)
    control = f"{world.base}/stripe/_control"

    rows = world.client.get(f"{control}/settlements/{ACCT}/{date(2026, 3, 2)}").json()
    payouts = world.client.get(f"{control}/payouts").json()

    assert [row["gross"] for row in rows] == [150_000]
    assert [payout["amount"] for payout in payouts] == [rows[0]["net"]]
