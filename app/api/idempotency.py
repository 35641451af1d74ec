"""Repeatable requests: the answer is stored in the transaction of its effect."""

import json
from collections.abc import Callable
from typing import Any, Final

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from core.actors import Actor
from core.clock import Clock
from core.crypto import sha256_hex
from payments.errors import IdempotencyConflictError, IdempotencyKeyMissingError
from payments.models import IdempotencyRecord

_MAX_KEY: Final = 255


def once(
    session: Session,
    request: Request,
    actor: Actor,
    body: BaseModel,
    work: Callable[[], tuple[int, dict[str, Any]]],
    *,
    clock: Clock,
) -> JSONResponse:
    """Do ``work`` unless this client has sent this ``Idempotency-Key`` before.

    The same key and body get the first answer again; nothing is done twice.

    Raises:
        IdempotencyKeyMissingError: no key of 1 to 255 characters.
        IdempotencyConflictError: the key came with another body before.
    """
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= _MAX_KEY:
        raise IdempotencyKeyMissingError
    text = json.dumps(jsonable_encoder(body), sort_keys=True, ensure_ascii=False)
    digest = sha256_hex(f"{request.method} {request.url.path}\n{text}".encode())
    record = IdempotencyRecord(
        client_id=actor.id, key=key, request_sha256=digest, status=0, body={}, created_at=clock()
    )
    if not _is_first(session, record):
        known = session.get_one(IdempotencyRecord, (actor.id, key))
        if known.request_sha256 != digest:
            raise IdempotencyConflictError
        return JSONResponse(known.body, status_code=known.status)
    record.status, record.body = work()
    session.flush()
    return JSONResponse(record.body, status_code=record.status)


def _is_first(session: Session, record: IdempotencyRecord) -> bool:
    """Claim the key; the same request at the same moment waits here until the first is done."""
    if session.get(IdempotencyRecord, (record.client_id, record.key)) is not None:
        return False
    try:
        with session.begin_nested():
            session.add(record)
    except IntegrityError:
        return False
    return True
