"""Where payment channels call us: stored first, then verified and applied, then answered."""

import logging
from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from app.api.attention import Attention
from app.dependencies import ClientAddress, ClockDep, EngineDep, GatewaysDep
from core.crypto import sha256_hex
from core.db import transaction
from core.errors import InputUnusableError, NotFoundError
from payments.channels import Rail
from payments.inbox import process_gateway_event, record_gateway_event
from payments.ports import MAX_NOTICE_BYTES, SECRET_HEADERS, NoticeResult, RawEvent

router = APIRouter(prefix="/channels", include_in_schema=False)
_logger = logging.getLogger(__name__)

_NEVER_KEPT: Final = frozenset({"cookie"})


async def notice_body(request: Request) -> bytes:
    """Return the body, refused when it is longer than any notice.

    Raises:
        InputUnusableError: it is too long.
    """
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_NOTICE_BYTES:
            raise InputUnusableError("the message is too long")
    return body


def attention(request: Request) -> Attention:
    """Return whom this process has stopped listening to."""
    return request.app.state.attention  # type: ignore[no-any-return]


@router.api_route("/{rail}/{merchant_code}/notice", methods=["GET", "POST"])
def take_notice(  # noqa: PLR0913, PLR0917 - the message, where it came from, and the outside
    rail: str,
    merchant_code: str,
    request: Request,
    body: Annotated[bytes, Depends(notice_body)],
    address: ClientAddress,
    heed: Annotated[Attention, Depends(attention)],
    engine: EngineDep,
    gateways: GatewaysDep,
    clock: ClockDep,
) -> Response:
    """Take a message of a channel and answer in the channel's own words.

    Whatever happens after the message is stored, it is not lost: the scheduler processes what a
    request left behind. An address whose messages are refused again and again is not listened to
    for a while, so that forged ones cannot fill the database.
    """
    if rail not in set(Rail):
        raise NotFoundError
    heed.ask(address)
    gateway = gateways.get(Rail(rail), merchant_code)
    if not gateway.capabilities.notices:
        raise NotFoundError
    raw = RawEvent(
        rail=Rail(rail),
        method=request.method,
        query_string=request.url.query,
        headers=dict(_kept_headers(request.headers, shown=gateway.capabilities.credits)),
        body=body,
        received_at=clock(),
    )
    with transaction(engine) as session:
        event_id = record_gateway_event(session, raw, merchant_code).id
    try:
        with transaction(engine) as session:
            result = process_gateway_event(session, event_id, gateway, clock=clock)
    except Exception:  # the channel must hear its own word for "try again", whatever failed
        _logger.exception("notice not processed", extra={"event_id": event_id})
        result = NoticeResult.FAILED
    heed.tell(address, refused=result is NoticeResult.INVALID_SIGNATURE)
    answer = gateway.answer(raw, result)
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=answer.media_type,
        headers=dict(answer.headers),
    )


def _kept_headers(headers: Mapping[str, str], *, shown: bool) -> Mapping[str, str]:
    """Return the headers that are stored: no cookie, and a key itself only as its digest.

    ``shown``: the service shows us its key in a header, which is all the proof there is.
    """
    return {
        name: sha256_hex(value.encode()) if name in SECRET_HEADERS else value
        for name, value in headers.items()
        if name not in _NEVER_KEPT and (shown or name not in SECRET_HEADERS)
    }
