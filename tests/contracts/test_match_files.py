"""``doisoat match`` as a program: files in, files out, exit statuses, and its grade."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.matching.grading import grade, of_world, read_result
from benchmarks.matching.world import CONTRACTS, World
from reconciliation import interchange
from reconciliation.matching.columns import BANK, PAYMENTS, SETTLEMENTS
from tests.support.labelled import build, inputs_of

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "matching"


@pytest.fixture(scope="module")
def world() -> World:
    return build(2026)


@pytest.fixture(scope="module")
def data(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    inputs = inputs_of(world)
    for name, frame, columns in (
        ("payments", inputs.payments, PAYMENTS),
        ("settlements", inputs.settlements, SETTLEMENTS),
        ("bank", inputs.bank, BANK),
    ):
        (folder / f"{name}.csv").write_text(
            interchange.csv_text(frame, columns), encoding="utf-8", newline=""
        )
    (folder / "contracts.json").write_text(json.dumps(CONTRACTS), encoding="utf-8")
    return folder


def match(data: Path, out: Path, *extra: str) -> subprocess.CompletedProcess[str]:
    options: list[str | Path] = []
    for name in ("payments.csv", "settlements.csv", "bank.csv", "contracts.json"):
        options += [f"--{name.partition('.')[0]}", data / name]
    return subprocess.run(
        [sys.executable, "-m", "app.cli.match", *options, "--out", out, *extra],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """One plain run over the labelled set, into the folder ``result``."""
    out = tmp_path_factory.getbasetemp() / "result"
    return match(data, out)


@pytest.fixture(scope="module")
def result(
    done: subprocess.CompletedProcess[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    assert done.returncode == 0, done.stderr
    return tmp_path_factory.getbasetemp() / "result"


def records(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def changed(data: Path, folder: Path, name: str, old: str, new: str) -> Path:
    """A copy of the data with one text replaced once."""
    shutil.copytree(data, folder)
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="")
    return folder


def test_our_labelled_set_is_decided_without_a_fault(world: World, result: Path) -> None:
    verdict = grade(of_world(world), *read_result(result))
    assert verdict.is_clean
    assert not verdict.missed
    assert not verdict.mistyped
    assert verdict.typed.total() > 1_000


def test_the_human_summary_names_counts_and_no_progress_bar_off_a_terminal(
    done: subprocess.CompletedProcess[str],
) -> None:
    assert done.stderr == ""
    assert done.stdout.startswith("As of 2026-03-31: ")
    assert "difference 0" in done.stdout


def test_the_summary_names_the_inputs_as_they_were(data: Path, tmp_path: Path) -> None:
    match(data, tmp_path / "out", "--as-of", "2026-04-15")
    summary = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    assert list(summary) == ["as_of", "engine", "inputs", "layers", "matches", "mismatches"]
    assert summary["as_of"] == "2026-04-15"
    assert summary["engine"] == "local"
    bank = summary["inputs"]["bank.csv"]
    assert bank == {
        "rows": len(records(data / "bank.csv")),
        "sha256": interchange.sha256_of(data / "bank.csv"),
    }
    rows = records(tmp_path / "out" / "mismatches.csv")
    assert sum(summary["mismatches"].values()) == len(rows)
    assert summary["mismatches"].get("timing_difference", 0) == 0


def test_rows_are_sorted_and_the_same_bytes_come_from_any_order(
    data: Path, result: Path, tmp_path: Path
) -> None:
    shutil.copytree(data, tmp_path / "turned")
    for name in ("payments", "settlements", "bank"):
        path = tmp_path / "turned" / f"{name}.csv"
        rows = records(path)
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.DictWriter(handle, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows[::-1])
    match(tmp_path / "turned", tmp_path / "two")
    for name in ("matches.csv", "mismatches.csv"):
        first = (result / name).read_bytes()
        assert (tmp_path / "two" / name).read_bytes() == first
    rows = records(result / "matches.csv")
    keys = [(r["layer"], r["match_id"], r["item_kind"], r["item_id"]) for r in rows]
    assert keys == sorted(keys)


def test_parquet_results_say_the_same_as_csv(data: Path, result: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq  # noqa: PLC0415

    done = match(data, tmp_path / "parquet", "--format", "parquet")
    assert done.returncode == 0
    table = pq.read_table(tmp_path / "parquet" / "mismatches.parquet").to_pylist()
    assert table == records(result / "mismatches.csv")


def test_spark_is_not_part_of_this_installation(data: Path, tmp_path: Path) -> None:
    done = match(data, tmp_path / "out", "--engine", "spark")
    assert done.returncode == 2
    assert done.stderr == "doisoat match: this installation has only the local engine\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "extra", [("--as-of", "soon"), ("--format", "xml"), ("--engine", "abacus"), ("--nonsense",)]
)
def test_wrong_usage_is_status_2(data: Path, tmp_path: Path, extra: tuple[str, ...]) -> None:
    assert match(data, tmp_path / "out", *extra).returncode == 2


def test_a_file_that_is_not_there_is_wrong_usage(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data" / "bank.csv").unlink()
    done = match(tmp_path / "data", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith("doisoat match: --bank: ")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("bank.csv", ",VND,", ",VN,", "bank.csv, line 2, column currency: 'VN' no currency"),
        ("payments.csv", ",pending,", ",open,", "payments.csv, line 2, column status: 'open' is"),
        ("payments.csv", ",bank_transfer,", ",cash,", "payments.csv, line 2, column channel: "),
        ("settlements.csv", ",vnpay,", ",paypal,", "settlements.csv, line 2, column provider: "),
        ("bank.csv", "0141000888999", "777", "bank.csv, line 2, column account: 777 is not the"),
        ("contracts.json", '"grace_days": 3', '"grace_days": {', "contracts.json, line 1, column"),
        (
            "contracts.json",
            '"grace_days": 3',
            '"grace_days": -3',
            "contracts.json, line 1, column grace_days: ",
        ),
    ],
)
def test_an_unusable_input_is_status_3_with_one_line_and_no_result(
    data: Path, tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    done = match(changed(data, tmp_path / "data", name, old, new), tmp_path / "out")
    assert done.returncode == 3
    assert done.stderr.startswith(f"doisoat match: {message}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not SHARED.exists(), reason="the shared labelled samples are not here")
@pytest.mark.parametrize("sample", ["sample-2k", "sample-20k"])
def test_the_shared_sample_is_graded_clean(sample: str, tmp_path: Path) -> None:
    done = match(SHARED / sample, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    graded = subprocess.run(
        [sys.executable, SHARED / "grade.py", SHARED / sample, tmp_path / "out", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert graded.returncode == 0, graded.stdout
    grade = json.loads(graded.stdout)
    assert grade["false_matches"] == 0
    assert grade["recall"] == 1.0
    assert grade["type_accuracy"] == 1.0
