"""What keeps clearing from zero: every channel's balance, and the items that it consists of."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.dependencies import ReadSession, Reviewer, WordsDep
from app.pages.rendering import render
from core.actors import Permission
from payments import queries
from reconciliation.clearing import list_clearings

router = APIRouter()

MAX_SHOWN: Final = 200
"""More items than this are counted, not listed; the command line lists all."""


@router.get("/staff/clearing")
def show_clearing(
    request: Request,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    account: str = "",
    name: str = "",
) -> Response:
    """Show the clearing accounts of the reader's offices, and the items of the chosen one."""
    accounts = queries.list_accounts(session, scope=person.actor.office_path)
    found = [one for each in accounts for one in list_clearings(session, each)]
    chosen = next(
        (one for one in found if (one.account.account_number, one.name) == (account, name)), None
    )
    return render(
        request,
        words,
        "staff/clearing.html",
        person=person,
        found=found,
        chosen=chosen,
        shown=chosen.items[:MAX_SHOWN] if chosen else (),
        may_read_books=person.actor.may(Permission.READ_BOOKS),
    )
