"""What everybody may know: months of collections, and the log by which the books prove themselves.

Tiles and heads are as C2SP tlog-tiles has them, below ``/transparency``. The leaves themselves
are not there: an auditor's package has them.
"""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from app.dependencies import ClockDep, ReadSession, WordsDep
from app.pages.rendering import render
from core.clock import business_day
from core.errors import NotFoundError
from payments.channels import Channel
from payments.ledger.log.cosigning import cosigned_note, list_witnesses
from payments.ledger.log.keys import list_keys
from payments.ledger.log.signing import find_checkpoint
from payments.ledger.log.stored import TILE, StoredTree
from payments.queries.transparency import SMALLEST, month_of
from reconciliation.auditing import verify

router = APIRouter()

_TILE: Final = re.compile(r"(?P<place>(?:x\d{3}/)*\d{3})(?:\.p/(?P<width>[1-9]\d{0,2}))?")
_HIGHEST: Final = 7
_CHANNELS: Final = {channel.value: channel for channel in Channel}


@router.get("/transparency")
def show_transparency(
    request: Request, words: WordsDep, session: ReadSession, clock: ClockDep, month: str = ""
) -> Response:
    """Show a month that is over, the newest unless told, and the head of the log."""
    this = business_day(clock()).replace(day=1)
    newest = _before(this)
    first = _month(month) if month else newest
    if first > newest:
        raise NotFoundError
    head = find_checkpoint(session)
    return render(
        request,
        words,
        "citizen/transparency.html",
        first=first,
        last=_after(first) - timedelta(days=1),
        before=_before(first),
        after=_after(first) if first < newest else None,
        figures=month_of(session, first, _after(first) - timedelta(days=1)),
        smallest=SMALLEST,
        channels=_CHANNELS,
        head=head,
        note=str(cosigned_note(session, head)) if head else "",
        keys=list_keys(session),
        witnesses=list_witnesses(session),
    )


@router.get("/transparency/checkpoint")
def fetch_checkpoint(session: ReadSession) -> PlainTextResponse:
    """Return the newest head with the signatures of witnesses."""
    head = find_checkpoint(session)
    if head is None:
        raise NotFoundError
    return PlainTextResponse(str(cosigned_note(session, head)))


@router.get("/transparency/keys")
def fetch_keys(session: ReadSession) -> PlainTextResponse:
    """Return the keys of the log, a line each, the one that signs now first."""
    return PlainTextResponse("".join(f"{key.verifier}\n" for key in list_keys(session)))


@router.get("/transparency/verify.py")
def fetch_verifier() -> PlainTextResponse:
    """Return the verifier that every package carries."""
    return PlainTextResponse(Path(verify.__file__).read_text(encoding="utf-8"))


@router.get("/transparency/tile/{level}/{path:path}")
def fetch_tile(session: ReadSession, level: int, path: str) -> Response:
    """Return the hashes of a tile, as far as the newest head covers it."""
    found, head = _TILE.fullmatch(path), find_checkpoint(session)
    if found is None or head is None or not 0 <= level <= _HIGHEST:
        raise NotFoundError
    place, width = int(re.sub(r"\D", "", found["place"])), int(found["width"] or TILE)
    there = min(TILE, (head.size >> 8 * level) - place * TILE)
    if width > there or (found["width"] and width == TILE):
        raise NotFoundError
    hashes = StoredTree(session).row(level, place)[:width]
    return Response(b"".join(hashes), media_type="application/octet-stream")


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise NotFoundError from None


def _before(first: date) -> date:
    return (first - timedelta(days=1)).replace(day=1)


def _after(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)
