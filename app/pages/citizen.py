"""The citizen's pages: find a bill, see what is owed, pay it, learn what became of the money.

Nobody signs in here, and dossier codes are sequential: so no public page shows a payer's name.
Only a receipt's own secret address, which goes to the payer and the portal, does.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Engine

from adapters.gateways.national_portal_fields import reference_from_portal
from adapters.gateways.qr_image import qr_png
from adapters.gateways.vietqr import parse_vietqr
from app.checkout import begin_payment
from app.dependencies import (
    ClientAddress,
    ClockDep,
    EngineDep,
    GatewaysDep,
    ReadSession,
    SettingsDep,
    WordsDep,
)
from app.i18n import Words, marked
from app.pages import labels
from app.pages.receipt_pdf import ReceiptFacts, receipt_pdf
from app.pages.receipts import receipt_text
from app.pages.rendering import render
from app.pages.standing import standing_of
from core.clock import Clock, business_day
from core.db import reading
from core.settings import Settings
from payments import queries
from payments.channels import Rail
from payments.checkout import OfferedRail, offered_rails
from payments.errors import (
    AmountOutsideLimitsError,
    GatewayRefusedError,
    GatewayUnavailableError,
    PaymentInProgressError,
    PaymentNotFoundError,
    ReceiptNotFoundError,
)
from payments.models import FeeBearer, Payment
from payments.queries import BillView, PaymentView, ReceiptView
from payments.states import MAY_STILL_COLLECT, PAYABLE, BillStatus, PaymentStatus
from reconciliation.queries import bank_lines_of_payment

router = APIRouter()
PortalReference = Annotated[str, Query(alias="MaThamChieu", max_length=40)]

_ENDED: Final = {
    BillStatus.PAID: marked("Paid in full"),
    BillStatus.OVERPAID: marked("Paid in full"),
    BillStatus.CANCELLED: marked("This bill was cancelled; nothing is to be paid"),
    BillStatus.EXPIRED: marked("The last day to pay has passed; please ask the office"),
    BillStatus.EXEMPT: marked("Exempt; nothing is to be paid"),
}


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer order for people: where to, and each field with what is copied of it."""

    bank: str
    account: str
    content: str
    fields: list[tuple[str, str, str]]


@router.get("/")
def show_home(request: Request, words: WordsDep, code: str = "") -> Response:
    """Show the start page."""
    return render(request, words, "citizen/home.html", code=code, errors=[])


@router.get("/find")
def find_bill(request: Request, words: WordsDep, session: ReadSession, code: str = "") -> Response:
    """Lead to the bill that a code names, or list the bills of a dossier."""
    bills = queries.find_bills(session, code[:80])
    if len(bills) == 1:
        address = f"/bills/{bills[0].bill_reference}"
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)
    if bills:
        shown = code.strip().upper()
        return render(request, words, "citizen/found.html", bills=bills, code=shown)
    text = (
        words.say("No bill has this code. Please compare it with your paper, letter by letter.")
        if code.strip()
        else words.say("Enter the code of your bill or dossier")
    )
    return render(
        request,
        words,
        "citizen/home.html",
        status_code=HTTPStatus.NOT_FOUND if code.strip() else HTTPStatus.UNPROCESSABLE_ENTITY,
        code=code,
        errors=[{"text": text, "href": "#code"}],
    )


@router.get("/bills/{reference}")
def show_bill(
    request: Request,
    reference: str,
    words: WordsDep,
    session: ReadSession,
    clock: ClockDep,
    again: str = "",
) -> Response:
    """Show a bill: procedure, office, fees and their legal basis, and how to pay it."""
    view = queries.get_bill_view(session, reference)
    offered = offered_rails(session, view.office)
    values = _bill_values(view, offered, words, clock=clock, ask_again=bool(again))
    return render(request, words, "citizen/bill.html", **values)


@router.post("/bills/{reference}/payments")
def start_payment(  # noqa: PLR0913, PLR0917 - what a payment needs
    request: Request,
    reference: str,
    words: WordsDep,
    engine: EngineDep,
    gateways: GatewaysDep,
    settings: SettingsDep,
    clock: ClockDep,
    address: ClientAddress,
    rail: Annotated[str, Form()] = "",
    try_again: Annotated[str, Form()] = "",
) -> Response:
    """Begin to pay and lead on to the channel; sending the form twice begins one payment."""
    with reading(engine) as session:  # closed before the channel is called
        view = queries.get_bill_view(session, reference)
        offered = offered_rails(session, view.office)
    if rail not in {one.rail for one in offered}:
        error = words.say("Choose how you want to pay")
        values = _bill_values(view, offered, words, clock=clock, error=error)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return render(request, words, "citizen/bill.html", status_code=status, **values)
    try:
        payment = begin_payment(
            engine,
            gateways,
            view.bill.bill_reference,
            Rail(rail),
            payer_ip=address,
            locale=words.language.value,
            try_again=bool(try_again),
            clock=clock,
            settings=settings,
        )
    except PaymentInProgressError:
        error = words.say("An earlier attempt may still be collected")
        values = _bill_values(
            view, offered, words, clock=clock, error=error, ask_again=True, chosen=rail
        )
        status = HTTPStatus.CONFLICT
        return render(request, words, "citizen/bill.html", status_code=status, **values)
    except AmountOutsideLimitsError:
        error = words.say("This amount cannot be paid this way; choose another")
        values = _bill_values(view, offered, words, clock=clock, error=error)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return render(request, words, "citizen/bill.html", status_code=status, **values)
    except (GatewayUnavailableError, GatewayRefusedError):
        # The attempt is written down; its own page says what is known of it, and keeps asking.
        payment = _latest_attempt(engine, view.bill.id, Rail(rail))
    onward = f"/payments/{payment.id}"
    if payment.status is PaymentStatus.PENDING and payment.redirect_url:
        onward = payment.redirect_url
    return RedirectResponse(onward, HTTPStatus.SEE_OTHER)


def _latest_attempt(engine: Engine, bill_id: str, rail: Rail) -> Payment:
    with reading(engine) as session:
        attempts = queries.list_attempts(session, bill_id)
    return [attempt for attempt in attempts if attempt.rail is rail][-1]


def _bill_values(
    view: BillView,
    offered: list[OfferedRail],
    words: Words,
    *,
    clock: Clock,
    error: str = "",
    ask_again: bool = False,
    chosen: str = "",
) -> dict[str, Any]:
    bill, now = view.bill, clock()
    in_doubt = [
        p for p in view.attempts if p.status in MAY_STILL_COLLECT and p.rail is not Rail.VIETQR
    ]
    payable = bill.status in PAYABLE and business_day(now) <= bill.expires_on
    ended = _ENDED.get(bill.status, _ENDED[BillStatus.EXPIRED])
    able = [one for one in offered if one.takes(bill.outstanding)]
    return {
        "view": view,
        "payable": payable,
        "overdue": business_day(now) > bill.due_date,
        "status_line": words.say(ended),
        "in_doubt": in_doubt,
        "rails": [_choice(one, words) for one in able],
        "chosen": chosen or (able[0].rail.value if len(able) == 1 else ""),
        "ask_again": ask_again,
        "errors": [{"text": error, "href": "#rail"}] if error else [],
    }


def _choice(offered: OfferedRail, words: Words) -> dict[str, Any]:
    hint = words.say(labels.RAIL_HINTS[offered.rail])
    if offered.merchant is not None and offered.merchant.fee_bearer is FeeBearer.PAYER:
        hint += " " + words.say("Its charge is added to what you pay.")
    return {
        "value": offered.rail.value,
        "text": words.say(labels.name(offered.rail)),
        "hint": {"text": hint},
    }


@router.get("/payments/return")
def take_back_from_portal(session: ReadSession, reference: PortalReference = "") -> Response:
    """Receive a payer from a channel that has one return address for all; nothing is believed."""
    try:
        payment = queries.find_attempt(session, reference_from_portal(reference))
    except ValueError:
        payment = None
    if payment is None:
        raise PaymentNotFoundError
    return RedirectResponse(f"/payments/{payment.id}", HTTPStatus.SEE_OTHER)


@router.get("/payments/{payment_id}")
def show_payment(
    request: Request, payment_id: str, words: WordsDep, session: ReadSession, clock: ClockDep
) -> Response:
    """Show what became of a payment, as we know it."""
    view = queries.get_payment_view(session, payment_id)
    standing = standing_of(view, words, now=clock())
    payment = view.payment
    received = payment.collected_minor
    return render(
        request,
        words,
        "citizen/payment.html",
        view=view,
        headline=standing.headline,
        sentences=standing.sentences,
        refresh_seconds=standing.refresh_seconds,
        continue_url=standing.continue_url,
        may_try_again=standing.may_try_again,
        transfer=_transfer(view, words) if standing.show_transfer else None,
        money_received=words.minor(
            payment.amount_minor if received is None else received,
            payment.collected_currency or payment.currency.value,
        ),
    )


@router.get("/payments/{payment_id}/return")
def take_back(payment_id: str) -> Response:
    """Receive a payer from a channel's page; what the channel adds is not believed."""
    return RedirectResponse(f"/payments/{payment_id}", HTTPStatus.SEE_OTHER)


def _transfer(view: PaymentView, words: Words) -> Transfer:
    account, payment, say = view.account, view.payment, words.say
    content = parse_vietqr(payment.qr_payload or "").purpose
    return Transfer(
        account.bank_name,
        account.account_number,
        content,
        [
            (say("Bank"), account.bank_name, account.bank_name),
            (say("Account number"), account.account_number, account.account_number),
            (say("Account name"), account.account_name, account.account_name),
            (say("Amount"), words.money(payment.amount), payment.amount.decimal),
            (say("Content"), content, content),
        ],
    )


@router.get("/payments/{payment_id}/qr.png")
def send_qr(payment_id: str, session: ReadSession, download: str = "") -> Response:
    """Send the transfer code of a payment as a picture; bank apps read it from a phone's photos."""
    view = queries.get_payment_view(session, payment_id)
    if view.payment.qr_payload is None:
        raise PaymentNotFoundError
    headers = {"cache-control": "private, max-age=3600"}
    if download:
        name = f"{view.bill.bill_reference}.png"
        headers["content-disposition"] = f'attachment; filename="{name}"'
    return Response(qr_png(view.payment.qr_payload), media_type="image/png", headers=headers)


# Receipts


@router.get("/payments/{payment_id}/receipt")
def show_copy(request: Request, payment_id: str, words: WordsDep, session: ReadSession) -> Response:
    """Show the receipt of a payment without the payer's name."""
    view = _copy(session, payment_id)
    return _receipt_page(request, words, session, view, named=False)


@router.get("/payments/{payment_id}/receipt.pdf")
def send_copy(
    payment_id: str, words: WordsDep, session: ReadSession, settings: SettingsDep
) -> Response:
    """Send the receipt of a payment as PDF without the payer's name."""
    view = _copy(session, payment_id)
    return _receipt_file(words, settings, session, view, named=False)


@router.get("/receipts/{token}")
def show_receipt(request: Request, token: str, words: WordsDep, session: ReadSession) -> Response:
    """Show the receipt that a secret address names; a voided one says so."""
    pdf = token.endswith(".pdf")
    view = queries.find_receipt_view(session, token.removesuffix(".pdf"))
    if view is None:
        raise ReceiptNotFoundError
    if pdf:
        return _receipt_file(words, request.app.state.settings, session, view, named=True)
    return _receipt_page(request, words, session, view, named=True)


def _copy(session: ReadSession, payment_id: str) -> ReceiptView:
    view = queries.find_standing_receipt(session, payment_id)
    if view is None:
        raise ReceiptNotFoundError
    return view


def _receipt_page(
    request: Request, words: Words, session: ReadSession, view: ReceiptView, *, named: bool
) -> Response:
    bank = bank_lines_of_payment(session, view.paid.payment.id)
    return render(
        request,
        words,
        "citizen/receipt.html",
        view=view,
        text=receipt_text(view, bank, words, named=named),
        pdf_address=f"{_receipt_path(view, named=named)}.pdf?lang={words.language.value}",
    )


def _receipt_file(
    words: Words, settings: Settings, session: ReadSession, view: ReceiptView, *, named: bool
) -> Response:
    bank = bank_lines_of_payment(session, view.paid.payment.id)
    facts = ReceiptFacts(
        text=receipt_text(view, bank, words, named=named),
        demonstration=view.paid.demonstration,
        address=settings.base_url + _receipt_path(view, named=named),
        city=words.pick(settings.city_name_vi, settings.city_name_en),
    )
    name = f"receipt-{view.receipt.number}.pdf"
    return Response(
        receipt_pdf(facts, words),
        media_type="application/pdf",
        headers={
            "content-disposition": f'inline; filename="{name}"',
            "content-language": words.language.value,
            "vary": "Accept-Language, Cookie",
        },
    )


def _receipt_path(view: ReceiptView, *, named: bool) -> str:
    token, payment = view.receipt.token, view.paid.payment
    return f"/receipts/{token}" if named else f"/payments/{payment.id}/receipt"
