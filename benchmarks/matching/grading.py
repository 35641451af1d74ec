"""What is wrong with a result: compared with the truth, item by item, without a loop over them."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv

from benchmarks.matching.world import Key, World

ITEM: Final = ["layer", "item_kind", "item_id"]
TRUTH: Final = ("layer", "group", "item_kind", "item_id", "label", "noise")
FREE: Final = frozenset({"matched", "may_match", "*"})
"""Labels that name no mismatch type."""
_INNER: Final = {"provider": "payment", "payout": "settlement", "direct": "payment"}


@dataclass(slots=True)
class Verdict:
    """What is wrong with a result; counters are by kind of noise, the rest is named.

    ``found`` and ``missed``: matches that had to be made. ``typed`` and ``mistyped``: flags that
    had to be of a certain type.
    """

    false: list[str] = field(default_factory=list)
    lost: list[Key] = field(default_factory=list)
    double: list[Key] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    not_due: list[Key] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    typed: Counter[str] = field(default_factory=Counter)
    mistyped: Counter[str] = field(default_factory=Counter)
    false_in: Counter[str] = field(default_factory=Counter)
    lost_in: Counter[str] = field(default_factory=Counter)
    made: int = 0
    """Matches in the result, right or false."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is false, lost, doubled, unbalanced or flagged without being due."""
        return not (self.false or self.lost or self.double or self.unbalanced or self.not_due)

    def recall(self) -> dict[str, float]:
        """Found among required, by kind of noise."""
        kinds = sorted({*self.found, *self.missed})
        return {kind: self.found[kind] / (self.found[kind] + self.missed[kind]) for kind in kinds}


@dataclass(frozen=True, slots=True)
class Labelled:
    """A data set with its truth: frames of text, sums as int64.

    ``items``: every item in each layer that it may stand in, with its own ``amount`` there, and
    ``due``: whether it has to appear. ``truth``: the columns TRUTH.
    """

    items: pd.DataFrame
    truth: pd.DataFrame


def of_folder(folder: Path) -> Labelled:
    """Read a data set of ``generate``, or any other in the same form."""
    payments = _read(folder / "payments.csv", "payment_id", "kind", "channel", "status", "amount")
    lines = _read(folder / "settlements.csv", "line_id", "gross", "net")
    bank = _read(folder / "bank.csv", "line_id", "amount")
    return Labelled(_items(payments, lines, bank), _read(folder / "truth.csv", *TRUTH))


def of_world(world: World) -> Labelled:
    """The same of a world that was never written."""
    payments = pd.DataFrame(world.payments, columns=["payment_id", "kind", "channel", "status",
                                                     "amount"])  # fmt: skip
    lines = pd.DataFrame(world.settlements, columns=["line_id", "gross", "net"])
    bank = pd.DataFrame(world.bank, columns=["line_id", "amount"])
    truth = pd.DataFrame(world.truth(), columns=list(TRUTH))
    return Labelled(_items(payments, lines, bank), truth)


def read_result(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The matches and mismatches of a result."""
    matches = _read(folder / "matches.csv", "match_id", *ITEM, "amount")
    return matches, _read(folder / "mismatches.csv", "type", *ITEM)


def grade(labelled: Labelled, matches: pd.DataFrame, mismatches: pd.DataFrame) -> Verdict:
    """Compare a result with the truth."""
    verdict = Verdict()
    _grade_matches(labelled, matches, verdict)
    _grade_flags(labelled, matches, mismatches, verdict)
    _grade_presence(labelled, matches, mismatches, verdict)
    return verdict


def _read(path: Path, *columns: str) -> pd.DataFrame:
    sums = {"amount", "gross", "net"}
    types = {name: pa.int64() if name in sums else pa.string() for name in columns}
    table = pacsv.read_csv(
        path,
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(column_types=types, include_columns=list(columns)),
    )
    return pd.DataFrame(table.to_pandas())


def _items(payments: pd.DataFrame, lines: pd.DataFrame, bank: pd.DataFrame) -> pd.DataFrame:
    sign = (payments["kind"] == "payment").map({True: 1, False: -1})
    direct = payments["channel"] == "bank_transfer"
    parts = [
        (
            direct.map({True: "direct", False: "provider"}),
            "payment",
            payments["payment_id"],
            sign * payments["amount"],
            payments["status"] == "succeeded",
        ),
        ("provider", "settlement", lines["line_id"], lines["gross"], True),
        ("payout", "settlement", lines["line_id"], lines["net"], True),
        ("payout", "bank", bank["line_id"], bank["amount"], False),
        ("direct", "bank", bank["line_id"], bank["amount"], False),
    ]
    columns = ["layer", "item_kind", "item_id", "amount", "due"]
    return pd.concat(
        [
            pd.DataFrame(dict(zip(columns, part, strict=True)), index=part[2].index)
            for part in parts
        ],
        ignore_index=True,
    )


def _grade_matches(labelled: Labelled, matches: pd.DataFrame, verdict: Verdict) -> None:
    """A match is right if it is exactly one group of the truth, with the items' own amounts."""
    truth = labelled.truth.assign(group=labelled.truth["group"].replace("", None))
    grouped = truth[truth["group"].notna()]
    size = grouped.groupby(["layer", "group"], sort=False).size().rename("size")
    rows = matches.merge(truth[[*ITEM, "group", "noise"]], on=ITEM, how="left")
    rows = rows.merge(labelled.items[[*ITEM, "amount"]], on=ITEM, how="left", suffixes=("", "_own"))
    outer = rows["item_kind"] == rows["layer"].map(_INNER)
    rows["side"] = rows["amount_own"] * outer.map({True: 1, False: -1})
    rows["strange"] = rows["amount"] != rows["amount_own"]
    one = rows.groupby("match_id", sort=False).agg(
        layer=("layer", "first"),
        layers=("layer", "nunique"),
        group=("group", "first"),
        groups=("group", "nunique"),
        known=("group", "count"),
        count=("layer", "size"),
        balance=("side", "sum"),
        strange=("strange", "any"),
        noise=("noise", "first"),
    )
    one = one.join(size, on=["layer", "group"])
    right = (one["layers"] == 1) & (one["groups"] == 1) & (one["known"] == one["count"])
    right &= one["count"] == one["size"]
    verdict.made = len(one)
    verdict.false = one.index[~right].tolist()
    verdict.false_in.update(one["noise"][~right].fillna("nothing was due").tolist())
    verdict.unbalanced = one.index[one["strange"] | (one["balance"] != 0)].tolist()
    made = one[right].set_index(["layer", "group"]).index
    wanted = grouped[grouped["label"] == "matched"].drop_duplicates(["layer", "group"])
    found = wanted.set_index(["layer", "group"]).index.isin(made)
    verdict.found.update(wanted["noise"][found].tolist())
    verdict.missed.update(wanted["noise"][~found].tolist())


def _grade_flags(
    labelled: Labelled, matches: pd.DataFrame, mismatches: pd.DataFrame, verdict: Verdict
) -> None:
    wanted = labelled.truth[~labelled.truth["label"].isin(FREE)]
    rows = wanted.merge(mismatches[[*ITEM, "type"]], on=ITEM, how="left")
    rows = rows.merge(matches[[*ITEM, "match_id"]], on=ITEM, how="left")
    texts = rows[["noise", "item_kind", "label", "type", "match_id"]].fillna("").astype(str)
    for noise, kind, label, flag, match in texts.itertuples(index=False, name=None):
        if flag in label.split("|"):
            verdict.typed[noise] += 1
        else:
            got = "a match" if match else flag or "nothing"
            verdict.mistyped[f"{noise}: {kind} {label} ≠ {got}"] += 1


def _grade_presence(
    labelled: Labelled, matches: pd.DataFrame, mismatches: pd.DataFrame, verdict: Verdict
) -> None:
    """Whatever is due appears once; a bank line appears in one of its layers."""
    seen = pd.concat([matches[ITEM], mismatches[ITEM]], ignore_index=True)
    verdict.double = _keys(seen[seen.duplicated(ITEM)])
    rows = labelled.items.merge(seen.drop_duplicates(ITEM).assign(seen=True), on=ITEM, how="left")
    rows["seen"] = rows["seen"].notna()
    lost = rows[rows["due"] & ~rows["seen"]]
    verdict.lost = _keys(lost)
    kinds = lost.merge(labelled.truth[[*ITEM, "noise"]], on=ITEM, how="left")["noise"]
    verdict.lost_in.update(kinds.fillna("nothing is said of it").tolist())
    bank = rows[rows["item_kind"] == "bank"].groupby("item_id", sort=False)["seen"].sum()
    verdict.lost += [("-", "bank", line) for line in bank.index[bank == 0]]
    verdict.double += [("-", "bank", line) for line in bank.index[bank > 1]]
    payments = rows[(rows["item_kind"] == "payment") & ~rows["due"]]
    flagged = payments.merge(mismatches[ITEM], on=ITEM)
    spoken = flagged.merge(labelled.truth[ITEM], on=ITEM, how="left", indicator=True)
    verdict.not_due = _keys(spoken[spoken["_merge"] == "left_only"])


def _keys(rows: pd.DataFrame) -> list[Key]:
    return [(str(a), str(b), str(c)) for a, b, c in rows[ITEM].itertuples(index=False)]
