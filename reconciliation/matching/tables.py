"""The three inputs as sorted columns: numpy arrays for kernels, lists for the rare single look.

Every table is sorted by item id, so that nothing downstream can depend on the input's row order.
Days are whole numbers (days since 1970-01-01 at +07:00), which is what due dates are counted in.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from payments.references import canonical
from reconciliation.errors import MatchInputError
from reconciliation.matching.columns import BANK_TRANSFER
from reconciliation.matching.model import CURRENCY, MatchInputs

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_EPOCH: Final = date(1970, 1, 1)
_LOCAL_OFFSET: Final = np.timedelta64(7 * 3600, "s")


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def day_text(number: int) -> str:
    """The ISO date of a day number."""
    return (_EPOCH + timedelta(days=int(number))).isoformat()


def _sorted(frame: pd.DataFrame, key: str, file: str) -> pd.DataFrame:
    ordered = frame.sort_values(key, kind="stable").reset_index(drop=True)
    twice = ordered[key].duplicated()
    if twice.any():
        raise MatchInputError(f"{file}: {key} {ordered[key][twice].iloc[0]} stands twice")
    return ordered


def _texts(series: "pd.Series[Any]") -> list[str]:
    return [str(value) for value in series.tolist()]


def _days(series: "pd.Series[Any]") -> Ints:
    return np.asarray(series.to_numpy().astype("datetime64[D]").astype(np.int64))


def _instants(series: "pd.Series[Any]") -> NDArray[np.datetime64]:
    return np.asarray(series.dt.tz_localize(None).to_numpy().astype("datetime64[us]"))


def _local_days(instants: NDArray[np.datetime64]) -> Ints:
    local = instants.astype("datetime64[s]") + _LOCAL_OFFSET
    return np.asarray(local.astype("datetime64[D]").astype(np.int64))


@dataclass(frozen=True, slots=True)
class Payments:
    """Payments, refunds and remittances, sorted by id; ``signed`` is negative for money back."""

    frame: pd.DataFrame
    ids: list[str]
    bill: Ints
    """Index into ``references``; -1 without reference."""
    references: list[str]
    dossier: Ints
    """Index into ``dossiers``; -1 without code."""
    dossiers: list[str]
    kind: list[str]
    channel: list[str]
    status: list[str]
    signed: Ints
    in_currency: Bools
    day: Ints
    instant: Ints
    payer: list[str]
    succeeded: Bools
    pending: Bools
    direct: Bools
    txn_id: list[str]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """Sort and index the payments frame."""
        table = _sorted(frame, "payment_id", "payments")
        paid_at = _instants(table["paid_at"])
        bill, references = _indexed(_canonical_column(table["bill_reference"]))
        dossier, dossiers = _indexed(table["dossier_code"])
        amount = table["amount"].to_numpy(dtype=np.int64)
        status = table["status"]
        return cls(
            frame=table,
            ids=_texts(table["payment_id"]),
            bill=bill,
            references=references,
            dossier=dossier,
            dossiers=dossiers,
            kind=_texts(table["kind"]),
            channel=_texts(table["channel"]),
            status=_texts(status),
            signed=np.where((table["kind"] == "payment").to_numpy(dtype=bool), amount, -amount),
            in_currency=(table["currency"] == CURRENCY).to_numpy(dtype=bool),
            day=_local_days(paid_at),
            instant=paid_at.astype(np.int64),
            payer=_texts(table["payer_name"]),
            succeeded=(status == "succeeded").to_numpy(dtype=bool),
            pending=(status == "pending").to_numpy(dtype=bool),
            direct=(table["channel"] == BANK_TRANSFER).to_numpy(dtype=bool),
            txn_id=_texts(table["provider_txn_id"]),
        )


@dataclass(frozen=True, slots=True)
class Settlements:
    """Settlement lines, sorted by id. ``original`` is the line this one repeats, or -1."""

    frame: pd.DataFrame
    ids: list[str]
    provider: list[str]
    kind: list[str]
    txn_id: list[str]
    reference: list[str]
    gross: Ints
    fee: Ints
    net: Ints
    in_currency: Bools
    instant: Ints
    payout_id: list[str]
    payout_day: Ints
    original: Ints

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """Sort the settlements frame and find its repeated lines."""
        table = _sorted(frame, "line_id", "settlements")
        same = [name for name in table.columns if name not in ("line_id", "report_id")]
        return cls(
            frame=table,
            ids=_texts(table["line_id"]),
            provider=_texts(table["provider"]),
            kind=_texts(table["kind"]),
            txn_id=_texts(table["provider_txn_id"]),
            reference=_texts(table["bill_reference"]),
            gross=table["gross"].to_numpy(dtype=np.int64),
            fee=table["fee"].to_numpy(dtype=np.int64),
            net=table["net"].to_numpy(dtype=np.int64),
            in_currency=(table["currency"] == CURRENCY).to_numpy(dtype=bool),
            instant=_instants(table["occurred_at"]).astype(np.int64),
            payout_id=_texts(table["payout_id"]),
            payout_day=_days(table["payout_date"]),
            original=_originals(table, same, ["report_id", "line_id"]),
        )


@dataclass(frozen=True, slots=True)
class BankLines:
    """Statement lines, sorted by id. ``original`` is the line this one repeats, or -1."""

    frame: pd.DataFrame
    ids: list[str]
    amount: Ints
    in_currency: Bools
    value_day: Ints
    narrative: list[str]
    name: list[str]
    counterparty_account: list[str]
    bank_ref: list[str]
    original: Ints

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """Sort the bank frame and find its repeated lines."""
        table = _sorted(frame, "line_id", "bank")
        same = [name for name in table.columns if name != "line_id"]
        return cls(
            frame=table,
            ids=_texts(table["line_id"]),
            amount=table["amount"].to_numpy(dtype=np.int64),
            in_currency=(table["currency"] == CURRENCY).to_numpy(dtype=bool),
            value_day=_days(table["value_date"]),
            narrative=_texts(table["narrative"]),
            name=_texts(table["counterparty_name"]),
            counterparty_account=_texts(table["counterparty_account"]),
            bank_ref=_texts(table["bank_ref"]),
            original=_originals(table, same, ["line_id"]),
        )


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


def _canonical_column(references: "pd.Series[Any]") -> "pd.Series[Any]":
    """References in canonical spelling; only those not so already are looked at one by one."""
    odd = ~references.str.fullmatch("[0-9A-HJKMNP-Z]*")
    if not odd.any():
        return references
    return references.where(~odd, references[odd].map(canonical).reindex(references.index))


def _indexed(values: "pd.Series[Any]") -> tuple[Ints, list[str]]:
    """Each value's index among the distinct non-empty ones in sorted order, and these."""
    codes, distinct = pd.factorize(values.where(values != ""), sort=True)
    return np.asarray(codes, dtype=np.int64), [str(value) for value in distinct]


def _originals(table: pd.DataFrame, same: list[str], order: list[str]) -> Ints:
    """For each row the first row, in the given order, that equals it in the ``same`` columns."""
    original = np.full(len(table), -1, dtype=np.int64)
    repeated = table.duplicated(same, keep=False)
    if repeated.any():
        part = table[repeated].sort_values(order, kind="stable")
        groups = part.groupby(same, sort=False, dropna=False)
        first = groups.ngroup().map(dict(enumerate(groups.head(1).index.to_list())))
        rows = part.index.to_numpy()
        firsts = first.to_numpy(dtype=np.int64)
        original[rows] = np.where(rows == firsts, -1, firsts)
    return original
