"""The close of a day: a checklist of its evidence, prepared by one person, signed by another.

A signed day, and all before it, takes no more entries: the database refuses them. What comes to
light later is posted as a correction in the first open day.
"""

from collections.abc import Sequence

from reconciliation.closing.checks import (
    Blocker,
    CloseCheck,
    check_day,
)
from reconciliation.closing.models import CloseStatus, DayClose
from reconciliation.closing.reads import (
    CloseView,
    close_of,
    get_close,
    last_closed,
    list_closes,
    list_prepared,
    next_day,
)
from reconciliation.closing.sheet import books_of, read_sheet
from reconciliation.closing.signing import is_untouched, prepare_day, sign_day, withdraw_day

__all__: Sequence[str] = (
    "Blocker",
    "CloseCheck",
    "CloseStatus",
    "CloseView",
    "DayClose",
    "books_of",
    "check_day",
    "close_of",
    "get_close",
    "is_untouched",
    "last_closed",
    "list_closes",
    "list_prepared",
    "next_day",
    "prepare_day",
    "read_sheet",
    "sign_day",
    "withdraw_day",
)
