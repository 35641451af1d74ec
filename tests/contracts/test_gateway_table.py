"""The table of rails × cases itself: what counts as a hole, and what a reader sees."""

from typing import Literal

import pytest

from tests.contracts.rigs.cases import NOT_APPLICABLE, REASONS, Case, Table
from tests.contracts.rigs.registry import RAILS

CELL = ("success", "vnpay")
NAMES, COLUMNS = {"success"}, {"vnpay"}


def report(
    outcome: Literal["passed", "failed", "skipped"],
    when: Literal["setup", "call", "teardown"] = "call",
    reason: str = "",
) -> pytest.TestReport:
    longrepr = ("file", 1, f"Skipped: {reason}") if outcome == "skipped" else None
    return pytest.TestReport("node", ("file", 1, "test"), {}, outcome, longrepr, when)


def test_a_cell_of_which_nothing_is_known_is_a_hole() -> None:
    assert Table().holes(NAMES, COLUMNS) == ["success × vnpay"]


def test_a_pass_or_a_reason_fills_a_cell() -> None:
    for filled in (
        report("passed"),
        report("skipped", "setup", f"{NOT_APPLICABLE}because"),
    ):
        table = Table()
        table.note(CELL, filled)
        assert table.holes(NAMES, COLUMNS) == []


@pytest.mark.parametrize("reason", ["", "n/a", "n/a: ", "no time", "absent: it is not written yet"])
def test_a_skip_without_a_reason_counts_as_failed(reason: str) -> None:
    table = Table()
    table.note(CELL, report("skipped", "setup", reason))

    assert table.cells[CELL] == "FAIL"


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_a_failure_in_any_phase_stands(when: Literal["setup", "call", "teardown"]) -> None:
    table = Table()
    for phase in ("setup", "call", "teardown"):
        table.note(CELL, report("failed" if phase == when else "passed", phase))

    assert table.cells[CELL] == "FAIL"


def test_the_table_numbers_its_reasons_and_names_every_rail() -> None:
    table = Table()
    table.note(CELL, report("passed"))
    table.note(("success", "sepay"), report("skipped", "setup", f"{NOT_APPLICABLE}it opens none"))

    lines = table.lines({"success": Case("success", "success", ())})

    assert all(rail in lines[0] for rail in RAILS)
    assert lines[1].split() == ["success", "n/a", "1", "pass"]
    assert "n/a 1: it opens none" in lines
    assert table.summary() == "1 pass, 1 n/a"


def test_every_reason_is_a_sentence() -> None:
    assert all(len(reason.split()) > 2 for reason in REASONS.values())
