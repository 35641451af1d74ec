"""The provider layer: payments and refunds with the lines of their provider's reports."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from reconciliation.matching.arrays import Bools, Ints, together
from reconciliation.matching.decisions import MOST_CANDIDATES, Decisions, Item
from reconciliation.matching.model import CURRENCY, Contracts, Rule
from reconciliation.matching.said import Said
from reconciliation.matching.tables import Tables
from reconciliation.states import ItemKind, Layer, MismatchType

_LAYER: Final = Layer.PROVIDER
_PAYMENT: Final = ItemKind.PAYMENT
_LINE: Final = ItemKind.SETTLEMENT
_PER_UNIT: Final = 10_000
"""Basis points in one."""

BillPlace = tuple[str, str, int]
"""Provider, kind and bill."""


def decide(decisions: Decisions, contracts: Contracts, said: Said) -> None:
    """Decide every settlement line of this layer and every payment that one of them speaks of."""
    layer = _ProviderLayer(decisions, contracts, said)
    layer.flag_repeated()
    speaking = layer.decide_by_id()
    layer.decide_by_reference(~speaking)
    layer.flag_unrecorded()


def contracted_fees(tables: Tables, contracts: Contracts) -> Ints:
    """The fee each settlement line should carry; -1 where the contracts name no terms.

    round(gross × rate_bps / 10000) + fixed on payments, half up; 0 on refunds and chargebacks.
    """
    lines = tables.settlements
    expected = np.full(len(lines.ids), -1, dtype=np.int64)
    pays = lines.kind.are("payment")
    for name, terms in contracts.providers.items():
        share = (lines.gross * terms.rate_bps * 2 + _PER_UNIT) // (2 * _PER_UNIT)
        fee = np.where(pays, share + terms.fixed, 0)
        expected = np.where(lines.provider.are(name), fee, expected)
    return expected.astype(np.int64)


def agree(tables: Tables, fees: Ints, pays: Ints, rows: Ints) -> Bools:
    """Whether the line settles the payment and nothing about it is wrong, pair by pair.

    ``fees`` are the contracted ones of all lines.
    """
    payments, lines = tables.payments, tables.settlements
    return np.asarray(
        (payments.signed[pays] == lines.gross[rows])
        & payments.succeeded[pays]
        & payments.in_currency[pays]
        & lines.in_currency[rows]
        & (lines.fee[rows] == fees[rows])
        & (lines.net[rows] == lines.gross[rows] - lines.fee[rows]),
        dtype=bool,
    )


class _ProviderLayer:
    def __init__(self, decisions: Decisions, contracts: Contracts, said: Said) -> None:
        self.decisions = decisions
        self.payments = decisions.tables.payments
        self.lines = decisions.tables.settlements
        self.contracts = contracts
        self.readings = said.settlements
        self.fees = contracted_fees(decisions.tables, contracts)
        self.counted = (self.lines.original < 0) & ~self.lines.kind.are("chargeback")
        self.settled_by = np.full(len(self.payments.ids), -1, dtype=np.int64)
        """The (first) line that settles each payment."""

    def flag_repeated(self) -> None:
        """A line that only repeats an earlier report's."""
        for row in np.flatnonzero(self.lines.original >= 0).tolist():
            original = int(self.lines.original[row])
            self.decisions.flag(
                MismatchType.DUPLICATE_LINE,
                _LAYER,
                (_LINE, row),
                related=[(_LINE, original)],
                original=self.lines.ids[original],
            )

    # --- evidence 1: the provider's own id --------------------------------------------------

    def decide_by_id(self) -> Bools:
        """Decide the lines whose id is a payment's. True for each line whose id speaks."""
        pay_key, line_key = self._keys()
        usable = ~self.payments.direct & self.payments.txn_id.are_said()
        open_line = self.counted & self.lines.txn_id.are_said()
        size = 1 + max(int(pay_key.max(initial=-1)), int(line_key.max(initial=-1)))
        pay_count = np.bincount(pay_key[usable], minlength=size)
        line_count = np.bincount(line_key[open_line], minlength=size)
        speaking = np.asarray(open_line & (pay_count[line_key] > 0), dtype=bool)
        single = (pay_count == 1) & (line_count == 1)
        pay_of_key = np.full(size, -1, dtype=np.int64)
        pay_of_key[pay_key[usable]] = np.flatnonzero(usable)
        plain = np.flatnonzero(speaking & single[line_key])
        self._match_plain(pay_of_key[line_key[plain]], plain)
        self._decide_id_groups(np.where(usable, pay_key, -1), np.where(speaking, line_key, -1))
        return speaking

    def _keys(self) -> tuple[Ints, Ints]:
        """One number for each provider, kind and id, on either side."""
        ids = np.concatenate(self.payments.txn_id.codes_with(self.lines.txn_id))
        channels = sorted({*self.payments.channel.words, *self.lines.provider.words})
        kinds = sorted({*self.payments.kind.words, *self.lines.kind.words})
        mine = self.payments.channel.codes_in(channels), self.payments.kind.codes_in(kinds)
        theirs = self.lines.provider.codes_in(channels), self.lines.kind.codes_in(kinds)
        place = [np.concatenate(pair) for pair in zip(mine, theirs, strict=True)]
        keys = together(ids, *place)
        return keys[: len(mine[0])], keys[len(mine[0]) :]

    def _match_plain(self, pays: Ints, rows: Ints) -> None:
        """One payment, one line, everything agrees: matched without looking at rows."""
        agrees = agree(self.decisions.tables, self.fees, pays, rows)
        self.settled_by[pays[agrees]] = rows[agrees]
        self.decisions.match_pairs(_LAYER, Rule.TXN_ID, pays[agrees], rows[agrees])

    def _decide_id_groups(self, pay_key: Ints, line_key: Ints) -> None:
        """The residue: ids with several payments or lines, or where something disagrees."""
        lines_of: dict[int, list[int]] = defaultdict(list)
        free = ~self.decisions.taken[_LAYER, _LINE] & (line_key >= 0)
        for row in np.flatnonzero(free).tolist():
            lines_of[int(line_key[row])].append(row)
        pays_of: dict[int, list[int]] = defaultdict(list)
        wanted = np.isin(pay_key, np.asarray(sorted(lines_of), dtype=np.int64))
        for pay in np.flatnonzero(wanted).tolist():
            pays_of[int(pay_key[pay])].append(pay)
        self._read(row for key, rows in lines_of.items() if len(pays_of[key]) > 1 for row in rows)
        for key, rows in sorted(lines_of.items()):
            self._decide_id_group(pays_of[key], self._in_order(rows))

    def _decide_id_group(self, pays: list[int], rows: list[int]) -> None:
        if not self.payments.succeeded[pays].any():
            self._flag_status(pays, rows)
        elif len(pays) > 1:
            self._tell_apart(pays, rows)
        else:
            self._decide_payment(pays[0], rows, Rule.TXN_ID)

    def _tell_apart(self, pays: list[int], rows: list[int]) -> None:
        """Several payments bear one id: amount and reference have to single one out."""
        for row in rows:
            fits = [p for p in pays if self.payments.succeeded[p] and self._fits(p, row)]
            named = [p for p in fits if self._is_named(p, row)]
            rivals = [r for r in rows if r != row and self.lines.gross[r] == self.lines.gross[row]]
            chosen = named or fits
            unrivalled = not rivals or (
                bool(named) and not any(self._is_named(chosen[0], r) for r in rivals)
            )
            if len(chosen) == 1 and unrivalled and self._is_free_payment(chosen[0]):
                self._settle(chosen[0], [row], Rule.TXN_ID)
        left = [row for row in rows if self._is_free(row)]
        self._flag_ambiguous([p for p in pays if self.payments.succeeded[p]], left)

    def _decide_payment(self, pay: int, rows: list[int], rule: Rule) -> None:
        """One line settles it, or all of them together do; what is left came again."""
        due = int(self.payments.signed[pay])
        same_money = bool(self.payments.in_currency[pay] and self.lines.in_currency[rows].all())
        whole = next((row for row in rows if self._fits(pay, row)), None)
        if whole is not None:
            self._settle(pay, [whole], rule)
            for row in rows:
                if row != whole:
                    self._flag_again(row, pay)
        elif same_money and len(rows) > 1 and int(self.lines.gross[rows].sum()) == due:
            self._settle(pay, rows, Rule.TXN_ID_PARTS)
        else:
            self._flag_amount([pay], rows)

    # --- evidence 2: the bill reference with an equal amount --------------------------------

    def decide_by_reference(self, silent: Bools) -> None:
        """Decide the lines whose id says nothing, by bill and amount."""
        rows = np.flatnonzero(silent & self.counted).tolist()
        if not rows:
            return
        self._read(rows)
        pays_of = self._payments_of_bills(rows)
        groups: dict[BillPlace, list[int]] = defaultdict(list)
        for row in rows:
            bill = self._bill_of(row, pays_of)
            place = (self.lines.provider[row], self.lines.kind[row], -1 if bill is None else bill)
            if place in pays_of:
                groups[place].append(row)
        for place, named in sorted(groups.items()):
            self._decide_bill(pays_of[place], self._in_order(named))

    def _payments_of_bills(self, rows: Iterable[int]) -> Mapping[BillPlace, list[int]]:
        """The payments of every bill that one of these lines may name."""
        readings = [self.readings[row] for row in rows]
        named = {bill for one in readings for bill in (*one.exact, *one.repaired)}
        found: dict[BillPlace, list[int]] = {}
        known = ~self.payments.direct & np.isin(self.payments.bill, sorted(named))
        for pay in np.flatnonzero(known).tolist():
            place = (self.payments.channel[pay], self.payments.kind[pay])
            found.setdefault((*place, int(self.payments.bill[pay])), []).append(pay)
        return found

    def _bill_of(self, row: int, pays_of: Mapping[BillPlace, list[int]]) -> int | None:
        """The bill that the line's reference names; a repaired one only if the amount agrees."""
        reading = self.readings[row]
        if len(reading.exact) == 1:
            return reading.exact[0]
        if reading.exact or reading.unknown:
            return None
        place = (self.lines.provider[row], self.lines.kind[row])
        agreeing = [
            bill
            for bill in reading.repaired
            if any(self._fits(pay, row) for pay in pays_of.get((*place, bill), ()))
        ]
        return agreeing[0] if len(agreeing) == 1 else None

    def _decide_bill(self, pays: list[int], rows: list[int]) -> None:
        """Lines that name one bill by reference, and its payments by that provider."""
        by_amount: dict[int, list[int]] = defaultdict(list)
        for row in rows:
            by_amount[int(self.lines.gross[row])].append(row)
        for _, same in sorted(by_amount.items()):
            self._decide_bill_amount(pays, same)
        self._flag_bill_rest(pays, [row for row in rows if self._is_free(row)])

    def _decide_bill_amount(self, pays: list[int], rows: list[int]) -> None:
        fresh = [row for row in rows if not self._is_retold(row, pays)]
        if not fresh:
            return
        fits = [p for p in pays if self._is_free_payment(p) and self._fits(p, fresh[0])]
        due = [p for p in fits if self.payments.succeeded[p]]
        if len(due) == 1:
            self._decide_payment(due[0], fresh, Rule.BILL_REFERENCE)
        elif due:
            self._flag_ambiguous(due, fresh)
        elif len(fits) == 1:
            self._flag_status(fits, fresh)

    def _flag_bill_rest(self, pays: list[int], rows: list[int]) -> None:
        """No free payment of the bill has this amount: settled already, or it differs."""
        for row in rows:
            settled = [p for p in pays if not self._is_free_payment(p) and self._fits(p, row)]
            if settled:
                self._flag_again(row, settled[0])
        rest = [row for row in rows if self._is_free(row)]
        free = [p for p in pays if self._is_free_payment(p)]
        due = [p for p in free if self.payments.succeeded[p]]
        if rest and due:
            self._flag_amount(due, rest)
        elif rest and free:
            self._flag_status(free, rest)

    def _is_retold(self, row: int, pays: list[int]) -> bool:
        """Whether a line that settles already says the same, but for a mangled id."""
        settling = (int(self.settled_by[pay]) for pay in pays)
        return any(
            other >= 0
            and self.lines.instant[other] == self.lines.instant[row]
            and self.lines.gross[other] == self.lines.gross[row]
            and self.lines.payout_id[other] == self.lines.payout_id[row]
            for other in settling
        )

    # --- evidence 3: none -------------------------------------------------------------------

    def flag_unrecorded(self) -> None:
        """Lines that no recorded payment explains, and chargebacks."""
        rows = np.flatnonzero(~self.decisions.taken[_LAYER, _LINE]).tolist()
        about = self._payments_named([row for row in rows if self.lines.kind[row] != "payment"])
        for row in rows:
            kind = self.lines.kind[row]
            self.decisions.flag(
                _UNRECORDED[kind],
                _LAYER,
                (_LINE, row),
                related=[(_PAYMENT, pay) for pay in about.get(row, ())],
                actual=int(self.lines.gross[row]),
                variant="report" if kind == "payment" else "",
                amount=abs(int(self.lines.gross[row])),
            )

    def _payments_named(self, rows: Sequence[int]) -> dict[int, list[int]]:
        """The payments that money given back was once received by: same id, or same bill."""
        self._read(rows)
        bills = {row: self.readings[row].exact for row in rows}
        ids = {(self.lines.provider[row], self.lines.txn_id[row]) for row in rows}
        by_key: dict[tuple[str, str] | tuple[str, int], list[int]] = defaultdict(list)
        wanted = np.asarray(sorted({b for named in bills.values() for b in named}), dtype=np.int64)
        texts = pa.array(sorted({text for _, text in ids}), type=pa.large_string())
        same_id = self.payments.txn_id.are_in(texts)
        hit = np.isin(self.payments.bill, wanted)
        online = ~self.payments.direct & self.payments.kind.are("payment")
        for pay in np.flatnonzero(online & (same_id | hit)).tolist():
            channel, txn_id = self.payments.channel[pay], self.payments.txn_id[pay]
            if (channel, txn_id) in ids and txn_id:
                by_key[channel, txn_id].append(pay)
            if hit[pay]:
                by_key[channel, int(self.payments.bill[pay])].append(pay)
        found = {}
        for row in rows:
            provider = self.lines.provider[row]
            same = by_key.get((provider, self.lines.txn_id[row]), [])
            found[row] = same or [p for b in bills[row] for p in by_key.get((provider, b), [])]
        return found

    def _read(self, rows: Iterable[int]) -> None:
        """Read the references of these lines; many at once costs little, one by one much."""
        self.readings.read(rows)

    # --- questions --------------------------------------------------------------------------

    def _fits(self, pay: int, row: int) -> bool:
        """Whether both are of the contract's currency and the same amount."""
        return bool(
            self.payments.in_currency[pay]
            and self.lines.in_currency[row]
            and self.payments.signed[pay] == self.lines.gross[row]
        )

    def _is_named(self, pay: int, row: int) -> bool:
        bill = int(self.payments.bill[pay])
        return bill in self.readings[row].exact

    def _is_free(self, row: int) -> bool:
        return self.decisions.is_free(_LAYER, (_LINE, row))

    def _is_free_payment(self, pay: int) -> bool:
        return self.decisions.is_free(_LAYER, (_PAYMENT, pay))

    def _in_order(self, rows: Iterable[int]) -> list[int]:
        """Earliest first, then by line id: the first settles."""
        some = list(rows)
        if len(some) > 1:
            some.sort(key=lambda row: (int(self.lines.instant[row]), self.lines.ids[row]))
        return some

    # --- decisions --------------------------------------------------------------------------

    def _settle(self, pay: int, rows: Sequence[int], rule: Rule) -> None:
        """Match, unless the fee or the net amount is not what it should be."""
        self.settled_by[pay] = rows[0]
        items = [(_PAYMENT, pay), *((_LINE, row) for row in rows)]
        wrong = [row for row in rows if not self._fee_agrees(row)]
        if wrong and not self._fees_agree_together(pay, rows):
            self._flag_fee(items, wrong[0])
        else:
            self.decisions.match(_LAYER, rule, [pay], rows)

    def _fee_agrees(self, row: int) -> bool:
        net_agrees = self.lines.net[row] == self.lines.gross[row] - self.lines.fee[row]
        return bool(net_agrees and self.lines.fee[row] == self.fees[row])

    def _fees_agree_together(self, pay: int, rows: Sequence[int]) -> bool:
        """Whether the parts of one payment carry together the fee of the whole."""
        terms = self.contracts.providers.get(self.lines.provider[rows[0]])
        if len(rows) == 1 or terms is None or self.lines.kind[rows[0]] != "payment":
            return False
        due = int(self.payments.signed[pay])
        fee = (due * terms.rate_bps * 2 + _PER_UNIT) // (2 * _PER_UNIT) + terms.fixed
        part = list(rows)
        nets = self.lines.net[part] == self.lines.gross[part] - self.lines.fee[part]
        return bool(nets.all()) and int(self.lines.fee[part].sum()) == fee

    def _flag_fee(self, items: list[Item], row: int) -> None:
        fee, contracted = int(self.lines.fee[row]), int(self.fees[row])
        net, expected_net = int(self.lines.net[row]), int(self.lines.gross[row]) - fee
        expected: int | str = contracted
        actual, variant = fee, ""
        if contracted < 0:
            expected, variant = "", "terms"
        elif fee == contracted:
            expected, actual, variant = expected_net, net, "net"
        for item in items:
            self.decisions.flag(
                MismatchType.FEE_MISMATCH,
                _LAYER,
                item,
                related=items,
                expected=expected,
                actual=actual,
                variant=variant,
                provider=self.lines.provider[row],
            )

    def _flag_again(self, row: int, pay: int) -> None:
        """A line for a payment that is settled already, or was flagged with its own line."""
        settling = int(self.settled_by[pay])
        self.decisions.flag(
            MismatchType.DUPLICATE_PAYMENT,
            _LAYER,
            (_LINE, row),
            related=[(_PAYMENT, pay), *([(_LINE, settling)] if settling >= 0 else [])],
            expected=0,
            actual=int(self.lines.gross[row]),
            amount=abs(int(self.lines.gross[row])),
            settled_by=self.lines.ids[settling] if settling >= 0 else self.payments.ids[pay],
        )

    def _flag_status(self, pays: list[int], rows: list[int]) -> None:
        """A provider settled what we hold as pending or worse.

        Both sides are flagged; where several payments may be meant, only the line is.
        """
        self._flag_both(
            MismatchType.STATUS_MISMATCH,
            pays,
            rows,
            only_lines=len(pays) > 1,
            expected="succeeded",
            actual=self.payments.status[pays[0]],
            variant="settled",
            status=self.payments.status[pays[0]],
        )

    def _flag_amount(self, pays: list[int], rows: list[int]) -> None:
        foreign = {self.lines.currency[row] for row in rows}
        foreign |= {self.payments.currency[pay] for pay in pays}
        foreign -= {CURRENCY}
        self._flag_both(
            MismatchType.AMOUNT_MISMATCH,
            pays,
            rows,
            expected=int(self.payments.signed[pays].sum()),
            actual=int(self.lines.gross[rows].sum()),
            variant="currency" if foreign else "id",
            currency=", ".join(sorted(foreign)),
            expected_currency=CURRENCY,
        )

    def _flag_ambiguous(self, pays: list[int], rows: list[int]) -> None:
        free = [pay for pay in pays if self._is_free_payment(pay)]
        if not rows:
            return
        items = [*((_PAYMENT, pay) for pay in pays), *((_LINE, row) for row in rows)]
        for pay in free:
            self.decisions.flag(
                MismatchType.AMBIGUOUS,
                _LAYER,
                (_PAYMENT, pay),
                related=items[:MOST_CANDIDATES],
                variant="payment",
            )
        for row in rows:
            self.decisions.flag(
                MismatchType.AMBIGUOUS, _LAYER, (_LINE, row), related=items[:MOST_CANDIDATES]
            )

    def _flag_both(
        self,
        type_: MismatchType,
        pays: list[int],
        rows: list[int],
        *,
        only_lines: bool = False,
        **said: Any,
    ) -> None:
        items = [*((_PAYMENT, pay) for pay in pays), *((_LINE, row) for row in rows)]
        for item in items[len(pays) if only_lines else 0 :]:
            related = [other for other in items if other[0] is not item[0]]
            self.decisions.flag(type_, _LAYER, item, related=related, **said)


_UNRECORDED: Final = {
    "payment": MismatchType.UNRECORDED_RECEIPT,
    "refund": MismatchType.UNRECORDED_REFUND,
    "chargeback": MismatchType.CHARGEBACK,
}
