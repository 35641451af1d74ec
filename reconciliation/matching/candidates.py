"""What may be said of a line that nothing explains: a narrative rule, and look-alike payments.

A name, or an amount, or both, prove nothing; they only tell the officer where to look first.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

import numpy as np

from payments.references import fold
from reconciliation.matching.decisions import MOST_CANDIDATES, Decisions, Item
from reconciliation.matching.model import Contracts, NarrativeTerms
from reconciliation.states import ItemKind, Layer

_FEW: Final = 3
"""So many payments of the same amount are worth naming; more are no hint at all."""


class NarrativeRules:
    """The narrative rules of the contracts, tried in their order."""

    def __init__(self, contracts: Contracts) -> None:
        self._rules = [
            (re.compile(rule.pattern, re.IGNORECASE), rule) for rule in contracts.narrative_rules
        ]

    def first(self, narrative: str, amount: int) -> NarrativeTerms | None:
        """The first rule of the line's side whose pattern stands in the narrative."""
        side = "credit" if amount >= 0 else "debit"
        texts = {narrative, " ".join(fold(narrative).split())}
        for pattern, rule in self._rules:
            if rule.side == side and any(pattern.search(text) for text in texts):
                return rule
        return None


class LookAlikes:
    """Open payments that resemble lines without usable reference."""

    def __init__(self, decisions: Decisions, rows: Iterable[int]) -> None:
        self._bank = decisions.tables.bank
        payments = decisions.tables.payments
        wanted = np.unique(self._bank.amount[list(rows)])
        free = payments.direct & ~decisions.taken[Layer.DIRECT, ItemKind.PAYMENT]
        free &= (payments.succeeded | payments.pending) & np.isin(payments.signed, wanted)
        self._by_amount: dict[int, list[int]] = defaultdict(list)
        for pay in np.flatnonzero(free).tolist():
            self._by_amount[int(payments.signed[pay])].append(pay)
        self._by_name: dict[tuple[int, str], list[int]] = defaultdict(list)
        for amount, pays in self._by_amount.items():
            for pay in pays:
                self._by_name[amount, _name(payments.payer[pay])].append(pay)

    def of(self, row: int) -> list[Item]:
        """Payments of the same amount and name; else those of the same amount if few."""
        amount = int(self._bank.amount[row])
        same = self._by_name.get((amount, _name(self._bank.name[row])), [])
        if not same and len(self._by_amount.get(amount, ())) <= _FEW:
            same = self._by_amount.get(amount, [])
        return [(ItemKind.PAYMENT, pay) for pay in same[:MOST_CANDIDATES]]


def _name(text: str) -> str:
    return " ".join(fold(text).split())
