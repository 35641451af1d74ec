"""The layout of providers' settlement reports as data."""

from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict

from adapters.statements.tables.profile import Mark, Pattern, load_layouts

Kind = Literal["payment", "refund", "chargeback", "skip"]


class SettlementMap(BaseModel):
    """How one provider lays out its settlement report.

    Attributes:
        columns: role to header texts. Roles: provider_txn_id, bill_reference, kind, status,
            currency, gross, fee, vat, net, occurred_at, payout_id, payout_date, report_id.
        required: the roles without which a row is no header.
        kinds: the provider's words to what the line is; ``skip`` passes it over.
        final_statuses: words of lines whose money is certain; empty if there is no such column.
        signs: ``signed`` as printed, or ``by_kind``: printed positive, negative for money back.
        bill_pattern: a pattern whose group ``bill`` is our bill reference in the provider's
            order id (bill reference, hyphen, attempt).
        currency: of lines that state none.
        offset_minutes: east of UTC, of times without an offset.
        report_labels: texts that stand before the report's id above the table.
        demonstration: the layout is ours, because the real one is contractual.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    provider: str
    title: str
    provenance: str
    demonstration: bool
    columns: dict[str, tuple[Mark, ...]]
    required: tuple[str, ...]
    kinds: dict[Mark, Kind]
    final_statuses: tuple[Mark, ...] = ()
    signs: Literal["signed", "by_kind"]
    bill_pattern: Pattern
    currency: str
    offset_minutes: int
    report_labels: tuple[Mark, ...] = ()
    totals: tuple[Mark, ...] = ()
    encoding: str = "cp1258"


@cache
def settlement_maps() -> tuple[SettlementMap, ...]:
    """The settlement maps that ship with the product, by name."""
    return tuple(
        SettlementMap.model_validate(data) for data in load_layouts("statements", "settlement_maps")
    )
