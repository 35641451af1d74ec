"""Banks and providers deliver: what their simulators booked, as files in the watched folder."""

import os
import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from adapters.simulators.statement_files import (
    PrintedLine,
    PrintedStatement,
    SettlementReportLine,
    write_bank_spreadsheet,
    write_camt053,
    write_settlement_report,
)
from adapters.sources.rules import TAKEN
from app.demo.calls import Caller
from app.demo.city import WARDS, Ward
from app.demo.places import Places
from core.clock import at_vietnam_time
from core.money import Money
from payments.channels import Rail

REPORTED_BY_FILE: Final = (Rail.VNPAY, Rail.MOMO, Rail.ZALOPAY)

_QUIET_SECONDS: Final = 5
_VAT_PARTS: Final = 11
_MORNING_HOUR: Final = 7


def deliver_statements(
    places: Places, caller: Caller, *, first: date, last: date, number: int
) -> int:
    """Put every account's statement from ``first`` to ``last`` into the folder."""
    for ward in WARDS:
        statement = _statement(places, caller, ward, first=first, last=last, number=number)
        name = f"{ward.account_number}-{last:%Y%m%d}"
        if ward.bank.spreadsheet:
            _put(places, f"{name}.xlsx", write_bank_spreadsheet(statement))
        else:
            made_at = at_vietnam_time(last + timedelta(days=1), _MORNING_HOUR)
            content = write_camt053([statement], message_id=name, created_at=made_at)
            _put(places, f"{name}.xml", content)
    return len(WARDS)


def deliver_settlements(places: Places, caller: Caller, *, session_day: date) -> int:
    """Put the reports of a session day into the folder; none where nothing was.

    Stripe sends no file: the scheduler fetches its reports by calls.
    """
    count = 0
    for ward in WARDS:
        for rail in REPORTED_BY_FILE:
            merchant = ward.contracts[rail].merchant_code
            url = f"{places.simulators}/{rail}/_control/settlements/{merchant}/{session_day}"
            rows = caller.get(url)
            if rows:
                lines = [_report_line(row) for row in rows]
                report_id = rows[0]["report_id"]
                content = write_settlement_report(rail.channel, lines, report_id=report_id)
                _put(places, f"{report_id}.csv", content)
                count += 1
    return count


def _statement(
    places: Places, caller: Caller, ward: Ward, *, first: date, last: date, number: int
) -> PrintedStatement:
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    url = f"{places.simulators}/bank/_control/lines/{ward.account_number}"
    found = [caller.get(f"{url}/{day}") for day in days]
    return PrintedStatement(
        account=ward.account_number,
        number=str(number),
        from_date=first,
        to_date=last,
        opening=Money(found[0]["opening"]),
        lines=_printed([line for page in found for line in page["lines"]]),
    )


def _printed(lines: Sequence[dict[str, Any]]) -> list[PrintedLine]:
    return [
        PrintedLine(
            booking_date=date.fromisoformat(line["booking_date"]),
            value_date=date.fromisoformat(line["value_date"]),
            amount=Money(line["amount"]),
            narrative=line["narrative"],
            bank_reference=line["bank_ref"],
            counterparty_name=line["counterparty_name"],
            counterparty_account=line["counterparty_account"],
        )
        for line in lines
    ]


def _report_line(row: dict[str, Any]) -> SettlementReportLine:
    return SettlementReportLine(
        kind=row["kind"],
        provider_txn_id=row["provider_txn_id"],
        merchant_reference=row["merchant_reference"],
        gross=Money(row["gross"]),
        fee=Money(row["fee"]),
        vat=Money(row["fee"] // _VAT_PARTS),
        occurred_at=datetime.fromisoformat(row["occurred_at"]),
        payout_id=row["payout_id"],
        payout_date=date.fromisoformat(row["payout_date"]),
    )


def _put(places: Places, name: str, content: bytes) -> None:
    """Let a file appear whole; one that was taken before is not put there again."""
    if (places.inbox / TAKEN / name).exists():
        return
    draft = places.inbox / f".{name}.draft"
    draft.write_bytes(content)
    # The folder waits until a file has been still for a second; this one is complete.
    quiet_since = time.time() - _QUIET_SECONDS
    os.utime(draft, (quiet_since, quiet_since))
    draft.replace(places.inbox / name)
