"""The evidence of each match, by the rule that made it, in the provider and the direct layer."""

from collections.abc import Iterable, Sequence

from payments.references import canonical
from reconciliation.matching.certificates import rivals
from reconciliation.matching.certificates.model import Finding
from reconciliation.matching.certificates.records import BANK, PAYMENT, SETTLEMENT, Records, total
from reconciliation.matching.certificates.sightings import Sighting, find_reference
from reconciliation.matching.certificates.streams import find_dossier
from reconciliation.matching.model import Rule
from reconciliation.states import Layer

_PER_UNIT = 10_000
Findings = tuple[list[Finding], list[Finding]]
"""Evidence, and rivals."""


def provider(records: Records, rule: Rule, pays: Sequence[int], lines: Sequence[int]) -> Findings:
    """The provider's own id, or the bill reference; the sum; the fee of each line."""
    evidence = []
    if rule is Rule.BILL_REFERENCE:
        for line in lines:
            evidence += [_why_silent(records, line), *field_reference(records, line, pays[0])]
    else:
        evidence += [same_id(records, pays[0], line) for line in lines]
    evidence.append(equal_sums(records, Layer.PROVIDER, pays, lines))
    evidence += fees(records, pays, lines)
    return evidence, rivals.sharing_id(records, pays, lines)


def same_id(records: Records, pay: int, line: int) -> Finding:
    """The id that payment and settlement line share."""
    return Finding.of(
        "txn_id.equal",
        id=records.text(PAYMENT, pay, "provider_txn_id"),
        provider=records.text(SETTLEMENT, line, "provider"),
        payment=records.id_of(PAYMENT, pay),
        line=records.id_of(SETTLEMENT, line),
    )


def _why_silent(records: Records, line: int) -> Finding:
    txn_id = records.text(SETTLEMENT, line, "provider_txn_id")
    code = "txn_id.unknown" if txn_id else "txn_id.empty"
    return Finding.of(code, line=records.id_of(SETTLEMENT, line), id=txn_id)


def field_reference(records: Records, line: int, pay: int) -> list[Finding]:
    """The bill reference in a settlement line's own column."""
    text = records.text(SETTLEMENT, line, "bill_reference")
    found = find_reference(text, records.references[pay], records.prefix)
    item = records.id_of(SETTLEMENT, line)
    return [] if found is None else sighted(records, found, item, pay, "reference.field")


def fees(records: Records, pays: Sequence[int], lines: Sequence[int]) -> list[Finding]:
    """What was deducted is what the contract says, line by line or for all parts together."""
    found = [fee_of(records, line) for line in lines]
    if all(one.parameters["fee"] == one.parameters["contracted"] for one in found):
        return found
    due = total(records.amount(Layer.PROVIDER, PAYMENT, pay) for pay in pays)
    terms = records.contracts.providers[records.text(SETTLEMENT, lines[0], "provider")]
    contracted = rounded(due, terms.rate_bps) + terms.fixed
    fee = total(records.number(SETTLEMENT, line, "fee") for line in lines)
    return [
        Finding.of(
            "fee.together", gross=due, rate=terms.rate_bps, fixed=terms.fixed, fee=fee,
            contracted=contracted,
        )
    ]  # fmt: skip


def fee_of(records: Records, line: int) -> Finding:
    """The fee of one settlement line beside the contracted one, and its net amount."""
    gross, fee, net = (records.number(SETTLEMENT, line, name) for name in ("gross", "fee", "net"))
    provider_ = records.text(SETTLEMENT, line, "provider")
    said = {"line": records.id_of(SETTLEMENT, line), "gross": gross, "fee": fee, "net": net}
    terms = records.contracts.providers.get(provider_)
    if terms is None:
        return Finding.of("fee.no_terms", **said, provider=provider_, contracted="")
    if records.text(SETTLEMENT, line, "kind") != "payment":
        return Finding.of("fee.none", **said, contracted=0)
    contracted = rounded(gross, terms.rate_bps) + terms.fixed
    return Finding.of(
        "fee.contract", **said, rate=terms.rate_bps, fixed=terms.fixed, contracted=contracted
    )


def rounded(gross: int, rate_bps: int) -> int:
    """Gross × rate / 10000, half up."""
    return (2 * gross * rate_bps + _PER_UNIT) // (2 * _PER_UNIT)


def equal_sums(
    records: Records, layer: Layer, left: Sequence[int], right: Sequence[int]
) -> Finding:
    """Both sides of a match add up to the same."""
    first, second = (
        (SETTLEMENT, BANK)
        if layer is Layer.PAYOUT
        else (PAYMENT, SETTLEMENT if layer is Layer.PROVIDER else BANK)
    )
    return Finding.of(
        f"sum.{layer}",
        left=total(records.amount(layer, first, row) for row in left),
        right=total(records.amount(layer, second, row) for row in right),
        left_count=len(left),
        right_count=len(right),
    )


def direct(records: Records, rule: Rule, pays: Sequence[int], lines: Sequence[int]) -> Findings:
    """The bank's own reference, a bill reference in the narrative, or a dossier code."""
    bills = sorted({records.references[pay] for pay in pays} - {""})
    evidence: list[Finding] = []
    others: list[Finding] = []
    if rule is Rule.BANK_REFERENCE:
        evidence.append(same_bank_reference(records, pays[0], lines[0]))
    for line in lines:
        if rule is not Rule.BANK_REFERENCE:
            evidence += names_in(records, line, pays)
            if rule is Rule.DOSSIER_CODE:
                others += of_dossier(records, pays)
        others += rivals.other_bills(records, line, bills)
    evidence.append(equal_sums(records, Layer.DIRECT, pays, lines))
    if len(bills) == 1 and len(lines) == len(pays) > 1:
        evidence.append(whose_turn(pays, lines))
    others = rivals.around_bills(records, bills, pays, lines) + others
    return evidence, _distinct(others)


def _distinct(found: Iterable[Finding]) -> list[Finding]:
    kept: list[Finding] = []
    for one in found:
        if one not in kept:
            kept.append(one)
    return kept


def whose_turn(pays: Sequence[int], lines: Sequence[int]) -> Finding:
    """As many lines as payments of one bill and amount: they are one match, not told apart."""
    return Finding.of("turn.together", payments=len(pays), lines=len(lines))


def same_bank_reference(records: Records, pay: int, line: int) -> Finding:
    """The bank's reference that a credit notice and the statement share."""
    return Finding.of(
        "bank_ref.equal",
        id=records.text(BANK, line, "bank_ref"),
        payment=records.id_of(PAYMENT, pay),
        line=records.id_of(BANK, line),
    )


def names_in(records: Records, line: int, pays: Sequence[int]) -> list[Finding]:
    """Where a narrative bears the bills of these payments, or else their dossier code."""
    narrative, item = records.text(BANK, line, "narrative"), records.id_of(BANK, line)
    found: list[Finding] = []
    for bill, pay in _first_of_each(records, pays).items():
        sighting = find_reference(narrative, bill, records.prefix) if bill else None
        if sighting is not None:
            found += sighted(records, sighting, item, pay, "reference.narrative")
        else:
            found += dossier_in(records, line, pay)
    return found


def _first_of_each(records: Records, pays: Sequence[int]) -> dict[str, int]:
    """The first payment of each bill."""
    found: dict[str, int] = {}
    for pay in pays:
        found.setdefault(records.references[pay], pay)
    return found


def sighted(records: Records, found: Sighting, item: str, pay: int, code: str) -> list[Finding]:
    """A sighting as findings: where, how it was spelt, and what was repaired."""
    reference = records.references[pay]
    where = {"line": item, "reference": reference}
    place = Finding.of(
        code,
        **where,
        payment=records.id_of(PAYMENT, pay),
        start=found.start + 1,
        end=found.end,
        text=found.text,
        read=found.read,
    )
    rest = [
        Finding(one.code, {**one.parameters, **where}) for one in (*found.folding, *found.repairs)
    ]
    if found.is_whole and reference.startswith(canonical(records.prefix)):
        rest.append(Finding.of("reference.whole", **where))
    return [place, *rest]


def dossier_in(records: Records, line: int, pay: int) -> list[Finding]:
    """Where a narrative bears a payment's dossier code."""
    code = records.text(PAYMENT, pay, "dossier_code")
    found = find_dossier(records.text(BANK, line, "narrative"), code) if code else None
    if found is None:
        return []
    start, end, cut = found
    said = {
        "line": records.id_of(BANK, line),
        "dossier": code,
        "payment": records.id_of(PAYMENT, pay),
        "start": str(start + 1),
        "end": str(end),
        "text": records.text(BANK, line, "narrative")[start:end],
    }
    return [Finding.of("dossier.cut", **said, count=cut) if cut else Finding("dossier.read", said)]


def of_dossier(records: Records, pays: Sequence[int]) -> list[Finding]:
    """The other bills of the dossier, which one only may be open."""
    code = records.text(PAYMENT, pays[0], "dossier_code")
    bill = records.references[pays[0]]
    same = records.rows_with(PAYMENT, "dossier_code", code)
    others = [pay for pay in same if records.references[pay] != bill]
    wanted = [records.amount(Layer.DIRECT, PAYMENT, pay) for pay in pays]
    return rivals.other_payments(records, Layer.DIRECT, others, wanted)
