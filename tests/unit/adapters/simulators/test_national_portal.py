"""The national portal's gateway against its simulator, over real HTTP on a settable clock."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response

from adapters.gateways import national_portal_signing as signing
from adapters.gateways.national_portal import NationalPortalConfig, NationalPortalGateway
from adapters.http import Caller, create_client
from adapters.simulators.bank import (
    BankSimulator,
    BankSimulatorConfig,
    CollectingAccount,
    Entry,
)
from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.national_portal import NationalPortalSimulator
from adapters.simulators.national_portal_config import (
    UNKNOWN_REFERENCE,
    NationalPortalPartner,
    NationalPortalSimulatorConfig,
)
from adapters.simulators.national_portal_web import create_app
from adapters.simulators.web import RawBody
from core.clock import business_day
from core.errors import InputUnusableError, NotFoundError
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
    StartedPayment,
    StartRequest,
)

MONDAY = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
"""14:00 in Vietnam."""

ACCOUNT = "0071000123456"
TIMEOUT = 0.8


class SettableClock:
    def __init__(self) -> None:
        self.at = MONDAY

    def __call__(self) -> datetime:
        return self.at


@contextmanager
def serving(app: FastAPI, listener: socket.socket) -> Iterator[None]:
    """Serve ``app`` on loopback in a thread."""
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


@dataclass
class World:
    """Simulator, bank and an inbox on one port, and the gateway under test."""

    clock: SettableClock
    base: str
    simulator: NationalPortalSimulator
    bank: BankSimulator
    client: httpx2.Client
    gateway: NationalPortalGateway
    raw: list[RawEvent] = field(default_factory=list)
    notices: list[GatewayNotice] = field(default_factory=list)
    broken: bool = False

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
            expires_at=MONDAY + timedelta(minutes=15),
            collecting_bank_bin="970436",
            collecting_account=ACCOUNT,
            collecting_account_name="UBND PHUONG MONG CAI 1",
        )

    def question(self, reference: str = "MC1234567ABC-1") -> PaymentQuery:
        return PaymentQuery(
            merchant_reference=reference,
            provider_reference=None,
            provider_txn_id=None,
            created_at=MONDAY,
            asked_at=self.clock(),
            request_id="q",
            amount=Money(150_000),
            expires_at=MONDAY + timedelta(minutes=15),
        )

    def act(self, started: StartedPayment, outcome: str) -> str | None:
        body = {"url": started.redirect_url, "outcome": outcome}
        answer = self.client.post(f"{self.base}/sim/_control/act", json=body)
        assert answer.status_code == 200, answer.text
        address = answer.json()["return_url"]
        assert address is None or isinstance(address, str)
        return address

    def force(self, *faults: Fault) -> None:
        with self.simulator.store.transaction() as records:
            force_faults(records, "MC1234567ABC-1", faults)

    def booked(self) -> list[tuple[int, str]]:
        lines = self.bank.lines(ACCOUNT, business_day(self.clock()))
        return [(line.amount, line.narrative) for line in lines]


def caller(world_client: httpx2.Client, clock: SettableClock) -> Caller:
    return Caller(world_client, rail=Rail.NATIONAL_PORTAL, merchant_code="DOISOAT1", clock=clock)


def gateway_config(base: str, **changed: Any) -> NationalPortalConfig:
    config = NationalPortalConfig(
        partner_code="DOISOAT1",
        secret="portal-secret",
        bearer_token="portal-token",
        init_url=f"{base}/sim/init",
        query_url=f"{base}/sim/query",
        receipt_url=f"{base}/sim/receipt",
        receipt_message="BIENLAI",
        not_found_codes=frozenset({UNKNOWN_REFERENCE}),
    )
    return replace(config, **changed)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    clock = SettableClock()
    bank = BankSimulator(
        clock=clock,
        state_path=tmp_path / "bank.sqlite",
        config=BankSimulatorConfig((CollectingAccount(ACCOUNT, "970436", "UBND", 0),)),
    )
    partner = NationalPortalPartner(
        "DOISOAT1", "portal-secret", f"{base}/notice", f"{base}/return", "portal-token"
    )
    simulators = create_app(
        clock=clock,
        state_path=tmp_path / "portal.sqlite",
        config=NationalPortalSimulatorConfig((partner,), f"{base}/sim", slow_seconds=2 * TIMEOUT),
        transfer_sink=bank.book,
    )
    client = create_client(timeout_seconds=TIMEOUT)
    gateway = NationalPortalGateway(gateway_config(base), caller(client, clock))
    opened = World(clock, base, simulators.state.simulator, bank, client, gateway)
    app = FastAPI()

    @app.post("/notice")
    def receive(request: Request, body: RawBody) -> Response:
        event = RawEvent(Rail.NATIONAL_PORTAL, "POST", "", dict(request.headers), body, clock())
        answer = opened.gateway.answer(event, opened.take(event))
        return Response(answer.body, answer.status, media_type=answer.media_type)

    app.mount("/sim", simulators)
    with serving(app, listener), client:
        yield opened
    opened.simulator.close()
    bank.close()


def test_a_payment_goes_from_page_to_notice_query_and_account(world: World) -> None:
    started = world.gateway.start(world.request())
    before = world.gateway.query(world.question()).outcome

    returned = world.act(started, "pay")

    assert before is Outcome.PENDING
    assert returned == f"{world.base}/return?MaThamChieu=MC1234567ABCU1"
    notice = world.notices[0]
    asked = world.gateway.query(world.question())
    assert notice.outcome is asked.outcome is Outcome.SUCCEEDED
    assert notice.amount == asked.amount == Money(150_000)
    assert notice.provider_txn_id == asked.provider_txn_id
    assert notice.occurred_at == asked.occurred_at == MONDAY
    assert notice.merchant_reference == "MC1234567ABC-1"
    (amount, narrative), *more = world.booked()
    assert (amount, more) == (150_000, [])
    assert narrative.startswith("MC1234567ABC ")


def test_starting_twice_opens_one_order(world: World) -> None:
    assert world.gateway.start(world.request()) == world.gateway.start(world.request())


def test_the_same_reference_with_another_amount_is_refused(world: World) -> None:
    world.gateway.start(world.request())
    with pytest.raises(GatewayRefusedError, match="'3'"):
        world.gateway.start(world.request(amount=1_000))


@pytest.mark.parametrize(
    "changed", [{"secret": "stolen"}, {"bearer_token": ""}, {"partner_code": "OTHER"}]
)
def test_the_portal_refuses_who_is_not_its_partner(world: World, changed: dict[str, str]) -> None:
    stranger = NationalPortalGateway(
        gateway_config(world.base, **changed), caller(world.client, world.clock)
    )
    with pytest.raises(GatewayRefusedError):
        stranger.start(world.request())
    with pytest.raises(GatewayUnavailableError):
        stranger.query(world.question())
    assert stranger.check(at=MONDAY).works is False
    with pytest.raises(GatewayRefusedError):
        stranger.receipt(world.question())


def test_the_check_works_for_a_partner(world: World) -> None:
    checked = world.gateway.check(at=MONDAY)

    assert checked.works
    assert "no such reference" in checked.sentence


def test_a_declined_payment_is_failed_only_by_the_query(world: World) -> None:
    started = world.gateway.start(world.request())

    world.act(started, "insufficient")

    assert world.notices[0].outcome is Outcome.PENDING
    assert world.gateway.query(world.question()).outcome is Outcome.FAILED
    assert world.booked() == []


def test_what_the_portal_does_not_know_itself_stays_open(world: World) -> None:
    started = world.gateway.start(world.request())
    world.act(started, "unclear")
    world.clock.at += timedelta(days=5)

    assert world.gateway.query(world.question()).outcome is Outcome.PENDING


def test_deciding_twice_changes_nothing(world: World) -> None:
    started = world.gateway.start(world.request())
    world.act(started, "pay")
    world.act(started, "cancel")

    assert world.gateway.query(world.question()).outcome is Outcome.SUCCEEDED
    assert len(world.raw) == 1
    assert len(world.booked()) == 1


def test_an_abandoned_page_closes_by_itself(world: World) -> None:
    started = world.gateway.start(world.request())
    assert world.act(started, "abandon") is None
    world.clock.at += timedelta(minutes=29)
    assert world.gateway.query(world.question()).outcome is Outcome.PENDING

    world.clock.at += timedelta(minutes=1)

    assert world.gateway.query(world.question()).outcome is Outcome.FAILED


def test_an_attempt_the_portal_never_saw_is_not_found(world: World) -> None:
    notice = world.gateway.query(world.question())

    assert notice.outcome is Outcome.PENDING
    assert notice.reason_code == "not_found"


def test_a_query_with_another_time_than_init_finds_nothing(world: World) -> None:
    world.gateway.start(world.request())
    twelve_hours_off = replace(world.question(), created_at=MONDAY - timedelta(hours=12))

    assert world.gateway.query(twelve_hours_off).reason_code == "not_found"


def test_a_lost_answer_to_init_is_unknown_and_can_be_asked_again(world: World) -> None:
    world.force(Fault.LOST_START)
    with pytest.raises(GatewayUnavailableError):
        world.gateway.start(world.request())

    assert world.gateway.query(world.question()).outcome is Outcome.PENDING
    assert world.act(world.gateway.start(world.request()), "pay")


@pytest.mark.parametrize("fault", [Fault.LOST_QUERY, Fault.SLOW_QUERY])
def test_a_lost_or_late_answer_to_a_query_is_unknown(world: World, fault: Fault) -> None:
    world.force(fault)
    world.act(world.gateway.start(world.request()), "pay")
    with pytest.raises(GatewayUnavailableError):
        world.gateway.query(world.question())

    assert world.gateway.query(world.question()).outcome is Outcome.SUCCEEDED


def test_a_lost_result_is_found_by_asking(world: World) -> None:
    world.force(Fault.LOST_NOTICE)
    world.act(world.gateway.start(world.request()), "pay")
    world.clock.at += timedelta(days=1)
    world.simulator.deliver_due(world.clock())

    assert world.raw == []
    asked = world.gateway.query(world.question())
    assert asked.outcome is Outcome.SUCCEEDED
    assert asked.occurred_at == MONDAY


def test_a_late_result_comes_late_and_a_double_one_counts_once(world: World) -> None:
    world.force(Fault.LATE_NOTICE, Fault.DOUBLE_NOTICE)
    world.act(world.gateway.start(world.request()), "pay")
    assert world.raw == []

    world.clock.at += timedelta(hours=2)
    assert world.simulator.deliver_due(world.clock()) == 2

    assert len(world.raw) == 2
    assert len(world.notices) == 1


def test_another_amount_is_told_as_collected(world: World) -> None:
    world.force(Fault.OTHER_AMOUNT)
    world.act(world.gateway.start(world.request()), "pay")

    notice = world.notices[0]
    assert notice.outcome is Outcome.SUCCEEDED
    assert notice.amount not in {None, Money(150_000)}
    assert world.gateway.query(world.question()).amount == notice.amount
    assert [Money(amount) for amount, _ in world.booked()] == [notice.amount]


def test_a_result_is_sent_again_until_it_is_answered_with_a_signed_00(world: World) -> None:
    world.broken = True
    world.act(world.gateway.start(world.request()), "pay")
    world.broken = False
    assert world.notices == []

    world.clock.at += timedelta(minutes=5)
    calls = [world.simulator.deliver_due(world.clock()) for _ in range(2)]

    assert calls == [1, 0]
    assert world.notices[0].outcome is Outcome.SUCCEEDED
    sent = world.simulator.order("DOISOAT1", "MC1234567ABC-1")["notices"][0]
    assert [call["answer"] for call in sent["calls"]] == ["99", "00"]


def test_a_receipt_of_a_paid_attempt_is_a_pdf(world: World) -> None:
    started = world.gateway.start(world.request())
    with pytest.raises(GatewayRefusedError):
        world.gateway.receipt(world.question())

    world.act(started, "pay")

    assert world.gateway.receipt(world.question()).startswith(b"%PDF-")


def test_the_payers_page_works_as_a_plain_form(world: World) -> None:
    started = world.gateway.start(world.request())

    shown = world.client.get(str(started.redirect_url))
    form = {"order": "DOISOAT1:MC1234567ABCU1", "outcome": "pay"}
    back = world.client.post(f"{world.base}/sim/pay", data=form)

    assert shown.status_code == 200
    assert "150000 VND" in shown.text
    assert '<form method="post"' in shown.text
    assert back.status_code == 303
    assert back.headers["location"].startswith(f"{world.base}/return")
    assert world.notices[0].outcome is Outcome.SUCCEEDED


def test_the_control_api_is_that_of_every_rail(world: World) -> None:
    started = world.gateway.start(world.request())
    control = f"{world.base}/sim/_control"
    forced = {"reference": "MC1234567ABC-1", "faults": ["late_notice"], "drawn_as": "x"}
    assert world.client.post(f"{control}/faults", json=forced).status_code == 200
    world.act(started, "pay")
    world.clock.at += timedelta(hours=2)

    assert world.client.post(f"{control}/tick").json() == {"calls": 1}
    order = world.client.get(f"{control}/orders/DOISOAT1/MC1234567ABC-1").json()
    assert order["refunds"] == []
    assert len(order["notices"]) == 1
    assert world.client.get(f"{control}/orders/DOISOAT1/MC0-1").status_code == 404
    assert world.client.get(f"{control}/settlements/DOISOAT1/2026-03-02").json() == []
    assert world.client.get(f"{control}/payouts").json() == []
    assert world.simulator.refunded("DOISOAT1", "MC1234567ABC-1") == 0
    with pytest.raises(NotFoundError):
        world.simulator.refunded("DOISOAT1", "MC0-1")
    with pytest.raises(NotFoundError):
        world.simulator.decide("DOISOAT1:MC1234567ABCU1", "nonsense")


def test_the_portal_refuses_messages_it_cannot_read(world: World) -> None:
    for body in (b"", b"[]", b"{}"):
        refused, _ = world.simulator.init(body, "")
        assert refused["error_code"] != "0"
        answer, _ = world.simulator.query(body, "")
        assert answer["MaLoi"] != "00"
        assert world.simulator.receipt(body, "") is None


@pytest.mark.parametrize(
    "changed",
    [
        {"PhienBan": "1.0.5"},
        {"MaTienTe": "USD"},
        {"SoTien": "0"},
        {"SoTien": "1.5"},
        {"ThongTinGiaoDich": ""},
        {"ThoiGianGD": "1 July"},
    ],
)
def test_a_signed_message_with_odd_values_is_refused_in_the_portals_words(
    world: World, changed: dict[str, str]
) -> None:
    seen: list[dict[str, Any]] = []

    def keep(request: httpx2.Request) -> httpx2.Response:
        seen.append(json.loads(request.content))
        return httpx2.Response(503)

    silent = caller(create_client(transport=httpx2.MockTransport(keep)), world.clock)
    with pytest.raises(GatewayUnavailableError):
        NationalPortalGateway(gateway_config(world.base), silent).start(world.request())
    message = {**seen[0], **changed}
    message["MaXacThuc"] = signing.digest(signing.INIT, message, "portal-secret")

    answer, _ = world.simulator.init(json.dumps(message).encode(), "Bearer portal-token")

    assert answer["error_code"] == "2"


def test_a_transfer_that_was_interrupted_is_made_once(tmp_path: Path) -> None:
    booked: list[Entry] = []
    clock = SettableClock()

    def fail_once(entry: Entry) -> None:
        if not booked:
            booked.append(entry)
            raise InputUnusableError("the bank is away")
        booked.append(entry)

    partner = NationalPortalPartner("P", "s", "http://127.0.0.1:9/", "http://127.0.0.1:9/")
    simulator = NationalPortalSimulator(
        clock=clock,
        state_path=tmp_path / "p.sqlite",
        config=NationalPortalSimulatorConfig((partner,), "http://127.0.0.1:9/sim"),
        transfer_sink=fail_once,
    )
    message = dict.fromkeys(signing.INIT, "1") | {
        "MaDoiTac": "P",
        "MaThamChieu": "MCU1",
        "PhienBan": "1.0.6",
        "MaTienTe": "VND",
        "SoTien": "1000",
        "ThoiGianGD": "20260302140000",
    }
    message["MaXacThuc"] = signing.digest(signing.INIT, message, "s")
    whole = {**message, "ThongTinBienLai": {"TKThuHuong": ACCOUNT}}
    answer, _ = simulator.init(json.dumps(whole).encode(), "")
    page = json.loads(answer["message"])["UrlThanhToan"]

    with pytest.raises(InputUnusableError):
        simulator.act(page, "pay")
    for _ in range(2):
        simulator.deliver_due(clock())
    simulator.close()

    assert [entry.entry_id for entry in booked] == ["national_portal:P:MCU1"] * 2
