"""What may be wrong with a result: one stable code each, and what the contract says of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

CONTRACT: Final[Mapping[str, str]] = {
    "row_order": "rows are sorted by layer, id, item_kind, item_id",
    "unknown_item": "an item stands only in the layers that it passes through",
    "item_twice": "an item stands once in each layer",
    "item_missing": "every due item is matched or flagged in each layer",
    "bank_layer": "a bank line is in payout or in direct, never in both",
    "provider_credit": "a credit from a provider's account or name is payout",
    "item_amount": "amount is the item's own in that layer",
    "match_id": "match_id is the digest of the match's items",
    "match_rule": "a match has one rule, one layer and the confidence of its rule",
    "match_balance": "both sides of a match have equal sums",
    "summary_input": "summary.json says rows and SHA-256 of each input",
    "summary_figure": "summary.json counts what inputs, matches and mismatches hold",
    "unknown_rule": "a match names a rule of its layer",
    "evidence_missing": "the evidence that the rule names is in the items",
    "evidence_rival": "a match is made only on evidence that singles it out",
    "evidence_terms": "status, currency, fee and net of what is matched are as agreed",
    "mismatch_id": "mismatch_id is the digest of layer, kind, id and type",
    "unknown_type": "a mismatch has a type that its item can have in its layer",
    "related_items": "related_items are known items, and named where the type needs them",
    "type_definition": "the type is what its definition says",
    "type_evidence": "an item with evidence that singles it out is not flagged as without",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: code, file, row (from 1; 0 the whole file), item, what is there."""

    code: str
    file: str
    row: int
    item: str
    there: str

    @property
    def contract(self) -> str:
        """What the contract says."""
        return CONTRACT[self.code]

    @override
    def __str__(self) -> str:
        where = f"{self.file} row {self.row}" if self.row else self.file
        return f"{self.code}  {where}  {self.item}: {self.contract}; here {self.there}"
