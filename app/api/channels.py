"""Where payment channels call us: stored first, then verified and applied, then answered."""

import logging
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from app.dependencies import ClockDep, EngineDep, GatewaysDep
from core.clock import Clock
from core.db import transaction
from core.errors import InputUnusableError, NotFoundError
from payments.channels import Channel
from payments.inbox import process_gateway_event, record_gateway_event
from payments.ports import MAX_NOTICE_BYTES, NoticeResult, RawEvent

router = APIRouter(prefix="/channels", include_in_schema=False)
_logger = logging.getLogger(__name__)


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


@router.api_route("/{channel}/{merchant_code}/notice", methods=["GET", "POST"])
def take_notice(
    channel: str,
    merchant_code: str,
    request: Request,
    body: Annotated[bytes, Depends(notice_body)],
    engine: EngineDep,
    gateways: GatewaysDep,
    clock: ClockDep,
) -> Response:
    """Take a message of a channel and answer in the channel's own words.

    Whatever happens after the message is stored, it is not lost: the scheduler processes what a
    request left behind.
    """
    if channel not in set(Channel):
        raise NotFoundError
    gateway = gateways.get(Channel(channel), merchant_code)
    if not gateway.capabilities.notices:
        raise NotFoundError
    raw = _raw_event(Channel(channel), request, body, clock)
    with transaction(engine) as session:
        event_id = record_gateway_event(session, raw, merchant_code).id
    try:
        with transaction(engine) as session:
            result = process_gateway_event(session, event_id, gateway, clock=clock)
    except Exception:  # the channel must hear its own word for "try again", whatever failed
        _logger.exception("notice not processed", extra={"event_id": event_id})
        result = NoticeResult.FAILED
    answer = gateway.answer(result)
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=answer.media_type,
        headers=dict(answer.headers),
    )


def _raw_event(channel: Channel, request: Request, body: bytes, clock: Clock) -> RawEvent:
    kept = {
        name: value
        for name, value in request.headers.items()
        if name.lower() not in {"cookie", "authorization"}
    }
    return RawEvent(
        channel=channel,
        method=request.method,
        query_string=request.url.query,
        headers=kept,
        body=body,
        received_at=clock(),
    )
