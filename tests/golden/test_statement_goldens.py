"""Statement and settlement files of our own, with what must be read from each."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.statements.parser import SettlementFileParser, StatementFileParser
from reconciliation.statement_json import settlement_file_json, statement_file_json

GOLDEN = Path(__file__).parent
STATEMENTS = [
    *sorted((GOLDEN / "camt053").glob("*.xml")),
    *sorted((GOLDEN / "bidv").glob("*.csv")),
    *sorted((GOLDEN / "bidv").glob("*.xlsx")),
    *sorted((GOLDEN / "mt940").glob("*.sta")),
    *sorted((GOLDEN / "vietinbank").glob("*.csv")),
    *sorted((GOLDEN / "vietcombank").glob("*.csv")),
    *sorted((GOLDEN / "mb").glob("*.csv")),
    *sorted((GOLDEN / "techcombank").glob("*.csv")),
]
SETTLEMENTS = sorted((GOLDEN / "settlements").glob("*.csv"))


def expected(file: Path) -> dict[str, object]:
    text = file.with_name(f"{file.stem}.expected.json").read_text(encoding="utf-8")
    return {"file": file.name, **json.loads(text)}


@pytest.mark.parametrize("file", STATEMENTS, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_a_statement_is_read_as_stated(file: Path) -> None:
    read = statement_file_json(StatementFileParser().parse(file))

    assert {k: v for k, v in read.items() if k != "sha256"} == expected(file)


@pytest.mark.parametrize("file", SETTLEMENTS, ids=lambda f: f.stem)
def test_a_settlement_report_is_read_as_stated(file: Path) -> None:
    provider = file.name.partition(".")[0]

    read = settlement_file_json(SettlementFileParser().parse(file, provider=provider))

    assert {k: v for k, v in read.items() if k != "sha256"} == expected(file)


@pytest.mark.parametrize("file", STATEMENTS, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_what_a_golden_file_proves_is_consistent_in_itself(file: Path) -> None:
    """The expectation was written by looking; this is its arithmetic."""
    stated = expected(file)
    for statement in stated["statements"]:  # type: ignore[attr-defined]
        if statement["balance_check"] == "ok" and None not in (
            statement["opening_balance"],
            statement["closing_balance"],
        ):
            booked = [ln for ln in statement["lines"] if ln["status"] == "booked"]
            total = sum((Decimal(ln["amount"]) for ln in booked), Decimal(0))
            opening, closing = statement["opening_balance"], statement["closing_balance"]
            assert Decimal(opening) + total == Decimal(closing)
