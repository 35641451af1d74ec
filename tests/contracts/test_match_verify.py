"""``doisoat match verify``: exit status, a line for each finding, inputs of another result."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.matching.world import CONTRACTS
from reconciliation import interchange
from reconciliation.matching.columns import BANK, PAYMENTS, SETTLEMENTS
from tests.support.labelled import build, inputs_of

ROOT = Path(__file__).parents[2]
TABLES = (("payments", PAYMENTS), ("settlements", SETTLEMENTS), ("bank", BANK))
START = "from app.cli import main; main()"


def doisoat(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", START, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the inputs of a small run, and its result in ``result``."""
    folder = tmp_path_factory.mktemp("made")
    inputs = inputs_of(build(11, size=2))
    options: list[str | Path] = []
    for name, columns in TABLES:
        text = interchange.csv_text(getattr(inputs, name), columns)
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
        options += [f"--{name}", folder / f"{name}.csv"]
    (folder / "contracts.json").write_text(json.dumps(CONTRACTS), encoding="utf-8")
    options += ["--contracts", folder / "contracts.json"]
    done = doisoat("match", *options, "--out", folder / "result")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def test_run_json_says_where_the_inputs_are_and_what_they_were(made: Path) -> None:
    run = json.loads((made / "result" / "run.json").read_text(encoding="utf-8"))
    assert run["as_of"] == CONTRACTS["as_of"]
    assert set(run["inputs"]) == {"payments", "settlements", "bank", "contracts"}
    for one in run["inputs"].values():
        assert interchange.sha256_of(made / "result" / one["path"]) == one["sha256"]


def test_a_sound_result_is_0_wherever_the_folder_stands(copy: Path) -> None:
    done = doisoat("match", "verify", copy / "result")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 findings" in done.stdout


def test_a_finding_is_1_and_says_code_file_row_item_and_both_sides(copy: Path) -> None:
    matches = copy / "result" / "matches.csv"
    lines = matches.read_text(encoding="utf-8").splitlines(keepends=True)
    at = next(at for at, line in enumerate(lines) if ",provider," in line)
    item = lines.pop(at).split(",")[4]
    matches.write_text("".join(lines), encoding="utf-8", newline="")
    done = doisoat("match", "verify", copy / "result")
    assert done.returncode == 1
    assert any(
        line.startswith("item_missing") and item in line and "every due item" in line
        for line in done.stdout.splitlines()
    )


def test_wrong_usage_is_2(copy: Path) -> None:
    assert doisoat("match", "verify").returncode == 2
    assert doisoat("match", "verify", copy / "nothing").returncode == 2
    done = doisoat("match", "verify", copy / "result", "--bank", copy / "nothing.csv")
    assert done.returncode == 2


def test_a_changed_input_is_3(copy: Path) -> None:
    with (copy / "bank.csv").open("a", encoding="utf-8") as bank:
        bank.write("\n")
    done = doisoat("match", "verify", copy / "result")
    assert (done.returncode, done.stdout) == (3, "")
    assert "R010 bank.csv: is not the file that this result was made of" in done.stderr


def test_an_input_moved_is_named_by_an_option(copy: Path) -> None:
    (copy / "bank.csv").rename(copy / "lines.csv")
    assert doisoat("match", "verify", copy / "result").returncode == 3
    done = doisoat("match", "verify", copy / "result", "--bank", copy / "lines.csv")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.json", "{}"),
        ("run.json", '{"inputs": {"payments": {"path": 1}}}'),
        ("summary.json", "[]"),
        ("summary.json", "{"),
        ("summary.json", '{"inputs": {"a": {"rows": 1}}}'),
        ("matches.csv", ""),
        ("matches.csv", "match_id\n1\n"),
        ("matches.csv", "match_id,layer,rule,item_kind,item_id,confidence,amount\n,,,,,,x\n"),
        ("mismatches.csv", "mismatch_id,type\n1,2,3\n"),
    ],
)
def test_a_result_that_cannot_be_read_is_3(copy: Path, name: str, text: str) -> None:
    (copy / "result" / name).write_text(text, encoding="utf-8")
    done = doisoat("match", "verify", copy / "result")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("doisoat: R010 ")


def test_a_missing_file_is_3(copy: Path) -> None:
    for name in ("run.json", "mismatches.csv", "summary.json"):
        (copy / "result" / name).unlink()
        assert doisoat("match", "verify", copy / "result").returncode == 3


def test_a_false_figure_is_found(copy: Path) -> None:
    path = copy / "result" / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    summary["layers"]["direct"]["bank"]["due"]["sum"] += 1
    summary["matches"] += 1
    summary["inputs"]["bank.csv"]["rows"] += 1
    path.write_text(json.dumps(summary), encoding="utf-8")
    done = doisoat("match", "verify", copy / "result")
    assert done.returncode == 1
    assert done.stdout.count("summary_figure") == 2
    assert done.stdout.count("summary_input") == 1
    assert "layers.direct.bank.due.sum" in done.stdout
