"""Stripe's payouts fetched, and written as itemised reports that the settlement parser reads."""

import csv
import io
import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import stripe

from adapters.gateways import stripe_objects as objects
from adapters.gateways.stripe_transport import plain
from core.clock import at_vietnam_time, business_day, end_of_day
from core.errors import MoneyFormatError
from core.money import Money
from payments.errors import GatewayUnavailableError
from payments.ports import ReportFile

_logger = logging.getLogger(__name__)

HEADERS: Final = (
    "automatic_payout_id",
    "automatic_payout_effective_at",
    "balance_transaction_id",
    "created_utc",
    "currency",
    "gross",
    "fee",
    "net",
    "reporting_category",
    "source_id",
    "payment_intent_id",
    "payment_metadata[merchant_reference]",
)
"""Columns of Stripe's own report ``payout_reconciliation.itemized``, days being Vietnam's."""

_CHARGE: Final = "charge"
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_NOT_SENT: Final = frozenset({"failed", "canceled"})


def fetch_reports(client: stripe.StripeClient, day: date) -> list[ReportFile]:
    """Return one report per automatic payout that arrives on ``day``.

    Stripe cannot say what a payout made by hand holds: it has no report, and a warning is logged.

    Raises:
        GatewayUnavailableError: Stripe has not itemised a payout yet, or what it lists does not
            sum to what it pays.
        stripe.StripeError: there was no usable answer.
    """
    arriving = client.v1.payouts.list(
        {
            "arrival_date": {
                "gte": int(at_vietnam_time(day).timestamp()),
                "lt": int(end_of_day(day).timestamp()),
            },
            "limit": 100,
        }
    )
    try:
        payouts = [plain(payout) for payout in arriving.auto_paging_iter()]
        wanted = [payout for payout in payouts if _is_itemised(payout)]
        return [_Report(client, payout).file() for payout in wanted]
    except (ValueError, KeyError, TypeError, AttributeError, MoneyFormatError) as error:
        raise GatewayUnavailableError(f"not a usable payout: {error}"[:200]) from error


def _is_itemised(payout: Mapping[str, Any]) -> bool:
    if payout.get("status") in _NOT_SENT:
        return False
    if payout.get("automatic") is not True:
        _logger.warning("a payout made by hand has no items", extra={"payout": payout["id"]})
        return False
    return True


@dataclass(slots=True)
class _Report:
    """One payout with its movements; ``references`` are those of intents already asked about."""

    client: stripe.StripeClient
    payout: Mapping[str, Any]
    references: dict[str, str] = field(default_factory=dict)

    def file(self) -> ReportFile:
        """Return the report, if it is whole and right."""
        payout_id = _identifier(self.payout["id"])
        if self.payout.get("reconciliation_status") == "in_progress":
            raise GatewayUnavailableError(f"Stripe is still itemising payout {payout_id}")
        movements = sorted(self._movements(), key=lambda row: (row["created"], row["id"]))
        self._check_sum(movements)
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(HEADERS)
        writer.writerows(self._cells(row) for row in movements)
        return ReportFile(f"stripe-{payout_id}.csv", text.getvalue().encode())

    def _movements(self) -> Iterator[dict[str, Any]]:
        """Everything that is paid out, but not the debit that is the payout itself."""
        listed = self.client.v1.balance_transactions.list(
            {"payout": str(self.payout["id"]), "limit": 100, "expand": ["data.source"]}
        )
        for transaction in listed.auto_paging_iter():
            row = plain(transaction)
            if objects.identity(row.get("source")) != self.payout["id"]:
                yield row

    def _check_sum(self, movements: list[dict[str, Any]]) -> None:
        paid = _money(self.payout, "amount")
        total = Money(0, paid.currency)
        for row in movements:
            if row["currency"] != self.payout["currency"]:
                raise ValueError(f"{row['id']} is in {row['currency']}")
            if _money(row, "amount") - _money(row, "fee") != _money(row, "net"):
                raise ValueError(f"gross less fee is not the net of {row['id']}")
            total += _money(row, "net")
        if total != paid:
            raise ValueError(f"{self.payout['id']} pays {paid.decimal}, items {total.decimal}")

    def _cells(self, row: Mapping[str, Any]) -> list[str]:
        source = row["source"] if isinstance(row.get("source"), Mapping) else {}
        category = str(row["reporting_category"])
        return [
            _identifier(self.payout["id"]),
            business_day(objects.instant(self.payout["arrival_date"])).isoformat(),
            _identifier(row["id"]),
            objects.instant(row["created"]).strftime("%Y-%m-%d %H:%M:%S"),
            str(row["currency"]),
            _money(row, "amount").decimal,
            _money(row, "fee").decimal,
            _money(row, "net").decimal,
            category,
            objects.identity(row.get("source")) or "",
            _transaction_id(row, source, category),
            self._reference(source),
        ]

    def _reference(self, source: Mapping[str, Any]) -> str:
        """The merchant reference; a dispute, or a refund by hand, only names its intent."""
        own = objects.own_reference(source)
        intent = objects.identity(source.get("payment_intent"))
        if own or not intent:
            return own
        if intent not in self.references:
            found = plain(self.client.v1.payment_intents.retrieve(intent))
            self.references[intent] = objects.own_reference(found)
        return self.references[intent]


def _transaction_id(row: Mapping[str, Any], source: Mapping[str, Any], category: str) -> str:
    """The ``provider_txn_id`` that the notices of this movement bear."""
    intent = objects.identity(source.get("payment_intent")) if category == _CHARGE else None
    return intent or objects.identity(row.get("source")) or str(row["id"])


def _money(row: Mapping[str, Any], name: str) -> Money:
    return objects.money(row[name], row["currency"])


def _identifier(value: object) -> str:
    """An id as it may stand in the name of a file."""
    if not isinstance(value, str) or not _SAFE_ID.fullmatch(value):
        raise ValueError(f"{str(value)[:40]!r} is not an id")
    return value
