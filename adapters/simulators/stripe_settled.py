"""The fake Stripe's settlement side: balance, balance transactions, payouts."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final

from adapters.simulators.settlement import Payout
from adapters.simulators.store import Record, Records
from adapters.simulators.stripe_config import INTENT, StripeAccount, StripeRefusalError, unix
from adapters.simulators.stripe_world import StripeWorld
from core.clock import at_vietnam_time

_TYPES: Final = {"payment": "charge", "refund": "refund", "chargeback": "adjustment"}
_CATEGORIES: Final = {"payment": "charge", "refund": "refund", "chargeback": "dispute"}


def balance(world: StripeWorld, records: Records, account: StripeAccount) -> Record:
    """Return what is not paid out yet; what is paid out leaves the balance at once."""
    lines = [line for line in _lines(world, records, account) if not line["payout_id"]]
    pending = sum(line["net"] for line in lines)
    return {
        "object": "balance",
        "available": [{"amount": 0, "currency": "vnd", "source_types": {"card": 0}}],
        "livemode": False,
        "pending": [{"amount": pending, "currency": "vnd", "source_types": {"card": pending}}],
    }


def balance_transactions(
    world: StripeWorld, records: Records, account: StripeAccount, params: Mapping[str, Any]
) -> list[Record]:
    """Return every movement of the balance, or those of one automatic payout.

    Among the latter is the debit that the payout itself is.

    Raises:
        StripeRefusalError: there is no such payout.
    """
    wanted = params.get("payout")
    made = [p for p in _payouts(world, records, account) if wanted in {None, p.payout_id}]
    if wanted and not made:
        raise StripeRefusalError(404, f"No such payout: {wanted}", code="resource_missing")
    rows = [
        _movement(records, line)
        for line in _lines(world, records, account)
        if wanted in {None, line["payout_id"]}
    ]
    kind = params.get("type")
    rows = [*rows, *(_debit(payout) for payout in made)]
    return [row for row in rows if kind in {None, row["type"]}]


def payouts(
    world: StripeWorld, records: Records, account: StripeAccount, params: Mapping[str, Any]
) -> list[Record]:
    """Return every payout, announced or paid."""
    now, status = world.clock(), params.get("status")
    made = [_payout(payout, now) for payout in _payouts(world, records, account)]
    return [payout for payout in made if status in {None, payout["status"]}]


def _lines(world: StripeWorld, records: Records, account: StripeAccount) -> list[Record]:
    lines = world.book.lines(records)
    return [line for line in lines if line["merchant"] == account.account_id]


def _payouts(world: StripeWorld, records: Records, account: StripeAccount) -> list[Payout]:
    made = world.book.payouts(records)
    return [payout for payout in made if payout.merchant == account.account_id]


def _payout(payout: Payout, now: datetime) -> Record:
    paid = at_vietnam_time(payout.payout_date) <= now
    return {
        "id": payout.payout_id,
        "object": "payout",
        "amount": payout.amount,
        "arrival_date": _midnight(payout.payout_date),
        "automatic": True,
        "balance_transaction": _transaction_id(payout.payout_id),
        "created": unix(at_vietnam_time(payout.report_day)),
        "currency": payout.currency.lower(),
        "failure_code": None,
        "livemode": False,
        "metadata": {},
        "method": "standard",
        "reconciliation_status": "completed",
        "source_type": "card",
        "status": "paid" if paid else "in_transit",
        "type": "bank_account",
    }


def _movement(records: Records, line: Record) -> Record:
    intent = records.get(INTENT, line["provider_txn_id"]) or {}
    day = date.fromisoformat(line.get("payout_date") or line["session_day"])
    return _transaction(
        line["line_id"],
        amount=line["gross"],
        fee=line["fee"],
        currency=line["currency"],
        created=unix(datetime.fromisoformat(line["occurred_at"])),
        available_on=_midnight(day),
        source=intent.get("latest_charge") or line["provider_txn_id"],
        status="available" if line["payout_id"] else "pending",
        type=_TYPES[line["kind"]],
        reporting_category=_CATEGORIES[line["kind"]],
    )


def _debit(payout: Payout) -> Record:
    return _transaction(
        payout.payout_id,
        amount=-payout.amount,
        fee=0,
        currency=payout.currency,
        created=unix(at_vietnam_time(payout.report_day)),
        available_on=_midnight(payout.payout_date),
        source=payout.payout_id,
        status="available",
        type="payout",
        reporting_category="payout",
    )


def _transaction(name: str, *, amount: int, fee: int, currency: str, **told: Any) -> Record:
    detail = {"amount": fee, "currency": currency.lower(), "type": "stripe_fee"}
    return {
        "id": _transaction_id(name),
        "object": "balance_transaction",
        "amount": amount,
        "currency": currency.lower(),
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [detail] if fee else [],
        "net": amount - fee,
        **told,
    }


def _transaction_id(name: str) -> str:
    return f"txn_{hashlib.sha256(name.encode()).hexdigest()[:24]}"


def _midnight(day: date) -> int:
    """Days of Stripe's are midnights of UTC."""
    return unix(datetime.combine(day, time(), UTC))
