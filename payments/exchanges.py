"""Calls to providers, kept masked: what a provider's support asks for in a dispute."""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete
from sqlmodel import Session, col, select

from payments.channels import Rail
from payments.gateway_models import GatewayExchange
from payments.ports import GatewayCall

KEPT_DAYS: Final = 90
"""Long enough for a dispute; what happened to money is in books and notices, kept for ever."""


def record_exchange(session: Session, call: GatewayCall) -> GatewayExchange:
    """Keep one call; its texts are masked already."""
    kept = GatewayExchange(
        rail=call.rail,
        merchant_code=call.merchant_code,
        method=call.method,
        url=call.url,
        request=call.request,
        status=call.status,
        answer=call.answer,
        error=call.error,
        started_at=call.started_at,
        duration_ms=call.duration_ms,
    )
    session.add(kept)
    session.flush()
    return kept


def list_exchanges(
    session: Session, rail: Rail, merchant_code: str, *, about: str = "", limit: int = 100
) -> list[GatewayExchange]:
    """Return a merchant's newest calls, those that mention ``about`` if that is given."""
    query = (
        select(GatewayExchange)
        .where(GatewayExchange.rail == rail, GatewayExchange.merchant_code == merchant_code)
        .order_by(col(GatewayExchange.started_at).desc(), col(GatewayExchange.id).desc())
        .limit(limit)
    )
    if about:
        mentioned = col(GatewayExchange.request).contains(about, autoescape=True)
        query = query.where(mentioned | col(GatewayExchange.url).contains(about, autoescape=True))
    return list(session.exec(query))


def forget_exchanges(session: Session, *, now: datetime) -> int:
    """Delete calls older than they are kept; returns how many."""
    old = delete(GatewayExchange).where(
        col(GatewayExchange.started_at) < now - timedelta(days=KEPT_DAYS)
    )
    return int(session.connection().execute(old).rowcount)
