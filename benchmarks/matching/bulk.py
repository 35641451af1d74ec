"""The plain part of a large world, drawn column by column: nothing in it is damaged.

Its bank narratives come in the six forms that banks write most; its payouts are paid by their id.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from typing_extensions import override

from benchmarks.matching.world import ACCOUNT, AS_OF, CONTRACTS, NAMES
from payments.references import (
    ALPHABET,
    CHECK_SYMBOLS,
    CODE_LENGTH,
    DATA_SYMBOLS,
    VALUES,
    encode,
)

Ints = NDArray[np.int64]

DAYS: Final = 90
CHANNELS: Final = {
    "bank_transfer": 0.45,
    "vnpay": 0.2,
    "momo": 0.2,
    "zalopay": 0.1,
    "stripe": 0.05,
}
LEVELS: Final = np.asarray(
    [5, 8, 10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 100, 120, 150, 200, 250, 300, 500, 1_000, 2_500]
) * 1_000  # fmt: skip
PAYOUT_LINES: Final = 500
PAYOUTS_OF_PART: Final = 100
"""More than any provider has on one day in one part."""
PART: Final = 1_000_000
"""So many payments are drawn at a time."""
FIRST_ID: Final = 50_000_000
"""Ids below are of the noise."""
_ZONE: Final = "+07:00"
_BITS: Final = 5
_LAST_DAY: Final = np.datetime64(AS_OF, "D") - 5


@dataclass(frozen=True, slots=True)
class Bulk:
    """The three inputs as tables of text, and their truth."""

    payments: pa.Table
    settlements: pa.Table
    bank: pa.Table
    truth: pa.Table


class Taken(set[str]):
    """References that are taken: those that were added, and those of the plain payments."""

    def __init__(self, numbers: Ints) -> None:
        super().__init__()
        self._numbers = np.sort(numbers)

    @override
    def __contains__(self, reference: object) -> bool:
        if super().__contains__(reference):
            return True
        symbols = str(reference)[-CODE_LENGTH:][:DATA_SYMBOLS]
        number = sum(VALUES[symbol] << _BITS * place for place, symbol in enumerate(symbols))
        at = int(np.searchsorted(self._numbers, number))
        return at < len(self._numbers) and int(self._numbers[at]) == number


def numbers(count: int, seed: int) -> Ints:
    """Distinct numbers of references, in random order."""
    rng = np.random.default_rng([seed, 7])
    drawn = np.unique(rng.integers(0, 32**DATA_SYMBOLS, count + count // 50 + 1_000))
    return rng.permutation(drawn)[:count]


def draw(
    chosen: Ints, seed: int, *, part: int = 0, contracts: dict[str, Any] = CONTRACTS
) -> Bulk:  # fmt: skip
    """Draw plain payments of the chosen references, with all that follows from them."""
    rng = np.random.default_rng([seed, part])
    count, first = len(chosen), part * PART
    ids = FIRST_ID + first + np.arange(count)
    channel = rng.choice(np.asarray(list(CHANNELS)), size=count, p=list(CHANNELS.values()))
    day = _LAST_DAY - rng.integers(0, DAYS, count)
    second = rng.integers(0, 86_400 - 60, count)
    weights = 1 / np.arange(1, len(LEVELS) + 1)
    amount = rng.choice(LEVELS, size=count, p=weights / weights.sum())
    odd = rng.random(count) < 0.1  # land fees and the like have any amount
    amount = np.where(odd, rng.integers(5_001, 9_999_999, count), amount)
    least = np.where(channel == "stripe", 20_000, 0)  # its fixed fee eats less than that
    amount = np.maximum(amount, least)
    direct = channel == "bank_transfer"
    status = np.where(direct & (rng.random(count) < 0.85), "pending", "succeeded")
    references = _references(chosen)
    number = np.char.mod("%06d", np.arange(count) % 1_000_000)
    dossier = _joined("H", np.char.mod("%02d", rng.integers(10, 99, count)), "-", _short(day), "-")
    transaction = np.where(
        direct, "", np.char.mod("26%016d", rng.permutation(count) + first + 10**12)
    )
    payments = pa.table(
        {
            "payment_id": _numbered("P", ids),
            "bill_reference": pa.array(references),
            "kind": _same("payment", count),
            "parent_payment_id": _same("", count),
            "channel": pa.array(channel),
            "provider_txn_id": pa.array(transaction),
            "amount": pa.array(amount),
            "currency": _same("VND", count),
            "status": pa.array(status),
            "paid_at": _moment(day, second),
            "payer_name": pa.array(rng.choice(np.asarray(NAMES), count)),
            "dossier_code": _joined(dossier, number),
            "office_code": _same("24", count),
        }
    )
    settlements = _settlements(payments, np.flatnonzero(~direct), day, second, contracts, part=part)
    bank, transfers = _transfers(payments, np.flatnonzero(direct), day, rng)
    paid, groups = _payouts(settlements, contracts, rng, part=part)
    truth = pa.concat_tables([transfers, *_truth_of_settlements(payments, settlements, groups)])
    return Bulk(payments, settlements, pa.concat_tables([bank, paid.select(bank.column_names)]),
                pa.concat_tables([truth, _truth_of_payouts(paid)]))  # fmt: skip


# --- columns --------------------------------------------------------------------------------------


def _numbered(letter: str, ids: Ints) -> pa.Array:
    return pa.array(np.char.mod(f"{letter}%08d", ids))


def _same(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text), count)


def _joined(*parts: Any) -> pa.Array:
    arrays = [pa.array(part) if isinstance(part, np.ndarray) else part for part in parts]
    return pc.binary_join_element_wise(*arrays, "")


def _short(day: NDArray[np.datetime64]) -> pa.Array:
    return pc.strftime(pa.array(day.astype("datetime64[s]")), "%y%m%d")


def _moment(day: NDArray[np.datetime64], second: Ints) -> pa.Array:
    local = day.astype("datetime64[s]") + second
    return _joined(pc.strftime(pa.array(local), "%Y-%m-%dT%H:%M:%S"), _ZONE)


def _check_tables() -> list[NDArray[np.uint8]]:
    """The code is linear: the check symbols of a word are those of its symbols, added up."""
    values = {symbol: value for value, symbol in enumerate(ALPHABET)}
    tables = []
    for place in range(DATA_SYMBOLS):
        rows = []
        for value in range(len(ALPHABET)):
            data = [0] * DATA_SYMBOLS
            data[place] = value
            rows.append([values[symbol] for symbol in encode("", data)[DATA_SYMBOLS:]])
        tables.append(np.asarray(rows, dtype=np.uint8))
    return tables


def _references(numbers: Ints) -> NDArray[np.str_]:
    """The references of some numbers."""
    data = np.stack([(numbers >> (_BITS * place)) & 31 for place in range(DATA_SYMBOLS)], axis=1)
    checks = np.zeros((len(numbers), CHECK_SYMBOLS), dtype=np.uint8)
    for place, table in enumerate(_check_tables()):
        checks ^= table[data[:, place]]
    symbols = np.asarray(list(ALPHABET.encode()), dtype=np.uint8)
    codes = symbols[np.concatenate([data.astype(np.uint8), checks], axis=1)]
    prefix = np.tile(np.frombuffer(b"MC", dtype=np.uint8), (len(numbers), 1))
    spelled = np.ascontiguousarray(np.concatenate([prefix, codes], axis=1))
    return spelled.view(f"S{spelled.shape[1]}").ravel().astype(str)


# --- what follows from the payments ---------------------------------------------------------------


def _settlements(
    payments: pa.Table,
    rows: Ints,
    day: NDArray[np.datetime64],
    second: Ints,
    contracts: dict[str, Any],
    *,
    part: int,
) -> pa.Table:
    mine = payments.take(pa.array(rows))
    provider = mine["channel"].to_numpy(zero_copy_only=False).astype(str)
    gross = mine["amount"].to_numpy()
    fee = np.zeros(len(rows), dtype=np.int64)
    wait = np.zeros(len(rows), dtype=np.int64)
    for name, terms in contracts["providers"].items():
        share = (gross * terms["rate_bps"] + 5_000) // 10_000 + terms["fixed"]
        fee = np.where(provider == name, share, fee)
        wait = np.where(provider == name, terms["settlement_days"], wait)
    days = day[rows] + wait
    batch = _rank_in(provider, days) // PAYOUT_LINES + part * PAYOUTS_OF_PART
    short = _short(days)
    head = pc.utf8_upper(pc.utf8_slice_codeunits(pa.array(provider), 0, 2))
    return pa.table(
        {
            "line_id": pc.binary_replace_slice(mine["payment_id"].combine_chunks(), 0, 1, "S"),
            "provider": mine["channel"],
            "report_id": _joined(pa.array(provider), "-", short),
            "kind": _same("payment", len(rows)),
            "provider_txn_id": mine["provider_txn_id"],
            "bill_reference": mine["bill_reference"],
            "gross": pa.array(gross),
            "fee": pa.array(fee),
            "net": pa.array(gross - fee),
            "currency": _same("VND", len(rows)),
            "occurred_at": _moment(day[rows], second[rows] + 40),
            "payout_id": _joined(head, short, "D", np.char.mod("%04d", batch)),
            "payout_date": pc.strftime(pa.array(days.astype("datetime64[s]")), "%Y-%m-%d"),
        }
    )


def _rank_in(provider: NDArray[np.str_], days: NDArray[np.datetime64]) -> Ints:
    frame = pd.DataFrame({"provider": provider, "day": days.astype(np.int64)})
    return np.asarray(frame.groupby(["provider", "day"]).cumcount(), dtype=np.int64)


def _transfers(
    payments: pa.Table, rows: Ints, day: NDArray[np.datetime64], rng: np.random.Generator
) -> tuple[pa.Table, pa.Table]:
    mine = payments.take(pa.array(rows))
    count = len(rows)
    reference = mine["bill_reference"].combine_chunks()
    lower = pc.utf8_lower(reference)
    spaced = _joined(
        pc.utf8_slice_codeunits(reference, 0, 2),
        " ",
        pc.utf8_slice_codeunits(reference, 2, 6),
        "-",
        pc.utf8_slice_codeunits(reference, 6, 12),
    )
    some = pa.array(np.char.mod("%012d", rng.integers(0, 10**12, count)))
    name = pc.ascii_upper(mine["payer_name"].combine_chunks())
    forms = (
        _joined("THANH TOAN PHI ", reference),
        _joined("MBVCB.", some, ".", reference, ".CT tu ", some),
        _joined(name, " nop phi ", lower),
        _joined("CT DEN:", some, " ", reference, " nop phi ho so"),
        _joined(some, "-", reference, "-CHUYEN TIEN-", name),
        _joined("PHI ", spaced, " ", name),
    )
    form = rng.choice(len(forms), count, p=[0.28, 0.22, 0.15, 0.15, 0.1, 0.1])
    narrative = pc.choose(pa.array(form), *forms)
    when = day[rows] + rng.integers(0, 2, count) * (rng.random(count) < 0.05)
    date = pc.strftime(pa.array(when.astype("datetime64[s]")), "%Y-%m-%d")
    bank = pa.table(
        {
            "line_id": pc.binary_replace_slice(mine["payment_id"].combine_chunks(), 0, 1, "B"),
            "account": _same(ACCOUNT, count),
            "booking_date": date,
            "value_date": date,
            "amount": mine["amount"],
            "currency": _same("VND", count),
            "narrative": narrative,
            "counterparty_name": name,
            "counterparty_account": pa.array(np.char.mod("%012d", rng.integers(0, 10**12, count))),
            "bank_ref": pc.binary_replace_slice(
                mine["payment_id"].combine_chunks(), 0, 1, "FT000000"
            ),
        }
    )
    group = pc.binary_replace_slice(mine["payment_id"].combine_chunks(), 0, 1, "t")
    both = [_truth("direct", group, "payment", mine["payment_id"], "clean_transfer"),
            _truth("direct", group, "bank", bank["line_id"], "clean_transfer")]  # fmt: skip
    return bank, pa.concat_tables(both)


def _payouts(
    settlements: pa.Table, contracts: dict[str, Any], rng: np.random.Generator, *, part: int
) -> tuple[pa.Table, pa.Array]:
    """The credits, with the payout of each beside it, and the payout of each settlement line."""
    sums = settlements.group_by(["provider", "payout_id", "payout_date"]).aggregate(
        [("net", "sum")]
    )
    sums = sums.sort_by("payout_id")
    count, first = sums.num_rows, 2 * FIRST_ID + part * PART
    provider = sums["provider"].combine_chunks()
    terms = [contracts["providers"][name] for name in provider.to_pylist()]
    paid = pa.table(
        {
            "line_id": _numbered("B", first + np.arange(count)),
            "account": _same(ACCOUNT, count),
            "booking_date": sums["payout_date"],
            "value_date": sums["payout_date"],
            "amount": sums["net_sum"],
            "currency": _same("VND", count),
            "narrative": _joined("TT DOI SOAT ", sums["payout_id"].combine_chunks()),
            "counterparty_name": pa.array([one["payout_names"][0] for one in terms]),
            "counterparty_account": pa.array([one["payout_accounts"][0] for one in terms]),
            "bank_ref": pa.array(np.char.mod("PO%014d", first + rng.permutation(count))),
            "payout": sums["payout_id"],
        }
    )
    return paid, settlements["payout_id"]


# --- truth ----------------------------------------------------------------------------------------


def _truth(layer: str, group: Any, kind: str, ids: Any, noise: str) -> pa.Table:
    count = len(ids)
    return pa.table(
        {
            "layer": _same(layer, count),
            "group": group,
            "item_kind": _same(kind, count),
            "item_id": ids,
            "label": _same("matched", count),
            "noise": _same(noise, count),
        }
    )


def _truth_of_settlements(
    payments: pa.Table, settlements: pa.Table, payout: pa.Array
) -> list[pa.Table]:
    lines = settlements["line_id"]
    number = pc.utf8_slice_codeunits(lines.combine_chunks(), 1)
    group = _joined("s", number)
    mine = _joined("P", number)
    del payments  # a line bears its payment's number
    return [
        _truth("provider", group, "payment", mine, "clean_settlement"),
        _truth("provider", group, "settlement", lines, "clean_settlement"),
        _truth("payout", payout, "settlement", lines, "clean_payout"),
    ]


def _truth_of_payouts(paid: pa.Table) -> pa.Table:
    return _truth("payout", paid["payout"], "bank", paid["line_id"], "clean_payout")
