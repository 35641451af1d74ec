"""A code is scanned at the bank, SePay and Casso tell of it over HTTP, and the gateways read it."""

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
from urllib.parse import urlencode

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import Response

from adapters.gateways.casso import CassoConfig, CassoGateway
from adapters.gateways.sepay import SePayConfig, SePayGateway
from adapters.gateways.vietqr import VietQRGateway
from adapters.http import Caller, create_client
from adapters.simulators import bank_web, credit_services_web
from adapters.simulators.bank import (
    BankLine,
    BankSimulator,
    BankSimulatorConfig,
    CollectingAccount,
    Entry,
    Noise,
)
from adapters.simulators.credit_services import CreditServices
from adapters.simulators.credit_services_config import (
    CASSO_GAPS,
    SEPAY_GAPS,
    CreditServicesConfig,
    Subscription,
    Wire,
)
from adapters.simulators.faults import Fault, FaultPlan
from adapters.simulators.settlement import Payout
from adapters.simulators.web import RawBody
from core.crypto import sha256_hex
from core.errors import InputUnusableError, NotFoundError
from core.money import Money
from payments.channels import Rail
from payments.errors import InvalidSignatureError, MalformedNoticeError
from payments.ports import (
    SECRET_HEADERS,
    BankCredit,
    GatewayNotice,
    NoticeKind,
    NoticeResult,
    PaymentGateway,
    RawEvent,
    StartRequest,
)

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
REFERENCE = "MC1234567ABC"
ACCOUNT = "0071000123456"
OTHER_ACCOUNT = "0071000999999"
BANK_BIN = "970436"
KEYS = {wire: f"{wire.value}-contract-key" for wire in Wire}
WIRES = [pytest.param(wire, id=wire.value) for wire in Wire]
AT_ONCE = [one for one in WIRES if one.id != "casso_v1"]


def gateway_of(wire: Wire, http: Caller) -> PaymentGateway:
    return {
        Wire.SEPAY_HMAC: lambda: SePayGateway(SePayConfig(hmac_secret=KEYS[wire]), http),
        Wire.SEPAY_API_KEY: lambda: SePayGateway(SePayConfig(api_key=KEYS[wire]), http),
        Wire.CASSO_V1: lambda: CassoGateway(CassoConfig(secure_token=KEYS[wire]), http),
        Wire.CASSO_V2: lambda: CassoGateway(CassoConfig(security_key=KEYS[wire]), http),
    }[wire]()


@dataclass
class World:
    """A bank, both services and an inbox that reads through the real gateways, on one port."""

    base: str
    client: httpx2.Client
    now: datetime = MONDAY
    events: list[RawEvent] = field(default_factory=list)
    notices: list[GatewayNotice] = field(default_factory=list)
    credits: dict[str, BankCredit] = field(default_factory=dict)
    results: list[NoticeResult] = field(default_factory=list)
    answer_with: NoticeResult | None = None
    services: CreditServices = field(init=False)
    bank: BankSimulator = field(init=False)

    def clock(self) -> datetime:
        return self.now

    def receive(self, wire: Wire, event: RawEvent) -> Response:
        caller = Caller(self.client, rail=event.rail, merchant_code="main", clock=self.clock)
        gateway = gateway_of(wire, caller)
        result = self._result(gateway, event)
        self.events.append(event)
        self.results.append(result)
        answer = gateway.answer(event, result)
        return Response(answer.body, answer.status, media_type=answer.media_type)

    def _result(self, gateway: PaymentGateway, event: RawEvent) -> NoticeResult:
        if self.answer_with is not None:
            return self.answer_with
        try:
            notice = gateway.verify_notice(event)
        except InvalidSignatureError:
            return NoticeResult.INVALID_SIGNATURE
        except MalformedNoticeError:
            return NoticeResult.MALFORMED
        self.notices.append(notice)
        known = [one.credit_key for one in notice.credits if one.credit_key in self.credits]
        self.credits |= {one.credit_key: one for one in notice.credits}
        return NoticeResult.ALREADY_APPLIED if known else NoticeResult.APPLIED

    def pay(self, reference: str = REFERENCE, amount: int = 150_000, **more: Any) -> Any:
        """Scan the code of a bill and confirm, over HTTP as the demonstration does."""
        body = {"payload": code(reference, amount), "transfer_id": reference, **more}
        answer = self.client.post(f"{self.base}/bank/_control/transfers", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pass_time(self, step: timedelta) -> int:
        self.now += step
        return self.services.deliver_due(self.now)

    def force(self, *faults: Fault, reference: str = REFERENCE) -> None:
        self.client.post(
            f"{self.base}/services/_control/faults",
            json={"reference": reference, "faults": [fault.value for fault in faults]},
        ).raise_for_status()

    def calls(self, wire: Wire) -> list[list[str]]:
        """Return what was answered to every call, by message."""
        address = f"{self.base}/services/_control/subscriptions/{wire.value}/notices"
        told = self.client.get(address).json()
        return [[call["answer"] for call in one["calls"]] for one in told]


def code(reference: str, amount: int) -> str:
    started = VietQRGateway().start(
        StartRequest(
            merchant_reference=f"{reference}-1",
            bill_reference=reference,
            amount=Money(amount),
            description="Le phi",
            return_url="https://city.example/return",
            payer_ip="127.0.0.1",
            locale="vi",
            created_at=MONDAY,
            expires_at=MONDAY + timedelta(minutes=40),
            collecting_bank_bin=BANK_BIN,
            collecting_account=ACCOUNT,
            collecting_account_name="UBND PHUONG MONG CAI 1",
        )
    )
    assert started.qr_payload is not None
    return started.qr_payload


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

    @app.post("/channels/{name}/notice")
    def receive(name: str, request: Request, body: RawBody) -> Response:
        wire = Wire(name)
        headers = {
            key: sha256_hex(value.encode()) if key in SECRET_HEADERS else value
            for key, value in request.headers.items()
        }
        event = RawEvent(Rail(wire.service), "POST", "", headers, body, world.now)
        return world.receive(wire, event)

    @app.post("/says")
    def say(said: str) -> Response:
        return Response(said)

    return app


@contextmanager
def open_world(tmp_path: Path, *wires: Wire, **changed: Any) -> Iterator[World]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = CreditServicesConfig(
        tuple(
            Subscription(wire.value, wire, ACCOUNT, f"{base}/channels/{wire.value}/notice", key)
            for wire, key in KEYS.items()
            if wire in wires
        )
    )
    accounts = tuple(
        CollectingAccount(number, BANK_BIN, "UBND PHUONG MONG CAI 1")
        for number in (ACCOUNT, OTHER_ACCOUNT)
    )
    bank_config = BankSimulatorConfig(accounts, noise_per_mille=changed.pop("noise", {}))
    with create_client(timeout_seconds=5) as client:
        world = World(base, client)
        services = credit_services_web.create_app(
            clock=world.clock,
            state_path=tmp_path / "services.sqlite",
            config=replace(config, **changed),
        )
        world.services = services.state.simulator
        bank = bank_web.create_app(
            clock=world.clock,
            state_path=tmp_path / "bank.sqlite",
            config=bank_config,
            line_sink=world.services.announce,
        )
        world.bank = bank.state.simulator
        app = inbox(world)
        app.mount("/services", services)
        app.mount("/bank", bank)
        with serving(app, listener):
            yield world
        world.services.close()
        world.bank.close()


def wait_of(wire: Wire) -> timedelta:
    return timedelta(minutes=5) if wire is Wire.CASSO_V1 else timedelta(0)


# ---------------------------------------------------------------- from the scan to the credit


@pytest.mark.parametrize("wire", WIRES)
def test_a_scanned_code_becomes_a_credit_with_what_the_statement_will_say(
    tmp_path: Path, wire: Wire
) -> None:
    with open_world(tmp_path, wire) as world:
        line = world.pay(payer_name="NGUYEN VAN AN")
        world.pass_time(wait_of(wire))

        (notice,) = world.notices
        assert notice.kind is NoticeKind.CREDIT
        (credit,) = notice.credits
        assert credit.account_number == ACCOUNT
        assert credit.amount == Money(150_000)
        assert credit.narrative == line["narrative"] == f"{REFERENCE} LE PHI"
        assert credit.bank_ref == line["bank_ref"]
        assert credit.booked_at == MONDAY
        if wire is Wire.CASSO_V2:
            assert credit.counterparty_name == "NGUYEN VAN AN"
            assert credit.counterparty_account == line["counterparty_account"]
        assert world.calls(wire) == [["200"]]
        assert world.pass_time(timedelta(days=1)) == 0


def test_all_who_subscribed_hear_of_one_transfer_under_the_number_of_their_service(
    tmp_path: Path,
) -> None:
    with open_world(tmp_path, *Wire) as world:
        line = world.pay()
        world.pass_time(timedelta(minutes=5))

        keys = {e.rail: n.credits[0].credit_key for e, n in _paired(world)}
        assert len(world.notices) == 4
        assert set(keys) == {Rail.SEPAY, Rail.CASSO}
        assert len({(e.rail, n.credits[0].credit_key) for e, n in _paired(world)}) == 2
        assert {n.credits[0].bank_ref for n in world.notices} == {line["bank_ref"]}


def _paired(world: World) -> list[tuple[RawEvent, GatewayNotice]]:
    return list(zip(world.events, world.notices, strict=True))


def test_casso_v1_tells_of_several_credits_in_one_message(tmp_path: Path) -> None:
    references = [f"MC123456{n}ABC" for n in range(3)]
    with open_world(tmp_path, Wire.CASSO_V1) as world:
        for number, reference in enumerate(references):
            world.pay(reference, 10_000 + number)
        assert world.notices == []
        world.pass_time(timedelta(minutes=5))

        (notice,) = world.notices
        assert [one.amount.amount_minor for one in notice.credits] == [10_000, 10_001, 10_002]
        assert [one.narrative.partition(" ")[0] for one in notice.credits] == references
        assert len({one.credit_key for one in notice.credits}) == 3


def test_a_transfer_confirmed_twice_is_told_once(tmp_path: Path) -> None:
    with open_world(tmp_path, Wire.SEPAY_HMAC) as world:
        assert world.pay() == world.pay()
        assert len(world.events) == 1


def test_form_fields_are_read_as_json_is(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        for number, wire in enumerate((Wire.SEPAY_HMAC, Wire.SEPAY_API_KEY)):
            world.services.subscribe(
                Subscription(
                    str(number),
                    wire,
                    ACCOUNT,
                    f"{world.base}/channels/{wire}/notice",
                    KEYS[wire],
                    as_form=True,
                )
            )
        line = world.pay()

        assert [event.body[:3] for event in world.events] == [b"id=", b"id="]
        assert world.notices[0].credits == world.notices[1].credits
        assert world.notices[0].credits[0].bank_ref == line["bank_ref"]


def test_vietnamese_text_passes_every_wire(tmp_path: Path) -> None:
    text = f'{REFERENCE} Lệ phí hộ tịch / "Móng Cái"'
    with open_world(tmp_path, *Wire) as world:
        world.pay(purpose=text)
        world.pass_time(timedelta(minutes=5))

        assert [notice.credits[0].narrative for notice in world.notices] == [text] * 4


def test_only_money_on_its_own_account_is_told(tmp_path: Path) -> None:
    with open_world(tmp_path, Wire.SEPAY_HMAC) as world:
        world.bank.book(Entry("in", OTHER_ACCOUNT, 5_000, "elsewhere"))
        world.bank.book(Entry("fee", OTHER_ACCOUNT, -1_100, "PHI SMS"))
        assert world.events == []

        day = MONDAY.date()
        world.bank.receive_payout(
            Payout("P1", "vnpay", "T1", ACCOUNT, "R1", day, 90_000, "VND", day)
        )

        (notice,) = world.notices
        assert notice.credits[0].amount == Money(90_000)


@pytest.mark.parametrize("wire", WIRES)
def test_money_out_is_told_by_the_service_and_is_no_credit(tmp_path: Path, wire: Wire) -> None:
    with open_world(tmp_path, wire) as world:
        world.bank.book(Entry("fee", ACCOUNT, -1_100, "PHI SMS"))
        world.pass_time(wait_of(wire))

        (notice,) = world.notices
        assert (notice.kind, notice.credits) == (NoticeKind.OTHER, ())
        assert world.calls(wire) == [["200"]]


# ---------------------------------------------------------------- repetition


@pytest.mark.parametrize("result", [NoticeResult.FAILED, NoticeResult.INVALID_SIGNATURE])
@pytest.mark.parametrize("wire", AT_ONCE)
def test_what_is_not_taken_is_told_again_and_then_believed(
    tmp_path: Path, wire: Wire, result: NoticeResult
) -> None:
    with open_world(tmp_path, wire) as world:
        world.answer_with = result
        world.pay()
        world.pass_time(timedelta(minutes=10))
        world.answer_with = None
        world.pass_time(timedelta(minutes=10))

        status = {"failed": "500", "invalid_signature": "401"}[result]
        assert world.calls(wire) == [[status, status, "200"]]
        assert len(world.credits) == 1


@pytest.mark.parametrize(
    ("wire", "gaps"), [(Wire.SEPAY_HMAC, SEPAY_GAPS), (Wire.CASSO_V2, CASSO_GAPS)]
)
def test_a_service_gives_up_by_its_rule(
    tmp_path: Path, wire: Wire, gaps: tuple[timedelta, ...]
) -> None:
    with open_world(tmp_path, wire) as world:
        world.answer_with = NoticeResult.FAILED
        world.pay()
        for gap in gaps:
            assert world.pass_time(gap - timedelta(seconds=1)) == 0
            assert world.pass_time(timedelta(seconds=1)) == 1
        assert world.pass_time(timedelta(days=1)) == 0
        assert world.calls(wire) == [["500"] * (len(gaps) + 1)]


def test_sepay_repeats_seven_times_within_33_minutes() -> None:
    assert len(SEPAY_GAPS) == 7
    assert sum(SEPAY_GAPS, timedelta()) == timedelta(minutes=33)
    assert all(
        a + b == c
        for a, b, c in zip(SEPAY_GAPS[:-2], SEPAY_GAPS[1:-1], SEPAY_GAPS[2:], strict=True)
    )


def test_nobody_at_the_address_is_a_reason_to_tell_again(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        body = {"name": "x", "wire": "sepay_hmac", "account": ACCOUNT, "key": "k"}
        address = f"{world.base}/services/_control/subscriptions"
        taken = socket.socket()
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        world.client.post(address, json={**body, "url": url}).raise_for_status()
        world.pay()

        (told,) = world.services.notices("x")
        assert told["calls"][0]["answer"] == "GatewayUnavailableError"
        assert world.pass_time(timedelta(minutes=1)) == 1
        taken.close()


def test_sepay_takes_only_its_own_word_for_received(tmp_path: Path) -> None:
    with open_world(tmp_path) as world:
        for said in ("ok", "[]", '{"success": "true"}', '{"success": true}'):
            url = f"{world.base}/says?{urlencode({'said': said})}"
            world.services.subscribe(Subscription(said, Wire.SEPAY_HMAC, ACCOUNT, url, "k"))
            world.services.subscribe(Subscription(f"c{said}", Wire.CASSO_V2, ACCOUNT, url, "k"))
        world.pay()

        taken = {
            one.name: world.services.notices(one.name) for one in world.services.subscriptions()
        }
        assert all(told["calls"][0]["answer"] == "200" for (told,) in taken.values())
        refused = {name for name, (told,) in taken.items() if not told["accepted"]}
        assert refused == {"ok", "[]", '{"success": "true"}'}


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize("wire", WIRES)
def test_a_credit_told_twice_is_one(tmp_path: Path, wire: Wire) -> None:
    with open_world(tmp_path, wire) as world:
        world.force(Fault.DOUBLE_NOTICE)
        world.pay()
        world.pass_time(wait_of(wire))

        assert world.results == [NoticeResult.APPLIED, NoticeResult.ALREADY_APPLIED]
        assert world.notices[0].event_key == world.notices[1].event_key
        assert len(world.credits) == 1


@pytest.mark.parametrize("wire", WIRES)
def test_a_late_message_comes_late_and_is_believed(tmp_path: Path, wire: Wire) -> None:
    with open_world(tmp_path, wire) as world:
        world.force(Fault.LATE_NOTICE)
        world.pay()
        world.pass_time(timedelta(hours=1, minutes=59))
        assert world.events == []
        world.pass_time(timedelta(minutes=6))

        assert world.results == [NoticeResult.APPLIED]
        assert world.notices[0].credits[0].booked_at == MONDAY


@pytest.mark.parametrize("wire", WIRES)
def test_a_lost_message_never_comes_and_others_do(tmp_path: Path, wire: Wire) -> None:
    with open_world(tmp_path, wire) as world:
        world.force(Fault.LOST_NOTICE, Fault.DOUBLE_NOTICE)
        world.pay()
        world.pay("MC7654321ABC", 20_000)
        world.pass_time(timedelta(days=1))

        assert [one.amount for one in world.credits.values()] == [Money(20_000)]
        assert len(world.events) == 1


def test_the_seed_alone_decides_what_is_lost(tmp_path: Path) -> None:
    plan = FaultPlan(7, {Fault.LOST_NOTICE: 500})
    references = [f"MC12345{n:02d}ABC" for n in range(10)]
    lost = {name for name in references if plan.strikes(Fault.LOST_NOTICE, name)}
    assert 0 < len(lost) < 10
    with open_world(tmp_path, Wire.SEPAY_API_KEY, faults=plan) as world:
        for reference in references:
            world.pay(reference)
        told = {one.narrative.partition(" ")[0] for one in world.credits.values()}

    assert told == set(references) - lost


# ---------------------------------------------------------------- forgery, memory, control


@pytest.mark.parametrize("wire", WIRES)
def test_a_message_changed_on_its_way_is_refused_where_it_is_signed(
    tmp_path: Path, wire: Wire
) -> None:
    with open_world(tmp_path, wire) as world:
        world.pay()
        world.pass_time(wait_of(wire))
        (event,) = world.events
        changed = replace(event, body=event.body.replace(b"150000", b"950000"))
        assert changed.body != event.body

        signed = wire in {Wire.SEPAY_HMAC, Wire.CASSO_V2}
        world.receive(wire, changed)
        assert world.results[-1] is (
            NoticeResult.INVALID_SIGNATURE if signed else NoticeResult.ALREADY_APPLIED
        )


@pytest.mark.parametrize("wire", WIRES)
def test_a_message_for_another_key_is_refused(tmp_path: Path, wire: Wire) -> None:
    with open_world(tmp_path) as world:
        url = f"{world.base}/channels/{wire}/notice"
        world.services.subscribe(Subscription(wire.value, wire, ACCOUNT, url, "stolen"))
        world.pay()
        world.pass_time(wait_of(wire))

        assert world.results == [NoticeResult.INVALID_SIGNATURE]
        assert world.calls(wire) == [["401"]]


@pytest.mark.parametrize("wire", [Wire.SEPAY_API_KEY, Wire.CASSO_V1])
def test_a_key_that_is_shown_is_never_kept(tmp_path: Path, wire: Wire) -> None:
    with open_world(tmp_path, wire) as world:
        world.pay()
        world.pass_time(wait_of(wire))

        assert world.results == [NoticeResult.APPLIED]
        assert KEYS[wire] not in repr(world.events)


def test_services_remember_what_they_have_to_tell(tmp_path: Path) -> None:
    line = BankLine(
        1, ACCOUNT, MONDAY, MONDAY.date(), MONDAY.date(), 9_000, "VND", REFERENCE, "", "", "FT1"
    )
    path = tmp_path / "own.sqlite"
    hook = Subscription("a", Wire.CASSO_V1, ACCOUNT, "http://127.0.0.1:9/", "k")
    config = CreditServicesConfig((hook,), deliver_at_once=False)
    first = CreditServices(clock=lambda: MONDAY, state_path=path, config=config)
    first.announce(line)
    first.announce(line)
    first.close()

    second = CreditServices(clock=lambda: MONDAY, state_path=path, config=config)
    assert second.deliver_due(MONDAY) == 0
    assert second.deliver_due(MONDAY + timedelta(minutes=5)) == 1
    (told,) = second.notices("a")
    assert [one["tid"] for one in told["body"]["told"]["data"]] == ["FT1"]
    assert second.subscriptions() == [hook]
    second.close()


def test_subscriptions_are_shown_without_their_keys_and_added_once(tmp_path: Path) -> None:
    with open_world(tmp_path, Wire.CASSO_V2) as world:
        address = f"{world.base}/services/_control/subscriptions"
        shown = world.client.get(address).json()
        assert [one["name"] for one in shown] == ["casso_v2"]
        assert KEYS[Wire.CASSO_V2] not in json.dumps(shown)

        body = {"name": "n", "wire": "sepay_hmac", "account": ACCOUNT, "url": "u", "key": "k"}
        assert world.client.post(address, json=body).status_code == 200
        assert world.client.post(address, json=body).status_code == 409
        assert len(world.client.get(address).json()) == 2
        tick = world.client.post(f"{world.base}/services/_control/tick")
        assert tick.json() == {"calls": 0}
        with pytest.raises(NotFoundError):
            world.services.notices("unknown")
        with pytest.raises(InputUnusableError):
            Subscription("f", Wire.CASSO_V1, ACCOUNT, "u", "k", as_form=True)
        assert KEYS[Wire.CASSO_V2] not in repr(world.services.subscriptions())


def test_a_spoiled_narrative_is_told_as_the_bank_has_it(tmp_path: Path) -> None:
    with open_world(tmp_path, Wire.CASSO_V2, noise={Noise.PREFIXED: 1000}) as world:
        line = world.pay()

        assert line["narrative"].startswith("MBVCB.")
        assert world.notices[0].credits[0].narrative == line["narrative"]
