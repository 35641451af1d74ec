"""Statements that a treasurer expects: collections, channel fees, what is outstanding, ageing."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlmodel import Session

from app.dependencies import ClockDep, ReadSession, Reviewer, WordsDep
from app.i18n import Words
from app.i18n import marked as m
from app.pages import labels
from app.pages.listing import chosen
from app.pages.rendering import render
from app.reporting import Kind, Step, Table, codes_of, table_of, total_of, write_csv
from core.clock import business_day
from core.errors import NotFoundError, RequestInvalidError
from payments.channels import Channel
from payments.models import FeeKind, Office, Procedure
from payments.queries.reports import OTHER, Range

router = APIRouter()

_MAX_DAYS: Final = 3660
_WIDTH, _HEIGHT, _WIDEST, _GAP = 640, 200, 90, 0.25
KINDS: Final = {
    Kind.BY_PROCEDURE: m("Collections by procedure"),
    Kind.BY_FEE_KIND: m("Collections by kind of fee"),
    Kind.BY_OFFICE: m("Collections by office"),
    Kind.BY_CHANNEL: m("Collections by channel"),
    Kind.FEES: m("Channel fees"),
    Kind.OUTSTANDING: m("Suspense and refunds outstanding"),
    Kind.AGEING: m("Ageing"),
}
STEPS: Final = {Step.DAY: m("by day"), Step.MONTH: m("by month"), Step.YEAR: m("by year")}
_KEYS: Final = {
    OTHER: m("No fee of the bill"),
    "": m("None"),
    "suspense": m("Suspense"),
    "refunds_payable": m("Refunds payable"),
    "open_bills": m("Bills to be paid"),
    "refunds_on_their_way": m("Refunds on their way"),
    "open_mismatches": m("Open mismatches"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart, in the units of its drawing."""

    x: int
    y: int
    width: int
    height: int
    text: str
    label: str


class Asked(BaseModel):
    """Which statement is asked for, of which days, in which rows."""

    kind: str = ""
    step: str = ""
    first: str = ""
    last: str = ""


@router.get("/staff/reports")
def show_report(
    request: Request,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    clock: ClockDep,
    asked: Annotated[Asked, Query()],
) -> Response:
    """Show a statement as a chart and as the table behind it."""
    today = business_day(clock())
    which, by = chosen(Kind, asked.kind) or Kind.BY_CHANNEL, chosen(Step, asked.step) or Step.DAY
    within = Range(
        _day(asked.first, today.replace(day=1)), _day(asked.last, today), person.actor.office_path
    )
    _check(within)
    table = table_of(session, which, by, within, clock=clock)
    names = _names(session, table, words)
    return render(
        request,
        words,
        "staff/reports.html",
        person=person,
        kinds=KINDS,
        steps=STEPS,
        kind=which,
        step=by,
        within=within,
        table=table,
        names=[names[key] for key in table.keys],
        row_name=lambda name: _row_name(name, words),
        bars=_bars(table, words),
        size=(_WIDTH, _HEIGHT),
    )


@router.get("/staff/reports/{kind}.csv")
def send_report(
    kind: str,
    person: Reviewer,
    session: ReadSession,
    clock: ClockDep,
    first: date,
    last: date,
    step: str = "",
) -> Response:
    """Send a statement as CSV: codes, and amounts in minor units."""
    which = chosen(Kind, kind)
    if which is None:
        raise NotFoundError
    within = Range(first, last, person.actor.office_path)
    _check(within)
    table = table_of(session, which, chosen(Step, step) or Step.DAY, within, clock=clock)
    headers = {"content-disposition": f'attachment; filename="{which}-{first}-{last}.csv"'}
    content = write_csv(table, codes_of(session))
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


def _names(session: Session, table: Table, words: Words) -> dict[str, str]:
    return {key: _name(session, table.kind, key, words) for key in table.keys}


def _name(session: Session, kind: Kind, key: str, words: Words) -> str:
    if key in _KEYS:
        return words.say(_KEYS[key])
    if kind is Kind.BY_FEE_KIND:
        return words.say(labels.name(FeeKind(key)))
    if kind in {Kind.BY_CHANNEL, Kind.FEES}:
        return words.say(labels.name(Channel(key)))
    named: Any = session.get_one(Procedure if kind is Kind.BY_PROCEDURE else Office, key)
    return words.pick(named.name_vi, named.name_en)


def _row_name(name: str, words: Words) -> str:
    if name == "not_due":
        return words.say("Not due yet, or of today")
    if name.startswith("over_"):
        return words.say("Over %(days)s days", days=name.removeprefix("over_"))
    first, dash, last = name.partition("-")
    if dash and len(first) < len("2026"):
        return words.say("%(from)s to %(to)s days", **{"from": first, "to": last})
    return words.day(date.fromisoformat(name)) if len(name) == len("2026-12-31") else name


def _bars(table: Table, words: Words) -> list[Bar]:
    """The chart of a table: one bar a row; what is below zero is drawn as nothing."""
    points = total_of(table.rows)
    top = max((value for _, value in points), default=0)
    if top <= 0:
        return []
    slot = _WIDTH // len(points) or 1
    bars = []
    for n, (name, value) in enumerate(points):
        height = max(0, value) * _HEIGHT // top
        gap = int(slot * _GAP)
        text = f"{_row_name(name, words)}: {words.minor(value)}"
        wide = min(_WIDEST, max(1, slot - gap))
        label = _row_name(name, words)
        bars.append(Bar(n * slot + (slot - wide) // 2, _HEIGHT - height, wide, height, text, label))
    return bars


def _check(within: Range) -> None:
    if within.last < within.first or within.last - within.first > timedelta(days=_MAX_DAYS):
        raise RequestInvalidError("the period ends before it begins, or is longer than ten years")


def _day(text: str, otherwise: date) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return otherwise
