"""ZaloPay's gateway against ZaloPay's simulator over real HTTP: orders, midnight, refunds."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response

from adapters.gateways import zalopay_signing as signing
from adapters.gateways.zalopay import ZaloPayConfig, ZaloPayGateway
from adapters.gateways.zalopay_fields import milliseconds
from adapters.http import Breaker, Caller, create_client
from adapters.simulators.faults import Fault
from adapters.simulators.settlement import Payout
from adapters.simulators.statement_files import SettlementReportLine, write_settlement_report
from adapters.simulators.web import RawBody
from adapters.simulators.zalopay import ZaloPaySimulator
from adapters.simulators.zalopay_config import ZaloPayApplication, ZaloPaySimulatorConfig
from adapters.simulators.zalopay_web import create_app
from adapters.statements.parser import SettlementFileParser
from core.money import Money
from payments.channels import Rail
from payments.errors import (
    DoisoatError,
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidSignatureError,
)
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
"""09:00 in Vietnam on a working day."""

BEFORE_MIDNIGHT = datetime(2026, 3, 2, 16, 59, 50, tzinfo=UTC)
"""23:59:50 in Vietnam."""

REFERENCE = "MC1234567ABC-1"
APP, OTHER_APP = "2553", "2554"
SLOW_SECONDS, PATIENCE_SECONDS = 1.2, 0.6


@dataclass
class World:
    """A clock, ZaloPay, a gateway and an inbox as small as can be, on one loopback port."""

    base: str
    state_path: Path
    at: datetime = MONDAY
    client: httpx2.Client = field(default_factory=lambda: create_client(timeout_seconds=10))
    raw: list[RawEvent] = field(default_factory=list)
    notices: list[GatewayNotice] = field(default_factory=list)
    results: list[NoticeResult] = field(default_factory=list)
    payouts: list[Payout] = field(default_factory=list)
    broken: bool = False

    def __post_init__(self) -> None:
        application = ZaloPayApplication(APP, "key-one", "key-two", "0071000123456")
        other = ZaloPayApplication(OTHER_APP, "other-one", "other-two", "0071000999999")
        config = ZaloPaySimulatorConfig(
            (application, other), f"{self.base}/sim", slow_seconds=SLOW_SECONDS
        )
        self.app = create_app(
            clock=self.clock,
            state_path=self.state_path,
            config=config,
            payout_sink=self.payouts.append,
        )
        self.simulator: ZaloPaySimulator = self.app.state.simulator
        self.way_out = create_client(timeout_seconds=PATIENCE_SECONDS)
        self.gateway = self.gateway_of("key-one")

    def clock(self) -> datetime:
        return self.at

    def move(self, **step: float) -> None:
        self.at += timedelta(**step)

    def gateway_of(self, key1: str, *, app_id: str = APP) -> ZaloPayGateway:
        http = Caller(
            self.way_out,
            rail=Rail.ZALOPAY,
            merchant_code=app_id,
            clock=self.clock,
            breaker=Breaker(self.clock),
        )
        config = ZaloPayConfig(app_id, key1, "key-two", api_url=f"{self.base}/sim")
        return ZaloPayGateway(config, http)

    def request(self, reference: str = REFERENCE, **changed: Any) -> StartRequest:
        made = StartRequest(
            merchant_reference=reference,
            bill_reference=reference.partition("-")[0],
            amount=Money(150_000),
            description="Le phi dang ky ho tich",
            return_url=f"{self.base}/return?payment=7",
            payer_ip="127.0.0.1",
            locale="vi",
            created_at=self.at,
            expires_at=self.at + timedelta(minutes=40),
            notice_url=f"{self.base}/notices",
        )
        return replace(made, **changed)

    def query(self, request: StartRequest) -> GatewayNotice:
        return self.gateway.query(
            PaymentQuery(
                merchant_reference=request.merchant_reference,
                provider_reference=None,
                provider_txn_id=None,
                created_at=request.created_at,
                asked_at=self.at,
                request_id="q",
                amount=request.amount,
                expires_at=request.expires_at,
            )
        )

    def refund_order(self, request: StartRequest, amount: int, key: str = "R1") -> RefundOrder:
        paid = self.query(request)
        return RefundOrder(
            refund_reference=f"{request.merchant_reference}-{key}",
            merchant_reference=request.merchant_reference,
            provider_reference=None,
            provider_txn_id=paid.provider_txn_id,
            amount=Money(amount),
            paid_amount=request.amount,
            paid_created_at=request.created_at,
            asked_at=self.at,
            operator="doisoat",
            description="Hoan tien",
            submitted_at=self.at,
        )

    def paid(self, reference: str = REFERENCE) -> StartRequest:
        request = self.request(reference)
        self.act(self.gateway.start(request), "pay")
        return request

    def act(self, started: StartedPayment, outcome: str) -> str | None:
        body = {"url": started.redirect_url, "outcome": outcome}
        answer = self.client.post(f"{self.base}/sim/_control/act", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["return_url"]  # type: ignore[no-any-return]

    def force(self, *faults: Fault, reference: str = REFERENCE) -> None:
        body = {"reference": reference, "faults": list(faults)}
        assert self.client.post(f"{self.base}/sim/_control/faults", json=body).status_code == 200

    def tick(self) -> int:
        return int(self.client.post(f"{self.base}/sim/_control/tick").json()["calls"])

    def known(self, reference: str = REFERENCE) -> dict[str, Any]:
        answer = self.client.get(f"{self.base}/sim/_control/orders/{APP}/{reference}")
        return answer.json() if answer.status_code == 200 else {}

    def call(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """Call the merchant API by hand."""
        return self.client.post(f"{self.base}/sim/v2/{name}", json=request).json()  # type: ignore[no-any-return]

    def take(self, event: RawEvent) -> NoticeResult:
        self.raw.append(event)
        if self.broken:
            return NoticeResult.FAILED
        try:
            notice = self.gateway.verify_notice(event)
        except InvalidSignatureError:
            return NoticeResult.INVALID_SIGNATURE
        except DoisoatError:
            return NoticeResult.MALFORMED
        if any(known.event_key == notice.event_key for known in self.notices):
            return NoticeResult.ALREADY_APPLIED
        self.notices.append(notice)
        return NoticeResult.APPLIED

    def routes(self) -> FastAPI:
        app = FastAPI()

        @app.post("/notices")
        def receive(request: Request, body: RawBody) -> Response:
            event = RawEvent(Rail.ZALOPAY, "POST", "", dict(request.headers), body, self.at)
            self.results.append(self.take(event))
            answer = self.gateway.answer(event, self.results[-1])
            return Response(answer.body, answer.status, media_type=answer.media_type)

        app.mount("/sim", self.app)
        return app


@contextmanager
def serving(app: FastAPI, listener: socket.socket) -> Iterator[None]:
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
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


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    made = World(f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path / "zalopay.sqlite")
    with serving(made.routes(), listener), made.client, made.way_out:
        yield made
    made.simulator.close()


# ---------------------------------------------------------------- an order's life


def test_an_order_is_opened_paid_told_and_asked_about(world: World) -> None:
    request = world.request()
    started = world.gateway.start(request)
    assert world.query(request).outcome is Outcome.PENDING

    world.act(started, "pay")

    assert world.results == [NoticeResult.APPLIED]
    [told] = world.notices
    assert (told.outcome, told.amount) == (Outcome.SUCCEEDED, Money(150_000))
    assert told.merchant_reference == REFERENCE
    asked = world.query(request)
    assert asked.event_key == told.event_key
    assert (asked.amount, asked.provider_txn_id) == (told.amount, told.provider_txn_id)
    world.move(hours=5)
    assert world.tick() == 0, "an accepted callback is not repeated"


def test_a_person_pays_on_the_page_and_comes_back_with_a_checksum(world: World) -> None:
    url = str(world.gateway.start(world.request()).redirect_url)
    shown = world.client.get(url)
    assert "150000 VND" in shown.text
    assert "260302_MC1234567ABC-1" in shown.text
    assert 'value="cancel"' in shown.text

    poor = world.client.post(url, data={"outcome": "insufficient"})
    assert poor.status_code == 200
    assert 'role="alert"' in poor.text
    assert 'value="pay"' in poor.text

    paid = world.client.post(url, data={"outcome": "pay"})
    assert paid.status_code == 303
    back = urlsplit(paid.headers["location"])
    told = dict(parse_qsl(back.query, keep_blank_values=True))
    assert told.pop("payment") == "7"
    text = signing.pipe_string(signing.REDIRECT, told)
    assert told["checksum"] == signing.hmac_sha256(text, "key-two")
    assert (told["status"], told["apptransid"]) == ("1", "260302_MC1234567ABC-1")
    assert "This order is over" in world.client.get(url).text


def test_a_refusal_leaves_the_page_open_until_it_expires(world: World) -> None:
    request = world.request()
    started = world.gateway.start(request)
    for outcome in ("insufficient", "decline", "abandon"):
        assert world.act(started, outcome) is None
        assert world.query(request).outcome is Outcome.PENDING
    world.move(minutes=39, seconds=59)
    assert world.query(request).outcome is Outcome.PENDING
    world.move(seconds=1)
    assert world.query(request).outcome is Outcome.EXPIRED
    assert world.act(started, "pay") is not None
    assert world.query(request).outcome is Outcome.EXPIRED
    assert world.raw == [], "nothing is told of what came to nothing"


def test_turning_back_ends_the_order_and_is_only_told_when_asked(world: World) -> None:
    request = world.request()
    started = world.gateway.start(request)
    assert "status=-329" in str(world.act(started, "cancel"))
    assert world.query(request).outcome is Outcome.CANCELLED
    assert world.raw == []
    world.act(started, "pay")
    assert world.query(request).outcome is Outcome.CANCELLED


def test_another_amount_is_reported_as_collected(world: World) -> None:
    world.force(Fault.OTHER_AMOUNT)
    request = world.paid()
    collected = world.notices[0].amount
    assert collected is not None
    assert collected != request.amount
    assert world.query(request).amount == collected
    assert world.known()["paid_amount"] == collected.amount_minor


def test_pages_and_outcomes_that_do_not_exist_are_not_found(world: World) -> None:
    started = world.gateway.start(world.request())
    assert world.client.get(f"{world.base}/sim/order/0000").status_code == 404
    assert (
        world.client.post(str(started.redirect_url), data={"outcome": "steal"}).status_code == 404
    )
    assert world.known("MC7654321ABC-1") == {}


def test_everything_survives_a_new_start_of_the_simulator(world: World, tmp_path: Path) -> None:
    request = world.paid()
    with_same_file = World(world.base, world.state_path, at=world.at)
    order = with_same_file.simulator.order(APP, REFERENCE)
    assert order["paid_amount"] == request.amount.amount_minor
    with_same_file.simulator.close()
    with_same_file.client.close()
    with_same_file.way_out.close()


# ---------------------------------------------------------------- start: once, and midnight


def test_a_lost_start_leaves_one_order_whose_page_is_lost(world: World) -> None:
    world.force(Fault.LOST_START)
    request = world.request()
    with pytest.raises(GatewayUnavailableError):
        world.gateway.start(request)
    with pytest.raises(GatewayUnavailableError, match="already"):
        world.gateway.start(request)
    assert world.query(request).outcome is Outcome.PENDING

    second = world.request("MC1234567ABC-2")
    world.act(world.gateway.start(second), "pay")
    assert world.query(second).outcome is Outcome.SUCCEEDED
    world.move(minutes=41)
    assert world.query(request).outcome is Outcome.EXPIRED


def test_an_attempt_of_yesterday_is_refused_and_certainly_not_opened(world: World) -> None:
    world.at = BEFORE_MIDNIGHT
    request = world.request()
    world.move(seconds=15)
    with pytest.raises(GatewayRefusedError):
        world.gateway.start(request)
    assert world.known() == {}
    again = world.request("MC1234567ABC-2")
    world.act(world.gateway.start(again), "pay")
    assert world.query(again).outcome is Outcome.SUCCEEDED


def test_an_order_opened_before_midnight_is_paid_and_found_after_it(world: World) -> None:
    world.at = BEFORE_MIDNIGHT
    request = world.request()
    started = world.gateway.start(request)
    world.move(seconds=15)
    world.act(started, "pay")
    assert world.notices[0].merchant_reference == REFERENCE
    world.move(days=2)
    assert world.query(request).event_key == world.notices[0].event_key


def test_an_attempt_too_old_to_be_opened_is_refused(world: World) -> None:
    request = world.request()
    world.move(minutes=15, seconds=1)
    with pytest.raises(GatewayRefusedError):
        world.gateway.start(request)
    assert world.known() == {}


def test_an_order_that_never_arrived_is_pending_and_expires_in_the_end(world: World) -> None:
    request = world.request()
    assert world.query(request).reason_code == "not_found"
    assert world.query(request).outcome is Outcome.PENDING
    world.move(hours=2)
    assert world.query(request).outcome is Outcome.EXPIRED


@pytest.mark.parametrize(
    "changed",
    [
        {"app_trans_id": "260301_MC1234567ABC-1"},
        {"app_trans_id": "260302_"},
        {"app_trans_id": "260302_" + "x" * 34},
        {"app_trans_id": 260302},
        {"app_time": milliseconds(MONDAY - timedelta(minutes=16))},
        {"app_time": "now"},
        {"amount": 0},
        {"amount": "150000"},
        {"item": "{}"},
        {"item": "x"},
        {"embed_data": "[]"},
        {"embed_data": ""},
        {"description": ""},
        {"app_user": ""},
        {"expire_duration_seconds": 299},
        {"expire_duration_seconds": 2_592_001},
        {"expire_duration_seconds": "900"},
    ],
)
def test_the_simulator_refuses_what_zalopay_would(world: World, changed: dict[str, Any]) -> None:
    order = {
        "app_id": 2553,
        "app_trans_id": "260302_MC1234567ABC-1",
        "app_user": "demo",
        "app_time": milliseconds(MONDAY),
        "amount": 150_000,
        "item": "[]",
        "embed_data": "{}",
        "description": "Le phi",
    }
    answer = world.call("create", signing.signed(signing.CREATE, order | changed, "key-one"))
    assert (answer["return_code"], answer["sub_return_code"]) == (2, -401)
    good = world.call("create", signing.signed(signing.CREATE, order, "key-one"))
    assert good["return_code"] == 1


def test_wrong_keys_and_applications_are_refused_in_zalopays_words(world: World) -> None:
    thief = world.gateway_of("stolen")
    with pytest.raises(GatewayRefusedError, match="-402"):
        thief.start(world.request())
    request = world.paid()
    order = world.refund_order(request, 1_000)
    with pytest.raises(GatewayRefusedError):
        thief.refund(order)
    with pytest.raises(GatewayUnavailableError):
        thief.query_refund(order)
    world.gateway, own = thief, world.gateway
    with pytest.raises(GatewayUnavailableError):
        world.query(request)
    world.gateway = own
    assert world.simulator.refunded(APP, REFERENCE) == 0
    for odd in ({}, {"app_id": "2553"}, {"app_id": 9}):
        assert world.call("query", odd)["sub_return_code"] == -402


def test_one_application_knows_nothing_of_anothers_orders(world: World) -> None:
    request = world.paid()
    order = world.refund_order(request, 1_000)
    other = world.gateway_of("other-one", app_id=OTHER_APP)
    with pytest.raises(GatewayRefusedError):
        other.refund(order)
    world.gateway = other
    assert world.query(request).reason_code == "not_found"


def test_a_check_tells_right_from_wrong_settings(world: World) -> None:
    assert world.gateway.check(at=world.at).works is True
    assert world.gateway_of("stolen").check(at=world.at).works is False
    assert world.gateway_of("key-one", app_id="999").check(at=world.at).works is False


# ---------------------------------------------------------------- callbacks


def test_a_callback_nobody_takes_is_repeated_three_times_at_most(world: World) -> None:
    world.broken = True
    world.paid()
    for _ in range(6):
        world.move(minutes=1)
        world.tick()
    assert world.results == [NoticeResult.FAILED] * 4
    assert len(world.known()["notices"][0]["calls"]) == 4


def test_a_callback_refused_once_is_taken_the_second_time(world: World) -> None:
    world.broken = True
    world.paid()
    world.broken = False
    world.move(minutes=1)
    assert world.tick() == 1
    world.move(minutes=5)
    assert world.tick() == 0
    assert world.results == [NoticeResult.FAILED, NoticeResult.APPLIED]


def test_a_double_callback_counts_once(world: World) -> None:
    world.force(Fault.DOUBLE_NOTICE)
    world.paid()
    assert world.results == [NoticeResult.APPLIED, NoticeResult.ALREADY_APPLIED]
    world.move(hours=1)
    assert world.tick() == 0


def test_late_and_lost_callbacks_are_made_up_for_by_asking(world: World) -> None:
    world.force(Fault.LATE_NOTICE)
    world.force(Fault.LOST_NOTICE, reference="MC7654321ABC-1")
    late, lost = world.paid(), world.paid("MC7654321ABC-1")
    assert world.raw == []
    assert [world.query(one).outcome for one in (late, lost)] == [Outcome.SUCCEEDED] * 2
    world.move(hours=2)
    assert world.tick() == 1
    assert world.notices[0].merchant_reference == REFERENCE
    assert world.notices[0].occurred_at == MONDAY


def test_a_forged_callback_is_told_so(world: World) -> None:
    world.paid()
    genuine = json.loads(world.raw[0].body)
    forged = {**genuine, "data": genuine["data"].replace("150000", "950000")}
    answer = world.client.post(f"{world.base}/notices", json=forged)
    assert answer.json()["return_code"] == -1
    assert world.results[-1] is NoticeResult.INVALID_SIGNATURE


def test_an_answer_that_comes_late_or_never_is_asked_for_again(world: World) -> None:
    request = world.paid()
    world.force(Fault.LOST_QUERY)
    assert world.query(request).outcome is Outcome.SUCCEEDED, "a question is repeated by itself"
    world.force(Fault.SLOW_QUERY)
    assert world.query(request).outcome is Outcome.SUCCEEDED


# ---------------------------------------------------------------- refunds


def test_a_refund_is_pending_until_zalopay_has_worked_on_it(world: World) -> None:
    request = world.paid()
    order = world.refund_order(request, 40_000)
    asked = world.gateway.refund(order)
    assert asked.outcome is Outcome.PENDING
    assert world.gateway.query_refund(order).outcome is Outcome.PENDING
    world.move(minutes=10)
    known = replace(order, refund_txn_id=asked.provider_txn_id, asked_at=world.at)
    done = world.gateway.query_refund(known)
    assert (done.outcome, done.amount) == (Outcome.SUCCEEDED, Money(40_000))
    assert world.gateway.refund(known).outcome is Outcome.SUCCEEDED
    assert world.simulator.refunded(APP, REFERENCE) == 40_000
    assert [one["amount"] for one in world.known()["refunds"]] == [40_000]
    assert world.query(request).outcome is Outcome.SUCCEEDED


def test_a_refund_whose_answer_was_lost_is_not_paid_twice_on_that_day_or_later(
    world: World,
) -> None:
    request = world.paid()
    order = world.refund_order(request, 40_000)
    world.force(Fault.LOST_QUERY)
    with pytest.raises(GatewayUnavailableError):
        world.gateway.refund(order)
    world.move(minutes=5)
    same_day = replace(order, asked_at=world.at)
    assert world.gateway.refund(same_day).outcome is Outcome.PENDING
    world.move(days=1)
    next_day = replace(order, asked_at=world.at)
    assert world.gateway.refund(next_day).outcome is Outcome.SUCCEEDED
    assert world.simulator.refunded(APP, REFERENCE) == 40_000


def test_a_refund_that_never_arrived_stays_in_doubt_on_a_later_day(world: World) -> None:
    request = world.paid()
    order = world.refund_order(request, 40_000)
    world.move(days=1)
    with pytest.raises(GatewayUnavailableError):
        world.gateway.refund(replace(order, asked_at=world.at))
    assert world.gateway.query_refund(order).reason_code == "not_found"
    assert world.simulator.refunded(APP, REFERENCE) == 0


def test_parts_go_back_until_everything_has_and_the_payment_stays_collected(world: World) -> None:
    request = world.paid()
    first = world.refund_order(request, 100_000, "R1")
    second = world.refund_order(request, 50_000, "R2")
    too_much = world.refund_order(request, 50_001, "R3")
    world.gateway.refund(first)
    with pytest.raises(GatewayRefusedError):
        world.gateway.refund(too_much)
    world.gateway.refund(second)
    assert world.simulator.refunded(APP, REFERENCE) == 150_000
    told = world.query(request)
    assert (told.outcome, told.reason_code) == (Outcome.SUCCEEDED, "-101")


def test_a_refund_that_zalopay_turns_down_in_the_end_has_failed_and_frees_the_money(
    world: World,
) -> None:
    request = world.paid()
    world.move(days=366)
    order = world.refund_order(request, 150_000)
    assert world.gateway.refund(order).outcome is Outcome.PENDING
    world.move(minutes=10)
    assert world.gateway.query_refund(order).outcome is Outcome.FAILED
    assert world.simulator.refunded(APP, REFERENCE) == 0


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("260302", -24),
        ("260302_2553_abc", -24),
        ("260302_2554_1234567890", -26),
        ("260301_2553_1234567890", -25),
    ],
)
def test_the_simulator_refuses_refund_numbers_as_zalopay_would(
    world: World, number: str, code: int
) -> None:
    world.paid()
    request = {
        "app_id": 2553,
        "m_refund_id": number,
        "zp_trans_id": str(world.known()["zp_trans_id"]),
        "amount": 1_000,
        "description": "Hoan tien",
        "timestamp": milliseconds(world.at),
    }
    answer = world.call("refund", signing.signed(signing.REFUND, request, "key-one"))
    assert (answer["return_code"], answer["sub_return_code"]) == (2, code)


# ---------------------------------------------------------------- settlement


def test_a_day_is_settled_net_of_fees_and_refunds(world: World) -> None:
    request = world.paid()
    world.paid("MC7654321ABC-1")
    world.force(Fault.UNREPORTED, reference="MC2222222ABC-1")
    world.paid("MC2222222ABC-1")
    world.gateway.refund(world.refund_order(request, 40_000))
    world.move(days=2)
    world.tick()

    rows = world.simulator.settlement(APP, date(2026, 3, 2))
    assert [(row.kind, row.gross, row.fee) for row in rows] == [
        ("payment", 150_000, 1_800),
        ("payment", 150_000, 1_800),
        ("refund", -40_000, 0),
    ]
    assert rows[0].merchant_reference == REFERENCE
    assert rows[0].provider_txn_id == world.notices[0].provider_txn_id
    [payout] = world.payouts
    assert payout.amount == 256_400
    assert (payout.merchant, payout.account) == (APP, "0071000123456")
    day = world.client.get(f"{world.base}/sim/_control/settlements/{APP}/2026-03-02").json()
    assert [line["net"] for line in day] == [148_200, 148_200, -40_000]
    assert len(world.client.get(f"{world.base}/sim/_control/payouts").json()) == 1


def test_a_wrong_fee_shows_in_the_report(world: World) -> None:
    world.force(Fault.WRONG_FEE)
    world.paid()
    world.move(days=1)
    world.tick()
    [row] = world.simulator.settlement(APP, date(2026, 3, 2))
    assert row.fee > 1_800
    assert row.net == row.gross - row.fee


def test_the_report_is_read_back_by_the_map_that_ships(world: World, tmp_path: Path) -> None:
    world.at = BEFORE_MIDNIGHT
    request = world.paid()
    world.move(days=2)
    world.tick()
    [row] = world.simulator.settlement(APP, date(2026, 3, 2))
    line = SettlementReportLine(
        kind=row.kind,
        provider_txn_id=row.provider_txn_id,
        merchant_reference=row.merchant_reference,
        gross=Money(row.gross),
        fee=Money(row.fee),
        occurred_at=row.occurred_at.astimezone(UTC),
        payout_id=row.payout_id,
        payout_date=row.payout_date,
    )
    content = write_settlement_report("zalopay", [line], report_id=row.report_id)
    assert b"260302_MC1234567ABC-1" in content, "days are Vietnam's"
    file = tmp_path / "zalopay.csv"
    file.write_bytes(content)

    parsed = SettlementFileParser().parse(file, provider="zalopay")

    assert parsed.problems == []
    [found] = parsed.lines
    assert found.bill_reference == request.bill_reference
    assert (found.gross, found.net) == (Money(150_000), Money(148_200))
    assert found.provider_txn_id == world.notices[0].provider_txn_id
