"""The three inputs as sorted columns: numpy and arrow arrays for kernels, a single look where rare.

Every table is sorted by item id, so that nothing downstream can depend on the input's row order.
Days are whole numbers (days since 1970-01-01 at +07:00), which is what due dates are counted in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any, Final, Self, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from payments.references import canonical
from reconciliation.errors import MatchInputError
from reconciliation.matching.arrays import (
    Bools,
    Ints,
    Texts,
    Words,
    bools_of,
    numbers_of,
    order_of,
    suspects,
    text_array,
)
from reconciliation.matching.columns import BANK_TRANSFER
from reconciliation.matching.model import CURRENCY, MatchInputs
from reconciliation.states import ItemKind

_EPOCH: Final = date(1970, 1, 1)
_LOCAL_OFFSET: Final = np.timedelta64(7 * 3600, "s")


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def day_text(number: int) -> str:
    """The ISO date of a day number."""
    return (_EPOCH + timedelta(days=int(number))).isoformat()


class _Sorted:
    """A frame's columns in the order of its ids."""

    def __init__(self, frame: pd.DataFrame, key: str, file: str) -> None:
        self._frame = frame
        array = text_array(frame[key])
        self.order = order_of(array)
        self.ids = Texts(array, self.order)
        ordered = self.ids.array()
        same = bools_of(pc.equal(ordered[1:], ordered[:-1]))
        if same.any():
            raise MatchInputError(f"{file}: {key} {self.ids[int(same.argmax())]} stands twice")

    def texts(self, name: str) -> Texts:
        return Texts(text_array(self._frame[name]), self.order)

    def words(self, name: str) -> Words:
        return Words.of(text_array(self._frame[name]), self.order)

    def indexed(
        self, name: str, reading: Callable[[pa.LargeStringArray], pa.LargeStringArray] | None = None
    ) -> tuple[Ints, pa.LargeStringArray]:
        """Each value's index among the distinct non-empty ones, -1 if empty; and these."""
        array = text_array(self._frame[name])
        coded = (reading(array) if reading else array).dictionary_encode()
        codes, distinct = numbers_of(coded.indices)[self.order], coded.dictionary
        empty = pc.index(distinct, "").as_py()
        if empty < 0:
            return codes, distinct
        codes = np.where(codes == empty, -1, codes - (codes > empty))
        return codes, pa.concat_arrays([distinct[:empty], distinct[empty + 1 :]])

    def numbers(self, name: str) -> Ints:
        return self._frame[name].to_numpy(dtype=np.int64)[self.order]

    def days(self, name: str) -> Ints:
        whole = self._frame[name].to_numpy().astype("datetime64[D]").astype(np.int64)
        return np.asarray(whole[self.order])

    def instants(self, name: str) -> NDArray[np.datetime64]:
        plain = self._frame[name].dt.tz_localize(None).to_numpy()
        return np.asarray(plain.astype("datetime64[us]")[self.order])

    def originals(self, keys: list[Ints], same: list[str], first: list[str]) -> Ints:
        """For each row the first row, in the given order, that equals it in the ``same`` columns.

        Only rows that already share the keys are compared in full.
        """
        original = np.full(len(self.order), -1, dtype=np.int64)
        rows = suspects(keys)
        part = self._frame.iloc[self.order[rows]].set_axis(rows, axis=0)
        repeated = part.duplicated(same, keep=False)
        if repeated.any():
            part = part[repeated].sort_values(first, kind="stable")
            groups = part.groupby(same, sort=False, dropna=False)
            found = groups.ngroup().map(dict(enumerate(groups.head(1).index.to_list())))
            rows, firsts = part.index.to_numpy(), found.to_numpy(dtype=np.int64)
            original[rows] = np.where(rows == firsts, -1, firsts)
        return original


def _local_days(instants: NDArray[np.datetime64]) -> Ints:
    local = instants.astype("datetime64[s]") + _LOCAL_OFFSET
    return np.asarray(local.astype("datetime64[D]").astype(np.int64))


@dataclass(frozen=True, slots=True)
class Payments:
    """Payments, refunds and remittances, sorted by id; ``signed`` is negative for money back."""

    ids: Texts
    bill: Ints
    """Index into ``references``; -1 without reference."""
    references: Texts
    """Distinct, in canonical spelling, ascending."""
    dossier: Ints
    """Index into ``dossiers``; -1 without code."""
    dossiers: pa.LargeStringArray
    kind: Words
    channel: Words
    status: Words
    currency: Words
    signed: Ints
    in_currency: Bools
    day: Ints
    payer: Texts
    succeeded: Bools
    pending: Bools
    direct: Bools
    txn_id: Texts

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """Sort and index the payments frame."""
        table = _Sorted(frame, "payment_id", "payments")
        bill, references = table.indexed("bill_reference", _canonical)
        ascending = order_of(references)
        dossier, dossiers = table.indexed("dossier_code")
        amount = table.numbers("amount")
        kind, status, channel = (table.words(name) for name in ("kind", "status", "channel"))
        currency = table.words("currency")
        return cls(
            ids=table.ids,
            bill=np.append(_inverse(ascending), -1)[bill],
            references=Texts(references, ascending),
            dossier=dossier,
            dossiers=dossiers,
            kind=kind,
            channel=channel,
            status=status,
            currency=currency,
            signed=np.where(kind.are("payment"), amount, -amount),
            in_currency=currency.are(CURRENCY),
            day=_local_days(table.instants("paid_at")),
            payer=table.texts("payer_name"),
            succeeded=status.are("succeeded"),
            pending=status.are("pending"),
            direct=channel.are(BANK_TRANSFER),
            txn_id=table.texts("provider_txn_id"),
        )


@dataclass(frozen=True, slots=True)
class Settlements:
    """Settlement lines, sorted by id. ``original`` is the line this one repeats, or -1."""

    ids: Texts
    provider: Words
    kind: Words
    txn_id: Texts
    reference: Texts
    gross: Ints
    fee: Ints
    net: Ints
    currency: Words
    in_currency: Bools
    instant: Ints
    payout_id: Words
    payout_day: Ints
    original: Ints

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """Sort the settlements frame and find its repeated lines."""
        table = _Sorted(frame, "line_id", "settlements")
        same = [name for name in frame.columns if name not in ("line_id", "report_id")]
        gross, net = table.numbers("gross"), table.numbers("net")
        instant = table.instants("occurred_at").astype(np.int64)
        payout_day, currency = table.days("payout_date"), table.words("currency")
        keys = [gross, net, instant, payout_day]
        return cls(
            ids=table.ids,
            provider=table.words("provider"),
            kind=table.words("kind"),
            txn_id=table.texts("provider_txn_id"),
            reference=table.texts("bill_reference"),
            gross=gross,
            fee=table.numbers("fee"),
            net=net,
            currency=currency,
            in_currency=currency.are(CURRENCY),
            instant=instant,
            payout_id=table.words("payout_id"),
            payout_day=payout_day,
            original=table.originals(keys, same, ["report_id", "line_id"]),
        )


@dataclass(frozen=True, slots=True)
class BankLines:
    """Statement lines, sorted by id. ``original`` is the line this one repeats, or -1."""

    ids: Texts
    amount: Ints
    currency: Words
    in_currency: Bools
    value_day: Ints
    narrative: Texts
    name: Texts
    counterparty_account: Texts
    bank_ref: Texts
    original: Ints

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """Sort the bank frame and find its repeated lines."""
        table = _Sorted(frame, "line_id", "bank")
        same = [name for name in frame.columns if name != "line_id"]
        amount, value_day = table.numbers("amount"), table.days("value_date")
        currency, bank_ref = table.words("currency"), table.texts("bank_ref")
        return cls(
            ids=table.ids,
            amount=amount,
            currency=currency,
            in_currency=currency.are(CURRENCY),
            value_day=value_day,
            narrative=table.texts("narrative"),
            name=table.texts("counterparty_name"),
            counterparty_account=table.texts("counterparty_account"),
            bank_ref=bank_ref,
            original=table.originals([amount, value_day, bank_ref.codes()], same, ["line_id"]),
        )


_Table = TypeVar("_Table", Payments, Settlements, BankLines)


@dataclass(frozen=True, slots=True)
class Tables:
    """The inputs of one run, prepared."""

    payments: Payments
    settlements: Settlements
    bank: BankLines

    @classmethod
    def of(cls, inputs: MatchInputs) -> Self:
        """Sort and index all three inputs.

        Raises:
            MatchInputError: an id stands twice in its table.
        """
        return cls(
            Payments.of(inputs.payments),
            Settlements.of(inputs.settlements),
            BankLines.of(inputs.bank),
        )

    def at(self, rows: Mapping[ItemKind, Ints]) -> Self:
        """These rows alone, in their order; bills and dossiers keep their numbers."""
        payments = rows[ItemKind.PAYMENT]
        return type(self)(
            _part(self.payments, payments, whole=("references", "dossiers")),
            _part(self.settlements, rows[ItemKind.SETTLEMENT]),
            _part(self.bank, rows[ItemKind.BANK]),
        )


def _part(table: _Table, rows: Ints, *, whole: tuple[str, ...] = ()) -> _Table:
    """Some rows of a table; columns that are not by row stay ``whole``."""
    columns: dict[str, Any] = {}
    for name in (column.name for column in fields(table) if column.name not in whole):
        column = getattr(table, name)
        columns[name] = column[rows] if isinstance(column, np.ndarray) else column.at(rows)
    if "original" in columns:
        place = np.full(len(table.ids) + 1, -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        columns["original"] = place[columns["original"]]
    return replace(table, **columns)


def _canonical(references: pa.LargeStringArray) -> pa.LargeStringArray:
    """References in canonical spelling; only those not so already are looked at one by one."""
    odd = pc.invert(pc.match_substring_regex(references, "^[0-9A-HJKMNP-Z]*$"))
    if not pc.any(odd).as_py():
        return references
    said = [canonical(text) for text in references.filter(odd).to_pylist()]
    return pc.replace_with_mask(references, odd, pa.array(said, type=pa.large_string()))


def _inverse(order: Ints) -> Ints:
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return place
