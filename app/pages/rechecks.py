"""Blind re-checks: the false-match rate, what is to be judged, and one match without its choice."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from app.auth.accounts import names_of
from app.dependencies import ClockDep, ReadSession, Resolver, Reviewer, WordsDep, WriteSession
from app.pages.rendering import render
from core.actors import Permission
from reconciliation.models import Match
from reconciliation.queries import load_evidence, parse_items
from reconciliation.rechecking.drawing import matched_choice
from reconciliation.rechecking.figures import get_figures, list_periods
from reconciliation.rechecking.judging import (
    answer_recheck,
    answers_of,
    decided_by_hand,
    get_recheck,
    is_blind,
    list_disagreements,
    list_open,
)
from reconciliation.rechecking.nearby import payouts_named

router = APIRouter()


@router.get("/staff/rechecks")
def show_rechecks(
    request: Request, person: Reviewer, words: WordsDep, session: ReadSession, period: str = ""
) -> Response:
    """Show the rate of a month with its bound, what the reader may judge, and disagreements."""
    periods = list_periods(session)
    month = period if period in periods else next(iter(periods), "")
    may_judge = person.actor.may(Permission.RESOLVE)
    return render(
        request,
        words,
        "staff/rechecks.html",
        person=person,
        periods=periods,
        month=month,
        figures=get_figures(session, month) if month else None,
        waiting=list_open(session, month, actor=person.actor) if may_judge else [],
        flagged=list_disagreements(session, month, actor=person.actor),
        may_judge=may_judge,
        percent=percent,
    )


@router.get("/staff/rechecks/{item_id}")
def show_recheck(
    request: Request, item_id: str, person: Reviewer, words: WordsDep, session: ReadSession
) -> Response:
    """Show a line and what it might have been; what was matched only to who cannot judge it."""
    item = get_recheck(session, item_id, actor=person.actor)
    answers = answers_of(session, item.id)
    blind = is_blind(answers, person.actor)
    return render(
        request,
        words,
        "staff/recheck.html",
        person=person,
        item=item,
        shown=load_evidence(session, parse_items(item.shown)),
        choices=[_choice(session, item.account_id, text) for text in item.choices],
        blind=blind,
        own=blind and decided_by_hand(session, item, person.actor),
        answers=[] if blind else answers,
        matched="" if blind else matched_choice(session, item.match_id),
        match=None if blind else session.get_one(Match, item.match_id),
        names={} if blind else names_of(session, [one.answered_by for one in answers]),
        letters="ABCDE",
    )


@router.post("/staff/rechecks/{item_id}")
def answer(
    item_id: str,
    person: Resolver,
    session: WriteSession,
    clock: ClockDep,
    chosen: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Write down what was chosen, and go on to the list; the match stays as it is."""
    item = get_recheck(session, item_id, actor=person.actor)
    choice = item.choices[int(chosen)] if chosen in _numbers(item.choices) else chosen
    answer_recheck(session, item.id, choice, actor=person.actor, clock=clock)
    return RedirectResponse(f"/staff/rechecks?period={item.period}", HTTPStatus.SEE_OTHER)


def percent(ppm: int) -> str:
    """Return parts in a million as per cent with four decimals, without a float."""
    return f"{ppm // 10_000}.{ppm % 10_000:04d} %"


def _numbers(choices: list[str]) -> set[str]:
    return {str(number) for number in range(len(choices))}


def _choice(session: Session, account_id: str, text: str) -> dict[str, Any]:
    named = parse_items(text)
    payouts = [name for kind, name in named if kind == "payout"]
    return {
        "value": text,
        "ours": load_evidence(session, named).ours,
        "payouts": payouts_named(session, account_id, payouts),
    }
