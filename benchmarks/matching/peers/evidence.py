"""The same data for every package: two tables for each layer, and the result in our form.

Each layer is a problem of two tables with the columns ``key``, ``id``, ``reference``, ``dossier``,
``amount`` (signed), ``date``, ``name``: what we recorded on the left, what came on the right. Taken
out for them, as a user would: the reference (one regular expression over the narrative without
blanks, dots and dashes; where none is whole, the longest that begins like one), the dossier code
and the payout's id. The lines of a payout are added up to one row. Only what can be right is given:
no failed payment, no other currency, no chargeback,
no line whose fee is not the contract's. Pairs of unequal amounts are no matches here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

COLUMNS = ["key", "id", "reference", "dossier", "amount", "date", "name"]
_WHOLE = r"(MC[0-9A-HJKMNP-TV-Z]{10})"
_NEAR = r"(MC[0-9A-Z*]{5,10})"
_BARE = r"\b((?=\w*[0-9])[0-9A-HJKMNP-TV-Z]{10})\b"
_PAYOUT = r"((?:VN|MO|ZA|ST)\d{6}[A-Z]\d{4})"
_DOSSIER = r"(H\d\d\.\d\d-\d{6}-\d+)"


@dataclass
class Problem:
    """Two tables of a layer; ``parts``: the settlement lines of each left key, where it has any."""

    layer: str
    left: pd.DataFrame
    right: pd.DataFrame
    right_kind: str
    parts: "pd.DataFrame | None" = None


def problems(folder: Path) -> Iterator[Problem]:
    """The three layers of a data set."""
    payments, lines, bank = (
        pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)
        for name in ("payments", "settlements", "bank")
    )
    payments["amount"] = payments["amount"].astype("int64")
    payments.loc[payments["kind"] != "payment", "amount"] *= -1
    for table, column in ((lines, "gross"), (lines, "net"), (bank, "amount")):
        table[column] = table[column].astype("int64")
    bank = bank[bank["currency"] == "VND"]
    lines = lines[lines["currency"] == "VND"]
    contracts = json.loads((folder / "contracts.json").read_text(encoding="utf-8"))
    yield _provider(payments, lines[_fee_is_right(lines, contracts["providers"])])
    paid = _of_bank(bank)
    yield _payout(lines, paid)
    yield _direct(payments, paid)


def _fee_is_right(lines: pd.DataFrame, providers: dict[str, dict[str, int]]) -> "pd.Series[bool]":
    gross, fee = lines["gross"], lines["fee"].astype("int64")
    rate = lines["provider"].map({name: terms["rate_bps"] for name, terms in providers.items()})
    fixed = lines["provider"].map({name: terms["fixed"] for name, terms in providers.items()})
    due = ((gross * rate + 5_000) // 10_000 + fixed).where(lines["kind"] == "payment", 0)
    parts = lines.duplicated("provider_txn_id", keep=False)  # a fixed fee is due once
    return ((fee == due) | parts) & (lines["net"] == gross - fee)


def _provider(payments: pd.DataFrame, lines: pd.DataFrame) -> Problem:
    mine = (payments["channel"] != "bank_transfer") & (payments["status"] == "succeeded")
    theirs = lines[lines["kind"] != "chargeback"]
    left = _table(payments[mine], "payment_id", "provider_txn_id", "amount", "paid_at")
    right = _table(theirs, "line_id", "provider_txn_id", "gross", "occurred_at")
    return Problem("provider", left, right, "settlement")


def _payout(lines: pd.DataFrame, bank: pd.DataFrame) -> Problem:
    names = {"vnpay": "CTY CP GIAI PHAP THANH TOAN", "momo": "CTY CP DICH VU DI DONG",
             "zalopay": "CTY CP ZION", "stripe": "STRIPE PAYMENTS"}  # fmt: skip
    sums = lines.groupby(["provider", "payout_id", "payout_date"], as_index=False)["net"].sum()
    left = pd.DataFrame(
        {"key": sums["payout_id"], "id": sums["payout_id"], "reference": None, "dossier": None,
         "amount": sums["net"], "date": sums["payout_date"], "name": sums["provider"].map(names)}
    )  # fmt: skip
    left = left[~left.duplicated("key", keep=False)]
    right = bank[(bank["id"].notna()) | bank["name"].isin(list(names.values()))]
    parts = lines[["payout_id", "line_id", "net"]]
    return Problem("payout", left, right[COLUMNS], "bank", parts)


def _direct(payments: pd.DataFrame, bank: pd.DataFrame) -> Problem:
    open_ = payments["status"].isin(["pending", "succeeded"])
    mine = payments[(payments["channel"] == "bank_transfer") & open_]
    left = _table(mine, "payment_id", "provider_txn_id", "amount", "paid_at")
    left["dossier"] = mine["dossier_code"].replace("", None)
    left["name"] = mine["payer_name"]
    return Problem("direct", left, bank[bank["id"].isna()][COLUMNS], "bank")


def _table(rows: pd.DataFrame, key: str, id_: str, amount: str, date: str) -> pd.DataFrame:
    return pd.DataFrame(
        {"key": rows[key], "id": rows[id_].replace("", None), "dossier": None, "name": None,
         "reference": rows["bill_reference"].replace("", None), "amount": rows[amount],
         "date": rows[date].str[:10]}
    )[COLUMNS]  # fmt: skip


def _of_bank(bank: pd.DataFrame) -> pd.DataFrame:
    text = bank["narrative"].str.normalize("NFKC").str.upper()
    bare = text.str.replace(r"[\s.\-]", "", regex=True)
    reference = bare.str.extract(_WHOLE, expand=False)
    for pattern, where in ((_NEAR, bare), (_BARE, text)):
        reference = reference.fillna(where.str.extract(pattern, expand=False))
    return pd.DataFrame(
        {"key": bank["line_id"], "id": bare.str.extract(_PAYOUT, expand=False),
         "reference": reference, "dossier": text.str.extract(_DOSSIER, expand=False),
         "amount": bank["amount"], "date": bank["value_date"],
         "name": bank["counterparty_name"].replace("", None)}
    )  # fmt: skip


def mutual_best(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs (columns left, right, score) that are the one best of both their sides."""
    alone = pd.Series(data=True, index=pairs.index)
    for side in ("left", "right"):
        best = pairs["score"] == pairs.groupby(side)["score"].transform("max")
        count = best.groupby(pairs[side]).transform("sum")
        alone &= best & (count == 1)
    return pairs[alone]


def write(out: Path, found: list[tuple[Problem, pd.DataFrame]]) -> None:
    """The pairs of keys (columns left, right, and match where it has several) as matches."""
    rows = [part for problem, pairs in found for part in _rows(problem, pairs)]
    columns = ["match_id", "layer", "rule", "item_kind", "item_id", "amount"]
    out.mkdir(parents=True, exist_ok=True)
    pd.concat(rows)[columns].to_csv(out / "matches.csv", index=False)
    heads = ["mismatch_id", "type", "layer", "item_kind", "item_id"]
    pd.DataFrame(columns=heads).to_csv(out / "mismatches.csv", index=False)


def _rows(problem: Problem, pairs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    left, right = (table.set_index("key")["amount"] for table in (problem.left, problem.right))
    pairs = pairs.assign(
        match=problem.layer[:2] + (pairs["match"] if "match" in pairs else pairs["left"]),
        left_amount=pairs["left"].map(left),
        right_amount=pairs["right"].map(right),
    )
    mine = pairs.drop_duplicates(["match", "left"])
    theirs = pairs.drop_duplicates(["match", "right"])
    sums = mine.groupby("match")["left_amount"].sum(), theirs.groupby("match")["right_amount"].sum()
    equal = sums[0].index[sums[0] == sums[1].reindex(sums[0].index)]
    mine, theirs = (side[side["match"].isin(equal)] for side in (mine, theirs))
    if problem.parts is not None:
        mine = mine.merge(problem.parts, left_on="left", right_on="payout_id")
        mine = mine.assign(left=mine["line_id"], left_amount=mine["net"])
    kind = "payment" if problem.parts is None else "settlement"
    for side, name, item_kind in ((mine, "left", kind), (theirs, "right", problem.right_kind)):
        yield pd.DataFrame(
            {"match_id": side["match"], "layer": problem.layer, "rule": "peer",
             "item_kind": item_kind, "item_id": side[name], "amount": side[f"{name}_amount"]}
        )  # fmt: skip
