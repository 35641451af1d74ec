"""The evidence of each mismatch, by its type: what was looked for, found, and missed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from reconciliation.matching.candidates import NarrativeRules
from reconciliation.matching.certificates import matched, payouts, rivals
from reconciliation.matching.certificates.matched import Findings
from reconciliation.matching.certificates.model import CertifiedItem, Finding
from reconciliation.matching.certificates.payouts import Payouts
from reconciliation.matching.certificates.records import (
    BANK,
    PAYMENT,
    SETTLEMENT,
    Records,
    same_name,
    total,
)
from reconciliation.matching.certificates.sightings import find_reference
from reconciliation.states import ItemKind, Layer, MismatchType


@dataclass(frozen=True, slots=True)
class Case:
    """One mismatch: its item, the related items, and the reason's code."""

    records: Records
    payouts: Payouts
    layer: Layer
    item: CertifiedItem
    related: tuple[CertifiedItem, ...]
    group: tuple[CertifiedItem, ...]
    """Everything flagged together with the item, where several share one disagreement."""
    code: str

    def rows(self, kind: ItemKind) -> list[int]:
        """The rows of one kind among all items that the decision is about."""
        every = dict.fromkeys((self.item, *self.related, *self.group))
        return [one.row for one in every if one.kind is kind]

    def narrative(self) -> str:
        """The narrative of a bank line."""
        return self.records.text(BANK, self.item.row, "narrative")


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
    evidence += _links(case)
    evidence += [_own(case, BANK, row) for row in case.rows(BANK)]
    evidence += [_own(case, SETTLEMENT, row) for row in case.rows(SETTLEMENT)]
    return evidence, _beside(case)


def _own(case: Case, kind: ItemKind, row: int) -> Finding:
    records = case.records
    return Finding.of(
        "item.amount",
        item=records.id_of(kind, row),
        kind=kind,
        amount=records.amount(case.layer, kind, row),
        currency=records.text(kind, row, "currency"),
    )


def _links(case: Case) -> list[Finding]:
    """By what the lines of a mismatch name its payments."""
    records = case.records
    pays, found = case.rows(PAYMENT), []
    for line in case.rows(BANK):
        found += matched.names_in(records, line, pays) if pays else []
    for line in case.rows(SETTLEMENT):
        for pay in pays:
            id_ = records.text(PAYMENT, pay, "provider_txn_id")
            if id_ and id_ == records.text(SETTLEMENT, line, "provider_txn_id"):
                found.append(matched.same_id(records, pay, line))
            elif records.references[pay]:
                found += matched.field_reference(records, line, pay)
    return found


def _beside(case: Case) -> list[Finding]:
    records, pays = case.records, case.rows(PAYMENT)
    if case.layer is Layer.PROVIDER:
        return rivals.sharing_id(records, pays, case.rows(SETTLEMENT))
    bills = [records.references[pay] for pay in pays if records.references[pay]]
    return rivals.around_bills(records, bills, pays, case.rows(BANK))


def _amount(case: Case) -> Findings:
    """The evidence agrees, the money does not."""
    records = case.records
    kinds = (SETTLEMENT, BANK) if case.layer is Layer.PAYOUT else (PAYMENT, SETTLEMENT, BANK)
    evidence = _links(case) if case.layer is not Layer.PAYOUT else []
    evidence += [_own(case, kind, row) for kind in kinds for row in case.rows(kind)]
    if not case.code.endswith(".currency"):
        left = total(records.amount(case.layer, PAYMENT, pay) for pay in case.rows(PAYMENT))
        right = total(
            records.amount(case.layer, kind, row)
            for kind in (SETTLEMENT, BANK)
            for row in case.rows(kind)
        )
        evidence.append(Finding.of("sum.differs", left=left, right=right, difference=right - left))
    return evidence, _beside(case)


def _fee(case: Case) -> Findings:
    evidence = _links(case)
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
    return evidence, _beside(case)


def _receipt(case: Case) -> Findings:
    """Money that nothing explains: what it says, and whom it resembles."""
    if case.layer is Layer.PAYOUT:
        return _stray_credit(case)
    if case.layer is Layer.PROVIDER:
        return _stray_line(case)
    records, line = case.records, case.item.row
    evidence = [
        Finding.of("narrative.says", line=case.item.id, text=case.narrative()),
        *_names(case),
    ]
    evidence += _resembling(case)
    rule = NarrativeRules(records.contracts).first(case.narrative(), case.item.amount)
    if rule is not None:
        evidence.append(
            Finding.of("narrative.rule", line=case.item.id, pattern=rule.pattern, name=rule.name)
        )
    return evidence, rivals.other_bills(records, line, ())


def _names(case: Case) -> list[Finding]:
    """Which references a narrative bears, if any."""
    records, item = case.records, case.item.id
    named = records.named(case.narrative())
    found = []
    for bill in (*named.exact, *named.repaired):
        sighting = find_reference(case.narrative(), bill, records.prefix)
        pays = records.payments_of(bill)
        if sighting is not None and pays:
            found += matched.sighted(records, sighting, item, pays[0], "reference.narrative")
    if not (named.exact or named.repaired or named.unknown):
        found.append(Finding.of("narrative.names_none", line=item))
    return found


def _resembling(case: Case) -> list[Finding]:
    """How the candidates resemble a line, and that this is no evidence."""
    records, found = case.records, []
    named = records.named(case.narrative())
    for one in case.related:
        if one.kind is not PAYMENT or records.references[one.row] in (
            *named.exact,
            *named.repaired,
        ):
            continue
        payer = records.text(PAYMENT, one.row, "payer_name")
        name = records.text(BANK, case.item.row, "counterparty_name")
        alike = bool(name) and same_name(payer, name)
        code = "resembles.name" if alike else "resembles.amount"
        equal = one.amount == case.item.amount
        if equal:
            found.append(Finding.of(code, payment=one.id, amount=one.amount, name=payer))
    return found


def _stray_credit(case: Case) -> Findings:
    records, credit = case.records, case.item.row
    evidence = payouts.sender_of(case.payouts, credit)
    named = [f for one in case.payouts.every() for f in payouts.ids_in(records, credit, [one])]
    evidence += named or [Finding.of("payout.no_id", line=case.item.id)]
    evidence.append(_own(case, BANK, credit))
    return evidence, payouts.near(case.payouts, [], [credit])


def _stray_line(case: Case) -> Findings:
    """A line of a report: whether any payment bears its id or its reference."""
    records, line = case.records, case.item.row
    id_ = records.text(SETTLEMENT, line, "provider_txn_id")
    reference = records.text(SETTLEMENT, line, "bill_reference")
    same = records.rows_with(PAYMENT, "provider_txn_id", id_)
    provider = records.text(SETTLEMENT, line, "provider")
    kind = records.text(SETTLEMENT, line, "kind")
    here = [pay for pay in same if records.text(PAYMENT, pay, "channel") == provider]
    equal = [pay for pay in here if records.text(PAYMENT, pay, "kind") == kind]
    named = records.named(reference)
    bills = (*named.exact, *named.repaired)
    pays = [pay for bill in bills for pay in records.payments_of(bill)]
    evidence = [
        Finding.of(
            "line.says",
            line=case.item.id,
            provider=provider,
            id=id_ or "—",
            reference=reference or "—",
        ),
        Finding.of("line.searched", kind=kind, count=len(equal), bills=len(bills)),
    ]
    others = list(dict.fromkeys([*here, *pays]))
    return evidence, rivals.other_payments(records, Layer.PROVIDER, others, [case.item.amount])


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
        _links(case)
        if layer is not Layer.PAYOUT
        else payouts.ids_in(records, case.item.row, case.payouts.of(case.rows(SETTLEMENT)))
    )
    evidence.append(_own(case, case.item.kind, case.item.row))
    evidence.append(_when(case))
    return evidence, [] if layer is Layer.PAYOUT else _beside(case)


def _when(case: Case) -> Finding:
    """The days of the lines: the earlier one settles."""
    records, kind = case.records, case.item.kind
    column = "occurred_at" if kind is SETTLEMENT else "value_date"
    rows = case.rows(kind)
    said = ", ".join(
        f"{records.id_of(kind, row)} {records.column(kind, column)[row]:%Y-%m-%d}" for row in rows
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
        evidence.append(_own(case, BANK, credit))
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
    evidence = _links(case)
    evidence += [_own(case, one.kind, one.row) for one in (case.item, *case.related)]
    counts = {kind: len(case.rows(kind)) for kind in ItemKind}
    evidence.append(
        Finding.of(
            "ambiguous.count", payments=counts[PAYMENT], lines=counts[BANK] + counts[SETTLEMENT],
        )
    )  # fmt: skip
    return evidence, _beside(case)


def _ambiguous_payout(case: Case) -> Findings:
    records = case.records
    credits_, own = case.rows(BANK), case.payouts.of(case.rows(SETTLEMENT))
    evidence = [payouts.net_of(one) for one in own]
    for credit in credits_:
        evidence += payouts.sender_of(case.payouts, credit)
        evidence += payouts.windows(records, credit, own)
        evidence.append(_own(case, BANK, credit))
    evidence.append(Finding.of("ambiguous.payouts", payouts=len(own), credits=len(credits_)))
    return evidence, payouts.near(case.payouts, own, credits_)


def _not_a_fee(case: Case) -> Findings:
    rule = NarrativeRules(case.records.contracts).first(case.narrative(), case.item.amount)
    evidence = [Finding.of("narrative.says", line=case.item.id, text=case.narrative())]
    if rule is not None:
        evidence.append(
            Finding.of("narrative.rule", line=case.item.id, pattern=rule.pattern, name=rule.name)
        )
    evidence += _names(case) + _resembling(case)
    return evidence, rivals.other_bills(case.records, case.item.row, ())


_BY_TYPE: Final[Mapping[MismatchType, Callable[[Case], Findings]]] = {
    MismatchType.NOT_SETTLED: _missing,
    MismatchType.REFUND_MISSING: _missing,
    MismatchType.TIMING_DIFFERENCE: _missing,
    MismatchType.PAYOUT_MISSING: _missing,
    MismatchType.STATUS_MISMATCH: _status,
    MismatchType.AMOUNT_MISMATCH: _amount,
    MismatchType.FEE_MISMATCH: _fee,
    MismatchType.UNRECORDED_RECEIPT: _receipt,
    MismatchType.UNRECORDED_REFUND: _stray_line,
    MismatchType.CHARGEBACK: _stray_line,
    MismatchType.DUPLICATE_PAYMENT: _again,
    MismatchType.DUPLICATE_LINE: _repeated,
    MismatchType.PAYOUT_MISMATCH: _payout,
    MismatchType.REVERSAL: _reversal,
    MismatchType.AMBIGUOUS: _ambiguous,
    MismatchType.NOT_A_FEE: _not_a_fee,
    MismatchType.UNRECORDED_DEBIT: _not_a_fee,
}
