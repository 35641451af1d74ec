"""Draws the blind re-check of the last month, once it is over."""

from datetime import datetime

from core.actors import SYSTEM
from core.clock import business_day
from core.db import transaction
from reconciliation.rechecking.drawing import draw_rechecks, month_before
from reconciliation.rechecking.models import RecheckDraw
from scheduler.context import JobContext


def draw_last_month(context: JobContext, due_at: datetime) -> int:
    """Draw the sample of the month before the day of ``due_at``, if it is not drawn yet."""
    period = month_before(business_day(due_at))
    with transaction(context.engine) as session:
        if session.get(RecheckDraw, period) is not None:
            return 0
        draw_rechecks(session, period, actor=SYSTEM, clock=context.clock)
    return 1
