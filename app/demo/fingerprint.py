"""What an installation has come to, without anything random: two runs can be compared by it.

Bills and what was paid on them go by dossier codes, money by accounts; ids, references and
instants are left out. So are the numbers of attempts that collected: a payer whose channel's
answer was lost pays by the next one.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from sqlmodel import Session, col, select

from payments.ledger.balances import trial_balance
from payments.models import Bill, CollectingAccount, Payment, Refund
from payments.states import PaymentStatus
from reconciliation.models import Match, MatchItem, Mismatch, SettlementLine, StatementLine
from reconciliation.states import ItemKind, MatchStatus, MismatchStatus, MismatchType

_COLLECTED: Final = (PaymentStatus.SUCCEEDED, PaymentStatus.REVERSED)


def take_fingerprint(session: Session) -> dict[str, Any]:
    """Return bills, balances, matches and mismatches as sorted lists of plain values.

    Passing observations are left out: a ``timing_difference`` that has healed says only at what
    moments somebody looked.
    """
    names = _ItemNames(session)
    accounts = sorted(session.exec(select(CollectingAccount)), key=lambda a: a.account_number)
    numbers = {account.id: account.account_number for account in accounts}
    return {
        "bills": sorted(_bills(session)),
        "balances": {
            account.account_number: {
                row.code: row.balance_minor for row in trial_balance(session, account_id=account.id)
            }
            for account in accounts
        },
        "all_balances": {row.code: row.balance_minor for row in trial_balance(session)},
        "matches": sorted(_matches(session, names, numbers)),
        "mismatches": sorted(_mismatches(session, names, numbers)),
    }


def fingerprint_text(session: Session) -> str:
    """Return the fingerprint as canonical JSON: the same facts give the same bytes."""
    return json.dumps(take_fingerprint(session), ensure_ascii=False, indent=1, sort_keys=True)


def differences(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
    """Return what one fingerprint has and the other lacks, one sentence each; none if equal."""
    found = []
    for name in sorted(left.keys() | right.keys()):
        one, other = Counter(_lines(left.get(name))), Counter(_lines(right.get(name)))
        found += [f"{name}: only left: {line}" for line in sorted((one - other).elements())]
        found += [f"{name}: only right: {line}" for line in sorted((other - one).elements())]
    return found


def _lines(part: Any) -> Iterable[str]:
    if isinstance(part, dict):
        return [
            f"{key} {line}" if line else key
            for key, value in part.items()
            for line in (_lines(value) if isinstance(value, dict) else [json.dumps(value)])
        ]
    return [json.dumps(value, ensure_ascii=False) for value in part or []]


class _ItemNames:
    """Names items by what they are and not by their ids."""

    def __init__(self, session: Session) -> None:
        bills = {bill.id: bill for bill in session.exec(select(Bill))}
        by_reference = {bill.bill_reference: bill.dossier_code for bill in bills.values()}
        self._names: dict[tuple[ItemKind, str], str] = {}
        attempts = session.exec(select(Payment).order_by(col(Payment.attempt)))
        counted: Counter[str] = Counter()
        for payment in attempts:
            name = f"{bills[payment.bill_id].dossier_code} {payment.channel.value}"
            if payment.status in _COLLECTED:
                counted[name] += 1
                name += f" collection {counted[name]}"
            else:
                name += f" attempt {payment.attempt}"
            self._names[ItemKind.PAYMENT, payment.id] = name
        for refund in session.exec(select(Refund)):
            self._names[ItemKind.PAYMENT, refund.id] = f"refund {refund.amount_minor}"
        for line in session.exec(select(SettlementLine)):
            dossier = by_reference.get(line.bill_reference, "no bill")
            self._names[ItemKind.SETTLEMENT, line.id] = (
                f"{line.payout_date} {line.kind} {dossier} {line.gross_minor} {line.fee_minor}"
            )
        for entry in session.exec(select(StatementLine)):
            self._names[ItemKind.BANK, entry.id] = (
                f"{entry.booking_date} {entry.amount_minor} {entry.counterparty_name}".strip()
            )

    def of(self, kind: ItemKind, item_id: str) -> str:
        """Return the name of an item."""
        return f"{kind.value} {self._names.get((kind, item_id), 'unknown')}"


def _bills(session: Session) -> list[list[Any]]:
    collected: dict[str, list[str]] = {}
    for payment in session.exec(select(Payment).where(col(Payment.status).in_(_COLLECTED))):
        confirmed = "confirmed" if payment.confirmed_at else "provisional"
        collected.setdefault(payment.bill_id, []).append(
            f"{payment.channel.value} {payment.status.value} {payment.collected_minor} {confirmed}"
        )
    return [
        [
            bill.dossier_code,
            bill.portal_reference,
            bill.status.value,
            bill.amount_minor,
            bill.due_minor,
            bill.received_minor,
            sorted(collected.get(bill.id, [])),
        ]
        for bill in session.exec(select(Bill))
    ]


def _matches(session: Session, names: _ItemNames, numbers: dict[str, str]) -> list[list[Any]]:
    items: dict[str, list[str]] = {}
    for item in session.exec(select(MatchItem).where(col(MatchItem.active))):
        name = f"{names.of(item.item_kind, item.item_id)} {item.amount_minor}"
        items.setdefault(item.match_id, []).append(name)
    return [
        [numbers[match.account_id], match.layer.value, match.rule, sorted(items[match.id])]
        for match in session.exec(select(Match).where(Match.status == MatchStatus.ACTIVE))
    ]


def _mismatches(session: Session, names: _ItemNames, numbers: dict[str, str]) -> list[list[Any]]:
    return [
        [
            numbers[mismatch.account_id],
            mismatch.type.value,
            mismatch.layer.value,
            names.of(mismatch.item_kind, mismatch.item_id),
            mismatch.amount_minor,
            mismatch.status.value,
        ]
        for mismatch in session.exec(select(Mismatch))
        if not (
            mismatch.type is MismatchType.TIMING_DIFFERENCE
            and mismatch.status is MismatchStatus.HEALED
        )
    ]
