"""The close of a day: which days are open, the checklist of one, prepared and signed by two."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field
from sqlalchemy import Engine
from sqlmodel import Session

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
from app.i18n import marked as m
from app.pages import labels
from app.pages.decisions import DecisionMissingError
from app.pages.rendering import render
from core.actors import Permission, PermissionDeniedError
from core.clock import business_day
from core.db import reading, transaction
from core.errors import DoisoatError, NotFoundError
from payments import queries
from payments.models import CollectingAccount
from reconciliation.closing import (
    Blocker,
    CloseCheck,
    CloseStatus,
    check_day,
    close_of,
    is_untouched,
    last_closed,
    list_closes,
    prepare_day,
    sign_day,
    withdraw_day,
)
from reconciliation.closing.checks import MESSAGES
from reconciliation.errors import CloseNotFoundError

router = APIRouter()

MAX_SHOWN: Final = 50
"""More that blocks one condition is counted, not listed; the command line lists all."""

NAMES: Final[Mapping[str, str]] = {
    "statement": m("Bank statement of the day"),
    "continuous": m("Statements follow each other"),
    "bank_balance": m("Books and bank agree"),
    "compared": m("Compared after the day"),
    "conserved": m("Every item in exactly one state"),
    "provider": m("Our record and the provider's report"),
    "payout": m("The provider's report and the bank"),
    "direct": m("Our record and the bank"),
    "books": m("Trial balance at zero"),
}
SEEN: Final[Mapping[str, str]] = {
    "statement.missing": m("No statement covers the day."),
    "statement.unproven": m("The balances of its statement are not proven."),
    "statement.ok": m("It opens with %(opening)s and closes with %(closing)s."),
    "statement.quiet": m(
        "None covers it: the one before closes with %(closing)s, and the next opens so."
    ),
    "continuous.gaps": m("Places where a statement does not follow from the one before: %(count)s"),
    "continuous.ok": m("Nothing is missing since the first statement."),
    "bank_balance.differs": m("The books moved %(books)s, the statements %(statement)s."),
    "bank_balance.ok": m("Books and statements moved %(books)s."),
    "compared.never": m("The account has never been compared."),
    "compared.early": m("It was last compared when the day was not over."),
    "compared.stale": m("Evidence has come in since it was last compared."),
    "compared.ok": m("Compared after the day was over, with all evidence that came in."),
    "conserved.differs": m("Items or amounts in no state, or in two: %(count)s"),
    "conserved.ok": m("Every item is matched or flagged, exactly once."),
    "layer.open": m("Items of the day neither matched nor explained: %(count)s"),
    "layer.ok": m("Every item of the day is matched or explained."),
    "clearing.unexplained": m("Items keep it from zero and nothing explains them: %(count)s"),
    "clearing.ok": m("It stands at %(balance)s; each item of that is explained."),
    "books.broken": m("Rules that the books break: %(rules)s"),
    "books.ok": m("Debits equal credits, every entry is whole."),
}
assert SEEN.keys() == MESSAGES.keys()  # noqa: S101 - a condition without words is a mistake here
_MONEY: Final = frozenset({"opening", "closing", "books", "statement", "balance"})
_ADDRESSES: Final[Mapping[str, Callable[[str], str]]] = {
    "statements": lambda _: "/staff/statements",
    "file": lambda one: f"/staff/statements/{one}",
    "jobs": lambda one: f"/staff/jobs?job={one}",
    "mismatch": lambda one: f"/staff/mismatches/{one}",
    "clearing": lambda one: (
        "/staff/clearing?" + urlencode(dict(zip(("account", "name"), one.split("/"), strict=True)))
    ),
    "ledger": lambda _: "/staff/ledger",
}
_SOLVED: Final[Mapping[str, str]] = {
    "statements": m("Bring in the statement"),
    "file": m("Look at the statement"),
    "jobs": m("Compare now"),
    "ledger": m("Look at the trial balance"),
}


class ReviewForm(BaseModel):
    """What the second person decides, and why."""

    decision: Annotated[str, Field(max_length=20)] = ""
    note: Annotated[str, Field(max_length=2000)] = ""


@router.get("/staff/close")
def list_days(
    request: Request,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    clock: ClockDep,
    account: str = "",
    day: str = "",
) -> Response:
    """Show how far each account is closed; a chosen account and day lead to their checklist."""
    scope, today = person.actor.office_path, business_day(clock())
    if account and (chosen := _day(day)):
        return RedirectResponse(_address(account, chosen), HTTPStatus.SEE_OTHER)
    views = list_closes(session, scope=scope, today=today)
    prepared = [view.prepared.prepared_by for view in views if view.prepared]
    return render(
        request,
        words,
        "staff/closes.html",
        person=person,
        views=views,
        today=today,
        yesterday=today - timedelta(days=1),
        names=names_of(session, prepared),
        close_address=_address,
    )


@router.get("/staff/close/{account_number}/{day}")
def show_day(
    request: Request,
    account_number: str,
    day: str,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
) -> Response:
    """Show the checklist of a day: each condition, and each thing that blocks it."""
    return _page(request, session, (account_number, day), person, words)


def _page(
    request: Request,
    session: Session,
    place: tuple[str, str],
    person: SignedIn,
    words: Words,
    *,
    error: DoisoatError | None = None,
    note: str = "",
) -> Response:
    account, day = _account(session, place[0], person), _wanted(place[1])
    actor = person.actor
    close = close_of(session, account.id, day)
    closed = last_closed(session, account.id)
    is_closed = closed is not None and day <= closed
    checks = [] if is_closed else check_day(session, account, day)
    prepared = close is not None and close.status is CloseStatus.PREPARED and close.day == day
    own = close is not None and close.prepared_by == actor.id
    holds = all(check.holds for check in checks)
    return render(
        request,
        words,
        "staff/close.html",
        status_code=error.status if error else HTTPStatus.OK,
        person=person,
        account=account,
        day_shown=day,
        address=_address(account.account_number, day),
        close=close,
        is_closed=is_closed,
        untouched=is_untouched(session, close) if close is not None and is_closed else None,
        checks=[_view(check, account, words) for check in checks],
        holds=holds,
        names=names_of(session, [close.prepared_by, close.reviewed_by] if close else []),
        own=own,
        may_prepare=actor.may(Permission.RESOLVE) and holds and not is_closed and not prepared,
        may_sign=actor.may(Permission.APPROVE) and prepared and not own,
        may_withdraw=prepared and own and actor.may(Permission.RESOLVE),
        day_before=_address(account.account_number, day - timedelta(days=1)),
        day_after=_address(account.account_number, day + timedelta(days=1)),
        error=error,
        note=note,
    )


@router.post("/staff/close/{account_number}/{day}")
def prepare(
    request: Request,
    account_number: str,
    day: str,
    person: Resolver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
) -> Response:
    """Prepare the close of a day whose checklist holds."""

    def act(session: Session) -> object:
        account = _account(session, account_number, person)
        return prepare_day(session, account, _wanted(day), actor=person.actor, clock=clock)

    return _act(request, engine, (account_number, day), person, words, act)


@router.post("/staff/close/{account_number}/{day}/review")
def review(
    request: Request,
    account_number: str,
    day: str,
    person: Approver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    form: Annotated[ReviewForm, Form()],
) -> Response:
    """Sign the prepared close as a second person, or turn it down."""

    def act(session: Session) -> object:
        account = _account(session, account_number, person)
        close = close_of(session, account.id, _wanted(day))
        if close is None:
            raise CloseNotFoundError
        if form.decision == "approve":
            return sign_day(session, close, note=form.note, actor=person.actor, clock=clock)
        if form.decision == "reject":
            return withdraw_day(session, close, note=form.note, actor=person.actor, clock=clock)
        raise DecisionMissingError

    place = (account_number, day)
    return _act(request, engine, place, person, words, act, note=form.note)


@router.post("/staff/close/{account_number}/{day}/withdrawal")
def withdraw(
    request: Request,
    account_number: str,
    day: str,
    person: Resolver,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    form: Annotated[ReviewForm, Form()],
) -> Response:
    """Take back a close that one has prepared and nobody has signed."""

    def act(session: Session) -> object:
        account = _account(session, account_number, person)
        close = close_of(session, account.id, _wanted(day))
        if close is None or close.prepared_by != person.actor.id:
            raise CloseNotFoundError
        return withdraw_day(session, close, note=form.note, actor=person.actor, clock=clock)

    place = (account_number, day)
    return _act(request, engine, place, person, words, act, note=form.note)


@router.get("/staff/close/{account_number}/{day}/sheet.json")
def send_sheet(account_number: str, day: str, person: Reviewer, session: ReadSession) -> Response:
    """Send the sheet of a close, byte for byte as it was prepared."""
    account = _account(session, account_number, person)
    close = close_of(session, account.id, _wanted(day))
    if close is None:
        raise CloseNotFoundError
    name = f"close-{account.account_number}-{close.day}.json"
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(close.sheet, media_type="application/json", headers=headers)


def _act(
    request: Request,
    engine: Engine,
    place: tuple[str, str],
    person: SignedIn,
    words: Words,
    act: Callable[[Session], object],
    *,
    note: str = "",
) -> Response:
    """Carry out an act in one transaction; what is refused is said on the page."""
    try:
        with transaction(engine) as session:
            act(session)
    except (NotFoundError, PermissionDeniedError):
        raise
    except DoisoatError as refusal:
        with reading(engine) as session:
            return _page(request, session, place, person, words, error=refusal, note=note)
    return RedirectResponse(_address(place[0], _wanted(place[1])), HTTPStatus.SEE_OTHER)


def _view(check: CloseCheck, account: CollectingAccount, words: Words) -> dict[str, Any]:
    """A condition in the reader's words, with what blocks it and where that is solved."""
    params = {
        key: words.minor(int(value), account.currency.value)
        if key in _MONEY and value.lstrip("-").isdecimal()
        else value
        for key, value in check.params.items()
    }
    family, _, channel = check.name.partition(":")
    return {
        "name": words.say(NAMES[check.name]) if family in NAMES else _clearing(channel, words),
        "holds": check.holds,
        "seen": words.say(SEEN[check.code], **params),
        "blocks": [_block(one, account, words) for one in check.blocks[:MAX_SHOWN]],
        "more": max(0, len(check.blocks) - MAX_SHOWN),
    }


def _clearing(channel: str, words: Words) -> str:
    from app.pages.presentation import clearing_name  # noqa: PLC0415 - it imports all pages' words

    return words.say("Clearing: %(channel)s", channel=clearing_name(channel, words.say))


def _block(one: Blocker, account: CollectingAccount, words: Words) -> dict[str, str]:
    if one.mismatch is not None:
        text = words.say(labels.name(one.mismatch.type))
    else:
        text = words.say(_SOLVED[one.kind]) if one.kind in _SOLVED else one.text
    if one.gap is not None:
        text = f"{text} · {one.gap.before.number or words.day(one.gap.before.from_date)}"
    if one.amount_minor is not None:
        text = f"{text} · {words.minor(one.amount_minor, account.currency.value)}"
    return {"text": text, "href": _ADDRESSES[one.kind](one.id)}


def _account(session: Session, number: str, person: SignedIn) -> CollectingAccount:
    accounts = queries.list_accounts(session, scope=person.actor.office_path)
    found = next((one for one in accounts if one.account_number == number), None)
    if found is None:
        raise CloseNotFoundError
    return found


def _address(account_number: str, day: date) -> str:
    return f"/staff/close/{quote(account_number, safe='')}/{day.isoformat()}"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _wanted(text: str) -> date:
    day = _day(text)
    if day is None:
        raise CloseNotFoundError
    return day
