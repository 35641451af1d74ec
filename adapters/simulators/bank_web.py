"""The web face of the bank simulator: a page to pay a scanned code, and the control API."""

import hashlib
from dataclasses import asdict
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response
from pydantic import BaseModel

from adapters.simulators.bank import (
    BankLine,
    BankSimulator,
    BankSimulatorConfig,
    Entry,
    LineSink,
)
from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.web import RawBody, facts, form_fields, install_errors, page
from core.clock import Clock
from core.errors import InputUnusableError


class Transfer(BaseModel):
    """A scanned transfer; what is left out is as the code says, or as the seed decides."""

    payload: str
    transfer_id: str
    payer_name: str = ""
    amount: int | None = None
    purpose: str | None = None


class Booking(BaseModel):
    """Anything else that is booked on an account; money out is negative."""

    entry_id: str
    account: str
    amount: int
    narrative: str
    counterparty_name: str = ""
    counterparty_account: str = ""


class ForcedFaults(BaseModel):
    """Which faults befall transfers of one bill reference."""

    reference: str
    faults: list[Fault]


def create_app(
    *,
    clock: Clock,
    state_path: Path,
    config: BankSimulatorConfig,
    line_sink: LineSink | None = None,
) -> FastAPI:
    """Return the bank as an application; ``app.state.simulator`` is its inside."""
    bank = BankSimulator(clock=clock, state_path=state_path, config=config, line_sink=line_sink)
    app = FastAPI(title="Bank simulator", docs_url=None, redoc_url=None)
    app.state.simulator = bank
    install_errors(app)
    _add_pages(app, bank)
    _add_control(app, bank)
    return app


def _add_pages(app: FastAPI, bank: BankSimulator) -> None:
    @app.get("/scan")
    def scan(payload: str = "") -> Response:
        if payload:
            return _confirmation(bank, payload)
        form = (
            '<form method="get"><label>Mã QR / QR text<br>'
            '<textarea name="payload" rows="5" cols="40" required></textarea></label><br>'
            "<button>Tiếp tục / Continue</button></form>"
        )
        return page("Ứng dụng ngân hàng", form)

    @app.post("/scan")
    def confirm(body: RawBody) -> Response:
        fields = form_fields(body)
        payload, shown_at = fields.get("payload", ""), fields.get("shown_at", "")
        amount = fields.get("amount", "")
        if not amount.isdigit():
            raise InputUnusableError("the amount is digits only")
        # The page's own token: pressing the button twice is one transfer.
        transfer_id = hashlib.sha256(f"{payload}|{shown_at}".encode()).hexdigest()[:24]
        line = bank.transfer_by_code(
            payload,
            transfer_id=transfer_id,
            payer_name=fields.get("payer_name", ""),
            amount=int(amount),
            purpose=fields.get("purpose", ""),
        )
        done = [("Mã giao dịch / Bank reference", line.bank_ref), ("VND", str(line.amount))]
        return page("Chuyển khoản thành công / Transfer done", facts(done))


def _confirmation(bank: BankSimulator, payload: str) -> Response:
    order = bank.read_code(payload)
    holder = bank.accounts[order.account].holder
    amount = order.amount.amount_minor if order.amount else ""
    body = facts([("Người nhận / Payee", holder), ("Tài khoản / Account", order.account)])
    hidden = {"payload": payload, "shown_at": bank.clock().isoformat()}
    inputs = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in hidden.items()
    )
    shown = [
        ("amount", "Số tiền / Amount (VND)", str(amount)),
        ("purpose", "Nội dung / Purpose", order.purpose),
        ("payer_name", "Người chuyển / Payer", "NGUYEN VAN AN"),
    ]
    inputs += "".join(
        f'<label>{escape(text)}<br><input name="{name}" value="{escape(value)}"></label><br>'
        for name, text, value in shown
    )
    form = f'<form method="post" action="scan">{inputs}<button>Xác nhận / Confirm</button></form>'
    return page("Xác nhận chuyển khoản / Confirm transfer", body + form)


def _add_control(app: FastAPI, bank: BankSimulator) -> None:
    @app.post("/_control/transfers")
    def transfer(wanted: Transfer) -> Any:
        line = bank.transfer_by_code(
            wanted.payload,
            transfer_id=wanted.transfer_id,
            payer_name=wanted.payer_name,
            amount=wanted.amount,
            purpose=wanted.purpose,
        )
        return _json(line)

    @app.post("/_control/bookings")
    def book(wanted: Booking) -> Any:
        return _json(bank.book(Entry(**wanted.model_dump())))

    @app.post("/_control/faults")
    def force(wanted: ForcedFaults) -> dict[str, str]:
        with bank.store.transaction() as records:
            force_faults(records, wanted.reference, wanted.faults)
        return {"reference": wanted.reference}

    @app.get("/_control/lines/{account}/{day}")
    def lines(account: str, day: date) -> Any:
        opening = bank.balance_before(account, day)
        found = bank.lines(account, day)
        closing = opening + sum(line.amount for line in found)
        return {"opening": opening, "closing": closing, "lines": [_json(line) for line in found]}


def _json(line: BankLine) -> dict[str, object]:
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in asdict(line).items()
    }
