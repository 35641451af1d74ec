"""The web face of the portal simulator: INIT, QUERY and receipt, the payer's page, control API."""

import time
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel

from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.national_portal import NationalPortalSimulator, TransferSink
from adapters.simulators.national_portal_config import (
    UNKNOWN_REFERENCE,
    NationalPortalSimulatorConfig,
)
from adapters.simulators.store import Record
from adapters.simulators.web import LostAnswer, RawBody, facts, form_fields, install_errors, page
from core.clock import Clock

_CHOICES = (
    ("pay", "Thanh toán / Pay"),
    ("cancel", "Hủy giao dịch / Cancel"),
    ("insufficient", "Không đủ số dư / Insufficient balance"),
    ("unclear", "Ngân hàng không trả lời / The bank does not answer"),
)


class Act(BaseModel):
    """A payer's deed: the page's address as the application gave it, and what the payer does."""

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
    config: NationalPortalSimulatorConfig,
    transfer_sink: TransferSink | None = None,
) -> FastAPI:
    """Return the simulator as an application; ``app.state.simulator`` is its inside."""
    simulator = NationalPortalSimulator(
        clock=clock, state_path=state_path, config=config, transfer_sink=transfer_sink
    )
    app = FastAPI(title="National portal simulator", docs_url=None, redoc_url=None)
    app.state.simulator = simulator
    install_errors(app)
    _add_api(app, simulator)
    _add_pages(app, simulator)
    _add_control(app, simulator)
    return app


def _add_api(app: FastAPI, simulator: NationalPortalSimulator) -> None:
    @app.post("/init")
    def init(request: Request, body: RawBody) -> Response:
        answer, fault = simulator.init(body, request.headers.get("authorization", ""))
        return LostAnswer() if fault else JSONResponse(answer)

    @app.post("/query")
    def query(request: Request, body: RawBody) -> Response:
        answer, fault = simulator.query(body, request.headers.get("authorization", ""))
        if fault is Fault.LOST_QUERY:
            return LostAnswer()
        if fault is Fault.SLOW_QUERY:
            time.sleep(simulator.config.slow_seconds)
        return JSONResponse(answer)

    @app.post("/receipt")
    def receipt(request: Request, body: RawBody) -> Response:
        document = simulator.receipt(body, request.headers.get("authorization", ""))
        if document is None:
            return JSONResponse({"MaLoi": UNKNOWN_REFERENCE, "MoTaLoi": "Khong co bien lai"})
        return Response(document, media_type="application/pdf")


def _add_pages(app: FastAPI, simulator: NationalPortalSimulator) -> None:
    @app.get("/pay")
    def show_order(order: str) -> Response:
        return _order_page(simulator.open_page(order))

    @app.post("/pay")
    def decide(body: RawBody) -> Response:
        fields = form_fields(body)
        address = simulator.decide(fields.get("order", ""), fields.get("outcome", ""))
        return RedirectResponse(address, status_code=303)


def _order_page(order: Record) -> Response:
    rows = [
        ("Mã tham chiếu / Reference", order["reference"]),
        ("Nội dung / For", order["text"]),
        ("Tài khoản thụ hưởng / To account", order["account"]),
        ("Số tiền / Amount", f"{order['amount']} VND"),
    ]
    buttons = "<br>".join(
        f'<button name="outcome" value="{value}">{escape(text)}</button>'
        for value, text in _CHOICES
    )
    form = (
        '<form method="post" action="pay">'
        f'<input type="hidden" name="order" value="{escape(order["id"])}">{buttons}</form>'
    )
    return page("Nền tảng thanh toán Cổng DVCQG", facts(rows) + form)


def _add_control(app: FastAPI, simulator: NationalPortalSimulator) -> None:
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

    @app.get("/_control/orders/{partner_code}/{reference}")
    def order(partner_code: str, reference: str) -> Any:
        return simulator.order(partner_code, reference)

    @app.get("/_control/settlements/{partner_code}/{day}")
    def settlement(partner_code: str, day: date) -> list[Any]:
        return [*simulator.settlement(partner_code, day)]

    @app.get("/_control/payouts")
    def payouts() -> list[Any]:
        return [*simulator.payouts()]
