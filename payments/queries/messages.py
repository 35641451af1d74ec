"""Reads of messages to the outside and of who did what."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, true
from sqlmodel import Session, col, select

from core.audit import AuditEvent
from core.outbox import MessageStatus, OutboxMessage
from payments.models import (
    Bill,
    Office,
)
from payments.queries.scope import ROOT, Page, office_in, paginate


def list_messages(
    session: Session, *, scope: str, status: MessageStatus | None = None, page: int = 1
) -> Page[OutboxMessage]:
    """Return messages to the outside about bills of the subtree, the newest first.

    A message belongs to the bill that its payload names; one that names none is for those
    only who see everything.
    """
    query = select(OutboxMessage).where(_message_in(scope))
    if status is not None:
        query = query.where(OutboxMessage.status == status)
    newest = col(OutboxMessage.created_at).desc(), col(OutboxMessage.id).desc()
    return paginate(session, query.order_by(*newest), page)


def find_message(session: Session, message_id: str, *, scope: str) -> OutboxMessage | None:
    """Return a message about a bill of the subtree."""
    query = select(OutboxMessage).where(OutboxMessage.id == message_id, _message_in(scope))
    return session.exec(query).first()


def _message_in(scope: str) -> ColumnElement[bool]:
    if scope == ROOT:
        return true()
    reference: ColumnElement[str] = col(OutboxMessage.payload)["bill_reference"].as_string()
    bills = (
        select(Bill.bill_reference)
        .join(Office, col(Bill.office_id) == Office.id)
        .where(office_in(scope))
    )
    return reference.in_(bills)


def list_audit(session: Session, subject_ids: Sequence[str]) -> list[AuditEvent]:
    """Return who did what to these subjects, in order."""
    query = (
        select(AuditEvent)
        .where(col(AuditEvent.subject_id).in_(list(subject_ids)))
        .order_by(col(AuditEvent.at), col(AuditEvent.id))
    )
    return list(session.exec(query))
