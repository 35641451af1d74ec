"""Reads of the items behind matches and mismatches: our record, provider and bank lines."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlmodel import Session

from payments.models import (
    Bill,
    Payment,
    Refund,
    Remittance,
)
from payments.queries import (
    by_id,
)
from reconciliation.models import (
    SettlementLine,
    StatementLine,
)
from reconciliation.states import (
    ItemKind,
)

MAX_LINES: Final = 1000


@dataclass(frozen=True, slots=True)
class PaymentEvidence:
    """Our own record of one item: a payment, a refund or a remittance."""

    id: str
    kind: str
    bill: Bill | None
    payment: Payment | None
    refund: Refund | None = None
    remittance: Remittance | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Items side by side: our record, the provider's lines, the bank's lines."""

    ours: list[PaymentEvidence] = field(default_factory=list)
    provider: list[SettlementLine] = field(default_factory=list)
    bank: list[StatementLine] = field(default_factory=list)


def parse_items(text: str) -> list[tuple[str, str]]:
    """Return the (kind, id) pairs of ``kind:id;kind:id``."""
    pairs = (part.partition(":") for part in text.split(";") if part)
    return [(kind, item_id) for kind, _, item_id in pairs]


def load_evidence(session: Session, items: Sequence[tuple[str, str]]) -> Evidence:
    """Return the items behind (kind, id) pairs, in the order named; unknown ones are left out."""
    ids: dict[str, list[str]] = {kind.value: [] for kind in ItemKind}
    for kind, item_id in items:
        if kind in ids and item_id not in ids[kind]:
            ids[kind].append(item_id)
    lines = by_id(session, SettlementLine, ids[ItemKind.SETTLEMENT])
    bank = by_id(session, StatementLine, ids[ItemKind.BANK])
    return Evidence(
        ours=_our_records(session, ids[ItemKind.PAYMENT]),
        provider=[lines[one] for one in ids[ItemKind.SETTLEMENT] if one in lines],
        bank=[bank[one] for one in ids[ItemKind.BANK] if one in bank],
    )


def _our_records(session: Session, ids: Sequence[str]) -> list[PaymentEvidence]:
    refunds = by_id(session, Refund, ids)
    remittances = by_id(session, Remittance, ids)
    payments = by_id(session, Payment, [*ids, *(r.payment_id for r in refunds.values())])
    bills = by_id(session, Bill, [p.bill_id for p in payments.values()])
    records = []
    for one in ids:
        if one in refunds:
            paid = payments.get(refunds[one].payment_id)
            bill = bills.get(paid.bill_id) if paid else None
            records.append(PaymentEvidence(one, "refund", bill, paid, refund=refunds[one]))
        elif one in remittances:
            record = PaymentEvidence(one, "remittance", None, None, remittance=remittances[one])
            records.append(record)
        elif one in payments:
            payment = payments[one]
            records.append(PaymentEvidence(one, "payment", bills.get(payment.bill_id), payment))
    return records
