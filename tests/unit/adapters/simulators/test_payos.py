"""The gateway of payOS against its simulator over real HTTP: links, transfers, webhooks, bank."""

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

from adapters.gateways import payos_signing as signing
from adapters.gateways.payos import PayOSConfig, PayOSGateway
from adapters.gateways.payos_references import order_code
from adapters.gateways.vietqr import parse_vietqr
from adapters.http import Caller, create_client
from adapters.simulators.bank import (
    BankLine,
    BankSimulator,
    BankSimulatorConfig,
    CollectingAccount,
    Entry,
)
from adapters.simulators.faults import Fault, FaultPlan
from adapters.simulators.payos import PayOSSimulator
from adapters.simulators.payos_config import PayOSChannel, PayOSSimulatorConfig
from adapters.simulators.payos_web import create_app
from adapters.simulators.web import RawBody
from core.errors import NotFoundError
from core.money import Money
from payments.channels import Rail
from payments.errors import DoisoatError, GatewayRefusedError, GatewayUnavailableError
from payments.ports import (
    BankCredit,
    GatewayNotice,
    NoticeResult,
    Outcome,
    PaymentQuery,
    RawEvent,
    StartedPayment,
    StartRequest,
)
from payments.references import encode

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
BILL = encode("MC", [1, 2, 3, 4, 5, 6, 7])
REFERENCE = f"{BILL}-1"
CODE = order_code(REFERENCE, "MC")
CLIENT = "client-id"
ACCOUNT = "0071000123456"
SLOW = 1.6
CLIENT_TIMEOUT = 0.8
API = "/payos/v2/payment-requests"


@dataclass
class World:
    """A clock, payOS, a bank, a gateway and an inbox as small as can be, on one loopback port."""

    base: str
    client: httpx2.Client
    now: datetime = MONDAY
    events: list[RawEvent] = field(default_factory=list)
    notices: list[GatewayNotice] = field(default_factory=list)
    answer_with: NoticeResult | None = None
    simulator: PayOSSimulator = field(init=False)
    bank: BankSimulator = field(init=False)

    def clock(self) -> datetime:
        return self.now

    @property
    def config(self) -> PayOSConfig:
        return PayOSConfig(
            client_id=CLIENT,
            api_key="api-secret",
            checksum_key="checksum-secret",
            reference_prefix="MC",
            api_url=f"{self.base}/payos",
        )

    @property
    def gateway(self) -> PayOSGateway:
        return self.with_config(self.config)

    def with_config(self, config: PayOSConfig) -> PayOSGateway:
        caller = Caller(self.client, rail=Rail.PAYOS, merchant_code="main", clock=self.clock)
        return PayOSGateway(config, caller)

    def receive(self, event: RawEvent) -> Response:
        self.events.append(event)
        result = NoticeResult.APPLIED
        try:
            notice = self.gateway.verify_notice(event)
        except DoisoatError:
            result = NoticeResult.INVALID_SIGNATURE
        else:
            if any(one.event_key == notice.event_key for one in self.notices):
                result = NoticeResult.ALREADY_APPLIED
            elif self.answer_with is None:
                self.notices.append(notice)
        answer = self.gateway.answer(event, self.answer_with or result)
        return Response(answer.body, answer.status, media_type=answer.media_type)

    def move(self, step: timedelta) -> None:
        self.now += step

    def tick(self) -> int:
        answer = self.client.post(f"{self.base}/payos/_control/tick")
        return int(answer.json()["calls"])

    def force(self, *faults: Fault) -> None:
        self.client.post(
            f"{self.base}/payos/_control/faults",
            json={"reference": REFERENCE, "faults": [fault.value for fault in faults]},
        ).raise_for_status()

    @property
    def request(self) -> StartRequest:
        return StartRequest(
            merchant_reference=REFERENCE,
            bill_reference=BILL,
            amount=Money(150_000),
            description="Le phi dang ky ho tich",
            return_url=f"{self.base}/return?lang=vi",
            payer_ip="127.0.0.1",
            locale="vi",
            created_at=MONDAY,
            expires_at=MONDAY + timedelta(minutes=40),
        )

    def start(self) -> StartedPayment:
        return self.gateway.start(self.request)

    def act(self, started: StartedPayment, outcome: str, *, status: int = 200) -> str | None:
        answer = self.client.post(
            f"{self.base}/payos/_control/act",
            json={"url": started.redirect_url, "outcome": outcome},
        )
        assert answer.status_code == status, answer.text
        return str(answer.json()["return_url"] or "") if status == 200 else None

    def question(self, started: StartedPayment | None = None) -> PaymentQuery:
        return PaymentQuery(
            merchant_reference=REFERENCE,
            provider_reference=started.provider_reference if started else None,
            provider_txn_id=None,
            created_at=MONDAY,
            asked_at=self.now,
            request_id="ask",
            amount=Money(150_000),
            expires_at=MONDAY + timedelta(minutes=40),
        )

    def query(self) -> GatewayNotice:
        return self.gateway.query(self.question())

    def order(self) -> Any:
        return self.client.get(f"{self.base}/payos/_control/orders/{CLIENT}/{REFERENCE}").json()

    @property
    def credits(self) -> list[BankCredit]:
        return [credit for notice in self.notices for credit in notice.credits]

    def booked(self) -> list[BankLine]:
        return self.bank.lines(ACCOUNT, date(2026, 3, 2))

    def post(self, path: str = "", key: str = "checksum-secret", **changed: Any) -> httpx2.Response:
        """Call payOS by hand, signed."""
        order: dict[str, Any] = {
            "orderCode": CODE,
            "amount": 150_000,
            "description": "MC1234567",
            "cancelUrl": "http://c",
            "returnUrl": "http://r",
            **changed,
        }
        order = {"signature": signing.sign_create(order, key), **order}
        headers = {"x-client-id": CLIENT, "x-api-key": "api-secret"}
        return self.client.post(f"{self.base}{API}{path}", json=order, headers=headers)


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

    @app.post("/channels/payos/main/notice")
    def receive(request: Request, body: RawBody) -> Response:
        return world.receive(
            RawEvent(Rail.PAYOS, "POST", "", dict(request.headers), body, world.now)
        )

    @app.post("/elsewhere/{status}")
    def elsewhere(status: int) -> Response:
        return Response(status_code=status)

    return app


def channel(base: str, **changed: Any) -> PayOSChannel:
    own = PayOSChannel(
        client_id=CLIENT,
        api_key="api-secret",
        checksum_key="checksum-secret",
        account=ACCOUNT,
        bank_bin="970436",
        account_name="UBND PHUONG MONG CAI 1",
        webhook_url=f"{base}/channels/payos/main/notice",
    )
    return replace(own, **changed)


@contextmanager
def open_world(
    tmp_path: Path, *, with_bank: bool = True, on: Any = None, **changed: Any
) -> Iterator[World]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = PayOSSimulatorConfig(
        (channel(base, **(on or {})),), f"{base}/payos", slow_seconds=SLOW, **changed
    )
    with create_client(timeout_seconds=CLIENT_TIMEOUT) as client:
        world = World(base, client)
        world.bank = BankSimulator(
            clock=world.clock,
            state_path=tmp_path / "bank.sqlite",
            config=BankSimulatorConfig((CollectingAccount(ACCOUNT, "970436", "UBND"),)),
        )

        def book(entry: Entry) -> str:
            return world.bank.book(entry).bank_ref

        app = inbox(world)
        payos = create_app(
            clock=world.clock,
            state_path=tmp_path / "payos.sqlite",
            config=config,
            transfer_sink=book if with_bank else None,
        )
        world.simulator = payos.state.simulator
        app.mount("/payos", payos)
        with serving(app, listener):
            yield world
        world.simulator.close()
        world.bank.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world(tmp_path) as opened:
        yield opened


# ---------------------------------------------------------------- the payer


def test_a_transfer_is_told_by_webhook_by_query_and_by_the_bank_as_one(world: World) -> None:
    started = world.start()
    assert world.query().credits == ()
    address = world.act(started, "pay")

    [credit] = world.credits
    [line] = world.booked()
    assert (credit.amount, credit.merchant_reference) == (Money(150_000), REFERENCE)
    assert (credit.bank_ref, credit.narrative) == (line.bank_ref, line.narrative)
    assert (line.amount, line.narrative) == (150_000, "MC1234567")
    assert (credit.counterparty_name, credit.counterparty_account) == (
        line.counterparty_name,
        line.counterparty_account,
    )
    assert credit.account_number == line.account == ACCOUNT
    assert credit.booked_at == MONDAY
    asked = world.query()
    assert (asked.outcome, asked.reason_code) == (Outcome.PENDING, "PAID")
    assert asked.credits == (credit,)
    assert asked.provider_reference == started.provider_reference
    [notice] = world.order()["notices"]
    assert [call["answer"] for call in notice["calls"]] == ["200"]
    assert world.order()["refunds"] == []
    assert address is not None
    assert address.startswith(f"{world.base}/return?lang=vi&code=00&id=")
    told = dict(parse_qsl(urlsplit(address).query))
    assert (told["cancel"], told["status"], told["orderCode"]) == ("false", "PAID", str(CODE))


def test_the_code_asks_for_the_amount_to_the_account_for_the_bill(world: World) -> None:
    order = parse_vietqr(str(world.start().qr_payload))
    assert (order.bank_bin, order.account) == ("970436", ACCOUNT)
    assert (order.amount, order.purpose) == (Money(150_000), "MC1234567")


def test_several_transfers_are_several_credits(world: World) -> None:
    started = world.start()
    assert world.act(started, "underpay") == ""
    assert world.query().reason_code == "UNDERPAID"
    assert world.act(started, "pay")
    world.act(started, "saved_code")

    assert [credit.amount for credit in world.credits] == [
        Money(75_000),
        Money(75_000),
        Money(150_000),
    ]
    assert world.query().credits == tuple(world.credits)
    assert [line.bank_ref for line in world.booked()] == [one.bank_ref for one in world.credits]
    assert len({one.credit_key for one in world.credits}) == 3
    state = world.order()
    assert (state["status"], state["amount_paid"]) == ("PAID", 300_000)


def test_another_amount_is_told_as_it_was_transferred(world: World) -> None:
    world.force(Fault.OTHER_AMOUNT)
    world.act(world.start(), "pay")
    [credit] = world.credits
    assert credit.amount != Money(150_000)
    assert [line.amount for line in world.booked()] == [credit.amount.amount_minor]


@pytest.mark.parametrize("outcome", ["insufficient", "abandon"])
def test_who_does_not_transfer_leaves_it_open_until_its_time_is_over(
    world: World, outcome: str
) -> None:
    started = world.start()
    assert world.act(started, outcome) == ""
    world.move(timedelta(minutes=40) - timedelta(seconds=1))
    assert world.query().outcome is Outcome.PENDING
    world.move(timedelta(seconds=1))
    assert world.query().outcome is Outcome.EXPIRED
    world.act(started, "pay", status=422)
    assert world.tick() == 0
    assert (world.notices, world.booked()) == ([], [])


def test_a_cancelled_link_takes_no_more_money_on_its_page(world: World) -> None:
    started = world.start()
    address = world.act(started, "cancel")
    assert "cancel=true&status=CANCELLED" in str(address)
    assert world.query().outcome is Outcome.CANCELLED
    world.act(started, "pay", status=422)
    assert world.booked() == []


def test_money_by_a_code_kept_from_a_link_that_ended_is_told_all_the_same(world: World) -> None:
    started = world.start()
    world.move(timedelta(minutes=41))
    assert world.query().outcome is Outcome.EXPIRED
    world.act(started, "saved_code")
    [credit] = world.credits
    asked = world.query()
    assert (asked.outcome, asked.reason_code) == (Outcome.PENDING, "EXPIRED")
    assert asked.credits == (credit,)


def test_a_link_that_expired_underpaid_has_not_ended(world: World) -> None:
    world.act(world.start(), "underpay")
    world.move(timedelta(minutes=41))
    world.tick()
    asked = world.query()
    assert (asked.outcome, asked.reason_code) == (Outcome.PENDING, "EXPIRED")
    assert asked.credits == tuple(world.credits)


def test_a_person_transfers_on_the_page(world: World) -> None:
    url = str(world.start().redirect_url)
    page = world.client.get(url)
    assert "150000 VND" in page.text
    assert "Chuyển khoản / Transfer" in page.text

    less = world.client.post(url, data={"outcome": "pay", "amount": "50000"})
    assert less.status_code == 303
    shown = world.client.get(f"{url.rpartition('/')[0]}/{less.headers['location']}")
    assert "A part was transferred" in shown.text
    assert 'value="100000"' in shown.text
    for nonsense in ("", "0", "-5", "1.5", "١"):
        answer = world.client.post(url, data={"outcome": "pay", "amount": nonsense})
        assert answer.status_code == 422, nonsense
    rest = world.client.post(url, data={"outcome": "pay", "amount": "100000"})
    assert rest.headers["location"].startswith(f"{world.base}/return")
    assert [credit.amount for credit in world.credits] == [Money(50_000), Money(100_000)]
    assert "<form" not in world.client.get(url).text


def test_pages_and_orders_that_are_not_there_are_said_so(world: World) -> None:
    started = world.start()
    assert world.client.get(f"{world.base}/payos/web/none").status_code == 404
    assert world.client.post(str(started.redirect_url), data={"outcome": "x"}).status_code == 404
    with pytest.raises(NotFoundError):
        world.simulator.order(CLIENT, f"{BILL}-2")
    with pytest.raises(NotFoundError):
        world.simulator.order("nobody", REFERENCE)
    assert world.simulator.refunded(CLIENT, REFERENCE) == 0
    day = world.client.get(f"{world.base}/payos/_control/settlements/{CLIENT}/2026-03-02")
    payouts = world.client.get(f"{world.base}/payos/_control/payouts")
    assert (day.json(), payouts.json()) == ([], [])


def test_a_virtual_account_is_told_beside_the_account_behind_it(tmp_path: Path) -> None:
    with open_world(tmp_path, on={"virtual_prefix": "V007"}) as world:
        started = world.start()
        assert parse_vietqr(str(started.qr_payload)).account == "V00700000001"
        world.act(started, "pay")
        [credit] = world.credits
        assert (credit.account_number, credit.virtual_account) == ("", "V00700000001")
        assert world.query().credits == (credit,)
        assert [line.account for line in world.booked()] == [ACCOUNT]


def test_without_a_bank_payos_makes_references_of_its_own(tmp_path: Path) -> None:
    with open_world(tmp_path, with_bank=False) as world:
        started = world.start()
        world.act(started, "underpay")
        world.act(started, "pay")
        assert [one.bank_ref for one in world.credits] == ["FT26061000001", "FT26061000002"]
        assert world.query().credits == tuple(world.credits)


# ---------------------------------------------------------------- webhooks


def test_a_webhook_that_is_not_accepted_comes_again_as_the_same(world: World) -> None:
    world.answer_with = NoticeResult.FAILED
    world.act(world.start(), "pay")
    assert world.notices == []
    world.move(timedelta(minutes=5))
    world.answer_with = None
    assert world.tick() == 1
    assert world.events[0].body == world.events[1].body
    assert len(world.notices) == 1
    world.move(timedelta(days=1))
    assert world.tick() == 0
    [notice] = world.order()["notices"]
    assert [call["answer"] for call in notice["calls"]] == ["500", "200"]


def test_it_comes_again_only_so_often(world: World) -> None:
    world.answer_with = NoticeResult.FAILED
    world.act(world.start(), "pay")
    for _ in range(20):
        world.move(timedelta(minutes=5))
        world.tick()
    assert len(world.events) == 10


@pytest.mark.parametrize(
    ("fault", "at_once", "later"),
    [(Fault.DOUBLE_NOTICE, 2, 0), (Fault.LATE_NOTICE, 0, 1), (Fault.LOST_NOTICE, 0, 0)],
)
def test_webhooks_come_twice_late_or_never(
    world: World, fault: Fault, at_once: int, later: int
) -> None:
    world.force(fault)
    world.act(world.start(), "pay")
    assert len(world.events) == at_once
    world.move(timedelta(hours=2))
    assert world.tick() == later
    assert len(world.notices) == (0 if fault is Fault.LOST_NOTICE else 1)
    [credit] = world.query().credits
    assert credit.bank_ref == world.booked()[0].bank_ref


def test_an_address_is_tried_with_an_order_of_nobodys_before_it_is_used(tmp_path: Path) -> None:
    with open_world(tmp_path, on={"webhook_url": ""}) as world:
        headers = {"x-client-id": CLIENT, "x-api-key": "api-secret"}

        def confirm(url: object) -> Any:
            return world.client.post(
                f"{world.base}/payos/confirm-webhook", json={"webhookUrl": url}, headers=headers
            ).json()

        started = world.start()
        world.act(started, "underpay")
        [unsent] = world.order()["notices"]
        assert [call["answer"] for call in unsent["calls"]] == ["no webhook url"]
        for bad in (f"{world.base}/elsewhere/500", "ftp://x", 7, "http://127.0.0.1:1/x"):
            assert confirm(bad)["code"] != "00"

        good = confirm(f"{world.base}/channels/payos/main/notice")

        assert good["code"] == "00"
        assert signing.is_signed(good["data"], good["signature"], ["checksum-secret"])
        [dummy] = world.notices
        assert dummy.credits[0].amount == Money(3000)
        assert dummy.merchant_reference == f"{encode('MC', [0] * 7)}-123"
        world.move(timedelta(minutes=5))
        world.tick()
        assert world.notices[1].merchant_reference == REFERENCE


# ---------------------------------------------------------------- the merchant's calls


def test_a_lost_start_is_unknown_and_a_question_finds_the_link(world: World) -> None:
    world.force(Fault.LOST_START)
    for _ in range(2):
        with pytest.raises(GatewayUnavailableError):
            world.start()
    asked = world.query()
    assert (asked.outcome, asked.reason_code) == (Outcome.PENDING, "PENDING")
    assert world.gateway.cancel(world.question()).outcome is Outcome.CANCELLED


def test_a_link_is_opened_once(world: World) -> None:
    started = world.start()
    with pytest.raises(GatewayUnavailableError, match="231"):
        world.start()
    world.act(started, "pay")
    assert len(world.credits) == 1


@pytest.mark.parametrize("fault", [Fault.LOST_QUERY, Fault.SLOW_QUERY])
def test_a_question_whose_answer_is_lost_or_slow_is_asked_again(world: World, fault: Fault) -> None:
    world.act(world.start(), "pay")
    world.force(fault)
    assert world.query().credits == tuple(world.credits)


def test_a_link_nobody_opened_is_pending_until_none_can_come(world: World) -> None:
    assert world.query().outcome is Outcome.PENDING
    assert world.gateway.cancel(world.question()).outcome is Outcome.PENDING
    world.move(timedelta(minutes=40) + world.config.grace)
    assert world.query().outcome is Outcome.PENDING
    world.move(timedelta(seconds=1))
    assert (world.query().outcome, world.query().reason_code) == (Outcome.EXPIRED, "not_found")


def test_cancelling_closes_an_open_link_and_tells_of_a_paid_one(world: World) -> None:
    started = world.start()
    world.act(started, "pay")
    told = world.gateway.cancel(world.question(started))
    assert (told.outcome, told.reason_code) == (Outcome.PENDING, "PAID")
    assert told.credits == tuple(world.credits)


def test_a_link_cancelled_with_a_part_paid_has_not_ended(world: World) -> None:
    started = world.start()
    world.act(started, "underpay")
    told = world.gateway.cancel(world.question(started))
    assert (told.outcome, told.reason_code) == (Outcome.PENDING, "CANCELLED")
    assert told.credits == tuple(world.credits)
    assert world.order()["cancellation_reason"] == "Closed by the office"


@pytest.mark.parametrize("changed", [{"client_id": "other"}, {"api_key": "wrong"}])
def test_wrong_keys_open_nothing_and_a_check_says_so(world: World, changed: dict[str, str]) -> None:
    wrong = world.with_config(replace(world.config, **changed))
    with pytest.raises(GatewayRefusedError):
        wrong.start(world.request)
    with pytest.raises(GatewayUnavailableError):
        wrong.query(world.question())
    checked = wrong.check(at=world.now)
    assert (checked.works, "does not accept" in checked.sentence) == (False, True)
    assert world.gateway.check(at=world.now).works is True
    assert world.query().reason_code == "not_found"


def test_a_wrong_checksum_key_opens_nothing_and_is_seen_in_the_answer(world: World) -> None:
    wrong = world.with_config(replace(world.config, checksum_key="wrong"))
    with pytest.raises(GatewayUnavailableError, match="201"):
        wrong.start(world.request)
    assert world.query().reason_code == "not_found"
    world.start()
    with pytest.raises(GatewayUnavailableError, match="is the checksum key right"):
        wrong.query(world.question())


def test_links_of_another_channel_are_not_shown(tmp_path: Path) -> None:
    own = channel("")
    config = PayOSSimulatorConfig((own, replace(own, client_id="other")), "http://x")
    simulator = PayOSSimulator(
        clock=lambda: MONDAY, state_path=tmp_path / "payos.sqlite", config=config
    )
    request = {
        "orderCode": CODE,
        "amount": 1,
        "description": "A",
        "returnUrl": "http://r",
        "cancelUrl": "http://c",
    }
    with simulator.store.transaction() as records:
        link = simulator.open_link(records, own, request)
        for name in (str(CODE), link["id"]):
            assert simulator.find(records, own, name) == link
            assert simulator.find(records, simulator.channels["other"], name) is None
    simulator.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"orderCode": str(CODE)},
        {"orderCode": 0},
        {"orderCode": 2**53},
        {"amount": 0},
        {"amount": 1.5},
        {"amount": True},
        {"description": "MC12345678"},
        {"description": "MC&amount"},
        {"returnUrl": ""},
        {"expiredAt": "soon"},
        {"signature": None},
    ],
)
def test_requests_of_the_wrong_kind_are_refused(world: World, changed: dict[str, Any]) -> None:
    assert world.post(**changed).json()["code"] == "20"
    assert world.query().reason_code == "not_found"


def test_only_rightly_signed_requests_open_a_link(world: World) -> None:
    assert world.post(key="stolen").json()["code"] == "201"
    headers = {"x-client-id": CLIENT, "x-api-key": "api-secret"}
    garbled = world.client.post(f"{world.base}{API}", content=b"{", headers=headers)
    assert garbled.json()["code"] == "20"
    opened = world.post().json()
    assert signing.is_signed(opened["data"], opened["signature"], ["checksum-secret"])
    assert opened["data"]["expiredAt"] is None
    world.move(timedelta(days=9))
    assert world.query().outcome is Outcome.PENDING


def test_a_seed_decides_who_is_struck(tmp_path: Path) -> None:
    plan = FaultPlan(7, {Fault.LOST_NOTICE: 1000})
    with open_world(tmp_path, faults=plan) as world:
        world.act(world.start(), "pay")
        assert (world.events, len(world.query().credits)) == ([], 1)


def test_its_memory_survives_a_restart(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        world.act(world.start(), "pay")
        before = world.order()
        config = world.simulator.config
    again = PayOSSimulator(
        clock=lambda: MONDAY, state_path=tmp_path / "payos.sqlite", config=config
    )
    assert json.loads(json.dumps(again.order(CLIENT, REFERENCE))) == before
    again.close()
