"""The script a careful user would write: a cascade of pandas merges, each for what is left over.

Run as ``python -m benchmarks.matching.cascade DATA OUT``.

1. Provider lines of the contract's fee to payments by id and amount; what is left by bill reference
   and amount.
2. Bank lines to payouts by the payout's id, taken out of the narrative, and the sum.
3. Bank lines to transfers by bill reference (one regular expression, after blanks, dots and dashes
   are gone) and amount.
4. What is left by amount and date, the money up to three days after the payment was started, where
   one stands alone on either side: users do that for whatever has no reference, and products ship
   it as a rule. ``--no-fallback`` leaves it out, and its false matches with it.

A step takes a pair only if neither side has another one. It writes no mismatches: what is not
matched is left to a person.
"""

import json
import sys
from pathlib import Path
from typing import Final, Literal

import pandas as pd

REFERENCE = r"(MC[0-9A-HJKMNP-TV-Z]{10})"
PAYOUT = r"((?:VN|MO|ZA|ST)\d{6}[A-Z]\d{4})"
DAYS = 3
ENGINES: Final[dict[str, Literal["pyarrow", "c"]]] = {
    "payments": "pyarrow",
    "settlements": "pyarrow",
    "bank": "c",
}
"""The faster reader fails on cells with a line break in them."""
ITEM = ["match_id", "layer", "rule", "item_kind", "item_id", "amount"]


def main() -> None:
    """Read, merge, write."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    payments, lines, bank = (
        pd.read_csv(data / f"{name}.csv", dtype=str, keep_default_na=False, engine=engine)
        for name, engine in ENGINES.items()
    )
    prepare(payments, lines, bank)
    terms = json.loads((data / "contracts.json").read_text(encoding="utf-8"))["providers"]
    lines["fair"] = fair(lines, terms)
    found = provider(payments, lines) + payouts(lines, bank) + transfers(
        payments, bank, fallback="--no-fallback" not in sys.argv
    )  # fmt: skip
    write(out, found)


def prepare(payments: pd.DataFrame, lines: pd.DataFrame, bank: pd.DataFrame) -> None:
    """Numbers as numbers, money going back below zero, ids out of the narratives."""
    payments["amount"] = payments["amount"].astype("int64")
    payments.loc[payments["kind"] != "payment", "amount"] *= -1
    payments["date"] = pd.to_datetime(payments["paid_at"].str[:10])
    for column in ("gross", "fee", "net"):
        lines[column] = lines[column].astype("int64")
    bank["amount"] = bank["amount"].astype("int64")
    bank["date"] = pd.to_datetime(bank["value_date"])
    text = bank["narrative"].str.upper().str.replace(r"[\s.\-]", "", regex=True)
    bank["reference"] = text.str.extract(REFERENCE, expand=False).fillna("")
    bank["payout_id"] = text.str.extract(PAYOUT, expand=False).fillna("")


def fair(lines: pd.DataFrame, terms: dict[str, dict[str, int]]) -> "pd.Series[bool]":
    """Whether the provider took the contract's fee."""
    rate = lines["provider"].map({name: one["rate_bps"] for name, one in terms.items()})
    fixed = lines["provider"].map({name: one["fixed"] for name, one in terms.items()})
    due = ((lines["gross"] * rate + 5_000) // 10_000 + fixed).where(lines["kind"] == "payment", 0)
    return (lines["fee"] == due) & (lines["net"] == lines["gross"] - lines["fee"])


def provider(payments: pd.DataFrame, lines: pd.DataFrame) -> list[pd.DataFrame]:
    """By id, then by reference; the amount has to agree."""
    left = payments[(payments["channel"] != "bank_transfer") & (payments["status"] == "succeeded")]
    right = lines[(lines["kind"] != "chargeback") & (lines["currency"] == "VND") & lines["fair"]]
    right = right.rename(columns={"gross": "amount"})
    found = []
    for key in ("provider_txn_id", "bill_reference"):
        pairs = unique(left, right, [key, "amount"])
        left, right = left.drop(pairs["left"]), right.drop(pairs["right"])
        found += sides("provider", key, pairs, "payment_id", "line_id", "settlement")
    return found


def payouts(lines: pd.DataFrame, bank: pd.DataFrame) -> list[pd.DataFrame]:
    """By the payout's id; the sum has to agree."""
    sums = lines.groupby("payout_id")["net"].sum().reset_index()
    sums = sums.rename(columns={"net": "amount"})
    pairs = unique(sums, bank[["line_id", "payout_id", "amount"]], ["payout_id", "amount"])
    paid = lines[["line_id", "payout_id", "net"]].rename(columns={"line_id": "part"})
    parts = paid.merge(pairs[["payout_id", "line_id"]], on="payout_id")
    return [
        rows("payout", "payout_id", pairs["line_id"], "bank", pairs["line_id"], pairs["amount"]),
        rows("payout", "payout_id", parts["line_id"], "settlement", parts["part"], parts["net"]),
    ]


def transfers(
    payments: pd.DataFrame, bank: pd.DataFrame, *, fallback: bool
) -> list[pd.DataFrame]:  # fmt: skip
    """By reference and amount, then, if wanted, by amount and date."""
    open_ = (payments["status"] == "pending") | (payments["status"] == "succeeded")
    left = payments[(payments["channel"] == "bank_transfer") & open_]
    left = left.rename(columns={"bill_reference": "reference"})
    right = bank[(bank["payout_id"] == "") & (bank["currency"] == "VND")]
    pairs = unique(left, right[right["reference"] != ""], ["reference", "amount"])
    found = sides("direct", "reference", pairs, "payment_id", "line_id", "bank")
    for days in range(DAYS + 1 if fallback else 0):
        left, right = left.drop(pairs["left"]), right.drop(pairs["right"])
        due = left.assign(date=left["date"] + pd.Timedelta(days=days))
        pairs = unique(due, right, ["amount", "date"])
        found += sides("direct", "amount_date", pairs, "payment_id", "line_id", "bank")
    return found


def unique(left: pd.DataFrame, right: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The pairs of a key that is not empty, of which neither side has another pair."""
    names = [name for name in left.columns if name in {"payment_id", *keys}]
    left = left.loc[left[keys[0]] != "", names].assign(left=lambda rows: rows.index)
    right = right.loc[right[keys[0]] != "", ["line_id", *keys]]
    pairs = left.merge(right.assign(right=lambda rows: rows.index), on=keys)
    alone = ~pairs.duplicated("left", keep=False) & ~pairs.duplicated("right", keep=False)
    return pairs[alone]


def sides(
    layer: str, rule: str, pairs: pd.DataFrame, left: str, right: str, kind: str
) -> list[pd.DataFrame]:  # fmt: skip
    """Pairs as rows of a result."""
    name = pairs[left]
    return [
        rows(layer, rule, name, "payment", name, pairs["amount"]),
        rows(layer, rule, name, kind, pairs[right], pairs["amount"]),
    ]


def rows(
    layer: str, rule: str, name: "pd.Series[str]", kind: str, item: "pd.Series[str]",
    amount: "pd.Series[int]",
) -> pd.DataFrame:  # fmt: skip
    """One side of some matches."""
    return pd.DataFrame(
        {"match_id": layer[0] + layer[1] + name, "layer": layer, "rule": rule, "item_kind": kind,
         "item_id": item, "amount": amount}
    )  # fmt: skip


def write(out: Path, found: list[pd.DataFrame]) -> None:
    """The result in the form of our own, without mismatches."""
    out.mkdir(parents=True, exist_ok=True)
    pd.concat(found)[ITEM].to_csv(out / "matches.csv", index=False)
    heads = ["mismatch_id", "type", "layer", "item_kind", "item_id"]
    pd.DataFrame(columns=heads).to_csv(out / "mismatches.csv", index=False)


if __name__ == "__main__":
    main()
