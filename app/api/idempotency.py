"""Repeatable requests: the answer is stored in the transaction of its effect."""

import json
from collections.abc import Callable
from typing import Any, Final

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel
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
    known = session.get(IdempotencyRecord, (actor.id, key))
    if known is not None:
        if known.request_sha256 != digest:
            raise IdempotencyConflictError
        return JSONResponse(known.body, status_code=known.status)
    status, answer = work()
    session.add(
        IdempotencyRecord(
            client_id=actor.id,
            key=key,
            request_sha256=digest,
            status=status,
            body=answer,
            created_at=clock(),
        )
    )
    session.flush()
    return JSONResponse(answer, status_code=status)
