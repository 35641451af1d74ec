"""Refunds: asked for by one person, decided by another, followed until they are settled."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import Engine
from sqlmodel import Session

from adapters.gateways.bank_bins import load_bank_table
from app.auth.accounts import names_of
from app.auth.sessions import SignedIn
from app.dependencies import (
    Approver,
    ClockDep,
    EngineDep,
    ReadSession,
    Resolver,
    Reviewer,
    WordsDep,
)
from app.i18n import Words
from app.pages.decisions import DecisionMissingError
from app.pages.listing import address_of, chosen
from app.pages.rendering import render
from core.actors import Permission, PermissionDeniedError
from core.db import reading, transaction
from core.errors import DoisoatError, MoneyFormatError, NotFoundError
from core.money import Currency, Money
from payments import queries
from payments.channels import Channel
from payments.models import Payment, Refund
from payments.queries import BillView
from payments.refunds import (
    Beneficiary,
    RefundDraft,
    approve_refund,
    beneficiary_of,
    fingerprint,
    most_refundable,
    name_beneficiary,
    record_refusal,
    reject_refund,
    request_refund,
)
from payments.states import RefundStatus
from reconciliation.queries import payer_account

router = APIRouter()

_GROUPED: Final = re.compile(r"[0-9]+|[0-9]{1,3}([.,][0-9]{3})+")

Short = Annotated[str, Field(max_length=200)]
Long = Annotated[str, Field(max_length=2000)]


class BeneficiaryForm(BaseModel):
    """Where a transfer goes, as it was typed."""

    name: Short = ""
    account: Short = ""
    bank_bin: Short = ""

    @property
    def beneficiary(self) -> Beneficiary:
        """What was typed, read."""
        return Beneficiary.parse(self.name, self.account, self.bank_bin)


class RequestForm(BeneficiaryForm):
    """What is asked for, as it was typed; ``waived`` are the positions of fees."""

    amount: Short = ""
    reason: Long = ""
    evidence: Long = ""
    way: Short = "channel"
    waived: list[int] = Field(default_factory=list, max_length=50)


class DecisionForm(BaseModel):
    """What the second person decides, and the fingerprint of what they had before them."""

    decision: Short = ""
    seen: Short = ""
    note: Long = ""


@router.get("/staff/refunds")
def list_refunds(
    request: Request,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    status: str = "",
    page: int = 1,
) -> Response:
    """List refunds by their state, the newest first."""
    scope = person.actor.office_path
    found = queries.list_refunds(
        session, scope=scope, status=chosen(RefundStatus, status), page=page
    )
    return render(
        request,
        words,
        "staff/refunds.html",
        person=person,
        found=found,
        status=status,
        statuses=list(RefundStatus),
        orderable=queries.list_orderable(session, scope=scope),
        names=names_of(session, [view.refund.requested_by for view in found.rows]),
        address=address_of(request),
    )


# Asking for one


@router.get("/staff/payments/{payment_id}/refund")
def show_request(
    request: Request, payment_id: str, person: Resolver, words: WordsDep, session: ReadSession
) -> Response:
    """Show the form to ask that money of a payment goes back."""
    return _request_page(request, session, payment_id, person, words)


@router.post("/staff/payments/{payment_id}/refund")
def ask(
    request: Request,
    payment_id: str,
    person: Resolver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    form: Annotated[RequestForm, Form()],
) -> Response:
    """Ask that money goes back; what is refused is said on the page, with what was typed."""
    try:
        with transaction(engine) as session:
            paid = queries.get_payment_view(session, payment_id, scope=person.actor.office_path)
            draft = _draft(session, paid.payment, form)
            refund = request_refund(session, paid.payment, draft, actor=person.actor, clock=clock)
    except (NotFoundError, PermissionDeniedError):
        raise
    except DoisoatError as refusal:
        with reading(engine) as session:
            return _request_page(
                request, session, payment_id, person, words, error=refusal, typed=form
            )
    return RedirectResponse(f"/staff/refunds/{refund.id}", HTTPStatus.SEE_OTHER)


def _draft(session: Session, payment: Payment, form: RequestForm) -> RefundDraft:
    by_transfer = form.way == "transfer" or payment.channel is Channel.BANK_TRANSFER
    return RefundDraft(
        amount=_typed_amount(session, form.amount, payment, form.waived),
        reason=form.reason,
        evidence=form.evidence,
        waived_lines=form.waived,
        by_transfer=by_transfer,
        beneficiary=form.beneficiary if by_transfer else Beneficiary(),
    )


def _typed_amount(session: Session, text: str, payment: Payment, waived: list[int]) -> Money:
    """Read an amount as people write it; an empty one means all that can go back.

    Raises:
        MoneyFormatError: it is no amount.
    """
    text = re.sub(r"\s", "", text).removesuffix("đ").removesuffix("VND").removeprefix("VND")
    if not text:
        return most_refundable(session, payment, waived_lines=waived)
    if payment.currency is not Currency.VND:
        return Money.parse(text, payment.currency)
    if not _GROUPED.fullmatch(text):
        raise MoneyFormatError(f"{text!r} is no amount of dong")
    return Money(int(re.sub(r"[.,]", "", text)))


def _request_page(
    request: Request,
    session: Session,
    payment_id: str,
    person: SignedIn,
    words: Words,
    *,
    error: DoisoatError | None = None,
    typed: RequestForm | None = None,
) -> Response:
    paid = queries.get_payment_view(session, payment_id, scope=person.actor.office_path)
    bill = queries.get_bill_view(session, paid.bill.bill_reference)
    if typed is None:
        payer = payer_account(session, payment_id)
        typed = RequestForm(name=payer.name, account=payer.account, bank_bin=payer.bank_bin)
    return render(
        request,
        words,
        "staff/refund_request.html",
        status_code=error.status if error else HTTPStatus.OK,
        person=person,
        paid=paid,
        bill=bill,
        most=most_refundable(session, paid.payment),
        fees=_fees(bill, words, typed.waived),
        is_transfer=paid.payment.channel is Channel.BANK_TRANSFER,
        banks=_banks(words),
        error=error,
        typed=typed,
    )


def _fees(bill: BillView, words: Words, ticked: list[int]) -> list[dict[str, Any]]:
    """The fees of a bill that can be waived, as check boxes."""
    return [
        {
            "value": str(line.position),
            "text": f"{words.pick(line.name_vi, line.name_en)}, "
            f"{words.minor(line.amount_minor, bill.bill.currency.value)}",
            "checked": line.position in ticked,
        }
        for line in bill.lines
        if line.position not in bill.waived
    ]


def _banks(words: Words) -> list[dict[str, str]]:
    """The banks that a transfer can go to, by name."""
    named = [{"value": one.bin, "text": one.name} for one in load_bank_table().banks.values()]
    return [
        {"value": "", "text": words.say("Choose the bank")},
        *sorted(named, key=lambda option: option["text"]),
    ]


# One refund


@router.get("/staff/refunds/{refund_id}")
def show_refund(
    request: Request, refund_id: str, person: Reviewer, words: WordsDep, session: ReadSession
) -> Response:
    """Show one refund: what was asked, by whom, on what evidence, and what became of it."""
    return _refund_page(request, session, refund_id, person, words)


def _refund_page(
    request: Request,
    session: Session,
    refund_id: str,
    person: SignedIn,
    words: Words,
    *,
    error: DoisoatError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    view = queries.get_refund_view(session, refund_id, scope=person.actor.office_path)
    refund, actor = view.refund, person.actor
    audit = queries.list_audit(session, [refund.id])
    people = [event.actor_id for event in audit]
    people += [refund.requested_by, refund.approved_by or ""]
    is_transfer = refund.channel is Channel.BANK_TRANSFER
    is_own = refund.requested_by == actor.id
    undecided = refund.status is RefundStatus.REQUESTED
    decides = actor.may(Permission.APPROVE) and not is_own
    beneficiary = beneficiary_of(refund)
    bank = load_bank_table().banks.get(beneficiary.bank_bin)
    return render(
        request,
        words,
        "staff/refund.html",
        status_code=error.status if error else HTTPStatus.OK,
        person=person,
        view=view,
        seen=fingerprint(refund),
        beneficiary=beneficiary,
        bank_name=bank.name if bank else beneficiary.bank_bin,
        banks=_banks(words),
        audit=audit,
        names=names_of(session, people),
        is_own=is_own,
        may_decide=decides and undecided,
        may_withdraw=decides and refund.status is RefundStatus.APPROVED,
        may_say_refused=decides and refund.status is RefundStatus.SUBMITTED,
        may_name=is_own and undecided and is_transfer and actor.may(Permission.RESOLVE),
        error=error,
        typed=typed or {},
    )


_Act = Callable[[Session, Refund], Refund]


def _act(
    request: Request,
    engine: Engine,
    refund_id: str,
    person: SignedIn,
    words: Words,
    act: _Act,
    *,
    typed: dict[str, str],
) -> Response:
    """Carry out an act in one transaction; what is refused is said on the page, with the input."""
    try:
        with transaction(engine) as session:
            scope = person.actor.office_path
            act(session, queries.get_refund_view(session, refund_id, scope=scope).refund)
    except (NotFoundError, PermissionDeniedError):
        raise
    except DoisoatError as refusal:
        with reading(engine) as session:
            return _refund_page(
                request, session, refund_id, person, words, error=refusal, typed=typed
            )
    return RedirectResponse(f"/staff/refunds/{refund_id}", HTTPStatus.SEE_OTHER)


@router.post("/staff/refunds/{refund_id}/decision")
def decide(
    request: Request,
    refund_id: str,
    person: Approver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    form: Annotated[DecisionForm, Form()],
) -> Response:
    """Approve exactly what was seen, or turn it down, as a second person."""

    def act(session: Session, refund: Refund) -> Refund:
        if form.decision == "approve":
            return approve_refund(
                session, refund, seen=form.seen, note=form.note, actor=person.actor, clock=clock
            )
        if form.decision == "reject":
            return reject_refund(session, refund, note=form.note, actor=person.actor, clock=clock)
        raise DecisionMissingError

    return _act(request, engine, refund_id, person, words, act, typed={"note": form.note})


@router.post("/staff/refunds/{refund_id}/beneficiary")
def change_beneficiary(
    request: Request,
    refund_id: str,
    person: Resolver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    form: Annotated[BeneficiaryForm, Form()],
) -> Response:
    """Say where a transfer goes, as the one who asked for it and before it is decided."""

    def act(session: Session, refund: Refund) -> Refund:
        return name_beneficiary(session, refund, form.beneficiary, actor=person.actor, clock=clock)

    return _act(request, engine, refund_id, person, words, act, typed=form.model_dump())


@router.post("/staff/refunds/{refund_id}/refusal")
def say_refused(
    request: Request,
    refund_id: str,
    person: Approver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    note: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Record in the words of bank or channel that it did not carry out a refund."""

    def act(session: Session, refund: Refund) -> Refund:
        return record_refusal(session, refund, note, actor=person.actor, clock=clock)

    return _act(request, engine, refund_id, person, words, act, typed={"bank_note": note})
