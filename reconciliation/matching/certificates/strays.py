"""The evidence of lines that nothing recorded explains: what they say, and whom they resemble."""

import re

from payments.references import fold
from reconciliation.matching.certificates import matched, payouts, rivals
from reconciliation.matching.certificates.case import Case, own_amount
from reconciliation.matching.certificates.matched import Findings
from reconciliation.matching.certificates.model import Finding
from reconciliation.matching.certificates.records import BANK, PAYMENT, SETTLEMENT, same_name
from reconciliation.matching.certificates.sightings import find_reference
from reconciliation.states import Layer


def receipt(case: Case) -> Findings:
    """Money that nothing explains: what it says, and whom it resembles."""
    if case.layer is Layer.PAYOUT:
        return _credit(case)
    if case.layer is Layer.PROVIDER:
        return report_line(case)
    return by_narrative(case)


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


def _credit(case: Case) -> Findings:
    records, credit = case.records, case.item.row
    evidence = payouts.sender_of(case.payouts, credit)
    named = [f for one in case.payouts.every() for f in payouts.ids_in(records, credit, [one])]
    evidence += named or [Finding.of("payout.no_id", line=case.item.id)]
    evidence.append(own_amount(case, BANK, credit))
    return evidence, payouts.near(case.payouts, [], [credit])


def report_line(case: Case) -> Findings:
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


def by_narrative(case: Case) -> Findings:
    """A bank line whose narrative a rule of the contracts may name."""
    records, line = case.records, case.item.row
    evidence = [
        Finding.of("narrative.says", line=case.item.id, text=case.narrative()),
        *_ruled(case),
        *_names(case),
        *_resembling(case),
    ]
    return evidence, rivals.other_bills(records, line, ())


def _ruled(case: Case) -> list[Finding]:
    """The first narrative rule of the line's side whose pattern stands in the narrative."""
    side = "credit" if case.item.amount >= 0 else "debit"
    texts = (case.narrative(), " ".join(fold(case.narrative()).split()))
    for rule in case.records.contracts.narrative_rules:
        pattern = re.compile(rule.pattern, re.IGNORECASE)
        if rule.side == side and any(pattern.search(text) for text in texts):
            said = {"pattern": rule.pattern, "name": rule.name}
            return [Finding.of("narrative.rule", line=case.item.id, **said)]
    return []
