"""What the direct layer asks of its items and does to them, whichever step is at work."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Final

import numpy as np

from reconciliation.matching.arrays import Bools, Ints
from reconciliation.matching.decisions import MOST_CANDIDATES, Decisions
from reconciliation.matching.model import CURRENCY, Rule
from reconciliation.matching.tables import Tables
from reconciliation.states import ItemKind, Layer, MismatchType

_LAYER: Final = Layer.DIRECT
_PAYMENT: Final = ItemKind.PAYMENT
_BANK: Final = ItemKind.BANK


class Strength(IntEnum):
    """How a line names a bill. Only ``WHOLE`` proves itself; the others need the amount."""

    WHOLE = 0
    REPAIRED = 1
    DOSSIER = 2
    PART = 3
    """A damaged reference, or a dossier code, without an agreeing amount of its own."""


RULES: Final[Mapping[Strength, Rule]] = {
    Strength.WHOLE: Rule.NARRATIVE_REFERENCE,
    Strength.REPAIRED: Rule.NARRATIVE_REFERENCE_REPAIRED,
    Strength.DOSSIER: Rule.DOSSIER_CODE,
    Strength.PART: Rule.NARRATIVE_REFERENCE_REPAIRED,
}


@dataclass(frozen=True, slots=True)
class Named:
    """A line that names one bill."""

    row: int
    strength: Strength


@dataclass(slots=True)
class Side:
    """Credits with payments, or debits with refunds and remittances."""

    sign: int
    pays_of: dict[int, list[int]] = field(default_factory=dict)
    """Direct payments of this side by bill, earliest first."""
    lines_of: dict[int, list[Named]] = field(default_factory=lambda: defaultdict(list))
    """Lines that name exactly this bill."""
    joint: dict[tuple[int, ...], list[int]] = field(default_factory=lambda: defaultdict(list))
    """Lines that name several bills."""
    unsure: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """Lines that may name one of several bills."""


def agree(tables: Tables, pays: Ints, rows: Ints) -> Bools:
    """Whether the line may settle the payment and is of its amount, pair by pair."""
    payments, bank = tables.payments, tables.bank
    return np.asarray(
        (payments.signed[pays] == bank.amount[rows])
        & (payments.succeeded[pays] | payments.pending[pays])
        & payments.in_currency[pays]
        & bank.in_currency[rows],
        dtype=bool,
    )


class Desk:
    """The tables and decisions of the direct layer, with the questions every step asks."""

    def __init__(self, decisions: Decisions) -> None:
        self.decisions = decisions
        self.payments = decisions.tables.payments
        self.bank = decisions.tables.bank
        self.settled_by = np.full(len(self.payments.ids), -1, dtype=np.int64)
        """The (first) line that settles each payment."""

    def is_able(self, pay: int) -> bool:
        """Whether money may settle it: pending or succeeded."""
        return bool(self.payments.succeeded[pay] or self.payments.pending[pay])

    def is_free(self, row: int) -> bool:
        """Whether the line is still undecided."""
        return self.decisions.is_free(_LAYER, (_BANK, row))

    def is_free_payment(self, pay: int) -> bool:
        """Whether the payment is still undecided."""
        return self.decisions.is_free(_LAYER, (_PAYMENT, pay))

    def are_free(self, pays: Ints, rows: Ints) -> Bools:
        """Whether payment and line are both undecided, pair by pair."""
        taken = self.decisions.taken
        return np.asarray(~(taken[_LAYER, _PAYMENT][pays] | taken[_LAYER, _BANK][rows]), dtype=bool)

    def agree(self, pays: Ints, rows: Ints) -> Bools:
        """Whether the line may settle the payment and is of its amount, pair by pair."""
        return agree(self.decisions.tables, pays, rows)

    def fits(self, pay: int, row: int, *, sign: int = 1) -> bool:
        """Whether both are of the contract's currency and of one amount."""
        return bool(
            self.payments.in_currency[pay]
            and self.bank.in_currency[row]
            and self.payments.signed[pay] == sign * self.bank.amount[row]
        )

    def amount(self, pays: Sequence[int]) -> int:
        """What the payments add up to, signed."""
        return sum(self.payments.signed[list(pays)].tolist())

    def in_order(self, rows: Iterable[int]) -> list[int]:
        """Earliest value date first, then by line id: the first settles."""
        some = list(rows)
        if len(some) > 1:
            some.sort(key=lambda row: (int(self.bank.value_day[row]), self.bank.ids[row]))
        return some

    def match(self, rule: Rule, pays: Sequence[int], rows: Sequence[int]) -> None:
        """Match, and remember the line that settles each payment."""
        self.decisions.match(_LAYER, rule, pays, rows)
        for pay in pays:
            self.settled_by[pay] = rows[0]

    def match_pairs(self, rule: Rule, pays: Ints, rows: Ints) -> None:
        """Match one to one, and remember the line that settles each payment."""
        self.decisions.match_pairs(_LAYER, rule, pays, rows)
        self.settled_by[pays] = rows

    def flag_again(self, row: int, pay: int) -> None:
        """A second real receipt for what is settled already; a second debit is left undecided."""
        settling = int(self.settled_by[pay])
        amount = int(self.bank.amount[row])
        if amount < 0:
            return
        by = self.payments.ids[pay] if settling < 0 else self.bank.ids[settling]
        self.decisions.flag(
            MismatchType.DUPLICATE_PAYMENT,
            _LAYER,
            (_BANK, row),
            related=[(_PAYMENT, pay), *([] if settling < 0 else [(_BANK, settling)])],
            expected=0,
            actual=amount,
            amount=amount,
            settled_by=by,
        )

    def flag_amount(self, pays: list[int], rows: list[int]) -> None:
        """The reference agrees, the amount does not: every item that shares it is flagged."""
        foreign = {self.bank.currency[row] for row in rows}
        foreign |= {self.payments.currency[pay] for pay in pays}
        foreign -= {CURRENCY}
        self.flag_both(
            MismatchType.AMOUNT_MISMATCH,
            pays,
            rows,
            expected=self.amount(pays),
            actual=int(self.bank.amount[rows].sum()),
            variant="currency" if foreign else "",
            currency=", ".join(sorted(foreign)),
            expected_currency=CURRENCY,
        )

    def flag_status(self, side: Side, pays: list[int], rows: list[int]) -> None:
        """Money moved for what we hold as failed, expired or cancelled.

        Where the amount does not single out one of several payments, only the line is flagged.
        """
        equal = [p for p in pays if any(self.fits(p, row) for row in rows)]
        meant = equal or pays
        self.flag_both(
            MismatchType.STATUS_MISMATCH,
            meant,
            rows,
            only_lines=len(meant) > 1,
            expected="pending or succeeded",
            actual=self.payments.status[meant[0]],
            variant="" if side.sign > 0 else "sent",
            status=self.payments.status[meant[0]],
        )

    def flag_both(
        self,
        type_: MismatchType,
        pays: list[int],
        rows: list[int],
        *,
        only_lines: bool = False,
        **said: Any,
    ) -> None:
        """Flag payments and lines, each with the other side as related items."""
        items = [*((_PAYMENT, pay) for pay in pays), *((_BANK, row) for row in rows)]
        for item in items[len(pays) if only_lines else 0 :]:
            related = [other for other in items if other[0] is not item[0]]
            self.decisions.flag(type_, _LAYER, item, related=related, **said)

    def flag_ambiguous(self, side: Side, rows: Sequence[int], bills: Sequence[int]) -> None:
        """More than one bill may be meant."""
        pays = [p for bill in bills for p in side.pays_of.get(bill, ()) if self.is_able(p)]
        self.flag_ambiguous_payments(rows, pays)

    def flag_ambiguous_payments(self, rows: Sequence[int], pays: Sequence[int]) -> None:
        """More than one reading. Payments are flagged only if they are due."""
        items = [*((_PAYMENT, pay) for pay in pays), *((_BANK, row) for row in rows)]
        for pay in pays:
            if self.payments.succeeded[pay] and self.is_free_payment(pay):
                self.decisions.flag(
                    MismatchType.AMBIGUOUS,
                    _LAYER,
                    (_PAYMENT, pay),
                    related=[i for i in items if i[0] is _BANK][:MOST_CANDIDATES],
                    variant="payment",
                )
        for row in rows:
            if self.is_free(row):
                self.decisions.flag(
                    MismatchType.AMBIGUOUS,
                    _LAYER,
                    (_BANK, row),
                    related=items[:MOST_CANDIDATES],
                    actual=int(self.bank.amount[row]),
                )
