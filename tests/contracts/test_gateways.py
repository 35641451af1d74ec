"""One contract, every rail: each against its provider's simulator over HTTP on a settable clock.

Every test is one case and runs for every rail; where it does not apply it ends as n/a with a
reason (``rigs/cases.py`` and each rig). Whatever happens: nothing is lost, nothing is counted
twice, and what is unknown is never called failed; the world checks that after every test.
``make gateway-table`` prints rails × cases.
"""

import contextlib
import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from typing_extensions import override

from adapters.http import Breaker, Caller
from adapters.simulators.bank import Entry
from adapters.simulators.faults import Fault
from core.money import Currency, Money
from payments.channels import Rail
from payments.errors import (
    GatewayRefusedError,
    GatewayUnavailableError,
    InvalidSignatureError,
    MalformedNoticeError,
)
from payments.ports import (
    GatewayNotice,
    NoticeKind,
    NoticeResult,
    Outcome,
    PaymentGateway,
    RawEvent,
    RefundOrder,
)
from tests.contracts.rigs.cases import CASES, TABLE, case, cell_of, leave_out, quick_dir
from tests.contracts.rigs.inbox import collected_by
from tests.contracts.rigs.registry import RAILS, RIGS
from tests.contracts.rigs.rig import (
    ACCOUNT,
    MONDAY,
    OTHER,
    OTHER_ACCOUNT,
    REFERENCE,
    DeedRefusedError,
    reference_of,
)
from tests.contracts.rigs.serving import Outage, Stage, free_listener, open_stage
from tests.contracts.rigs.world import SHORT_TIMEOUT, World, open_world

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with open_stage() as opened:
        yield opened


@pytest.fixture
def state_dir() -> Iterator[Path]:
    with quick_dir() as folder:
        yield folder


@pytest.fixture(scope="module")
def trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, trusted: ssl.SSLContext) -> None:
    """Repeat what may be repeated at once; let clients not read all certificates each time."""
    monkeypatch.setattr("adapters.http._pause_seconds", lambda _: 0.0)
    monkeypatch.setattr("httpx2._transports.default.create_ssl_context", lambda *_, **__: trusted)


@pytest.fixture(params=RAILS)
def rail(request: pytest.FixtureRequest) -> str:
    leave_out(request.param, request.function.case)
    return str(request.param)


@pytest.fixture
def world(rail: str, stage: Stage, state_dir: Path) -> Iterator[World]:
    with open_world(rail, state_dir, stage=stage) as opened:
        yield opened
        if not opened.dead:
            assert opened.inbox.violations(opened.truth) == []


def money_news(world: World) -> list[GatewayNotice]:
    """Return the notices that tell that money was collected."""
    return [notice for notice in world.inbox.notices if collected_by(notice)]


def paid_event(world: World) -> RawEvent:
    """Return the message that told of a payment, exactly as it came."""
    world.pay(world.request())
    for event in world.inbox.raw:
        if collected_by(world.gateway.verify_notice(event)):
            return event
    raise AssertionError("no message told of the payment")


# ---------------------------------------------------------------- start and pay


@case("start", "starts")
def test_start_gives_a_page_or_a_code(world: World) -> None:
    started = world.start(world.request())

    assert started.redirect_url or started.qr_payload
    assert bool(started.redirect_url) == world.can.redirects


@case("start_twice", "starts")
def test_starting_twice_opens_one_attempt(world: World) -> None:
    request = world.request()
    first = world.start(request)
    if world.traits.same_start_known:
        assert world.start(request) == first
    else:
        with pytest.raises(GatewayUnavailableError):
            world.start(request)
    world.act(first, "pay")
    world.tick()
    world.find_out(request, first)

    world.agree(request, 150_000)


@case("success")
def test_a_success_is_told_with_amount_and_reference(world: World) -> None:
    request = world.request()
    world.pay(request)
    if world.direct:
        world.read_statement()  # the same receipt once more, as the bank tells it

    world.agree(request, 150_000)
    if world.can.notices:
        [notice] = world.told(request)
        assert collected_by(notice) == Money(150_000)
        assert notice.occurred_at == MONDAY
        assert notice.provider_txn_id or notice.credits


@case("query_agrees", "queries", "notices")
def test_the_query_agrees_with_the_notice(world: World) -> None:
    request = world.request()
    started = world.pay(request)
    [noticed] = money_news(world)

    asked = world.ask(request, started)

    assert collected_by(asked) == collected_by(noticed) == Money(150_000)
    assert asked.merchant_reference == request.merchant_reference
    assert asked.provider_txn_id == noticed.provider_txn_id
    assert asked.credits == noticed.credits
    assert asked.occurred_at == noticed.occurred_at
    world.agree(request, 150_000)


class Form(HTMLParser):
    """Reads the one form of a page as a browser would send it by its first button."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.method = ""
        self.fields: dict[str, str] = {}
        self._pressed = False
        self.feed(html)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.action, self.method = named.get("action", ""), named.get("method", "get")
        elif tag == "input" and named.get("name"):
            self.fields[named["name"]] = named.get("value", "")
        elif tag == "button" and named.get("name") and not self._pressed:
            self.fields[named["name"]] = named.get("value", "")
            self._pressed = True


@case("plain_form")
def test_the_payers_page_works_as_a_plain_form(world: World) -> None:
    request = world.request()
    url = world.rig.page(world.start(request))

    shown = world.client.get(url)
    form = Form(shown.text)
    back = world.client.post(urljoin(url, form.action), data=form.fields)
    world.tick()

    assert shown.status_code == 200
    assert re.search(r"150[.,]?000", shown.text)
    assert form.method == "post"
    if world.can.redirects:
        assert back.status_code in {302, 303}
        assert back.headers["location"].startswith(f"{world.base}/return")
    else:
        assert back.status_code == 200
    world.agree(request, 150_000)


@case("paying_twice")
def test_pressing_the_button_twice_pays_once(world: World) -> None:
    request = world.request()
    url = world.rig.page(world.start(request))
    form = Form(world.client.get(url).text)
    for _ in range(2):
        world.client.post(urljoin(url, form.action), data=form.fields)
    world.tick()
    world.find_out(request, world.started[request.merchant_reference][1])

    world.agree(request, 150_000)


@case("notice_before_redirect", "notices", "redirects")
def test_the_notice_comes_before_the_browser_returns(world: World) -> None:
    request = world.request()
    started = world.start(request)

    returned = world.act(started, "pay")

    # Nothing was ticked: the message had come when the provider let the browser go.
    assert returned
    assert len(money_news(world)) == 1
    world.agree(request, 150_000)


# ---------------------------------------------------------------- not paid


@case("decline")
def test_a_decline_is_never_a_success(world: World) -> None:
    request = world.request()
    started = world.start(request)

    world.act(started, "decline")
    world.tick()

    told = [notice for notice in world.told(request) if notice.kind is NoticeKind.PAYMENT]
    if world.traits.tells_decline and world.can.notices:
        assert [notice.outcome for notice in told] == [world.traits.tells_decline]
        assert told[0].reason_code
        assert told[0].amount is None
    else:
        assert told == []
    if world.can.queries:
        asked = world.ask(request, started)
        assert asked.outcome is world.traits.declined
        assert asked.amount is None
        assert asked.reason_code
    world.agree(request, 0)


@case("try_again")
def test_a_payer_may_try_again_where_the_page_stays_open(world: World) -> None:
    request = world.request()
    started = world.start(request)
    world.act(started, "decline")
    paid = 150_000 if world.traits.tries_again else 0

    with contextlib.suppress(DeedRefusedError):  # the provider may well refuse
        world.act(started, "pay")
    world.tick()
    world.find_out(request, started)

    world.agree(request, paid)


@case("turning_back")
def test_turning_back_never_counts_as_paid(world: World) -> None:
    request = world.request()
    started = world.start(request)

    returned = world.act(started, "cancel")
    world.tick()

    assert returned
    assert money_news(world) == []
    if world.can.queries:
        assert world.ask(request, started).outcome is world.traits.turned_back
    world.agree(request, 0)


@case("abandon")
def test_an_abandoned_attempt_is_open_and_worth_nothing(world: World) -> None:
    request = world.request()
    started = world.start(request)
    world.act(started, "abandon")
    world.tick()

    assert world.told(request) == []
    if world.can.queries:
        asked = world.ask(request, started)
        assert (asked.outcome, asked.amount) == (Outcome.PENDING, None)
    world.agree(request, 0)


@case("expiry")
def test_an_attempt_ends_at_its_expiry(world: World) -> None:
    request = world.request()
    started = world.start(request)
    world.act(started, "abandon")
    world.move(world.traits.page_life)
    world.tick()

    if world.can.notices:
        told = [world.traits.tells_expiry] if world.traits.tells_expiry else []
        assert [notice.outcome for notice in world.told(request)] == told
    if world.can.queries:
        assert world.ask(request, started).outcome is world.traits.expired
    with contextlib.suppress(DeedRefusedError):  # the provider may well refuse
        world.act(started, "pay")
    world.tick()
    world.agree(request, 0)


@case("never_opened", "queries")
def test_an_attempt_nobody_opened_is_pending_and_at_last_expired(world: World) -> None:
    request = world.request()

    at_once = world.gateway.query(world.question(request))
    world.move(5 * DAY)
    later = world.gateway.query(world.question(request))

    assert (at_once.outcome, later.outcome) == (Outcome.PENDING, Outcome.EXPIRED)
    assert at_once.reason_code == later.reason_code != ""
    assert at_once.event_key != later.event_key


# ---------------------------------------------------------------- calling off, second steps


@case("calling_off", "cancels")
def test_an_attempt_called_off_cannot_be_paid(world: World) -> None:
    request = world.request()
    started = world.start(request)

    ended = world.gateway.cancel(world.question(request, started))
    with contextlib.suppress(DeedRefusedError):  # the provider may well refuse
        world.act(started, "pay")
    world.tick()
    again = world.ask(request, started)

    assert ended.outcome in {Outcome.CANCELLED, Outcome.EXPIRED}
    assert again.outcome is ended.outcome
    world.agree(request, 0)


@case("calling_off_paid", "cancels")
def test_what_was_paid_is_not_called_off(world: World) -> None:
    request = world.request()
    started = world.pay(request)

    told = world.gateway.cancel(world.question(request, started))
    world.inbox.learn(told)

    assert collected_by(told) == Money(150_000)
    world.agree(request, 150_000)


@case("taking_held_money", "holds")
def test_held_money_is_taken_once_or_let_go(world: World) -> None:
    world.rig.gateway = world.rig.two_steps()
    assert world.can.confirms
    for reference, capture in ((REFERENCE, True), (OTHER, False)):
        request = world.request(reference)
        started = world.pay(request)
        held = world.ask(request, started)
        assert [notice.outcome for notice in world.told(request)] == [Outcome.AUTHORISED]
        assert held.outcome is Outcome.AUTHORISED
        assert held.amount in {None, Money(150_000)}  # what is held, where it is told
        world.agree(request, 0)
        for _ in range(2):
            told = world.gateway.confirm(world.question(request, started), capture=capture)
            world.inbox.learn(told)
            wanted = Outcome.SUCCEEDED if capture else Outcome.CANCELLED
            assert told.outcome in {wanted, Outcome.PENDING}
        world.tick()
        world.find_out(request, started)
        world.agree(request, 150_000 if capture else 0)


# ---------------------------------------------------------------- notices gone wrong


@case("double_notice")
def test_what_is_told_twice_counts_once(world: World) -> None:
    request = world.request()
    world.force(request.merchant_reference, Fault.DOUBLE_NOTICE)
    world.pay(request)
    world.tick()  # a statement is read a second time
    if world.can.notices:
        [notice] = money_news(world)
        assert world.inbox.repeated == [notice.event_key]
    world.agree(request, 150_000)


@case("late_notice")
def test_late_news_still_count(world: World) -> None:
    request = world.request()
    world.force(request.merchant_reference, Fault.LATE_NOTICE)
    world.act(world.start(request), "pay")
    assert world.inbox.raw == []
    assert world.inbox.collected(request.bill_reference) == 0

    world.move(3 * HOUR)
    world.tick()

    assert [notice.occurred_at for notice in money_news(world)] == [MONDAY] * world.can.notices
    world.agree(request, 150_000)


@case("notice_after_expiry")
def test_news_after_our_expiry_still_count(world: World) -> None:
    request = replace(world.request(), expires_at=MONDAY + 40 * MINUTE)
    world.force(request.merchant_reference, Fault.LATE_NOTICE)
    started = world.start(request)
    # A code has no end: it is paid after our expiry. A page is paid in its last minutes.
    world.move((20 if started.redirect_url else 50) * MINUTE)
    world.act(started, "pay")
    world.move(3 * HOUR)
    world.tick()

    for notice in money_news(world):
        assert notice.occurred_at < world.clock() - 2 * HOUR
    assert bool(money_news(world)) == world.can.notices
    world.agree(request, 150_000)


@case("lost_notice", "notices")
def test_a_lost_notice_is_found_by_asking_or_on_the_statement(world: World) -> None:
    request = world.request()
    world.force(request.merchant_reference, Fault.LOST_NOTICE)
    started = world.start(request)
    world.act(started, "pay")
    world.move(DAY)
    world.tick()
    assert world.inbox.raw == []

    world.find_out(request, started)

    world.agree(request, 150_000)


@case("repeated_until_taken", "notices")
def test_a_notice_is_sent_again_until_it_is_taken(world: World) -> None:
    request = world.request()
    world.inbox.broken = True
    world.act(world.start(request), "pay")
    for _ in range(60):
        if len(world.inbox.raw) >= 2:
            break
        world.move(5 * MINUTE)
        world.tick()
    world.inbox.broken = False
    world.wait(2 * HOUR, 5 * MINUTE)
    taken = len(world.inbox.raw)
    world.move(5 * DAY)
    world.tick()

    assert len(world.inbox.raw) == taken == 3
    assert len(money_news(world)) == 1
    world.agree(request, 150_000)


@case("given_up", "notices")
def test_a_notice_given_up_is_not_money_lost(world: World) -> None:
    world.inbox.broken = True
    request = world.request()
    started = world.start(request)
    world.act(started, "pay")
    world.wait(2 * HOUR, 5 * MINUTE)
    world.wait(7 * DAY, 2 * HOUR)
    assert len(world.inbox.raw) == world.traits.notice_calls

    world.find_out(request, started)

    world.agree(request, 150_000)


@case("another_amount")
def test_another_amount_is_told_as_collected(world: World) -> None:
    request = world.request()
    world.force(request.merchant_reference, Fault.OTHER_AMOUNT)
    started = world.pay(request)
    world.find_out(request, started)

    taken = world.truth(request.bill_reference)
    assert taken not in {0, 150_000}
    world.agree(request, taken)
    if world.can.queries:
        assert collected_by(world.ask(request, started)) == Money(taken)


@case("paid_in_parts", "transfers")
def test_a_part_is_told_as_a_part_and_the_rest_completes_it(world: World) -> None:
    request = world.request()
    started = world.start(request)
    world.act(started, "underpay")
    world.tick()
    part = world.truth(request.bill_reference)

    assert 0 < part < 150_000
    told = [Money(part)] * world.can.notices
    assert [collected_by(notice) for notice in money_news(world)] == told
    world.agree(request, part)
    if world.can.queries:
        asked = world.ask(request, started)
        assert (asked.outcome, collected_by(asked)) == (Outcome.PENDING, Money(part))

    world.act(started, "rest")
    world.tick()
    world.find_out(request, started)

    assert len(money_news(world)) == 2 * world.can.notices
    world.agree(request, 150_000)


@case("paid_by_a_kept_code", "transfers")
def test_money_by_a_code_kept_from_a_closed_page_still_counts(world: World) -> None:
    request = world.request()
    started = world.start(request)
    if started.redirect_url:
        world.act(started, "cancel")
    world.move(2 * DAY)
    world.tick()

    world.act(started, "kept")
    world.tick()

    told = [Money(150_000)] * world.can.notices
    assert [collected_by(notice) for notice in money_news(world)] == told
    if world.can.queries:
        asked = world.ask(request, started)  # closed, but never called unpaid
        assert (asked.outcome, collected_by(asked)) == (Outcome.PENDING, Money(150_000))
    world.agree(request, 150_000)


@case("statement_before_notice", "notices", "credits")
def test_a_notice_and_its_statement_line_are_one_receipt_whichever_comes_first(
    world: World,
) -> None:
    request = world.request()
    world.force(request.merchant_reference, Fault.LATE_NOTICE)
    world.act(world.start(request), "pay")
    world.read_statement()
    assert world.inbox.raw == []

    world.move(3 * HOUR)
    world.tick()
    world.read_statement()

    [credit] = [credit for notice in money_news(world) for credit in notice.credits]
    [line] = world.statement()
    told = credit.bank_ref, credit.amount, credit.narrative, credit.booked_at
    assert told == (line.bank_ref, Money(line.amount), line.narrative, line.booked_at)
    assert credit.account_number == line.account
    world.agree(request, 150_000)


@case("money_out", "notices", "credits")
def test_money_that_leaves_the_account_is_no_payment(world: World) -> None:
    request = world.request()
    world.pay(request)
    purpose = f"{request.bill_reference} HOAN LE PHI"
    world.bank.book(Entry("order-1", ACCOUNT, -150_000, purpose, "NGUYEN VAN AN", "1234567890"))
    world.tick()
    world.read_statement()

    others = [notice for notice in world.inbox.notices if not collected_by(notice)]
    assert [notice.kind for notice in others] == [NoticeKind.OTHER] * world.traits.tells_debits
    assert len(money_news(world)) == 1
    world.agree(request, 150_000)


@case("another_account", "notices", "credits")
def test_money_on_another_account_is_not_ours(world: World) -> None:
    event = world.rig.elsewhere(paid_event(world))

    [credit] = world.gateway.verify_notice(event).credits

    assert (credit.account_number, credit.amount) == (OTHER_ACCOUNT, Money(150_000))
    assert world.inbox.take(event) is NoticeResult.APPLIED
    world.agree(world.request(), 150_000)


@case("another_currency", "notices")
def test_another_currency_is_never_taken_for_dong(world: World) -> None:
    event = paid_event(world)
    try:
        notice = world.gateway.verify_notice(world.rig.in_dollars(event))
    except MalformedNoticeError:
        return
    amounts = [notice.amount, *(credit.amount for credit in notice.credits)]
    assert {amount.currency for amount in amounts if amount} <= {Currency.USD}
    assert notice.outcome is not Outcome.SUCCEEDED or any(amounts)


@case("another_merchant", "notices")
def test_a_message_for_another_merchant_is_refused(world: World) -> None:
    event = paid_event(world)
    for foreign in world.rig.foreign(event):
        with pytest.raises(InvalidSignatureError):
            world.gateway.verify_notice(foreign)


# ---------------------------------------------------------------- signatures


@case("forged_signature", "notices")
def test_a_forged_notice_is_refused(world: World) -> None:
    event = paid_event(world)
    for forged in world.rig.forged(event):
        with pytest.raises(InvalidSignatureError):
            world.gateway.verify_notice(forged)


@case("no_signature", "notices")
def test_an_unsigned_notice_is_refused(world: World) -> None:
    event = paid_event(world)
    for unsigned in world.rig.unsigned(event):
        with pytest.raises(InvalidSignatureError):
            world.gateway.verify_notice(unsigned)


@case("header_case", "notices")
def test_header_names_in_any_case_are_read(world: World) -> None:
    event = paid_event(world)
    for spelled in (str.title, str.upper, str.lower):
        headers = {spelled(name): value for name, value in event.headers.items()}
        assert collected_by(world.gateway.verify_notice(replace(event, headers=headers)))


@case("replayed_signature", "notices")
def test_a_replayed_notice_changes_nothing(world: World) -> None:
    event = paid_event(world)
    replayed = replace(event, received_at=event.received_at + HOUR)
    known = world.gateway.verify_notice(event).event_key

    if world.traits.dates_signature:
        with pytest.raises(InvalidSignatureError):
            world.gateway.verify_notice(replayed)
    else:
        assert world.gateway.verify_notice(replayed).event_key == known
    before = len(world.inbox.notices)
    assert world.inbox.take(replayed) in {
        NoticeResult.ALREADY_APPLIED,
        NoticeResult.INVALID_SIGNATURE,
    }
    assert len(world.inbox.notices) == before
    world.agree(world.request(), 150_000)


@case("future_signature", "notices", "dates_signature")
def test_a_signature_from_the_future_is_refused(world: World) -> None:
    event = paid_event(world)
    early = replace(event, received_at=event.received_at - HOUR)
    with pytest.raises(InvalidSignatureError):
        world.gateway.verify_notice(early)


@case("clock_skew")
def test_clocks_may_differ_by_minutes(world: World) -> None:
    start = world.provider_clock.at
    for reference, minutes in ((world.request().merchant_reference, -4), (OTHER, 4)):
        world.provider_clock.at = start + minutes * MINUTE
        request = world.request(reference)
        started = world.pay(request)
        world.find_out(request, started)
        world.agree(request, 150_000)
    assert len(money_news(world)) == 2 * world.can.notices


NOISY_HEADERS: tuple[dict[str, str], ...] = (
    {},
    {"stripe-signature": "t=1,v1=00", "x-sepay-timestamp": "x"},
    {
        "x-sepay-timestamp": str(int(MONDAY.timestamp())),
        "x-sepay-signature": f"sha256={'0' * 64}",
        "x-casso-signature": f"t={int(MONDAY.timestamp())}000,v1={'0' * 128}",
    },
    {"authorization": "Apikey ", "secure-token": "", "x-casso-signature": "t=,v1="},
)


@case("noise")
def test_noise_at_the_notice_address_is_refused(world: World) -> None:
    noise = (
        (b"", ""),
        (b"\xff\xfe", "vnp_SecureHash=x"),
        (b"[]", "a=b&a=c"),
        (b"{}", ""),
        (b'{"data": null, "signature": "x"}', ""),
        (b'{"data": "{}", "mac": 1}', ""),
        (b"[" * 5_000, ""),
        (b'{"signature":"\\ud800","amount":1e999}', "%00=%ff"),
    )
    for body, query in noise:
        for headers in NOISY_HEADERS:
            event = RawEvent(world.rig.rail, "POST", query, headers, body, MONDAY)
            with pytest.raises((InvalidSignatureError, MalformedNoticeError)):
                world.gateway.verify_notice(event)


@case("every_answer")
def test_every_result_has_an_answer(world: World) -> None:
    event = RawEvent(world.rig.rail, "POST", "", {}, b"", MONDAY)
    answers = {result: world.gateway.answer(event, result) for result in NoticeResult}

    assert all(200 <= answer.status < 600 for answer in answers.values())
    # Whoever is told to stop must hear something else than who is to send again.
    assert not world.can.notices or answers[NoticeResult.APPLIED] != answers[NoticeResult.FAILED]


# ---------------------------------------------------------------- lost answers


@case("lost_answer_on_start", "starts", "start_calls")
def test_a_lost_answer_to_start_is_unknown_and_asked_again_opens_nothing_new(
    world: World,
) -> None:
    request = world.request()
    world.wire.lose_answers = 1
    with pytest.raises(GatewayUnavailableError):
        world.start(request)
    if world.can.queries:
        assert world.ask(request).outcome is Outcome.PENDING

    if world.traits.same_start_known:
        started = world.start(request)
        world.act(started, "pay")
        world.tick()
        world.find_out(request, started)
        world.agree(request, 150_000)
        return
    with pytest.raises(GatewayUnavailableError):
        world.start(request)  # its page is not told twice, so nobody can pay it
    world.move(world.traits.page_life)
    world.tick()
    assert world.ask(request).outcome is world.traits.expired
    world.agree(request, 0)


@case("lost_answer_on_query", "queries")
def test_a_lost_answer_to_a_query_is_unknown(world: World) -> None:
    request = world.request()
    started = world.pay(request)
    world.wire.lose_answers = 1
    # Where reading may be repeated at once, it is.
    with contextlib.suppress(GatewayUnavailableError):
        assert collected_by(world.ask(request, started)) == Money(150_000)

    assert collected_by(world.ask(request, started)) == Money(150_000)
    world.agree(request, 150_000)


@case("timeout_on_query", "queries")
def test_an_answer_that_comes_too_late_is_unknown(world: World) -> None:
    request = world.request()
    started = world.pay(request)
    world.client.timeout = SHORT_TIMEOUT
    world.wire.delay_seconds = 2 * SHORT_TIMEOUT
    with pytest.raises(GatewayUnavailableError):
        world.ask(request, started)
    world.client.timeout, world.wire.delay_seconds = 5.0, 0.0

    assert collected_by(world.ask(request, started)) == Money(150_000)
    world.agree(request, 150_000)


def calls_of(world: World, gateway: PaymentGateway) -> list[str]:
    """Return the names of what this rail asks its provider."""
    names = []
    if gateway.capabilities.queries:
        names.append("query")
    if gateway.capabilities.starts and world.traits.start_calls:
        names.append("start")
    if gateway.capabilities.refunds:
        names.append("refund")
    return names


@case("nobody_listens")
def test_a_provider_whose_address_is_dead_is_unknown(world: World) -> None:
    listener, port = free_listener()
    listener.close()
    http = Caller(
        world.client,
        rail=world.rig.rail,
        merchant_code="contract",
        clock=world.clock,
        breaker=Breaker(world.clock),
    )
    gateway = world.rig.connect(f"http://127.0.0.1:{port}", http)
    request = world.request()
    paid = GatewayNotice(
        event_key="k",
        kind=NoticeKind.PAYMENT,
        merchant_reference=request.merchant_reference,
        outcome=Outcome.SUCCEEDED,
        amount=request.amount,
        occurred_at=MONDAY,
        provider_txn_id="4000000001",
        provider_reference="4000000002",
    )
    calls = {
        "query": lambda: gateway.query(world.question(request)),
        "start": lambda: gateway.start(request),
        "refund": lambda: gateway.refund(world.refund_order(request, paid, 1_000)),
    }
    for name in calls_of(world, gateway):
        with pytest.raises(GatewayUnavailableError):
            calls[name]()
    checked = gateway.check(at=MONDAY)
    assert checked.works is not True
    assert checked.sentence


@case("provider_down")
def test_an_hour_without_the_provider_loses_nothing(world: World) -> None:
    before, during = world.request(), world.request(OTHER)
    started = world.start(before)
    world.go_down(Outage.REFUSING)
    world.act(started, "pay")  # the payer was already on the page
    problems: list[GatewayUnavailableError] = []
    calls_before = len(world.calls)
    for minute in range(0, 60, 5):
        world.wire.down = Outage.REFUSING if minute < 30 else Outage.BREAKING
        for pause in (10, 290):
            problems += try_all(world, before, started, during)
            world.move(timedelta(seconds=pause))
        world.tick()
    tried, sent = len(problems), len(world.calls) - calls_before
    assert world.inbox.raw == []
    assert world.inbox.collected(before.bill_reference) == 0
    # Who sends again did so meanwhile, as often as its rule has it within the hour.
    if world.can.notices:
        assert world.turned_away >= min(world.traits.notice_calls, 2)

    world.come_back()
    world.move(6 * MINUTE)
    world.tick()
    world.wait(2 * HOUR, 10 * MINUTE)
    world.find_out(before, started)
    later = replace(during, created_at=world.clock(), expires_at=world.clock() + 40 * MINUTE)
    world.find_out(later, world.pay(later))

    world.agree(before, 150_000)
    world.agree(later, 150_000)
    # A provider that does not answer is left alone for a while, and then tried again.
    assert tried == 0 or 5 < sent < tried
    assert world.wire.refused >= sent


def try_all(
    world: World, paid: object, started: object, unpaid: object
) -> list[GatewayUnavailableError]:
    """Ask and start while the provider is gone; nothing may be said of either for certain."""
    problems = []
    asks = {
        "query": lambda: world.ask(paid, started),  # type: ignore[arg-type]
        "start": lambda: world.start(unpaid),  # type: ignore[arg-type]
    }
    for name in calls_of(world, world.gateway):
        if name in asks:
            with pytest.raises(GatewayUnavailableError) as problem:
                asks[name]()
            problems.append(problem.value)
    return problems


# ---------------------------------------------------------------- refunds


def sent_again(world: World, order: RefundOrder, *, after: timedelta = 10 * MINUTE) -> RefundOrder:
    """Return the same order as it is sent a second time, later."""
    world.move(after)
    return replace(order, asked_at=world.clock(), submitted_at=order.asked_at)


@case("refund_whole", "refunds")
def test_a_whole_refund_ends_well(world: World) -> None:
    request = world.request()
    paid = world.paid(request)
    order = world.refund_order(request, paid, 150_000)

    refund = world.refund(order)
    done = world.end_refund(order, refund)

    assert refund.kind is done.kind is NoticeKind.REFUND
    assert refund.outcome is world.traits.refund_at_once
    assert refund.provider_txn_id not in {None, paid.provider_txn_id}
    assert done.provider_txn_id == refund.provider_txn_id
    assert (done.outcome, done.amount) == (Outcome.SUCCEEDED, Money(150_000))
    assert world.sums(request) == (150_000, 150_000)
    for notice in world.inbox.notices:
        if notice.kind is NoticeKind.REFUND:
            assert notice.merchant_reference == request.merchant_reference


@case("refund_in_parts", "refunds")
def test_refunds_in_parts_add_up_and_no_more(world: World) -> None:
    request = world.request()
    paid = world.paid(request)
    for number, amount in enumerate((50_000, 100_000)):
        order = world.refund_order(request, paid, amount, key=f"part{number}")
        told = world.end_refund(order, world.refund(order))
        assert (told.outcome, told.amount) == (Outcome.SUCCEEDED, Money(amount))

    assert world.refuses(world.refund_order(request, paid, 1_000, key="part9"))

    assert world.sums(request) == (150_000, 150_000)


@case("refund_too_much", "refunds")
def test_more_than_was_paid_is_not_sent_back(world: World) -> None:
    request = world.request()
    paid = world.paid(request)

    assert world.refuses(world.refund_order(request, paid, 150_001))

    assert world.sums(request) == (0, 0)


@case("refund_same_key", "refunds")
def test_the_same_refund_twice_is_sent_back_once(world: World) -> None:
    request = world.request()
    paid = world.paid(request)
    order = world.refund_order(request, paid, 60_000)
    first = world.refund(order)
    second = sent_again(world, order)

    if world.traits.same_refund_known:
        again = world.refund(second)
        assert again.provider_txn_id == first.provider_txn_id
        assert again.outcome in {first.outcome, Outcome.SUCCEEDED, Outcome.PENDING}
    else:
        with pytest.raises(GatewayUnavailableError):
            world.refund(second)
    world.end_refund(order, first)

    assert world.sums(request) == (60_000, 60_000)


@case("refund_two_keys", "refunds")
def test_two_refunds_of_one_amount_are_two(world: World) -> None:
    request = world.request()
    paid = world.paid(request)
    for key in ("refundA", "refundB"):
        order = world.refund_order(request, paid, 60_000, key=key)
        assert world.end_refund(order, world.refund(order)).outcome is Outcome.SUCCEEDED

    assert world.sums(request) == (120_000, 120_000)


@case("refund_same_key_days_later", "refunds")
def test_a_refund_sent_again_days_later_is_never_paid_twice(world: World) -> None:
    request = world.request()
    paid = world.paid(request)
    order = world.refund_order(request, paid, 60_000)
    first = world.refund(order)
    again = sent_again(world, order, after=3 * DAY)
    world.tick()

    if world.traits.late_refund_known:
        assert world.refund(again).provider_txn_id == first.provider_txn_id
    else:
        with pytest.raises(GatewayUnavailableError):
            world.refund(again)
    told = world.refund(replace(again, refund_txn_id=first.provider_txn_id))

    assert (told.outcome, told.amount) == (Outcome.SUCCEEDED, Money(60_000))
    assert world.sums(request) == (60_000, 60_000)


@case("lost_answer_on_refund", "refunds")
def test_a_refund_whose_answer_was_lost_is_sent_back_once(world: World) -> None:
    request = world.request()
    paid = world.paid(request)
    order = world.refund_order(request, paid, 60_000)
    world.wire.lose_answers = 1
    first: GatewayNotice | None = None
    try:
        first = world.refund(order)  # where the protocol makes repeating safe
    except GatewayUnavailableError:
        with contextlib.suppress(GatewayUnavailableError):
            first = world.refund(sent_again(world, order))

    assert (first is not None) == world.traits.same_refund_known
    if first is not None:
        assert world.end_refund(order, first).outcome is Outcome.SUCCEEDED
    assert world.rig.refunded(request.merchant_reference) == 60_000


@case("refund_never_arrived", "refunds")
def test_a_refund_that_never_arrived_is_sent_days_later_or_left_to_a_person(
    world: World,
) -> None:
    request = world.request()
    order = world.refund_order(request, world.paid(request), 60_000)
    world.wire.down = Outage.BREAKING
    with pytest.raises(GatewayUnavailableError):
        world.refund(order)
    world.wire.down = None
    late = sent_again(world, order, after=3 * DAY)

    if world.traits.late_refund_sent:
        assert world.end_refund(late, world.refund(late)).outcome is Outcome.SUCCEEDED
        assert world.sums(request) == (60_000, 60_000)
    else:
        with pytest.raises(GatewayUnavailableError):
            world.refund(late)
        assert world.sums(request) == (0, 0)


@case("refund_pending_for_days", "refunds", "refund_queries")
def test_a_refund_may_take_days_and_is_never_called_failed_meanwhile(world: World) -> None:
    request = world.request()
    paid = world.paid(request)
    world.rig.slow_refunds()
    order = world.refund_order(request, paid, 150_000)
    told = world.refund(order)
    outcomes = [told.outcome]
    for _ in range(world.traits.refund_days + 1):
        outcomes.append(world.ask_refund(order, told).outcome)
        world.move(DAY)
        world.tick()

    assert outcomes[-1] is Outcome.SUCCEEDED
    assert outcomes.count(Outcome.PENDING) >= 2
    assert set(outcomes) == {Outcome.PENDING, Outcome.SUCCEEDED}
    assert outcomes == sorted(outcomes)  # p before s: what is final stays so
    assert world.sums(request) == (150_000, 150_000)


@case("unknown_refund", "refunds", "refund_queries")
def test_a_refund_the_provider_does_not_know_is_not_failed(world: World) -> None:
    request = world.request()
    order = world.refund_order(request, world.paid(request), 60_000, key="never-sent")
    late = replace(order, submitted_at=order.asked_at, asked_at=world.clock() + HOUR)
    try:
        told = world.gateway.query_refund(late)
    except GatewayUnavailableError:
        return
    assert (told.kind, told.outcome) == (NoticeKind.REFUND, Outcome.PENDING)
    assert told.reason_code == "not_found"


@case("refund_of_unpaid", "refunds")
def test_an_unpaid_attempt_is_not_refunded(world: World) -> None:
    request = world.request()
    started = world.start(request)
    world.act(started, "abandon")
    unpaid = world.ask(request, started)

    assert world.refuses(world.refund_order(request, unpaid, 150_000))

    assert world.sums(request) == (0, 0)


# ---------------------------------------------------------------- set-up and secrets


@case("cannot")
def test_what_a_rail_cannot_do_it_refuses(world: World) -> None:
    request, gateway, can = world.request(), world.gateway, world.can
    question = world.question(request)
    paid = GatewayNotice("k", NoticeKind.PAYMENT, "", Outcome.PENDING, None, MONDAY)
    order = world.refund_order(request, paid, 1_000)
    calls = (
        (can.starts, lambda: gateway.start(request)),
        (can.queries, lambda: gateway.query(question)),
        (can.cancels, lambda: gateway.cancel(question)),
        (can.confirms, lambda: gateway.confirm(question, capture=True)),
        (can.refunds, lambda: gateway.refund(order)),
        (can.refund_queries, lambda: gateway.query_refund(order)),
        (can.settlement_report, lambda: gateway.settlement_report(MONDAY.date())),
    )
    for capable, call in calls:
        if not capable:
            with pytest.raises(GatewayRefusedError):
                call()
    assert world.wire.arrived == []  # and nobody was called to say so
    assert can.starts or can.credits
    assert can.refunds or not can.refund_queries


@case("check")
def test_the_set_up_can_be_checked_and_moves_no_money(world: World) -> None:
    right = world.gateway.check(at=world.clock())
    wrong = world.rig.connect(world.base, world.site.http, wrong_secret=True)
    if right.works is None:
        assert world.wire.arrived == []
    else:
        assert right.works
        said = wrong.check(at=world.clock() + MINUTE)
        assert said.works is False
        assert said.sentence != right.sentence
        world.wire.down = Outage.REFUSING
        assert world.gateway.check(at=world.clock() + 2 * MINUTE).works is False
    assert right.sentence
    assert world.inbox.raw == []


@case("no_secret_is_kept", "secrets")
def test_no_secret_is_kept_or_shown(world: World) -> None:
    request = world.request()
    started = world.pay(request)
    with contextlib.suppress(GatewayRefusedError):
        world.ask(request, started)
    for notice in world.told(request):
        with contextlib.suppress(GatewayRefusedError):
            world.refund(world.refund_order(request, notice, 1_000))
    world.gateway.check(at=world.clock())
    config = repr(vars(world.gateway))

    for secret in world.rig.secrets:
        assert secret not in config
        for call in world.calls:
            assert secret not in f"{call.url}\n{call.request}\n{call.answer}\n{call.error}"
        for event in world.inbox.raw:
            assert secret not in f"{event.query_string}\n{event.headers}\n{event.body!r}"
    assert {call.rail for call in world.calls} <= {world.rig.rail}


# ---------------------------------------------------------------- settlement and restart


@case("net_of_fee", "fees")
def test_the_report_is_net_of_fee_and_the_bank_gets_its_sum(world: World) -> None:
    txns = set()
    for number in range(3):
        request = world.request(reference_of(number), 100_000 + number)
        txns.add(world.paid(request).provider_txn_id)
    world.move(DAY)
    world.tick()
    rows = world.rig.settlement(MONDAY.date())
    world.wait(4 * DAY, DAY)

    assert {row.provider_txn_id for row in rows} == txns
    assert all(row.net == row.gross - row.fee for row in rows)
    assert sum(row.gross for row in rows) == 300_003
    assert sum(row.fee for row in rows) == world.traits.fees
    credited = world.bank.lines(ACCOUNT, rows[0].payout_date)
    assert [line.amount for line in credited] == [sum(row.net for row in rows)]
    assert [payout.amount for payout in world.rig.payouts()] == [credited[0].amount]
    assert rows[0].payout_id in credited[0].narrative
    assert credited[0].value_date == rows[0].payout_date


@case("fetched_report", "settlement_report")
def test_the_report_can_be_fetched(world: World) -> None:
    txn = world.paid(world.request()).provider_txn_id
    world.wait(5 * DAY, DAY)
    [payout] = world.rig.payouts()

    files = world.gateway.settlement_report(payout.payout_date)

    assert files
    assert any(str(txn).encode() in file.content for file in files)
    assert all(file.name for file in files)
    assert world.gateway.settlement_report(MONDAY.date() - DAY) == []


@case("killed_provider")
def test_a_killed_provider_has_lost_nothing(
    world: World, rail: str, stage: Stage, state_dir: Path
) -> None:
    request = world.request()
    world.force(request.merchant_reference, Fault.LATE_NOTICE)
    started = world.start(request)
    world.act(started, "pay")
    world.close()

    with open_world(rail, state_dir, stage=stage) as reopened:
        reopened.move(3 * HOUR)
        reopened.tick()
        assert len(money_news(reopened)) == reopened.can.notices
        reopened.find_out(request, started)
        reopened.agree(request, 150_000)
        assert reopened.inbox.violations(reopened.truth) == []


# ---------------------------------------------------------------- the table

REQUIRED = frozenset(
    """success decline abandon expiry double_notice notice_before_redirect
notice_after_expiry another_amount another_currency another_merchant forged_signature
replayed_signature future_signature lost_answer_on_start timeout_on_query refund_whole
refund_in_parts refund_too_much refund_same_key refund_pending_for_days provider_down
clock_skew""".split()  # noqa: SIM905 - a list of twenty lines says no more
)
"""The cases that no rail may be without."""


def test_every_rail_has_a_rig_and_names_only_cases_that_exist() -> None:
    assert set(CASES) >= REQUIRED
    assert set(RIGS) == set(RAILS) == {rail.value for rail in Rail}
    for rail, rig in RIGS.items():
        assert rig.rail == rail
        assert set(rig.not_applicable) <= set(CASES), rail
        assert all(len(reason) > 10 for reason in rig.not_applicable.values()), rail


def test_no_cell_is_empty(request: pytest.FixtureRequest) -> None:
    """Hold for what was run: all rails × all cases when the whole file was."""
    chosen = {cell for item in request.session.items if (cell := cell_of(item))}
    names, rails = {name for name, _ in chosen}, {rail for _, rail in chosen}
    if len(chosen) < len(names) * len(rails):
        holes = [f"{name} × {rail}" for name, rail in sorted(chosen - set(TABLE.cells))]
    else:
        holes = TABLE.holes(names, rails)

    assert holes == []
