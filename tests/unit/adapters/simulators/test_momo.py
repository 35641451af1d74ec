"""MoMo's gateway against MoMo's simulator over real HTTP: the whole life of orders and refunds."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response

from adapters.gateways import momo_signing as signing
from adapters.gateways.momo import MoMoConfig, MoMoGateway
from adapters.http import Caller, create_client
from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.momo import MoMoSimulator
from adapters.simulators.momo_api import Exchange, MoMoApi
from adapters.simulators.momo_config import MoMoPartner, MoMoSimulatorConfig
from adapters.simulators.momo_web import create_app
from adapters.simulators.settlement import Payout
from adapters.simulators.statement_files import SettlementReportLine, write_settlement_report
from adapters.simulators.web import RawBody
from adapters.statements.parser import SettlementFileParser
from core.errors import InputUnusableError, NotFoundError
from core.money import Money
from payments.channels import Rail
from payments.errors import DoisoatError, GatewayRefusedError, GatewayUnavailableError
from payments.ports import (
    GatewayNotice,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    RefundOrder,
    StartedPayment,
    StartRequest,
)

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
REFERENCE = "MC1234567ABC-1"
PARTNER = "MOMODOISOAT"
KEYS = ("access-contract", "secret-contract")
SLOW = 1.6
CLIENT_TIMEOUT = 0.8
API = "/momo/v2/gateway/api"


@dataclass
class World:
    """A clock, MoMo, a gateway and an inbox as small as can be, on one loopback port."""

    base: str
    client: httpx2.Client
    now: datetime = MONDAY
    auto_capture: bool = True
    sink: list[Payout] = field(default_factory=list)
    events: list[RawEvent] = field(default_factory=list)
    notices: list[GatewayNotice] = field(default_factory=list)
    answer_with: NoticeResult | None = None
    asked: int = 0
    simulator: MoMoSimulator = field(init=False)

    def clock(self) -> datetime:
        return self.now

    @property
    def config(self) -> MoMoConfig:
        return MoMoConfig(
            partner_code=PARTNER,
            access_key=KEYS[0],
            secret_key=KEYS[1],
            api_url=f"{self.base}/momo",
            auto_capture=self.auto_capture,
        )

    @property
    def gateway(self) -> MoMoGateway:
        return self.with_config(self.config)

    def with_config(self, config: MoMoConfig) -> MoMoGateway:
        caller = Caller(self.client, rail=Rail.MOMO, merchant_code="main", clock=self.clock)
        return MoMoGateway(config, caller)

    def receive(self, event: RawEvent) -> Response:
        self.events.append(event)
        result = NoticeResult.APPLIED
        try:
            notice = self.gateway.verify_notice(event)
        except DoisoatError:
            result = NoticeResult.INVALID_SIGNATURE
        else:
            known = {one.event_key for one in self.notices}
            if notice.event_key in known:
                result = NoticeResult.ALREADY_APPLIED
            elif self.answer_with is None:
                self.notices.append(notice)
        answer = self.gateway.answer(event, self.answer_with or result)
        return Response(answer.body, answer.status, media_type=answer.media_type)

    def move(self, step: timedelta) -> None:
        self.now += step

    def tick(self) -> int:
        return self.simulator.deliver_due(self.now)

    def force(self, *faults: Fault) -> None:
        self.client.post(
            f"{self.base}/momo/_control/faults",
            json={"reference": REFERENCE, "faults": [fault.value for fault in faults]},
        ).raise_for_status()

    def request(self, amount: int = 150_000) -> StartRequest:
        return StartRequest(
            merchant_reference=REFERENCE,
            bill_reference="MC1234567ABC",
            amount=Money(amount),
            description="Le phi dang ky ho tich",
            return_url=f"{self.base}/return?lang=vi",
            payer_ip="127.0.0.1",
            locale="vi",
            created_at=MONDAY,
            expires_at=MONDAY + timedelta(minutes=40),
            notice_url=f"{self.base}/channels/momo/main/notice",
        )

    def start(self, amount: int = 150_000) -> StartedPayment:
        return self.gateway.start(self.request(amount))

    def act(self, started: StartedPayment, outcome: str) -> str | None:
        answer = self.client.post(
            f"{self.base}/momo/_control/act",
            json={"url": started.redirect_url, "outcome": outcome},
        )
        assert answer.status_code == 200, answer.text
        address: str | None = answer.json()["return_url"]
        return address

    def question(self) -> PaymentQuery:
        self.asked += 1
        return PaymentQuery(
            merchant_reference=REFERENCE,
            provider_reference=None,
            provider_txn_id=None,
            created_at=MONDAY,
            asked_at=self.now,
            request_id=f"ask{self.asked:06d}",
            amount=Money(150_000),
            expires_at=MONDAY + timedelta(minutes=40),
        )

    def query(self) -> GatewayNotice:
        return self.gateway.query(self.question())

    def paid(self) -> GatewayNotice:
        self.act(self.start(), "pay")
        return self.notices[-1]

    def refund_order(self, amount: int, number: int = 1) -> RefundOrder:
        return RefundOrder(
            refund_reference=f"{REFERENCE}-R{number}",
            merchant_reference=REFERENCE,
            provider_reference=None,
            provider_txn_id=self.notices[-1].provider_txn_id,
            amount=Money(amount),
            paid_amount=Money(150_000),
            paid_created_at=MONDAY,
            asked_at=self.now,
            operator="officer-7",
            description="Hoan le phi",
        )

    def post(self, path: str, names: tuple[str, ...], **fields: Any) -> httpx2.Response:
        """Call MoMo by hand, rightly signed."""
        body = {"partnerCode": PARTNER, **fields}
        values = {name: str(value) for name, value in body.items()}
        body["signature"] = signing.sign(names, values, access_key=KEYS[0], secret_key=KEYS[1])
        return self.client.post(f"{self.base}{API}/{path}", json=body)


@contextmanager
def serving(app: FastAPI, listener: socket.socket) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", access_log=False))
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


def inbox(world: World) -> FastAPI:
    app = FastAPI()

    @app.post("/channels/momo/main/notice")
    def receive(request: Request, body: RawBody) -> Response:
        event = RawEvent(Rail.MOMO, "POST", "", dict(request.headers), body, world.now)
        return world.receive(event)

    return app


@contextmanager
def open_world(tmp_path: Path, **changed: Any) -> Iterator[World]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = MoMoSimulatorConfig(
        (MoMoPartner(PARTNER, *KEYS, "0071000123456"),), f"{base}/momo", slow_seconds=SLOW
    )
    with create_client(timeout_seconds=CLIENT_TIMEOUT) as client:
        world = World(base, client)
        app = inbox(world)
        momo = create_app(
            clock=world.clock,
            state_path=tmp_path / "momo.sqlite",
            config=replace(config, **changed),
            payout_sink=world.sink.append,
        )
        world.simulator = momo.state.simulator
        app.mount("/momo", momo)
        with serving(app, listener):
            yield world
        world.simulator.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as opened:
        yield opened


# ---------------------------------------------------------------- the payer


def test_a_payment_is_told_by_ipn_and_by_query_as_the_same_news(world: World) -> None:
    paid = world.paid()

    assert (paid.outcome, paid.amount) == (Outcome.SUCCEEDED, Money(150_000))
    assert paid.occurred_at == MONDAY
    asked = world.query()
    assert (asked.outcome, asked.amount) == (paid.outcome, paid.amount)
    assert asked.event_key == paid.event_key
    order = world.client.get(f"{world.base}/momo/_control/orders/{PARTNER}/{REFERENCE}").json()
    assert [call["answer"] for call in order["notices"][0]["calls"]] == ["204"]
    assert order["refunds"] == []


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("cancel", Outcome.CANCELLED),
        ("insufficient", Outcome.FAILED),
        ("decline", Outcome.FAILED),
        ("limit", Outcome.FAILED),
    ],
)
def test_what_the_payer_brings_about_is_told(world: World, outcome: str, expected: Outcome) -> None:
    world.act(world.start(), outcome)

    assert [notice.outcome for notice in world.notices] == [expected]
    assert world.query().outcome is expected
    assert world.notices[0].amount is None


def test_the_redirect_carries_a_signed_result_and_one_parameter_that_is_not(world: World) -> None:
    address = world.act(world.start(), "cancel")

    assert address is not None
    assert address.startswith(f"{world.base}/return?lang=vi&partnerCode=")
    fields = dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))
    assert fields["payType"] == ""
    assert fields["paymentOption"] == "momo"
    assert signing.is_signed(fields, signing.RESULT, [KEYS])


def test_who_walks_away_leaves_it_open_until_the_link_expires(world: World) -> None:
    started = world.start()
    assert world.act(started, "abandon") is None
    assert world.query().outcome is Outcome.PENDING

    world.move(timedelta(minutes=101))

    assert world.query().outcome is Outcome.EXPIRED
    with pytest.raises(InputUnusableError):
        world.simulator.act(str(started.redirect_url), "pay")
    assert world.tick() == 0
    assert world.notices == []


def test_a_payment_in_progress_is_pending_until_it_is_done(world: World) -> None:
    world.act(world.start(), "processing")
    assert world.query().outcome is Outcome.PENDING
    assert world.notices == []

    world.move(timedelta(minutes=30))
    world.tick()

    assert [notice.outcome for notice in world.notices] == [Outcome.SUCCEEDED]
    assert world.query().provider_txn_id == world.notices[0].provider_txn_id


def test_a_finished_order_cannot_be_decided_again(world: World) -> None:
    started = world.start()
    world.act(started, "pay")
    world.act(started, "cancel")
    assert world.query().outcome is Outcome.SUCCEEDED
    assert len(world.notices) == 1


def test_a_person_pays_on_the_page(world: World) -> None:
    started = world.start()
    page = world.client.get(str(started.redirect_url))
    assert page.status_code == 200
    assert "150000 VND" in page.text
    assert "Thanh toán / Pay" in page.text
    token = parse_qs(urlsplit(str(started.redirect_url)).query)["t"][0]

    done = world.client.post(
        f"{world.base}/momo/v2/gateway/pay", data={"order": token, "outcome": "pay"}
    )

    assert done.status_code == 303
    assert "resultCode=0" in done.headers["location"]
    assert [notice.outcome for notice in world.notices] == [Outcome.SUCCEEDED]


def test_an_address_that_momo_did_not_give_opens_nothing(world: World) -> None:
    world.start()
    for address in (f"{world.base}/momo/v2/gateway/pay", "x?t=", "x?t=guess"):
        with pytest.raises(NotFoundError):
            world.simulator.act(address, "pay")
    with pytest.raises(NotFoundError):
        world.simulator.order(PARTNER, "unknown")


# ---------------------------------------------------------------- notices


def test_an_ipn_is_repeated_until_it_is_taken(world: World) -> None:
    world.answer_with = NoticeResult.FAILED
    world.act(world.start(), "pay")
    assert len(world.events) == 1
    assert world.tick() == 0

    world.answer_with = None
    world.move(timedelta(minutes=5))
    assert world.tick() == 1
    world.move(timedelta(hours=1))
    assert world.tick() == 0

    assert world.events[0].body == world.events[1].body
    assert len(world.notices) == 1


def test_a_doubled_notice_is_one(world: World) -> None:
    world.force(Fault.DOUBLE_NOTICE)
    world.paid()
    assert (len(world.events), len(world.notices)) == (2, 1)


def test_a_lost_notice_leaves_the_query(world: World) -> None:
    world.force(Fault.LOST_NOTICE)
    world.act(world.start(), "pay")
    assert world.events == []
    assert world.query().outcome is Outcome.SUCCEEDED


def test_a_late_notice_still_tells_when_it_was_paid(world: World) -> None:
    world.force(Fault.LATE_NOTICE)
    world.act(world.start(), "pay")
    assert world.notices == []
    world.move(timedelta(hours=2))
    world.tick()
    assert world.notices[0].occurred_at == MONDAY


def test_another_amount_is_told_as_collected(world: World) -> None:
    world.force(Fault.OTHER_AMOUNT)
    paid = world.paid()
    assert paid.amount != Money(150_000)
    assert world.query().amount == paid.amount


# ---------------------------------------------------------------- lost answers, repeated requests


def test_a_start_whose_answer_is_lost_is_unknown_and_repeated_opens_the_same_page(
    world: World,
) -> None:
    world.force(Fault.LOST_START)
    with pytest.raises(GatewayUnavailableError):
        world.start()
    assert world.query().outcome is Outcome.PENDING

    again, third = world.start(), world.start()

    assert again == third
    world.act(again, "pay")
    assert world.query().outcome is Outcome.SUCCEEDED


def test_the_same_start_with_another_amount_does_not_pass_for_the_first(world: World) -> None:
    world.start()
    with pytest.raises(GatewayUnavailableError):
        world.start(99_000)
    assert world.simulator.order(PARTNER, REFERENCE)["amount"] == 150_000


def test_an_order_whose_request_is_forgotten_is_known_all_the_same(world: World) -> None:
    world.start()
    world.move(timedelta(days=31, seconds=1))
    with pytest.raises(GatewayUnavailableError, match="41"):
        world.start()


@pytest.mark.parametrize("fault", [Fault.LOST_QUERY, Fault.SLOW_QUERY])
def test_a_lost_or_late_answer_to_a_query_is_unknown(world: World, fault: Fault) -> None:
    world.force(fault)
    world.act(world.start(), "pay")
    with pytest.raises(GatewayUnavailableError):
        world.query()
    assert world.query().outcome is Outcome.SUCCEEDED


def test_a_request_in_flight_gets_422_and_7000_and_afterwards_its_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.force(Fault.SLOW_QUERY)
    world.act(world.start(), "pay")
    body = {"partnerCode": PARTNER, "requestId": "r1", "orderId": REFERENCE}
    body["signature"] = signing.sign(signing.QUERY, body, access_key=KEYS[0], secret_key=KEYS[1])
    api = MoMoApi(world.simulator)
    meanwhile: list[Exchange] = []

    def repeat(seconds: float) -> None:
        assert seconds == SLOW
        meanwhile.append(api.call("query", body))

    monkeypatch.setattr("adapters.simulators.momo_api.time", SimpleNamespace(sleep=repeat))

    first, afterwards = api.call("query", body), api.call("query", body)

    assert [(one.status, one.body["resultCode"]) for one in meanwhile] == [(422, 7000)]
    assert (first.status, first.body["resultCode"]) == (200, 0)
    assert afterwards == first


def test_a_request_repeated_after_a_code_that_is_not_final_is_a_duplicate(world: World) -> None:
    world.start()
    fields = {"requestId": "r1", "orderId": REFERENCE}
    assert world.post("query", signing.QUERY, **fields).json()["resultCode"] == 1000
    repeated = world.post("query", signing.QUERY, **fields)
    assert (repeated.status_code, repeated.json()["resultCode"]) == (400, 40)

    world.move(timedelta(days=31, seconds=1))

    assert world.post("query", signing.QUERY, **fields).json()["resultCode"] == 1005


Break = Callable[[dict[str, Any]], dict[str, Any]]
BROKEN: dict[str, tuple[Break, int]] = {
    "no amount": (lambda f: {k: v for k, v in f.items() if k != "amount"}, 20),
    "amount as text": (lambda f: {**f, "amount": "150000"}, 20),
    "too little": (lambda f: {**f, "amount": 999}, 22),
    "too much": (lambda f: {**f, "amount": 50_000_001}, 22),
    "odd type": (lambda f: {**f, "requestType": "onDelivery"}, 20),
    "odd order": (lambda f: {**f, "orderId": "a b"}, 20),
    "long request": (lambda f: {**f, "requestId": "r" * 51}, 20),
    "no ipn": (lambda f: {**f, "ipnUrl": ""}, 20),
}


@pytest.mark.parametrize(("broken", "code"), BROKEN.values(), ids=BROKEN)
def test_what_does_not_fit_momos_fields_is_refused(world: World, broken: Break, code: int) -> None:
    whole = {
        "requestId": "r1",
        "amount": 150_000,
        "orderId": REFERENCE,
        "orderInfo": "x",
        "redirectUrl": "http://x/",
        "ipnUrl": "http://x/",
        "requestType": "captureWallet",
        "extraData": "",
    }
    answer = world.post("create", signing.CREATE, **broken(whole))
    assert (answer.status_code, answer.json()["resultCode"]) == (400, code)
    with pytest.raises(NotFoundError):
        world.simulator.order(PARTNER, REFERENCE)
    for body in (b"no json", b"[]"):
        odd = world.client.post(f"{world.base}{API}/create", content=body)
        assert (odd.status_code, odd.json()["resultCode"]) == (400, 20)


def test_the_check_passes_with_the_right_keys_and_says_what_is_wrong_with_others(
    world: World,
) -> None:
    checked = world.gateway.check(at=world.now)
    assert checked.works is True

    for changed in ({"secret_key": "other"}, {"access_key": "other"}, {"partner_code": "OTHER"}):
        wrong = world.with_config(replace(world.config, **changed))
        answer = wrong.check(at=world.now)
        assert answer.works is False
        assert "key" in answer.sentence
        with pytest.raises(GatewayRefusedError):
            wrong.start(world.request())


# ---------------------------------------------------------------- two steps


@pytest.fixture
def two_steps(world: World) -> World:
    world.auto_capture = False
    return world


@pytest.mark.parametrize(
    ("capture", "outcome"), [(True, Outcome.SUCCEEDED), (False, Outcome.CANCELLED)]
)
def test_held_money_is_taken_or_let_go(
    two_steps: World, *, capture: bool, outcome: Outcome
) -> None:
    held = two_steps.paid()
    assert (held.outcome, held.amount) == (Outcome.AUTHORISED, Money(150_000))

    done = two_steps.gateway.confirm(two_steps.question(), capture=capture)
    again = two_steps.gateway.confirm(two_steps.question(), capture=capture)

    assert (done.outcome, again.outcome) == (outcome, outcome)
    two_steps.move(timedelta(days=1))
    two_steps.tick()
    rows = two_steps.simulator.settlement(PARTNER, date(2026, 3, 2))
    assert [row.gross for row in rows] == ([150_000] if capture else [])


def test_what_is_let_go_cannot_be_taken_any_more(two_steps: World) -> None:
    two_steps.paid()
    assert two_steps.gateway.cancel(two_steps.question()).outcome is Outcome.CANCELLED
    late = two_steps.gateway.confirm(two_steps.question(), capture=True)
    assert late.outcome is Outcome.CANCELLED


def test_calling_off_an_order_that_waits_leaves_it_open(two_steps: World) -> None:
    started = two_steps.start()
    assert two_steps.gateway.cancel(two_steps.question()).outcome is Outcome.PENDING
    two_steps.act(started, "pay")
    assert two_steps.query().outcome is Outcome.AUTHORISED


def test_only_the_amount_that_is_held_can_be_taken(two_steps: World) -> None:
    two_steps.paid()
    other = replace(two_steps.question(), amount=Money(1_000))
    with pytest.raises(GatewayRefusedError):
        two_steps.gateway.confirm(other, capture=True)
    assert two_steps.query().outcome is Outcome.AUTHORISED


def test_held_money_is_not_refundable(two_steps: World) -> None:
    two_steps.paid()
    with pytest.raises(GatewayRefusedError, match="1088"):
        two_steps.gateway.refund(two_steps.refund_order(10_000))


# ---------------------------------------------------------------- refunds


def test_refunds_in_parts_go_no_further_than_the_payment(world: World) -> None:
    world.paid()
    first = world.gateway.refund(world.refund_order(100_000))
    assert (first.outcome, first.amount) == (Outcome.SUCCEEDED, Money(100_000))
    with pytest.raises(GatewayRefusedError, match="1081"):
        world.gateway.refund(world.refund_order(50_001, 2))
    third = world.gateway.refund(world.refund_order(50_000, 3))

    assert third.provider_txn_id != first.provider_txn_id
    assert world.simulator.refunded(PARTNER, REFERENCE) == 150_000
    assert world.query().outcome is Outcome.SUCCEEDED


def test_a_refund_sent_twice_is_paid_once(world: World) -> None:
    world.paid()
    order = world.refund_order(100_000)
    assert world.gateway.refund(order) == world.gateway.refund(order)
    assert world.simulator.refunded(PARTNER, REFERENCE) == 100_000


@pytest.mark.parametrize("fault", [Fault.LOST_QUERY, Fault.SLOW_QUERY])
def test_a_refund_whose_answer_is_lost_is_paid_once_however_late_it_is_asked(
    world: World, fault: Fault
) -> None:
    world.paid()
    world.force(fault)
    order = world.refund_order(100_000)
    with pytest.raises(GatewayUnavailableError):
        world.gateway.refund(order)
    while world.gateway.refund(order).outcome is Outcome.PENDING:
        time.sleep(0.05)  # 422 and 7000 while MoMo still works on the first one

    for days in (0, 20, 29, 40, 400):
        later = MONDAY + timedelta(days=days)
        world.now = later
        again = replace(order, submitted_at=order.asked_at, asked_at=later)
        assert world.gateway.refund(again).outcome is Outcome.SUCCEEDED

    assert world.simulator.refunded(PARTNER, REFERENCE) == 100_000


def test_a_refund_may_take_days_and_asking_again_does_not_pay_twice(tmp_path: Path) -> None:
    with open_world(tmp_path, refund_delay=timedelta(days=2)) as world:
        world.paid()
        order = world.refund_order(100_000)
        first = world.gateway.refund(order)
        repeated = world.gateway.refund(order)  # 40: its code is not final, so it is asked about
        assert (first.outcome, first.reason_code) == (Outcome.PENDING, "7002")
        assert repeated == first
        with pytest.raises(GatewayRefusedError, match="1081"):
            world.gateway.refund(world.refund_order(50_001, 2))

        world.move(timedelta(days=2))
        later = replace(order, asked_at=world.now)

        done = world.gateway.query_refund(later)
        assert (done.outcome, done.amount) == (Outcome.SUCCEEDED, Money(100_000))
        assert done.provider_txn_id == first.provider_txn_id
        assert world.simulator.refunded(PARTNER, REFERENCE) == 100_000


def test_a_refund_that_was_never_sent_is_pending_and_not_found(world: World) -> None:
    world.paid()
    notice = world.gateway.query_refund(world.refund_order(100_000))
    assert (notice.outcome, notice.reason_code) == (Outcome.PENDING, "not_found")


def test_a_refund_needs_an_order_id_of_its_own(world: World) -> None:
    world.paid()
    order = replace(world.refund_order(100_000), refund_reference=REFERENCE)
    with pytest.raises(GatewayUnavailableError):
        world.gateway.refund(order)
    unknown = replace(order, provider_txn_id="4999999999")
    with pytest.raises(GatewayRefusedError, match="42"):
        world.gateway.refund(replace(unknown, refund_reference="other-R1"))
    assert world.simulator.refunded(PARTNER, REFERENCE) == 0


# ---------------------------------------------------------------- settlement


def test_what_was_paid_is_settled_net_and_its_report_is_read_back(
    world: World, tmp_path: Path
) -> None:
    paid = world.paid()
    refund = world.gateway.refund(world.refund_order(50_000))
    world.move(timedelta(days=1, hours=1))
    world.tick()
    world.tick()

    rows = world.simulator.settlement(PARTNER, date(2026, 3, 2))
    assert [(row.kind, row.gross, row.fee) for row in rows] == [
        ("payment", 150_000, 2_250),
        ("refund", -50_000, 0),
    ]
    [payout] = world.sink
    assert (payout.amount, payout.account) == (97_750, "0071000123456")
    listed = world.client.get(f"{world.base}/momo/_control/payouts").json()
    assert [one["payout_id"] for one in listed] == [payout.payout_id]
    shown = world.client.get(f"{world.base}/momo/_control/settlements/{PARTNER}/2026-03-02")
    assert [row["net"] for row in shown.json()] == [147_750, -50_000]

    file = tmp_path / "report.csv"
    lines = [
        SettlementReportLine(
            kind=row.kind,
            provider_txn_id=row.provider_txn_id,
            merchant_reference=row.merchant_reference,
            gross=Money(row.gross),
            fee=Money(row.fee),
            occurred_at=row.occurred_at,
            payout_id=row.payout_id,
            payout_date=row.payout_date,
        )
        for row in rows
    ]
    file.write_bytes(write_settlement_report("momo", lines, report_id=payout.report_id))
    parsed = SettlementFileParser().parse(file, provider="momo")
    assert parsed.problems == []
    assert [(one.provider_txn_id, one.bill_reference, one.net) for one in parsed.lines] == [
        (paid.provider_txn_id, "MC1234567ABC", Money(147_750)),
        (refund.provider_txn_id, "MC1234567ABC", Money(-50_000)),
    ]


@pytest.mark.parametrize("fault", [Fault.WRONG_FEE, Fault.UNREPORTED])
def test_faults_of_settlement_strike_the_report(world: World, fault: Fault) -> None:
    world.force(fault)
    world.paid()
    world.move(timedelta(days=1))
    world.client.post(f"{world.base}/momo/_control/tick").raise_for_status()
    fees = [row.fee for row in world.simulator.settlement(PARTNER, date(2026, 3, 2))]
    assert len(fees) == (1 if fault is Fault.WRONG_FEE else 0)
    assert 2_250 not in fees


def test_its_memory_survives_a_restart(tmp_path: Path) -> None:
    config = MoMoSimulatorConfig((MoMoPartner(PARTNER, *KEYS, "1"),), "http://127.0.0.1:1/momo")
    path = tmp_path / "momo.sqlite"
    with open_world(tmp_path) as world:
        world.paid()
        with world.simulator.store.transaction() as records:
            force_faults(records, "other", [])
    again = MoMoSimulator(clock=lambda: MONDAY, state_path=path, config=config)
    order = again.order(PARTNER, REFERENCE)
    assert order["code"] == 0
    assert json.loads(json.dumps(order)) == order
    again.close()
