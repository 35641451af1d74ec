from pathlib import Path

import pandas as pd
import pytest

from benchmarks.matching import bulk, generate
from benchmarks.matching.grading import grade, of_folder

NAMES = ("payments", "settlements", "bank", "truth")


def read(folder: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False)


def test_the_seed_decides_every_byte(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        generate.write(tmp_path / name, 1_500, seed)
    for name in NAMES:
        one, again, other = (
            (tmp_path / folder / f"{name}.csv").read_bytes() for folder in ("one", "again", "other")
        )
        assert one == again
        assert one != other


def test_parts_of_a_large_set_share_no_id_reference_payout_or_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "PART", 2_000)
    generate.write(tmp_path, 6_000, 3, share=0.3)
    payments, lines, bank, truth = (read(tmp_path, name) for name in NAMES)
    assert len(payments) == 6_000
    for table, key in ((payments, "payment_id"), (lines, "line_id"), (bank, "line_id")):
        assert table[key].is_unique
    plain = payments["payment_id"] >= f"P{bulk.FIRST_ID:08}"
    assert payments.loc[plain, "bill_reference"].is_unique
    noisy = set(payments.loc[~plain, "bill_reference"])
    assert noisy.isdisjoint(payments.loc[plain, "bill_reference"])
    assert not truth.duplicated(["layer", "item_kind", "item_id"]).any()
    paid = lines[lines["payout_id"] != ""].groupby("payout_id")["payout_date"].nunique()
    assert (paid == 1).all()
    groups = truth[truth["label"] == "matched"].groupby(["layer", "group"])["item_kind"].nunique()
    assert (groups == 2).all()


def test_nothing_at_all_is_graded_as_lost_by_kind_and_a_wrong_pair_as_false(tmp_path: Path) -> None:
    generate.write(tmp_path, 600, 3)
    labelled = of_folder(tmp_path)
    columns = ["layer", "item_kind", "item_id"]
    nothing = grade(
        labelled,
        pd.DataFrame(columns=["match_id", *columns, "amount"]),
        pd.DataFrame(columns=["type", *columns]),
    )
    assert nothing.lost_in.total() == len([one for one in nothing.lost if one[0] != "-"]) > 0
    assert nothing.made == 0
    truth = labelled.truth[labelled.truth["noise"] == "reversal"]
    rows = truth[columns].assign(match_id="m", amount=0)
    assert grade(labelled, rows, nothing_flagged()).false_in == {"reversal": 1}


def nothing_flagged() -> pd.DataFrame:
    return pd.DataFrame(columns=["type", "layer", "item_kind", "item_id"])
