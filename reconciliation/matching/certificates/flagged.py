"""The evidence of each mismatch, by its type: what was looked for, found, and missed."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Final

from reconciliation.matching.certificates import matched, payouts, rivals, strays
from reconciliation.matching.certificates.case import Case, beside, links, own_amount
from reconciliation.matching.certificates.matched import Findings
from reconciliation.matching.certificates.model import Finding
from reconciliation.matching.certificates.records import (
    BANK,
    PAYMENT,
    SETTLEMENT,
    Records,
    total,
)
from reconciliation.states import Layer, MismatchType


def flagged(case: Case, type_: MismatchType) -> Findings:
    """Evidence and rivals of a mismatch."""
    return _BY_TYPE[type_](case)


def _missing(case: Case) -> Findings:
    """Nothing came: the days, and everything that bears the payment's id or reference."""
    if case.item.kind is SETTLEMENT:
        return _unpaid(case)
    records, pay = case.records, case.item.row
    evidence = [_days(records, records.due_day(pay)), *_searched(case, pay)]
    if case.layer is Layer.PROVIDER:
        return evidence, rivals.sharing_id(records, [pay], [])
    bill = records.references[pay]
    return evidence, rivals.around_bills(records, [bill] if bill else [], [pay], [])


def _days(records: Records, due: date) -> Finding:
    as_of, grace = records.contracts.as_of, records.contracts.grace_days
    last = due + timedelta(days=grace)
    late = as_of > last
    return Finding.of(
        "days.late" if late else "days.grace", due=due, grace=grace, last=last, as_of=as_of
    )


def _searched(case: Case, pay: int) -> list[Finding]:
    records = case.records
    found = []
    said = {"payment": records.id_of(PAYMENT, pay)}
    txn_id, bill = records.text(PAYMENT, pay, "provider_txn_id"), records.references[pay]
    if case.layer is Layer.PROVIDER:
        channel = records.text(PAYMENT, pay, "channel")
        rows = [
            row
            for row in records.rows_with(SETTLEMENT, "provider_txn_id", txn_id)
            if records.text(SETTLEMENT, row, "provider") == channel
        ]
        found.append(Finding.of("searched.txn_id", **said, id=txn_id or "—", count=len(rows)))
    else:
        lines = records.lines_naming(bill) if bill else []
        found.append(
            Finding.of("searched.reference", **said, reference=bill or "—", count=len(lines))
        )
    return found


def _unpaid(case: Case) -> Findings:
    records, line = case.records, case.item.row
    evidence = [_days(records, records.day(SETTLEMENT, line, "payout_date"))]
    own = case.payouts.of([line])
    evidence += [payouts.net_of(one) for one in own]
    others = payouts.near(case.payouts, own, [])
    named = [credit for credit in case.payouts.credits if payouts.ids_in(records, credit, own)]
    evidence.append(Finding.of("searched.payout", payout=own[0].spoken, count=len(named)))
    return evidence, others


def _status(case: Case) -> Findings:
    """Money moved for what may not be paid: the status, and what names the payment."""
    records = case.records
    pays = case.rows(PAYMENT)
    evidence = [
        Finding.of(
            "status.held",
            payment=records.id_of(PAYMENT, pay),
            status=records.text(PAYMENT, pay, "status"),
        )
        for pay in pays
    ]
    evidence += links(case)
    evidence += [own_amount(case, BANK, row) for row in case.rows(BANK)]
    evidence += [own_amount(case, SETTLEMENT, row) for row in case.rows(SETTLEMENT)]
    return evidence, beside(case)


def _amount(case: Case) -> Findings:
    """The evidence agrees, the money does not."""
    records = case.records
    kinds = (SETTLEMENT, BANK) if case.layer is Layer.PAYOUT else (PAYMENT, SETTLEMENT, BANK)
    evidence = links(case) if case.layer is not Layer.PAYOUT else []
    evidence += [own_amount(case, kind, row) for kind in kinds for row in case.rows(kind)]
    if not case.code.endswith(".currency"):
        left = total(records.amount(case.layer, PAYMENT, pay) for pay in case.rows(PAYMENT))
        right = total(
            records.amount(case.layer, kind, row)
            for kind in (SETTLEMENT, BANK)
            for row in case.rows(kind)
        )
        evidence.append(Finding.of("sum.differs", left=left, right=right, difference=right - left))
    return evidence, beside(case)


def _fee(case: Case) -> Findings:
    evidence = links(case)
    for line in case.rows(SETTLEMENT):
        fee = matched.fee_of(case.records, line)
        evidence.append(Finding(fee.code, fee.parameters))
        gross, fee_, net = (int(fee.parameters[name]) for name in ("gross", "fee", "net"))
        if net != gross - fee_:
            evidence.append(
                Finding.of(
                    "fee.net",
                    line=fee.parameters["line"],
                    gross=gross,
                    fee=fee_,
                    net=net,
                    expected=gross - fee_,
                )
            )
    return evidence, beside(case)


def _again(case: Case) -> Findings:
    """What is settled already, and by what."""
    records, layer = case.records, case.layer
    evidence = []
    for one in case.related:
        fate = records.fate(layer, one.kind, one.row)
        evidence.append(
            Finding.of(
                "again.settled",
                item=one.id,
                kind=one.kind,
                amount=one.amount,
                fate=fate.word,
                decision=fate.decision,
            )
        )
    evidence += (
        links(case)
        if layer is not Layer.PAYOUT
        else payouts.ids_in(records, case.item.row, case.payouts.of(case.rows(SETTLEMENT)))
    )
    evidence.append(own_amount(case, case.item.kind, case.item.row))
    evidence.append(_when(case))
    return evidence, [] if layer is Layer.PAYOUT else beside(case)


def _when(case: Case) -> Finding:
    """The days of the lines: the earlier one settles."""
    records, kind = case.records, case.item.kind
    column = "occurred_at" if kind is SETTLEMENT else "value_date"
    said = ", ".join(
        f"{records.id_of(kind, row)} {records.day(kind, row, column)}" for row in case.rows(kind)
    )
    return Finding.of("again.days", days=said)


def _repeated(case: Case) -> Findings:
    """Column by column: what is equal and what is not."""
    records, kind = case.records, case.item.kind
    (original,) = case.related
    names = [name for name in records.names(kind) if name != "line_id"]
    same = [
        name
        for name in names
        if records.column(kind, name)[case.item.row] == records.column(kind, name)[original.row]
    ]
    other = ["line_id", *(name for name in names if name not in same)]
    return [
        Finding.of(
            "repeated.equal", line=case.item.id, original=original.id, columns=", ".join(same)
        ),
        Finding.of("repeated.differs", columns=", ".join(other)),
    ], []


def _payout(case: Case) -> Findings:
    records = case.records
    credits_ = case.rows(BANK)
    own = case.payouts.of(case.rows(SETTLEMENT))
    evidence = [payouts.net_of(one) for one in own]
    for credit in credits_:
        named = payouts.ids_in(records, credit, own)
        evidence += named or [
            *payouts.sender_of(case.payouts, credit),
            *payouts.windows(records, credit, own),
        ]
        evidence.append(own_amount(case, BANK, credit))
    left = total(one.net for one in own)
    right = total(records.number(BANK, credit, "amount") for credit in credits_)
    evidence.append(Finding.of("sum.differs", left=left, right=right, difference=right - left))
    return evidence, payouts.near(case.payouts, own, credits_)


def _reversal(case: Case) -> Findings:
    records = case.records
    (other,) = case.related
    credit, debit = (case.item, other) if case.item.amount >= 0 else (other, case.item)
    days = [records.day(BANK, one.row, "value_date") for one in (credit, debit)]
    evidence = [
        Finding.of(
            "reversal.pair",
            credit=credit.id,
            debit=debit.id,
            amount=credit.amount,
            credited=days[0],
            debited=days[1],
        )
    ]
    shared: list[str] = []
    for one in (credit, debit):
        named = records.named(records.text(BANK, one.row, "narrative"))
        for bill in (*named.exact, *named.repaired):
            pays = records.payments_of(bill)
            evidence += matched.names_in(records, one.row, pays[:1])
            shared.append(bill)
        evidence += [
            Finding.of("reversal.unknown", line=one.id, reference=code) for code in named.unknown
        ]
    return evidence, rivals.around_bills(records, shared, [], [credit.row, debit.row])


def _ambiguous(case: Case) -> Findings:
    """Every candidate, what speaks for it, and that it is not alone."""
    if case.layer is Layer.PAYOUT:
        return _ambiguous_payout(case)
    evidence = links(case)
    kinds = (PAYMENT, SETTLEMENT, BANK)
    amounts = [own_amount(case, kind, row) for kind in kinds for row in case.rows(kind)]
    evidence = rivals.few(evidence) + rivals.few(amounts)
    several = [one for line in case.rows(BANK) if (one := _several_bills(case, line))]
    pays, lines = case.rows(PAYMENT), case.rows(BANK) + case.rows(SETTLEMENT)
    if len(pays) + len(lines) > 2:  # noqa: PLR2004 - one and one fit in one way only
        several.append(Finding.of("ambiguous.count", payments=len(pays), lines=len(lines)))
    bills = [case.records.references[pay] for pay in pays]
    others = [f for line in case.rows(BANK) for f in rivals.other_bills(case.records, line, bills)]
    return [*evidence, *several], [*beside(case), *others]


def _several_bills(case: Case, line: int) -> Finding | None:
    """The bills that one line names or may name, where it is more than one."""
    named = case.records.named(case.records.text(BANK, line, "narrative"))
    bills = (*named.exact, *named.repaired)
    if len(bills) <= 1:
        return None
    item = case.records.id_of(BANK, line)
    return Finding.of("ambiguous.bills", line=item, count=len(bills), bills=", ".join(bills))


def _ambiguous_payout(case: Case) -> Findings:
    records = case.records
    credits_, own = case.rows(BANK), case.payouts.of(case.rows(SETTLEMENT))
    evidence = rivals.few([payouts.net_of(one) for one in own])
    for credit in credits_[: rivals.MOST]:
        evidence += payouts.sender_of(case.payouts, credit)
        evidence += payouts.windows(records, credit, own)
        evidence.append(own_amount(case, BANK, credit))
    evidence.append(Finding.of("ambiguous.payouts", payouts=len(own), credits=len(credits_)))
    return evidence, payouts.near(case.payouts, own, credits_)


_BY_TYPE: Final[Mapping[MismatchType, Callable[[Case], Findings]]] = {
    MismatchType.NOT_SETTLED: _missing,
    MismatchType.REFUND_MISSING: _missing,
    MismatchType.TIMING_DIFFERENCE: _missing,
    MismatchType.PAYOUT_MISSING: _missing,
    MismatchType.STATUS_MISMATCH: _status,
    MismatchType.AMOUNT_MISMATCH: _amount,
    MismatchType.FEE_MISMATCH: _fee,
    MismatchType.UNRECORDED_RECEIPT: strays.receipt,
    MismatchType.UNRECORDED_REFUND: strays.report_line,
    MismatchType.CHARGEBACK: strays.report_line,
    MismatchType.DUPLICATE_PAYMENT: _again,
    MismatchType.DUPLICATE_LINE: _repeated,
    MismatchType.PAYOUT_MISMATCH: _payout,
    MismatchType.REVERSAL: _reversal,
    MismatchType.AMBIGUOUS: _ambiguous,
    MismatchType.NOT_A_FEE: strays.by_narrative,
    MismatchType.UNRECORDED_DEBIT: strays.by_narrative,
}
