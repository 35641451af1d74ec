"""What else was there beside what a decision took, and why it was not taken."""

from collections.abc import Iterable, Sequence
from datetime import date

from payments.references import canonical
from reconciliation.matching.certificates.model import Finding
from reconciliation.matching.certificates.records import BANK, PAYMENT, SETTLEMENT, Records
from reconciliation.matching.model import CURRENCY
from reconciliation.states import ItemKind, Layer

MOST: int = 10
"""As many rivals of one kind are named; the rest is counted."""


def other_payments(
    records: Records, layer: Layer, pays: Iterable[int], wanted: Sequence[int]
) -> list[Finding]:
    """Payments that were not taken. ``wanted``: the amounts that would have agreed."""
    return few([_payment(records, layer, pay, wanted) for pay in pays])


def _payment(records: Records, layer: Layer, pay: int, wanted: Sequence[int]) -> Finding:
    amount = records.amount(layer, PAYMENT, pay)
    status = records.text(PAYMENT, pay, "status")
    said = _fate(records, layer, PAYMENT, pay) | {"amount": str(amount), "status": status}
    if layer is Layer.DIRECT and not records.is_direct(pay):
        return Finding.of(
            "rival.payment.channel", **said, channel=records.text(PAYMENT, pay, "channel")
        )
    currency = records.text(PAYMENT, pay, "currency")
    if currency != CURRENCY:
        return Finding.of("rival.payment.currency", **said, currency=currency)
    if amount not in wanted:
        opposite = -amount in wanted
        return Finding(f"rival.payment.{'opposite' if opposite else 'amount'}", said)
    if status not in ("pending", "succeeded"):
        return Finding("rival.payment.status", said)
    return Finding("rival.payment.equal", said)


def other_lines(
    records: Records, layer: Layer, kind: ItemKind, rows: Iterable[int]
) -> list[Finding]:
    """Lines that were not taken, and what became of them instead."""
    found = []
    for row in rows:
        said = _fate(records, layer, kind, row)
        if kind is BANK and said["fate"] == "open":
            said = _fate(records, Layer.PAYOUT, kind, row)
        found.append(
            Finding.of(
                "rival.line",
                **said,
                kind=kind,
                day=_day(records, kind, row),
                amount=records.amount(layer, kind, row),
                currency=records.text(kind, row, "currency"),
            )
        )
    return few(found)


def _day(records: Records, kind: ItemKind, row: int) -> date:
    return records.day(kind, row, "value_date" if kind is BANK else "occurred_at")


def _fate(records: Records, layer: Layer, kind: ItemKind, row: int) -> dict[str, str]:
    fate = records.fate(layer, kind, row)
    return {"item": records.id_of(kind, row), "fate": fate.word, "decision": fate.decision}


def few(found: list[Finding]) -> list[Finding]:
    """The first of these, and how many more there are."""
    if len(found) <= MOST:
        return found
    return [*found[:MOST], Finding.of("rival.more", count=len(found) - MOST)]


def around_bills(
    records: Records, bills: Iterable[str], pays: Sequence[int], lines: Sequence[int]
) -> list[Finding]:
    """Everything else that bears these bills, in the direct layer."""
    amounts = [records.amount(Layer.DIRECT, PAYMENT, pay) for pay in pays]
    amounts += [records.amount(Layer.DIRECT, BANK, row) for row in lines]
    named = sorted(set(bills))
    others = [p for bill in named for p in records.payments_of(bill) if p not in pays]
    bearing = sorted({row for bill in named for row in records.lines_naming(bill)} - set(lines))
    return [
        *other_payments(records, Layer.DIRECT, others, amounts),
        *other_lines(records, Layer.DIRECT, BANK, bearing),
    ]


def other_bills(records: Records, line: int, bills: Iterable[str]) -> list[Finding]:
    """Other known references that a narrative bears or may mean."""
    taken = set(bills)
    narrative, amount = records.text(BANK, line, "narrative"), records.number(BANK, line, "amount")
    named = records.named(narrative)
    item = records.id_of(BANK, line)
    found = [
        _bill(records, item, amount, bill, how)
        for how, some in (("whole", named.exact), ("damaged", named.repaired))
        for bill in some
        if bill not in taken
    ]
    found += [Finding.of("rival.unknown", line=item, reference=code) for code in named.unknown]
    return few(found)


def _bill(records: Records, item: str, amount: int, bill: str, how: str) -> Finding:
    amounts = sorted({records.amount(Layer.DIRECT, PAYMENT, p) for p in records.payments_of(bill)})
    code = f"rival.bill.{how}" if amount in amounts else f"rival.bill.{how}.amount"
    said = ", ".join(str(one) for one in amounts)
    return Finding.of(code, line=item, reference=bill, amount=amount, amounts=said)


def sharing_id(records: Records, pays: Sequence[int], lines: Sequence[int]) -> list[Finding]:
    """Other payments and settlement lines of one provider and kind with the same id or bill."""
    layer = Layer.PROVIDER
    wanted = [records.amount(layer, SETTLEMENT, row) for row in lines]
    wanted += [records.amount(layer, PAYMENT, pay) for pay in pays]
    others: dict[int, None] = {}
    rows: dict[int, None] = {}
    for pay in pays:
        txn_id, bill = records.text(PAYMENT, pay, "provider_txn_id"), records.references[pay]
        near = (*records.rows_with(PAYMENT, "provider_txn_id", txn_id), *records.payments_of(bill))
        others |= dict.fromkeys(p for p in near if _same_side(records, PAYMENT, p, PAYMENT, pay))
        same = list(records.rows_with(SETTLEMENT, "provider_txn_id", txn_id))
        said = records.text(PAYMENT, pay, "bill_reference")
        same += [
            row for row in records.rows_with(SETTLEMENT, "bill_reference", said) if canonical(said)
        ]
        rows |= dict.fromkeys(r for r in same if _same_side(records, SETTLEMENT, r, PAYMENT, pay))
    return [
        *other_payments(records, layer, [p for p in others if p not in pays], wanted),
        *other_lines(records, layer, SETTLEMENT, [r for r in rows if r not in lines]),
    ]


def _same_side(records: Records, kind: ItemKind, row: int, other: ItemKind, at: int) -> bool:
    channel = {PAYMENT: "channel", SETTLEMENT: "provider"}
    return records.text(kind, row, channel[kind]) == records.text(other, at, channel[other]) and (
        records.text(kind, row, "kind") == records.text(other, at, "kind")
    )
