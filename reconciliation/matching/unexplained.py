"""The direct layer's rest: lines that nothing recorded explains, and what may be said of them."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import numpy as np

from reconciliation.matching.candidates import LookAlikes, NarrativeRules
from reconciliation.matching.decisions import MOST_CANDIDATES, Item
from reconciliation.matching.desk import Desk
from reconciliation.matching.reading import BankReading
from reconciliation.matching.references import Reading
from reconciliation.states import ItemKind, Layer, MismatchType

_LAYER: Final = Layer.DIRECT
_PAYMENT: Final = ItemKind.PAYMENT
_BANK: Final = ItemKind.BANK


class UnexplainedLines:
    """Flags each bank line of the layer that is still undecided."""

    def __init__(self, desk: Desk, read: BankReading) -> None:
        self.desk = desk
        self.read = read
        self.payments = desk.payments
        self.bank = desk.bank

    def flag_rest(self) -> None:
        """Lines that nothing recorded explains: by narrative rule, or unrecorded."""
        rows = np.flatnonzero(self.read.mine & ~self.desk.decisions.taken[_LAYER, _BANK]).tolist()
        rules = NarrativeRules(self.read.contracts)
        look_alikes = LookAlikes(self.desk.decisions, rows)
        elsewhere = self._paid_elsewhere(rows)
        for row in rows:
            rule = rules.first(self.bank.narrative[row], int(self.bank.amount[row]))
            if elsewhere.get(row):
                self._flag_elsewhere(row, elsewhere[row])
            elif rule is not None:
                self._flag_rule(row, rule.type, rule.name, look_alikes.of(row))
            elif self.bank.amount[row] < 0:
                self._flag_debit(row, look_alikes.of(row))
            else:
                self._flag_receipt(row, look_alikes.of(row))

    def _paid_elsewhere(self, rows: Iterable[int]) -> dict[int, list[int]]:
        """For credits that name bills without a transfer: the payments by other channels."""
        named = {
            row: self.read.readings[row].exact
            for row in rows
            if row in self.read.readings and self.bank.amount[row] >= 0
        }
        wanted = np.asarray(sorted({b for bills in named.values() for b in bills}), dtype=np.int64)
        hit = np.isin(self.payments.bill, wanted) & ~self.payments.direct
        pays_of: dict[int, list[int]] = defaultdict(list)
        for pay in np.flatnonzero(hit & (self.payments.signed > 0)).tolist():
            pays_of[int(self.payments.bill[pay])].append(pay)
        return {
            row: [p for bill in bills for p in pays_of.get(bill, ())]
            for row, bills in named.items()
        }

    def _flag_elsewhere(self, row: int, pays: list[int]) -> None:
        settled = [
            p
            for p in pays
            if self.payments.succeeded[p] and self.payments.signed[p] == self.bank.amount[row]
        ]
        if settled:
            self.desk.flag_again(row, settled[0])
            return
        amount = int(self.bank.amount[row])
        self.desk.decisions.flag(
            MismatchType.UNRECORDED_RECEIPT,
            _LAYER,
            (_BANK, row),
            related=[(_PAYMENT, pay) for pay in pays[:MOST_CANDIDATES]],
            actual=amount,
            variant="other_channel",
            amount=amount,
        )

    def _flag_rule(self, row: int, type_: MismatchType, name: str, related: list[Item]) -> None:
        amount = int(self.bank.amount[row])
        self.desk.decisions.flag(
            type_,
            _LAYER,
            (_BANK, row),
            related=related,
            actual=amount,
            amount=abs(amount),
            name=name,
        )

    def _flag_debit(self, row: int, related: list[Item]) -> None:
        amount = int(self.bank.amount[row])
        self.desk.decisions.flag(
            MismatchType.UNRECORDED_DEBIT,
            _LAYER,
            (_BANK, row),
            related=related,
            actual=amount,
            amount=-amount,
        )

    def _flag_receipt(self, row: int, related: list[Item]) -> None:
        reading = self.read.readings.get(row, Reading())
        prefix = self.read.contracts.reference_prefix
        amount = int(self.bank.amount[row])
        repaired = [
            (_PAYMENT, pay)
            for bill in reading.repaired
            for pay in self.read.credit.pays_of.get(bill, ())
        ]
        variant = ""
        if reading.unknown and not reading.exact:
            variant = "unknown_bill"
        elif repaired:
            variant, related = "damaged", repaired[:MOST_CANDIDATES]
        elif related:
            variant = "candidates"
        self.desk.decisions.flag(
            MismatchType.UNRECORDED_RECEIPT,
            _LAYER,
            (_BANK, row),
            related=related,
            actual=amount,
            variant=variant,
            amount=amount,
            reference=" ".join(prefix + code for code in reading.unknown),
        )
