"""The web face of the MoMo simulator: the payer's page, the merchant API, the control API."""

import json
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel

from adapters.gateways import momo_codes as codes
from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.momo import MoMoSimulator, PayoutSink
from adapters.simulators.momo_api import MoMoApi
from adapters.simulators.momo_config import MoMoSimulatorConfig, answer_of
from adapters.simulators.settlement import as_json
from adapters.simulators.store import Record
from adapters.simulators.web import LostAnswer, RawBody, facts, form_fields, install_errors, page
from core.clock import Clock

_CHOICES = (
    ("pay", "Thanh toán / Pay"),
    ("cancel", "Hủy giao dịch / Cancel"),
    ("insufficient", "Không đủ số dư / Insufficient balance"),
    ("decline", "Ngân hàng từ chối / Declined by the bank"),
)


class Act(BaseModel):
    """A payer's deed: the pay address as the application gave it, and what the payer does."""

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
    config: MoMoSimulatorConfig,
    payout_sink: PayoutSink | None = None,
) -> FastAPI:
    """Return the simulator as an application; ``app.state.simulator`` is its inside."""
    simulator = MoMoSimulator(
        clock=clock, state_path=state_path, config=config, payout_sink=payout_sink
    )
    app = FastAPI(title="MoMo simulator", docs_url=None, redoc_url=None)
    app.state.simulator = simulator
    install_errors(app)
    _add_pages(app, simulator)
    _add_api(app, MoMoApi(simulator))
    _add_control(app, simulator)
    return app


def _add_pages(app: FastAPI, simulator: MoMoSimulator) -> None:
    @app.get("/v2/gateway/pay")
    def show_order(t: str = "") -> Response:
        return _order_page(simulator.shown_order(t))

    @app.post("/v2/gateway/pay")
    def decide(body: RawBody) -> Response:
        fields = form_fields(body)
        address = simulator.decide(fields.get("order", ""), fields.get("outcome", ""))
        return RedirectResponse(address, status_code=303)


def _order_page(order: Record) -> Response:
    rows = [
        ("Mã đơn / Order", order["order_id"]),
        ("Nội dung / For", order["order_info"]),
        ("Số tiền / Amount", f"{order['amount']} VND"),
    ]
    buttons = "<br>".join(
        f'<button name="outcome" value="{value}">{escape(text)}</button>'
        for value, text in _CHOICES
    )
    form = (
        '<form method="post" action="pay">'
        f'<input type="hidden" name="order" value="{escape(order["token"])}">{buttons}</form>'
    )
    return page("Ví MoMo", facts(rows) + form)


def _add_api(app: FastAPI, api: MoMoApi) -> None:
    def answer(path: str, body: bytes) -> Response:
        try:
            request = json.loads(body)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            return JSONResponse(answer_of(codes.BAD_FORMAT), 400)
        exchange = api.call(path, request)
        return LostAnswer() if exchange.lost else JSONResponse(exchange.body, exchange.status)

    @app.post("/v2/gateway/api/create")
    def create(body: RawBody) -> Response:
        return answer("create", body)

    @app.post("/v2/gateway/api/query")
    def query(body: RawBody) -> Response:
        return answer("query", body)

    @app.post("/v2/gateway/api/confirm")
    def confirm(body: RawBody) -> Response:
        return answer("confirm", body)

    @app.post("/v2/gateway/api/refund")
    def refund(body: RawBody) -> Response:
        return answer("refund", body)

    @app.post("/v2/gateway/api/refund/query")
    def query_refund(body: RawBody) -> Response:
        return answer("refund/query", body)


def _add_control(app: FastAPI, simulator: MoMoSimulator) -> None:
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

    @app.get("/_control/orders/{partner_code}/{order_id}")
    def order(partner_code: str, order_id: str) -> Any:
        return simulator.order(partner_code, order_id)

    @app.get("/_control/settlements/{partner_code}/{day}")
    def settlement(partner_code: str, day: date) -> Any:
        return [as_json(row) for row in simulator.settlement(partner_code, day)]

    @app.get("/_control/payouts")
    def payouts() -> Any:
        return [as_json(payout) for payout in simulator.payouts()]
