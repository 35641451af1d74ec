"""The command that inspects statements: what it prints, and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.statement import app

GOLDEN = Path(__file__).parents[2] / "golden"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("file", "status"),
    [
        ("camt053/credits_and_a_debit.xml", 0),
        ("camt053/balance_fails.xml", 1),
        ("camt053/doctype.xml", 3),
        ("bidv/two_days.csv", 0),
        ("bidv/workbook_with_numbers.xlsx", 0),
        ("bidv/amount_unreadable.csv", 1),
        ("bidv/no_account.csv", 1),
    ],
)
def test_the_exit_status_is_the_outcome(file: str, status: int) -> None:
    assert run("inspect", GOLDEN / file).exit_code == status


def test_json_is_one_object_as_the_contract_says() -> None:
    result = run("inspect", GOLDEN / "camt053/credits_and_a_debit.xml", "--json")

    printed = json.loads(result.stdout)
    assert list(printed) == ["file", "sha256", "format", "outcome", "statements", "problems"]
    statement = printed["statements"][0]
    assert {k: statement[k] for k in ("line_count", "credit_total", "debit_total")} == {
        "line_count": 3,
        "credit_total": "400000",
        "debit_total": "90000",
    }
    assert statement["lines"][0]["counterparty_name"] == "NGUYỄN THỊ ÁNH"


def test_a_folder_gives_an_object_a_line_and_the_worst_status(tmp_path: Path) -> None:
    for name in ("credits_and_a_debit.xml", "balance_fails.xml"):
        (tmp_path / name).write_bytes((GOLDEN / "camt053" / name).read_bytes())
    (tmp_path / ".hidden").write_text("x")

    result = run("inspect", tmp_path, "--json")

    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(o["file"]).name for o in objects] == [
        "balance_fails.xml",
        "credits_and_a_debit.xml",
    ]
    assert result.exit_code == 1


def test_people_see_names_amounts_and_problems() -> None:
    shown = run("inspect", GOLDEN / "camt053/credits_and_a_debit.xml").stdout
    held = run("inspect", GOLDEN / "camt053/balance_fails.xml").stdout

    assert "NGUYỄN THỊ ÁNH" in shown
    assert "1,310,000" in shown
    assert "S300 Stmt[1]: opening 1000 and booked lines 500 give 1500" in held


@pytest.mark.parametrize(
    "arguments",
    [("inspect",), ("inspect", "/no/such/file"), ("inspect", GOLDEN, "--profile", "no-such-bank")],
    ids=["no file", "missing file", "unknown profile"],
)
def test_a_mistake_in_the_call_ends_with_two(arguments: tuple[str | Path, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_profiles_are_listed_with_their_marks() -> None:
    shown = run("profiles").stdout
    listed = [json.loads(line) for line in run("profiles", "--json").stdout.splitlines()]

    assert "BÁO CÁO CHI TIẾT SỐ DƯ TÀI KHOẢN" in shown
    assert {p["name"] for p in listed} == {
        "bidv",
        "mb",
        "techcombank",
        "vietcombank",
        "vietcombank-cashup",
        "vietinbank-efast",
    }


def test_asking_for_help_imports_no_reader() -> None:
    code = "import sys, app.cli.statement; print(sorted({'lxml', 'adapters'} & set(sys.modules)))"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout

    assert printed.strip() == b"[]"
