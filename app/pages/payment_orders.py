"""Payment orders: approved refunds by transfer, put into files for the banks."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.auth.accounts import names_of
from app.dependencies import ClockDep, ReadSession, Resolver, Reviewer, WordsDep, WriteSession
from app.pages.listing import address_of
from app.pages.rendering import render
from core.actors import Permission
from core.audit import record_audit
from core.errors import NotFoundError
from payments import queries
from payments.errors import PaymentOrderNotPossibleError
from payments.refunds import MAX_ROWS, prepare_payment_order

router = APIRouter()

_FILES: Final = {"xml": "application/xml", "csv": "text/csv; charset=utf-8"}


@router.get("/staff/payment-orders")
def list_orders(
    request: Request, person: Reviewer, words: WordsDep, session: ReadSession, page: int = 1
) -> Response:
    """List what waits to be ordered by account, and the files that were made."""
    scope = person.actor.office_path
    found = queries.list_payment_orders(session, scope=scope, page=page)
    return render(
        request,
        words,
        "staff/payment_orders.html",
        person=person,
        orderable=queries.list_orderable(session, scope=scope),
        found=found,
        names=names_of(session, [view.order.created_by for view in found.rows]),
        may_order=person.actor.may(Permission.RESOLVE),
        address=address_of(request),
    )


@router.post("/staff/payment-orders")
def make_order(
    person: Resolver,
    session: WriteSession,
    clock: ClockDep,
    account_id: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Make the file that orders the bank to send an account's approved transfers.

    What one file does not hold waits for the next.
    """
    waiting = queries.list_orderable(session, scope=person.actor.office_path)
    found = next((one for one in waiting if one.account.id == account_id), None)
    if found is None:
        raise PaymentOrderNotPossibleError("nothing waits on this account")
    refunds = found.refunds[:MAX_ROWS]
    prepare_payment_order(session, found.account, refunds, actor=person.actor, clock=clock)
    return RedirectResponse("/staff/payment-orders", HTTPStatus.SEE_OTHER)


@router.get("/staff/payment-orders/{order_id}.{form}")
def send_order(
    order_id: str, form: str, person: Reviewer, session: WriteSession, clock: ClockDep
) -> Response:
    """Send the file of a payment order, the same bytes each time; it is recorded who fetched it."""
    if form not in _FILES:
        raise NotFoundError
    view = queries.get_payment_order(session, order_id, scope=person.actor.office_path)
    record_audit(
        session, person.actor, "fetch_payment_order", ("payment_order", order_id), clock=clock,
        after={"form": form},
    )  # fmt: skip
    content = view.order.content if form == "xml" else view.order.sheet
    name = f"payment-order-{view.account.account_number}-{view.order.name}.{form}"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(content, media_type=_FILES[form], headers=headers)
