"""``doisoat explain`` as a command: where it finds its files, what it prints, how it ends."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.support.explained import explain, input_files, options, write_result

DATA = Path(__file__).parents[1] / "golden" / "certificates"
LINE = "B00000003"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for path in input_files(DATA).values():
        shutil.copy(path, folder)
    return folder


@pytest.fixture
def result(data: Path, tmp_path: Path) -> Path:
    write_result(data, tmp_path / "result", named=True)
    return tmp_path / "result"


def test_run_json_says_where_the_inputs_are(result: Path) -> None:
    done = explain(LINE, "--result", result)
    assert done.exit_code == 0, done.output
    assert "Đã chạy lại: kết quả giống hệt" in done.stdout
    assert "Replayed: the result is the same, byte for byte." in done.stdout
    assert "bank line B00000003, 50,000 VND (bank.csv, line 2)" in done.stdout


def test_a_match_a_mismatch_and_an_item_are_explained(result: Path) -> None:
    for wanted in (
        pd.read_csv(result / "matches.csv")["match_id"][0],
        pd.read_csv(result / "mismatches.csv")["mismatch_id"][0],
    ):
        done = explain(wanted, "--result", result, "--lang", "en")
        assert done.exit_code == 0
        assert f"\n{wanted}: " in done.stdout


def test_json_is_one_object_with_codes_places_and_both_languages(result: Path) -> None:
    printed = json.loads(explain(LINE, "--result", result, "--json").stdout)

    assert list(printed) == ["id", "as_of", "differs_from_replay", "certificates"]
    assert printed["differs_from_replay"] == []
    (certificate,) = printed["certificates"]
    assert (certificate["decision"], certificate["because"], certificate["layer"]) == (
        "match",
        "narrative_reference_repaired",
        "direct",
    )
    assert certificate["items"][0] == {
        "kind": "bank", "id": LINE, "amount": 50000, "currency": "VND",
        "file": "bank.csv", "number": 2,
    }  # fmt: skip
    repair = next(f for f in certificate["evidence"] if f["code"] == "repair.swapped")
    assert repair["parameters"]["was"] == "YB"
    assert set(repair["text"]) == {"vi", "en"}


def test_a_parquet_result_and_rows_of_parquet_inputs(data: Path, tmp_path: Path) -> None:
    for name in ("payments", "settlements", "bank"):
        text = pd.read_csv(data / f"{name}.csv", dtype=str, keep_default_na=False)
        text.to_parquet(data / f"{name}.parquet")
    write_result(data, tmp_path / "result", ending="parquet")
    done = explain(LINE, "--result", tmp_path / "result", *options(data, "parquet"), "--lang", "en")
    assert done.exit_code == 0, done.output
    assert "(bank.parquet, row 1)" in done.stdout


@pytest.mark.parametrize("file", ["matches.csv", "mismatches.csv"])
def test_a_changed_result_is_said_plainly(result: Path, file: str) -> None:
    path = result / file
    path.write_bytes(path.read_bytes().replace(b",direct,", b",payout,", 1))
    done = explain(LINE, "--result", result, "--lang", "en")
    assert done.exit_code == 1
    assert f"WARNING: {file} differ from this replay" in done.stdout
    assert f"bank line {LINE}" in done.stdout


def test_other_inputs_are_named_beside_the_result_that_differs(data: Path, result: Path) -> None:
    path = data / "bank.csv"
    path.write_text(re.sub(f"{LINE}.*\n", "", path.read_text(encoding="utf-8")), encoding="utf-8")
    done = explain("B00000004", "--result", result, *options(data), "--lang", "en")
    assert done.exit_code == 1
    assert "WARNING: matches.csv, mismatches.csv, bank.csv differ" in done.stdout
    gone = explain(LINE, "--result", result, *options(data))
    assert gone.exit_code == 1
    assert f"{LINE} is not in this replay" in gone.stderr


def test_an_input_that_is_no_longer_the_runs_stops_it(data: Path, result: Path) -> None:
    path = data / "bank.csv"
    path.write_bytes(path.read_bytes() + b"\n")
    done = explain(LINE, "--result", result)
    assert done.exit_code == 3
    assert "bank.csv, line 1, column 1: not the file of this run" in done.stderr


def test_the_day_is_that_of_the_result(data: Path, result: Path) -> None:
    done = explain("P00000027", "--result", result, "--as-of", "2026-03-20", "--lang", "en")
    assert done.exit_code == 1
    assert "timing_difference" in done.stdout
    contracts = json.loads((data / "contracts.json").read_text(encoding="utf-8"))
    (data / "contracts.json").write_text(
        json.dumps(contracts | {"as_of": "2026-03-20"}), encoding="utf-8"
    )
    done = explain("P00000027", "--result", result, *options(data), "--lang", "en")
    assert done.exit_code == 0
    assert "not_settled" in done.stdout


def test_what_is_not_due_needs_no_decision(result: Path) -> None:
    done = explain("P00000002", "--result", result, "--lang", "en")
    assert done.exit_code == 0
    assert "P00000002 is in the inputs and needs no decision" in done.stdout


@pytest.mark.parametrize("wanted", ["m0000000000000000", "nobody"])
def test_an_unknown_id_is_wrong_usage(result: Path, wanted: str) -> None:
    done = explain(wanted, "--result", result)
    assert done.exit_code == 2
    assert f"doisoat explain: {wanted} is no match, mismatch or item" in done.stderr


def test_missing_folders_files_and_options_are_wrong_usage(data: Path, result: Path) -> None:
    assert "is not a folder" in explain(LINE, "--result", data / "none").stderr
    assert "holds no matches and mismatches" in explain(LINE, "--result", data).stderr
    (result / "run.json").unlink()
    done = explain(LINE, "--result", result)
    assert (done.exit_code, "--payments is missing" in done.stderr) == (2, True)
    (data / "bank.csv").unlink()
    done = explain(LINE, "--result", result, *options(data))
    assert (done.exit_code, "--bank: " in done.stderr) == (2, True)


def test_an_unusable_input_is_named_by_file_line_and_column(data: Path, result: Path) -> None:
    path = data / "bank.csv"
    path.write_text(
        path.read_text(encoding="utf-8").replace(",50000,", ",5x,", 1), encoding="utf-8"
    )
    done = explain(LINE, "--result", result, *options(data))
    assert done.exit_code == 3
    assert "bank.csv, line 2, column amount" in done.stderr
    (result / "summary.json").write_text("{", encoding="utf-8")
    done = explain(LINE, "--result", result, *options(data))
    assert done.exit_code == 3
    assert "summary.json, line 1, column 2" in done.stderr
