"""The web face of the fake Stripe: v1 API, hosted payment page, control API."""

import time
from collections.abc import Callable
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel

from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.settlement import Payout, as_json
from adapters.simulators.stripe import StripeSimulator
from adapters.simulators.stripe_api import ApiRequest, StripeApi
from adapters.simulators.stripe_config import StripeSimulatorConfig, card_outcome
from adapters.simulators.web import LostAnswer, RawBody, facts, form_fields, install_errors, page
from core.clock import Clock


class Act(BaseModel):
    """A payer's deed: the page's address, and an outcome, or ``cancel`` or ``abandon``."""

    url: str
    outcome: str


class ForcedFaults(BaseModel):
    """Which faults befall one merchant reference; ``drawn_as`` names it for their sizes."""

    reference: str
    faults: list[Fault]
    drawn_as: str = ""


class DisputeOrder(BaseModel):
    """A payer's bank takes a payment back."""

    payment_intent: str
    reason: str = "fraudulent"


def create_app(
    *,
    clock: Clock,
    state_path: Path,
    config: StripeSimulatorConfig,
    payout_sink: Callable[[Payout], None] | None = None,
) -> FastAPI:
    """Return the fake Stripe as an application; ``app.state.simulator`` is its inside."""
    simulator = StripeSimulator(
        clock=clock, state_path=state_path, config=config, payout_sink=payout_sink
    )
    app = FastAPI(title="Stripe simulator", docs_url=None, redoc_url=None)
    app.state.simulator = simulator
    install_errors(app)
    _add_pages(app, simulator)
    _add_api(app, simulator)
    _add_control(app, simulator)
    return app


def _add_api(app: FastAPI, simulator: StripeSimulator) -> None:
    api = StripeApi(simulator)

    @app.api_route("/v1/{path:path}", methods=["GET", "POST"])
    def call(path: str, request: Request, body: RawBody) -> Response:
        answer = api.answer(
            ApiRequest(
                method=request.method,
                path=path,
                query=request.url.query,
                body=body,
                authorization=request.headers.get("authorization", ""),
                idempotency_key=request.headers.get("idempotency-key", ""),
            )
        )
        if answer.fault is Fault.SLOW_QUERY:
            time.sleep(simulator.config.slow_seconds)
        elif answer.fault is not None:
            return LostAnswer()
        headers = {"Idempotent-Replayed": "true"} if answer.replayed else {}
        return JSONResponse(dict(answer.body), answer.status, headers)


def _add_pages(app: FastAPI, simulator: StripeSimulator) -> None:
    @app.get("/c/pay/{session_id}")
    def show(session_id: str) -> Response:
        return _session_page(simulator, session_id, "")

    @app.post("/c/pay/{session_id}")
    def pay(session_id: str, body: RawBody) -> Response:
        fields = form_fields(body)
        outcome = fields.get("outcome", "pay")
        if outcome == "cancel":
            return RedirectResponse(simulator.cancel_address(session_id), status_code=303)
        if outcome == "pay":
            outcome = card_outcome(fields.get("card_number", ""))
        address = simulator.pay(session_id, outcome)
        if address is None:
            return _session_page(simulator, session_id, "Thẻ bị từ chối. / Card declined.")
        return RedirectResponse(address, status_code=303)


def _session_page(simulator: StripeSimulator, session_id: str, problem: str) -> Response:
    session, shown = simulator.shown(session_id)
    amount = f"{session['amount_total']} {str(session['currency']).upper()}"
    body = facts([("Nội dung / For", shown), ("Số tiền / Amount", amount)])
    if problem:
        body += f'<p class="mark" role="alert">{escape(problem)}</p>'
    if session["status"] != "open":
        return page("Stripe Checkout", body + "<p>Phiên đã kết thúc. / Session is over.</p>")
    form = (
        '<form method="post"><label>Số thẻ / Card number<br>'
        '<input name="card_number" inputmode="numeric" autocomplete="off"'
        ' value="4242 4242 4242 4242"></label><br>'
        '<button name="outcome" value="pay">Thanh toán / Pay</button> '
        '<button name="outcome" value="pay_later">Ghi nợ sau / Bank debit, settles later</button> '
        '<button name="outcome" value="cancel">Quay lại / Cancel</button></form>'
        "<p>4242 4242 4242 4242 · 4000 0000 0000 0002 (declined)"
        " · 4000 0000 0000 9995 (insufficient funds)</p>"
    )
    return page("Stripe Checkout", body + form)


def _add_control(app: FastAPI, simulator: StripeSimulator) -> None:
    @app.post("/_control/tick")
    def tick() -> dict[str, int]:
        return {"calls": simulator.deliver_due(simulator.clock())}

    @app.post("/_control/act")
    def act(deed: Act) -> dict[str, str | None]:
        return {"return_url": simulator.act(deed.url, deed.outcome)}

    @app.post("/_control/faults")
    def force(wanted: ForcedFaults) -> dict[str, str]:
        with simulator.store.transaction() as records:
            force_faults(records, wanted.reference, wanted.faults, drawn_as=wanted.drawn_as)
        return {"reference": wanted.reference}

    @app.post("/_control/disputes")
    def dispute(wanted: DisputeOrder) -> Any:
        return simulator.reversals.dispute(wanted.payment_intent, wanted.reason)

    @app.get("/_control/orders/{account_id}/{reference}")
    def order(account_id: str, reference: str) -> Any:
        return simulator.order(account_id, reference)

    @app.get("/_control/calls/{reference}")
    def calls(reference: str) -> Any:
        return simulator.calls(reference)

    @app.get("/_control/settlements/{account_id}/{day}")
    def settlement(account_id: str, day: date) -> Any:
        return [as_json(row) for row in simulator.settlement(account_id, day)]

    @app.get("/_control/payouts")
    def payouts() -> Any:
        return [as_json(payout) for payout in simulator.payouts()]
