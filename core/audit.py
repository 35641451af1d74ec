"""Who did what and when: one row for every decision and every change that a person causes."""

from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field, Session, SQLModel

from core.actors import Actor
from core.clock import Clock
from core.db import UtcDateTime
from core.ids import new_id


class AuditEvent(SQLModel, table=True):
    """One act; append-only by trigger. ``before`` and ``after`` hold what changed."""

    __tablename__ = "audit_event"

    id: str = Field(default_factory=partial(new_id, "aud"), primary_key=True)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    actor_id: str = Field(index=True)
    actor_role: str
    action: str = Field(index=True)
    subject_kind: str
    subject_id: str = Field(index=True)
    reason: str = ""
    before: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    after: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))


def record_audit(
    session: Session,
    actor: Actor,
    action: str,
    subject: tuple[str, str],
    *,
    clock: Clock,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEvent:
    """Write down an act in the transaction of the act itself.

    ``subject`` is (kind, id), e.g. ``("mismatch", "x0123…")``.
    """
    event = AuditEvent(
        at=clock(),
        actor_id=actor.id,
        actor_role=actor.role.value,
        action=action,
        subject_kind=subject[0],
        subject_id=subject[1],
        reason=reason,
        before=before,
        after=after,
    )
    session.add(event)
    return event
