"""The auditor's pages: search anything, follow one payment, the books, the export."""

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from sqlalchemy import Engine
from sqlmodel import Session

from app.auth.accounts import names_of
from app.dependencies import BookReader, ClockDep, EngineDep, Exporter, ReadSession, WordsDep
from app.pages.reasons import reason_of
from app.pages.rendering import render
from core.clock import business_day
from core.db import reading
from core.errors import NotFoundError, RequestInvalidError
from payments import queries as payment_queries
from payments.ledger.balances import broken_rules
from payments.models import CollectingAccount
from reconciliation import exports, queries
from reconciliation.exports import Period

router = APIRouter()

_Export = Callable[[Session, CollectingAccount, Period], Iterator[str]]
EXPORTS: Final[Mapping[str, _Export]] = {
    "ledger": lambda session, account, period: exports.ledger_csv(
        session, period, account_ids=[account.id]
    ),
    "payments": exports.payments_csv,
    "settlements": exports.settlements_csv,
    "bank": exports.bank_csv,
    "matches": exports.matches_csv,
    "mismatches": exports.mismatches_csv,
}
"""The files of an export, by name; each yields CSV text, its header first."""

SUMMED: Final[Mapping[str, str]] = {
    "ledger": "amount",
    "payments": "amount",
    "settlements": "net",
    "bank": "amount",
}
"""The column of each file that the page adds up, as anybody can with the file."""

_MAX_DAYS: Final = 3660


@router.get("/staff/search")
def search(
    request: Request, person: BookReader, words: WordsDep, session: ReadSession, text: str = ""
) -> Response:
    """Search payments and lines by any identifier."""
    scope, text = person.actor.office_path, text.strip()[:120]
    payments = payment_queries.search_payments(session, text, scope=scope)
    provider, bank = queries.search_lines(session, text, scope=scope)
    return render(
        request,
        words,
        "staff/search.html",
        person=person,
        text=text,
        payments=payments,
        bills=payment_queries.find_bills(session, text, scope=scope) if text else [],
        provider=provider,
        bank=bank,
        led_to={
            one: queries.payments_of_line(session, one)
            for one in [*(line.id for line in provider), *(line.id for line in bank)]
        },
    )


@router.get("/staff/payments/{payment_id}")
def show_trail(
    request: Request, payment_id: str, person: BookReader, words: WordsDep, session: ReadSession
) -> Response:
    """Show the trail of one payment from the click to the bank line."""
    trail = queries.trail_of_payment(session, payment_id, scope=person.actor.office_path)
    return render(
        request,
        words,
        "staff/trail.html",
        person=person,
        trail=trail,
        reasons={m.id: reason_of(m, words) for m in trail.mismatches},
        names=names_of(session, [event.actor_id for event in trail.audit]),
        may_read_books=True,
    )


@router.get("/staff/ledger")
def show_ledger(
    request: Request,
    person: BookReader,
    words: WordsDep,
    session: ReadSession,
    clock: ClockDep,
    until: str = "",
) -> Response:
    """Show the trial balance up to a day."""
    day = _day(until, business_day(clock()))
    scope = person.actor.office_path
    rows = payment_queries.list_balances(session, scope=scope, until=day)
    return render(
        request,
        words,
        "staff/ledger.html",
        person=person,
        rows=rows,
        until=day,
        totals=_by_currency(rows),
        broken=list(broken_rules(session)) if scope == "/" else [],
    )


def _by_currency(rows: list[payment_queries.BalanceRow]) -> dict[str, tuple[int, int]]:
    totals: dict[str, tuple[int, int]] = {}
    for row in rows:
        debit, credit = totals.get(row.currency.value, (0, 0))
        totals[row.currency.value] = (debit + row.debit_minor, credit + row.credit_minor)
    return totals


@router.get("/staff/export")
def show_export(
    request: Request,
    person: Exporter,
    words: WordsDep,
    session: ReadSession,
    clock: ClockDep,
    account: str = "",
    first: str = "",
    last: str = "",
) -> Response:
    """Show what a period of a collecting account holds, and offer it as files.

    The totals are counted from the very lines that the files consist of.
    """
    accounts = payment_queries.list_accounts(session, scope=person.actor.office_path)
    today = business_day(clock())
    period = Period(_day(first, today.replace(day=1)), _day(last, today))
    wanted = next((one for one in accounts if one.account_number == account), None)
    totals = _totals(session, wanted, period) if wanted is not None else []
    return render(
        request,
        words,
        "staff/export.html",
        person=person,
        accounts=accounts,
        wanted=wanted,
        period=period,
        totals=totals,
    )


def _totals(session: Session, account: CollectingAccount, period: Period) -> list[dict[str, Any]]:
    _check(period)
    return [_total(name, export(session, account, period)) for name, export in EXPORTS.items()]


def _total(name: str, lines: Iterator[str]) -> dict[str, Any]:
    """Count the rows of a file and add up its column of money, if it has one to be added."""
    column = SUMMED.get(name)
    rows = total = 0
    for row in csv.DictReader(lines):
        rows += 1
        total += int(row[column]) if column else 0
    return {"name": name, "rows": rows, "column": column, "sum_minor": total if column else None}


@router.get("/staff/export/{name}.csv")
def send_export(
    name: str,
    person: Exporter,
    engine: EngineDep,
    account: str,
    first: date,
    last: date,
) -> Response:
    """Stream one file of an export; all of it is read from one snapshot."""
    if name not in EXPORTS:
        raise NotFoundError
    period = Period(first, last)
    _check(period)
    with reading(engine) as session:
        accounts = payment_queries.list_accounts(session, scope=person.actor.office_path)
    wanted = next((one for one in accounts if one.account_number == account), None)
    if wanted is None:
        raise NotFoundError
    file_name = f"{name}-{account}-{first}-{last}.csv"
    return StreamingResponse(
        _stream(engine, EXPORTS[name], wanted, period),
        status_code=HTTPStatus.OK,
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="{file_name}"'},
    )


def _stream(
    engine: Engine, export: _Export, account: CollectingAccount, period: Period
) -> Iterator[str]:
    """Yield the file in pieces from a session of its own, for the request's has ended by then."""
    with reading(engine) as session:
        piece: list[str] = []
        for line in export(session, account, period):
            piece.append(line)
            if len(piece) == _LINES_A_PIECE:
                yield "".join(piece)
                piece.clear()
        yield "".join(piece)


_LINES_A_PIECE: Final = 500


def _check(period: Period) -> None:
    if period.last < period.first or period.last - period.first > timedelta(days=_MAX_DAYS):
        raise RequestInvalidError("the period ends before it begins, or is longer than ten years")


def _day(text: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return otherwise
