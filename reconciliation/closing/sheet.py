"""The sheet of a close: the checklist, the channels and the books of the day, as canonical JSON."""

import hashlib
import json
from datetime import date
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from core.crypto import sha256_hex
from payments.ledger.models import JournalEntry
from payments.models import CollectingAccount
from payments.queries.books import account_balances
from reconciliation.clearing import list_clearings
from reconciliation.closing.checks import CloseCheck
from reconciliation.closing.models import DayClose
from reconciliation.exports import Period, ledger_csv

_VERSION = 1


def write_sheet(
    session: Session,
    account: CollectingAccount,
    days: tuple[date | None, date],
    checks: list[CloseCheck],
) -> bytes:
    """Return the sheet of the days ``(first, last)``; the same facts give the same bytes."""
    sheet = {
        "version": _VERSION,
        "account": account.account_number,
        "currency": account.currency.value,
        "first_day": days[0].isoformat() if days[0] else None,
        "day": days[1].isoformat(),
        "checks": [
            {"name": check.name, "code": check.code, "params": check.params} for check in checks
        ],
        "channels": {
            one.name: {
                "balance_minor": one.balance_minor,
                "items": {keeps.value: list(sums) for keeps, sums in sorted(one.sums.items())},
            }
            for one in list_clearings(session, account)
        },
        "books": books_of(session, account, days),
    }
    text = json.dumps(sheet, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def books_of(
    session: Session, account: CollectingAccount, days: tuple[date | None, date]
) -> dict[str, Any]:
    """Return what the books of an account hold on these days, with a digest of every entry.

    ``entries_sha256`` is that of the days' ledger export, ``balances`` are debits and credits by
    account up to the last day.
    """
    first = days[0] or _first_entry(session, account) or days[1]
    digest, count = hashlib.sha256(), -1
    for line in ledger_csv(session, Period(first, days[1]), account_ids=[account.id]):
        digest.update(line.encode())
        count += 1
    return {
        "transfers": count,
        "entries_sha256": digest.hexdigest(),
        "balances": [
            [row.code, row.currency.value, row.debit_minor, row.credit_minor]
            for row in account_balances(session, account.id, until=days[1])
        ],
    }


def read_sheet(close: DayClose) -> dict[str, Any]:
    """Return a sheet that was prepared; it is as it was written, or the row was forged.

    Raises:
        ValueError: its bytes are not those that were signed.
    """
    if sha256_hex(close.sheet) != close.sheet_sha256:
        raise ValueError(f"the sheet of {close.day} is not what was prepared")
    sheet: dict[str, Any] = json.loads(close.sheet)
    return sheet


def _first_entry(session: Session, account: CollectingAccount) -> date | None:
    return session.exec(
        select(func.min(col(JournalEntry.entry_date))).where(JournalEntry.account_id == account.id)
    ).one()
