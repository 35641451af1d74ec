"""Messages to the outside, written in the transaction of the fact that they tell.

A sender picks them up afterwards, so that a message is sent if and only if its fact is true,
and a crash in between only delays it.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final

from sqlalchemy import JSON, Column
from sqlmodel import Field, Session, SQLModel, col, select

from core.clock import Clock
from core.db import UtcDateTime, enum_text
from core.ids import new_id

RETRY_SECONDS: Final = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Waits between attempts, as recommended by Standard Webhooks; then the message is given up."""


class MessageKind(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    WEBHOOK = "webhook"


class MessageStatus(StrEnum):
    """Where a message is."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


class OutboxMessage(SQLModel, table=True):
    """One message; ``dedupe_key`` makes telling the same fact twice impossible."""

    __tablename__ = "outbox_message"

    id: str = Field(default_factory=partial(new_id, "msg"), primary_key=True)
    kind: MessageKind = Field(sa_column=Column(enum_text(MessageKind), nullable=False))
    topic: str
    recipient: str
    payload: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    dedupe_key: str = Field(unique=True)
    status: MessageStatus = Field(
        default=MessageStatus.WAITING,
        sa_column=Column(enum_text(MessageStatus), nullable=False, index=True),
    )
    attempts: int = 0
    last_answer: str = ""
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    next_attempt_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    delivered_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


def tell(
    session: Session,
    kind: MessageKind,
    topic: str,
    recipient: str,
    payload: dict[str, Any],
    *,
    dedupe_key: str,
    clock: Clock,
) -> OutboxMessage:
    """Queue a message, once for each ``dedupe_key``."""
    known = session.exec(
        select(OutboxMessage).where(OutboxMessage.dedupe_key == dedupe_key)
    ).first()
    if known is not None:
        return known
    message = OutboxMessage(
        kind=kind,
        topic=topic,
        recipient=recipient,
        payload=payload,
        dedupe_key=dedupe_key,
        created_at=clock(),
        next_attempt_at=clock(),
    )
    session.add(message)
    return message


def due_messages(
    session: Session,
    *,
    now: datetime,
    kinds: Collection[MessageKind] = tuple(MessageKind),
    limit: int = 50,
) -> list[OutboxMessage]:
    """Return the messages of these kinds whose next attempt is due, the oldest first."""
    query = (
        select(OutboxMessage)
        .where(OutboxMessage.status == MessageStatus.WAITING)
        .where(col(OutboxMessage.kind).in_(kinds))
        .where(col(OutboxMessage.next_attempt_at) <= now)
        .order_by(col(OutboxMessage.next_attempt_at), col(OutboxMessage.id))
        .limit(limit)
    )
    return list(session.exec(query))


def record_attempt(
    message: OutboxMessage, *, delivered: bool, answer: str, now: datetime
) -> OutboxMessage:
    """Note what became of one attempt and when the next one is due."""
    message.attempts += 1
    message.last_answer = answer[:300]
    if delivered:
        message.status = MessageStatus.DELIVERED
        message.delivered_at = now
    elif message.attempts > len(RETRY_SECONDS):
        message.status = MessageStatus.GIVEN_UP
    else:
        message.next_attempt_at = now + timedelta(seconds=RETRY_SECONDS[message.attempts - 1])
    return message


def replay(message: OutboxMessage, *, now: datetime) -> OutboxMessage:
    """Send a message again from the beginning, as an officer asked."""
    message.status = MessageStatus.WAITING
    message.attempts = 0
    message.next_attempt_at = now
    return message
