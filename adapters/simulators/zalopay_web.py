"""The web face of the ZaloPay simulator: the payer's page, the merchant API, the control API."""

import time
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel

from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.settlement import as_json
from adapters.simulators.web import LostAnswer, RawBody, facts, form_fields, install_errors, page
from adapters.simulators.zalopay import PayoutSink, ZaloPaySimulator
from adapters.simulators.zalopay_api import ZaloPayApi
from adapters.simulators.zalopay_config import OPEN, ZaloPaySimulatorConfig
from core.clock import Clock

_TITLE = "Cổng thanh toán ZaloPay"
_CHOICES = (
    ("pay", "Thanh toán / Pay"),
    ("cancel", "Hủy giao dịch / Cancel"),
    ("insufficient", "Không đủ số dư / Insufficient balance"),
)


class Act(BaseModel):
    """A payer's deed: the page as the application gave it, and what the payer does."""

    url: str
    outcome: str


class ForcedFaults(BaseModel):
    """Which faults befall one merchant reference; ``drawn_as`` names it for their sizes."""

    reference: str
    faults: list[Fault]
    drawn_as: str = ""


def create_app(
    *,
    clock: Clock,
    state_path: Path,
    config: ZaloPaySimulatorConfig,
    payout_sink: PayoutSink | None = None,
) -> FastAPI:
    """Return the simulator as an application; ``app.state.simulator`` is its inside."""
    simulator = ZaloPaySimulator(
        clock=clock, state_path=state_path, config=config, payout_sink=payout_sink
    )
    app = FastAPI(title="ZaloPay simulator", docs_url=None, redoc_url=None)
    app.state.simulator = simulator
    install_errors(app)
    _add_pages(app, simulator)
    _add_api(app, simulator)
    _add_control(app, simulator)
    return app


def _add_pages(app: FastAPI, simulator: ZaloPaySimulator) -> None:
    @app.get("/order/{token}")
    def show(token: str) -> Response:
        return _order_page(simulator, token, "")

    @app.post("/order/{token}")
    def decide(token: str, body: RawBody) -> Response:
        address = simulator.decide(token, form_fields(body).get("outcome", ""))
        if address is None:
            return _order_page(simulator, token, "Không đủ số dư. / Insufficient balance.")
        return RedirectResponse(address, status_code=303)


def _order_page(simulator: ZaloPaySimulator, token: str, problem: str) -> Response:
    order = simulator.shown(token)
    body = facts(
        [
            ("Mã đơn / Order", order["app_trans_id"]),
            ("Nội dung / For", order["description"]),
            ("Số tiền / Amount", f"{order['amount']} VND"),
        ]
    )
    if problem:
        body += f'<p class="mark" role="alert">{escape(problem)}</p>'
    if order["state"] != OPEN:
        return page(_TITLE, body + "<p>Đơn hàng đã kết thúc. / This order is over.</p>")
    buttons = "<br>".join(
        f'<button name="outcome" value="{value}">{escape(text)}</button>'
        for value, text in _CHOICES
    )
    return page(_TITLE, f'{body}<form method="post">{buttons}</form>')


def _add_api(app: FastAPI, simulator: ZaloPaySimulator) -> None:
    api = ZaloPayApi(simulator)

    def respond(name: str, body: bytes) -> Response:
        answer, fault = api.answer(name, body)
        if fault is Fault.SLOW_QUERY:
            time.sleep(simulator.config.slow_seconds)
        elif fault is not None:
            return LostAnswer()
        return JSONResponse(answer)

    @app.post("/v2/create")
    def create(body: RawBody) -> Response:
        return respond("create", body)

    @app.post("/v2/query")
    def query(body: RawBody) -> Response:
        return respond("query", body)

    @app.post("/v2/refund")
    def refund(body: RawBody) -> Response:
        return respond("refund", body)

    @app.post("/v2/query_refund")
    def query_refund(body: RawBody) -> Response:
        return respond("query_refund", body)


def _add_control(app: FastAPI, simulator: ZaloPaySimulator) -> None:
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

    @app.get("/_control/orders/{app_id}/{reference}")
    def order(app_id: str, reference: str) -> Any:
        return simulator.order(app_id, reference)

    @app.get("/_control/settlements/{app_id}/{day}")
    def settlement(app_id: str, day: date) -> Any:
        return [as_json(row) for row in simulator.settlement(app_id, day)]

    @app.get("/_control/payouts")
    def payouts() -> Any:
        return [as_json(payout) for payout in simulator.payouts()]
