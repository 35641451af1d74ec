"""What a one-stop portal and a payment channel may rely on when they call us."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy.engine import Engine
from sqlmodel import col, select

from adapters.registry import open_source
from app.api.keys import create_client
from app.main import create_app
from core.actors import SYSTEM
from core.audit import AuditEvent
from core.clock import business_day
from core.db import reading, transaction
from core.settings import Environment, Settings
from payments.billing import cancel_bill
from payments.inbox import process_gateway_event, waiting_events
from payments.ledger.models import JournalEntry
from payments.models import ApiClient, Bill, EventState, GatewayEvent, Payment
from payments.ports import MAX_NOTICE_BYTES, GatewayNotice, RawEvent
from payments.states import PaymentStatus
from scheduler.context import JobContext
from tests.factories import VAULT, City, a_city, a_paid_payment, a_payment, quick_passwords
from tests.support.books import assert_books_agree, at_once, everything
from tests.support.clock import FrozenClock
from tests.support.gateway import FakeGateway, FakeGateways

BILLS = "/api/v1/bills"


@dataclass
class Portal:
    """One portal of one commune, and another of the other, on one application."""

    client: TestClient
    engine: Engine
    clock: FrozenClock
    city: City
    key: str
    other_key: str
    gateway: FakeGateway

    def body(self, **changes: Any) -> dict[str, Any]:
        """Return a well-formed bill."""
        due = business_day(self.clock()) + timedelta(days=5)
        return {
            "dossier_code": "H49.22-261102-0001",
            "office_code": self.city.communes[0].code,
            "procedure_code": self.city.procedure.code,
            "due_date": due.isoformat(),
            "portal_reference": "P-1",
        } | changes

    def post(
        self, path: str, body: Any, *, idempotency: str | None = "k1", key: str = ""
    ) -> Response:
        """Send a request as the portal does."""
        headers = {"authorization": f"Bearer {key or self.key}"}
        if idempotency is not None:
            headers["idempotency-key"] = idempotency
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers["content-type"] = "application/json"
        return cast("Response", self.client.post(path, content=content, headers=headers))

    def get(self, path: str, *, key: str = "") -> Response:
        """Read as the portal does."""
        headers = {"authorization": f"Bearer {key or self.key}"}
        return cast("Response", self.client.get(path, headers=headers))

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return all there is, to say that nothing was left behind."""
        with reading(self.engine) as session:
            return everything(session)


@pytest.fixture
def portal(engine: Engine, clock: FrozenClock, tmp_path: Path) -> Iterator[Portal]:
    with transaction(engine) as session:
        city = a_city(session)
        _, key, _ = create_client(
            session, "One-stop 1", city.communes[0], webhook_url="https://portal.example/hook",
            vault=VAULT, clock=clock,
        )  # fmt: skip
        _, other, _ = create_client(
            session, "One-stop 2", city.communes[1], vault=VAULT, clock=clock
        )
    gateway = FakeGateway()
    context = JobContext(
        engine=engine, clock=clock, vault=VAULT, gateways=FakeGateways(gateway),  # type: ignore[arg-type]
        statements=None, settlements=None, sources={}, open_source=open_source,  # type: ignore[arg-type]
        senders={}, scratch=tmp_path, exports=tmp_path / "exports",
        checkpoint_file=tmp_path / "checkpoint", log_origin="books.example/log",
    )  # fmt: skip
    settings = Settings(environment=Environment.TEST, var_dir=tmp_path)
    app = create_app(settings, context, passwords=quick_passwords())
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Portal(client, engine, clock, city, key, other, gateway)


def assert_problem(answer: Response, status: int, code: str) -> None:
    """Check an RFC 9457 answer with our code."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert (said["status"], said["code"]) == (status, code), said
    assert said["type"] == f"urn:doisoat:problem:{code}"
    assert said["title"]
    assert said["detail"]


# Issuing


def test_a_bill_is_issued_with_its_lines_and_where_to_pay(portal: Portal) -> None:
    answer = portal.post(BILLS, portal.body())
    assert answer.status_code == 201
    bill = answer.json()
    assert (bill["status"], bill["amount"], bill["due"], bill["received"]) == (
        "open",
        83000,
        83000,
        0,
    )
    assert {line["fee_code"]: line["amount"] for line in bill["lines"]} == {
        "LP-HOTICH": 75000,
        "P-BANSAO": 8000,
    }
    assert bill["pay_url"].endswith(f"/bills/{bill['bill_reference']}")
    assert all(type(value) is int for value in (bill["amount"], bill["due"], bill["received"]))


def test_a_bill_is_read_as_it_was_issued(portal: Portal) -> None:
    issued = portal.post(BILLS, portal.body()).json()
    assert portal.get(f"{BILLS}/{issued['bill_reference']}").json() == issued
    assert portal.get(f"{BILLS}/{issued['bill_reference'].lower()}").json() == issued
    assert portal.get(f"{BILLS}?dossier_code=h49.22-261102-0001").json() == {"bills": [issued]}


def test_a_paid_bill_shows_its_payment(portal: Portal) -> None:
    reference = portal.post(BILLS, portal.body()).json()["bill_reference"]
    with transaction(portal.engine) as session:
        bill = session.exec(select(Bill)).one()
        a_paid_payment(session, bill, clock=portal.clock)
    said = portal.get(f"{BILLS}/{reference}").json()
    assert (said["status"], said["received"]) == ("paid", 83000)
    [payment] = said["payments"]
    assert (payment["channel"], payment["status"], payment["collected"]) == (
        "vnpay", "succeeded", 83000,
    )  # fmt: skip
    assert payment["confirmed"] is False


def test_the_office_that_issued_a_bill_stands_in_the_audit_trail(portal: Portal) -> None:
    portal.post(BILLS, portal.body())
    with reading(portal.engine) as session:
        event = session.exec(select(AuditEvent).where(AuditEvent.action == "issue_bill")).one()
        client = session.exec(select(ApiClient).where(ApiClient.name == "One-stop 1")).one()
    assert (event.actor_id, event.actor_role) == (client.id, "portal")


# Repeating


def test_without_a_usable_key_nothing_is_issued(portal: Portal) -> None:
    before = portal.rows()
    for key in (None, "", "x" * 256):
        assert_problem(portal.post(BILLS, portal.body(), idempotency=key), 400, "P008")
    assert portal.rows() == before


def test_the_same_request_again_gets_the_same_answer_and_does_nothing(portal: Portal) -> None:
    first = portal.post(BILLS, portal.body())
    before = portal.rows()
    portal.clock.advance(days=2)
    again = portal.post(BILLS, portal.body(due_date="2026-11-07"))
    assert (again.status_code, again.json()) == (201, first.json())
    assert portal.rows() == before


def test_the_same_key_for_another_request_is_refused(portal: Portal) -> None:
    issued = portal.post(BILLS, portal.body()).json()
    before = portal.rows()
    assert_problem(portal.post(BILLS, portal.body(payer_name="X")), 422, "P007")
    cancel = f"{BILLS}/{issued['bill_reference']}/cancel"
    assert_problem(portal.post(cancel, {"reason": "wrong fee"}), 422, "P007")
    assert portal.rows() == before


def test_keys_of_two_portals_are_two_keys(portal: Portal) -> None:
    mine = portal.post(BILLS, portal.body())
    body = portal.body(office_code=portal.city.communes[1].code)
    theirs = portal.post(BILLS, body, key=portal.other_key)
    assert (mine.status_code, theirs.status_code) == (201, 201)


def test_a_refused_request_does_not_use_up_its_key(portal: Portal) -> None:
    assert portal.post(BILLS, portal.body(procedure_code="9.9")).status_code == 422
    assert portal.post(BILLS, portal.body()).status_code == 201


def test_the_same_request_at_the_same_moment_issues_one_bill(portal: Portal) -> None:
    answers = at_once(portal.engine, *[lambda: portal.post(BILLS, portal.body())] * 4)
    assert {answer.status_code for answer in answers} == {201}, [a.text for a in answers]
    assert len({answer.json()["bill_reference"] for answer in answers}) == 1
    with reading(portal.engine) as session:
        assert len(session.exec(select(Bill)).all()) == 1
        assert_books_agree(session)


# Cancelling


def test_a_bill_is_cancelled_for_a_reason(portal: Portal) -> None:
    reference = portal.post(BILLS, portal.body()).json()["bill_reference"]
    for key in ("k2", "k2", "k3"):
        answer = portal.post(
            f"{BILLS}/{reference}/cancel", {"reason": "wrong fee"}, idempotency=key
        )
        assert (answer.status_code, answer.json()["status"], answer.json()["due"]) == (
            200, "cancelled", 0,
        )  # fmt: skip


def test_a_bill_with_money_on_it_is_not_cancelled(portal: Portal) -> None:
    reference = portal.post(BILLS, portal.body()).json()["bill_reference"]
    with transaction(portal.engine) as session:
        a_paid_payment(session, session.exec(select(Bill)).one(), clock=portal.clock)
    before = portal.rows()
    answer = portal.post(f"{BILLS}/{reference}/cancel", {"reason": "wrong fee"}, idempotency="k2")
    assert_problem(answer, 409, "P006")
    assert portal.rows() == before


# Scope and keys


def test_a_portal_sees_and_touches_only_bills_of_its_offices(portal: Portal) -> None:
    reference = portal.post(BILLS, portal.body()).json()["bill_reference"]
    before = portal.rows()
    assert_problem(portal.get(f"{BILLS}/{reference}", key=portal.other_key), 404, "P001")
    cancel = portal.post(
        f"{BILLS}/{reference}/cancel", {"reason": "not mine"}, key=portal.other_key
    )
    assert_problem(cancel, 404, "P001")
    search = portal.get(f"{BILLS}?dossier_code=H49.22-261102-0001", key=portal.other_key)
    assert search.json() == {"bills": []}
    assert_problem(portal.post(BILLS, portal.body(), key=portal.other_key), 422, "P002")
    assert portal.rows() == before


def test_without_a_valid_key_nothing_is_answered(portal: Portal) -> None:
    wrong = portal.key[:-1] + ("A" if portal.key[-1] != "A" else "B")
    for header in (None, "", "Bearer", "Bearer dsk_", "Basic abc", f"Bearer {wrong}"):
        headers = {} if header is None else {"authorization": header}
        answer = cast("Response", portal.client.get(f"{BILLS}/X", headers=headers))
        assert_problem(answer, 401, "A010")


def test_a_portal_that_was_switched_off_is_refused(portal: Portal) -> None:
    with transaction(portal.engine) as session:
        client = session.exec(select(ApiClient).where(ApiClient.name == "One-stop 1")).one()
        client.active = False
        session.add(client)
    assert_problem(portal.get(f"{BILLS}/X"), 401, "A010")


def test_the_key_itself_is_not_stored(portal: Portal) -> None:
    assert portal.key not in repr(portal.rows()["api_client"])


# Malformed


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"dossier_code": "12345"}, "P002"),
    ({"office_code": "99999"}, "P002"),
    ({"procedure_code": "9.9"}, "P002"),
    ({"due_date": "2020-01-01"}, "P002"),
    ({"due_date": "9999-12-31"}, "P002"),
    ({"lines": [{"fee_code": "NO-SUCH"}]}, "P002"),
    ({"due_date": "tomorrow"}, "C008"),
    ({"due_date": None}, "C008"),
    ({"dossier_code": None}, "C008"),
    ({"lines": [{"fee_code": "P-BANSAO", "quantity": 0}]}, "C008"),
    ({"lines": [{"fee_code": "P-BANSAO", "quantity": 1.5}]}, "C008"),
    ({"lines": [{"fee_code": "P-BANSAO", "amount": 1}]}, "C008"),
    ({"lines": [{"fee_code": "P-BANSAO"}] * 51}, "C008"),
    ({"amount": 1}, "C008"),
    ({"payer_email": "nobody"}, "C008"),
    ({"payer_email": "a\0@b.vn"}, "C008"),
    ({"payer_name": "A\0B"}, "C008"),
    ({"payer_name": "x" * 201}, "C008"),
    ({"payer_name": "\ud800"}, "C008"),
    ({"portal_reference": "a\nb"}, "C008"),
    ({"language": "de"}, "C008"),
]


def test_a_malformed_bill_is_refused_with_a_code_and_leaves_nothing(portal: Portal) -> None:
    before = portal.rows()
    for changes, code in MALFORMED:
        assert_problem(portal.post(BILLS, portal.body(**changes)), 422, code)
    assert portal.rows() == before


def test_what_is_no_json_object_is_refused(portal: Portal) -> None:
    for body in (b"", b"{", b"[]", b"null", b'{"a": NaN}'):
        assert_problem(portal.post(BILLS, body), 422, "C008")
    assert_problem(portal.post(BILLS, b"\xff"), 400, "C010")


def test_an_address_that_no_database_stores_is_refused(portal: Portal) -> None:
    for path in (f"{BILLS}/%00", f"{BILLS}?dossier_code=%00"):
        assert_problem(portal.get(path), 422, "C008")


def test_a_body_that_is_too_large_is_refused(portal: Portal) -> None:
    body = portal.body(payer_name="x" * (2 * 1024 * 1024))
    assert_problem(portal.post(BILLS, body), 413, "C009")


# Channels


def _pending(portal: Portal) -> Payment:
    portal.post(BILLS, portal.body())
    with transaction(portal.engine) as session:
        return a_payment(session, session.exec(select(Bill)).one(), clock=portal.clock)


def _notify(portal: Portal, body: bytes, *, signature: str = "right") -> Response:
    return cast(
        "Response",
        portal.client.post(
            "/channels/vnpay/DEMO0001/notice",
            content=body,
            headers={"x-signature": signature, "cookie": "a=b", "authorization": "secret"},
        ),
    )


def _said(payment: Payment, **more: Any) -> bytes:
    return json.dumps(
        {"id": "e1", "reference": payment.merchant_reference, "txn": "T"} | more
    ).encode()


def _event(portal: Portal) -> GatewayEvent:
    with reading(portal.engine) as session:
        return session.exec(select(GatewayEvent).order_by(col(GatewayEvent.id).desc())).first()  # type: ignore[return-value]


def test_a_notice_is_applied_and_answered_in_the_channels_words(portal: Portal) -> None:
    payment = _pending(portal)
    answer = _notify(portal, _said(payment))
    assert (answer.status_code, answer.json()) == (200, {"result": "applied"})
    assert _notify(portal, _said(payment)).json() == {"result": "already_applied"}
    with reading(portal.engine) as session:
        assert session.get_one(Payment, payment.id).status is PaymentStatus.SUCCEEDED
        assert_books_agree(session)


def test_a_notice_is_stored_without_credentials_of_ours(portal: Portal) -> None:
    body = _said(_pending(portal))
    _notify(portal, body)
    event = _event(portal)
    assert event.body == body
    assert {"cookie", "authorization"}.isdisjoint(event.headers)


def test_a_notice_that_cannot_be_applied_is_kept_and_answered(portal: Portal) -> None:
    for body, signature, result in (
        (b"{}", "right", "malformed"),
        (b"\xff", "right", "malformed"),
        (b"anything", "wrong", "invalid_signature"),
        (b'{"id": "e", "reference": "MCNOBODY-1"}', "right", "unknown_reference"),
    ):
        answer = _notify(portal, body, signature=signature)
        assert answer.json() == {"result": result}
        assert _event(portal).body == body


def test_another_amount_is_money_taken(portal: Portal) -> None:
    payment = _pending(portal)
    assert _notify(portal, _said(payment, amount=80000)).json() == {"result": "amount_differs"}
    with reading(portal.engine) as session:
        assert session.exec(select(Bill)).one().received_minor == 80000


def test_a_notice_that_breaks_something_is_kept_and_processed_later(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = _pending(portal)

    def burst(self: FakeGateway, event: RawEvent) -> GatewayNotice:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as broken:
        broken.setattr(FakeGateway, "verify_notice", burst)
        assert _notify(portal, _said(payment)).json() == {"result": "failed"}
    assert _event(portal).state is EventState.RECEIVED
    with transaction(portal.engine) as session:
        [waiting] = waiting_events(session)
        process_gateway_event(session, waiting.id, portal.gateway, clock=portal.clock)
    with reading(portal.engine) as session:
        assert session.get_one(Payment, payment.id).status is PaymentStatus.SUCCEEDED


def test_the_same_notice_at_the_same_moment_is_applied_once(portal: Portal) -> None:
    payment = _pending(portal)
    answers = at_once(portal.engine, *[lambda: _notify(portal, _said(payment))] * 4)
    assert sorted(answer.json()["result"] for answer in answers) == ["already_applied"] * 3 + [
        "applied"
    ]
    with reading(portal.engine) as session:
        collected = select(JournalEntry).where(JournalEntry.event == "collected")
        assert len(session.exec(collected).all()) == 1


def test_an_unknown_channel_and_a_huge_message_are_refused(portal: Portal) -> None:
    answer = cast("Response", portal.client.post("/channels/paypal/X/notice", content=b"{}"))
    assert_problem(answer, 404, "C004")
    assert_problem(_notify(portal, b"x" * (MAX_NOTICE_BYTES + 1)), 422, "C005")
    with reading(portal.engine) as session:
        assert session.exec(select(GatewayEvent)).all() == []


def test_a_late_notice_for_a_cancelled_bill_is_money_owed_back(portal: Portal) -> None:
    payment = _pending(portal)
    with transaction(portal.engine) as session:
        bill = session.exec(select(Bill)).one()
        cancel_bill(session, bill, actor=SYSTEM, reason="issued twice", clock=portal.clock)
    assert _notify(portal, _said(payment)).json() == {"result": "applied"}
    with reading(portal.engine) as session:
        assert session.exec(select(Bill)).one().status.value == "overpaid"
        assert_books_agree(session)
