"""A mismatch with everything it is about, and what several types of mismatch show of it."""

from dataclasses import dataclass

from reconciliation.matching.certificates import matched, rivals
from reconciliation.matching.certificates.model import CertifiedItem, Finding
from reconciliation.matching.certificates.payouts import Payouts
from reconciliation.matching.certificates.records import BANK, PAYMENT, SETTLEMENT, Records
from reconciliation.states import ItemKind, Layer


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


def own_amount(case: Case, kind: ItemKind, row: int) -> Finding:
    """What one item is of."""
    records = case.records
    return Finding.of(
        "item.amount",
        item=records.id_of(kind, row),
        kind=kind,
        amount=records.amount(case.layer, kind, row),
        currency=records.text(kind, row, "currency"),
    )


def links(case: Case) -> list[Finding]:
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


def beside(case: Case) -> list[Finding]:
    """What else bears the bills or ids of a mismatch's payments."""
    records, pays = case.records, case.rows(PAYMENT)
    if case.layer is Layer.PROVIDER:
        return rivals.sharing_id(records, pays, case.rows(SETTLEMENT))
    bills = [records.references[pay] for pay in pays if records.references[pay]]
    return rivals.around_bills(records, bills, pays, case.rows(BANK))
