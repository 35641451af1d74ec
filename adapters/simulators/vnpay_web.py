"""The web face of the VNPay simulator: the payer's page, the merchant API, the control API."""

import json
import time
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel

from adapters.gateways.vnpay_fields import HUNDREDTHS
from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.settlement import as_json
from adapters.simulators.store import Record
from adapters.simulators.vnpay import PayoutSink, VNPaySimulator
from adapters.simulators.vnpay_config import VNPaySimulatorConfig
from adapters.simulators.web import LostAnswer, RawBody, facts, form_fields, install_errors, page
from core.clock import Clock

_CHOICES = (
    ("pay", "Thanh toán / Pay"),
    ("cancel", "Hủy giao dịch / Cancel"),
    ("insufficient", "Không đủ số dư / Insufficient balance"),
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
    config: VNPaySimulatorConfig,
    payout_sink: PayoutSink | None = None,
) -> FastAPI:
    """Return the simulator as an application; ``app.state.simulator`` is its inside."""
    simulator = VNPaySimulator(
        clock=clock, state_path=state_path, config=config, payout_sink=payout_sink
    )
    app = FastAPI(title="VNPay simulator", docs_url=None, redoc_url=None)
    app.state.simulator = simulator
    install_errors(app)
    _add_pages(app, simulator)
    _add_api(app, simulator)
    _add_control(app, simulator)
    return app


def _add_pages(app: FastAPI, simulator: VNPaySimulator) -> None:
    @app.get("/paymentv2/vpcpay.html")
    def show_order(request: Request) -> Response:
        return _order_page(simulator.open_order(request.url.query))

    @app.post("/paymentv2/pay")
    def decide(body: RawBody) -> Response:
        fields = form_fields(body)
        address = simulator.decide(fields.get("order", ""), fields.get("outcome", ""))
        return RedirectResponse(address, status_code=303)


def _order_page(order: Record) -> Response:
    amount = f"{order['amount'] // HUNDREDTHS} VND"
    rows = [("Mã đơn / Order", order["txn_ref"]), ("Nội dung / For", order["order_info"])]
    buttons = "<br>".join(
        f'<button name="outcome" value="{value}">{escape(text)}</button>'
        for value, text in _CHOICES
    )
    form = (
        '<form method="post" action="pay">'
        f'<input type="hidden" name="order" value="{escape(order["id"])}">{buttons}</form>'
    )
    return page("Cổng thanh toán VNPAY", facts([*rows, ("Số tiền / Amount", amount)]) + form)


def _add_api(app: FastAPI, simulator: VNPaySimulator) -> None:
    @app.post("/merchant_webapi/api/transaction")
    def transact(body: RawBody) -> Response:
        request = json.loads(body)
        answer, fault = simulator.call_api({name: str(value) for name, value in request.items()})
        if fault is Fault.LOST_QUERY:
            return LostAnswer()
        if fault is Fault.SLOW_QUERY:
            time.sleep(simulator.config.slow_seconds)
        return JSONResponse(answer)


def _add_control(app: FastAPI, simulator: VNPaySimulator) -> None:
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

    @app.get("/_control/orders/{tmn_code}/{txn_ref}")
    def order(tmn_code: str, txn_ref: str) -> Any:
        return simulator.order(tmn_code, txn_ref)

    @app.get("/_control/settlements/{tmn_code}/{day}")
    def settlement(tmn_code: str, day: date) -> Any:
        return [as_json(row) for row in simulator.settlement(tmn_code, day)]

    @app.get("/_control/payouts")
    def payouts() -> Any:
        return [as_json(payout) for payout in simulator.payouts()]
