"""The web face of the payOS simulator: the payer's page, the merchant API, the control API."""

from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from pydantic import BaseModel

from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.payos import PayOSSimulator
from adapters.simulators.payos_api import Exchange, PayOSApi
from adapters.simulators.payos_config import Deed, PayOSSimulatorConfig, TransferSink
from adapters.simulators.settlement import as_json
from adapters.simulators.store import Record
from adapters.simulators.web import LostAnswer, RawBody, facts, form_fields, install_errors, page
from core.clock import Clock
from core.errors import InputUnusableError

_PATH = "/v2/payment-requests"
_STATES = {
    "PENDING": "Chờ chuyển khoản / Waiting for a transfer",
    "UNDERPAID": "Chưa đủ tiền / A part was transferred",
    "PAID": "Đã thanh toán / Paid",
    "EXPIRED": "Hết hạn / Expired",
    "CANCELLED": "Đã hủy / Cancelled",
}


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
    config: PayOSSimulatorConfig,
    transfer_sink: TransferSink | None = None,
) -> FastAPI:
    """Return the simulator as an application; ``app.state.simulator`` is its inside.

    ``transfer_sink`` books payers' transfers at the bank; without one the money is seen by payOS
    alone.
    """
    simulator = PayOSSimulator(
        clock=clock, state_path=state_path, config=config, transfer_sink=transfer_sink
    )
    app = FastAPI(title="payOS simulator", docs_url=None, redoc_url=None)
    app.state.simulator = simulator
    install_errors(app)
    _add_pages(app, simulator)
    _add_api(app, PayOSApi(simulator))
    _add_control(app, simulator)
    return app


def _add_pages(app: FastAPI, simulator: PayOSSimulator) -> None:
    @app.get("/web/{link_id}")
    def show_link(link_id: str) -> Response:
        return _link_page(simulator, simulator.shown_link(link_id))

    @app.post("/web/{link_id}")
    def decide(link_id: str, body: RawBody) -> Response:
        fields = form_fields(body)
        deed = fields.get("outcome", "")
        typed = fields.get("amount", "")
        if deed == Deed.PAY and not (typed.isascii() and typed.isdigit()):
            raise InputUnusableError("the amount is not in digits")
        amount = int(typed[:12]) if deed == Deed.PAY else None
        address = simulator.decide(link_id, deed, amount)
        return RedirectResponse(address or link_id, status_code=303)


def _link_page(simulator: PayOSSimulator, link: Record) -> Response:
    left = max(link["amount"] - link["amount_paid"], 0)
    rows = [
        ("Mã đơn / Order", str(link["order_code"])),
        ("Nội dung chuyển khoản / Purpose", link["description"]),
        ("Số tiền / Amount", f"{link['amount']} VND"),
        ("Đã nhận / Received", f"{link['amount_paid']} VND"),
        ("Trạng thái / State", _STATES[link["status"]]),
        ("Mã VietQR / VietQR code", simulator.code_of(link)),
    ]
    form = (
        f'<form method="post" action="{escape(link["id"])}">'
        '<label for="amount">Số tiền chuyển / Amount of the transfer</label><br>'
        f'<input id="amount" name="amount" inputmode="numeric" value="{left}"><br>'
        '<button name="outcome" value="pay">Chuyển khoản / Transfer</button><br>'
        '<button name="outcome" value="cancel">Hủy / Cancel</button></form>'
    )
    is_open = link["status"] in {"PENDING", "UNDERPAID"}
    return page("payOS", facts(rows) + (form if is_open else ""))


def _add_api(app: FastAPI, api: PayOSApi) -> None:
    def answer(exchange: Exchange) -> Response:
        return LostAnswer() if exchange.lost else JSONResponse(exchange.body, exchange.status)

    @app.post(_PATH)
    def create(request: Request, body: RawBody) -> Response:
        return answer(api.create(request.headers, body))

    @app.get(f"{_PATH}/{{name}}")
    def get(request: Request, name: str) -> Response:
        return answer(api.get(request.headers, name))

    @app.post(f"{_PATH}/{{name}}/cancel")
    def cancel(request: Request, name: str, body: RawBody) -> Response:
        return answer(api.cancel(request.headers, name, body))

    @app.post("/confirm-webhook")
    def confirm_webhook(request: Request, body: RawBody) -> Response:
        return answer(api.confirm_webhook(request.headers, body))


def _add_control(app: FastAPI, simulator: PayOSSimulator) -> None:
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

    @app.get("/_control/orders/{client_id}/{merchant_reference}")
    def order(client_id: str, merchant_reference: str) -> Any:
        return simulator.order(client_id, merchant_reference)

    @app.get("/_control/settlements/{client_id}/{day}")
    def settlement(client_id: str, day: date) -> Any:
        return [as_json(row) for row in simulator.settlement(client_id, day)]

    @app.get("/_control/payouts")
    def payouts() -> Any:
        return [as_json(payout) for payout in simulator.payouts()]
