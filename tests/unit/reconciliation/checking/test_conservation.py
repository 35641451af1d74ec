"""A sound result has no finding; each way of breaking it at seeded places has its own."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.matching.world import CONTRACTS
from reconciliation import interchange
from reconciliation.checking.conservation import Population, check, population_of
from reconciliation.checking.files import Row, rows_of, table_in
from reconciliation.matching.columns import BANK, PAYMENTS, SETTLEMENTS
from tests.support.labelled import build, inputs_of

PLACES = 8


def matched(data: Path, out: Path, *extra: str) -> tuple[Population, list[Row], list[Row]]:
    options: list[str | Path] = []
    for name in ("payments.csv", "settlements.csv", "bank.csv", "contracts.json"):
        options += [f"--{name.partition('.')[0]}", data / name]
    subprocess.run(
        [sys.executable, "-m", "app.cli.match", *options, "--out", out, *extra],
        check=True,
        capture_output=True,
    )
    held = population_of(
        *(rows_of(data / f"{name}.csv") for name in ("payments", "settlements", "bank"))
    )
    matches, mismatches = (list(rows_of(table_in(out, n))) for n in ("matches", "mismatches"))
    return held, matches, mismatches


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checked")
    inputs = inputs_of(build(2026, size=4))
    for name, frame, columns in (
        ("payments", inputs.payments, PAYMENTS),
        ("settlements", inputs.settlements, SETTLEMENTS),
        ("bank", inputs.bank, BANK),
    ):
        text = interchange.csv_text(frame, columns)
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    (folder / "contracts.json").write_text(json.dumps(CONTRACTS), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def sound(data: Path) -> tuple[Population, list[Row], list[Row]]:
    return matched(data, data / "result")


def test_a_sound_result_has_no_finding(sound: tuple[Population, list[Row], list[Row]]) -> None:
    assert check(*sound) == []


def test_parquet_is_read_as_csv_is(data: Path) -> None:
    assert check(*matched(data, data / "columns", "--format", "parquet")) == []


def drop(rows: list[Row], at: int) -> None:
    del rows[at]


def double(rows: list[Row], at: int) -> None:
    rows.insert(at, dict(rows[at]))


def raise_amount(rows: list[Row], at: int) -> None:
    rows[at]["amount"] = str(int(rows[at]["amount"]) + 1)


def rename_item(rows: list[Row], at: int) -> None:
    rows[at]["item_id"] += "?"


def change_layer(rows: list[Row], at: int) -> None:
    rows[at]["layer"] = "payout" if rows[at]["layer"] == "direct" else "direct"


def change_rule(rows: list[Row], at: int) -> None:
    rows[at]["rule"] += "?"


def change_id(rows: list[Row], at: int) -> None:
    rows[at]["match_id"] = "m" + "0" * 16


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (drop, "match_balance"),
        (double, "item_twice"),
        (raise_amount, "item_amount"),
        (rename_item, "unknown_item"),
        (change_layer, "match_rule"),
        (change_rule, "match_rule"),
        (change_id, "match_id"),
    ],
)
def test_damage_is_found(
    sound: tuple[Population, list[Row], list[Row]],
    damage: Callable[[list[Row], int], None],
    code: str,
) -> None:
    held, matches, mismatches = sound
    seeded = random.Random(damage.__name__)
    for at in seeded.sample(range(len(matches)), min(PLACES, len(matches))):
        broken = [dict(row) for row in matches]
        damage(broken, at)
        assert code in {finding.code for finding in check(held, broken, mismatches)}, at


def test_a_mismatch_left_out_is_found(sound: tuple[Population, list[Row], list[Row]]) -> None:
    held, matches, mismatches = sound
    due = [
        row for row in mismatches if (row["layer"], row["item_kind"], row["item_id"]) in held.due
    ]
    for row in due[:PLACES]:
        kept = [other for other in mismatches if other is not row]
        assert "item_missing" in {finding.code for finding in check(held, matches, kept)}
