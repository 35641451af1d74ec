"""The table of rails × cases that ``test_gateways.py`` ends with."""

from collections.abc import Generator

import pytest

from tests.contracts.rigs.cases import NOT_APPLICABLE, TABLE, cell_of, skip_reason


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--gateway-table",
        action="store_true",
        help="print rails × cases, with the reasons of what is n/a",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if cell := cell_of(item):
        TABLE.note(cell, report)
    return report


def pytest_report_teststatus(
    report: pytest.TestReport | pytest.CollectReport,
) -> tuple[str, str, str] | None:
    """Count a cell that is n/a as n/a, not among the skipped."""
    if report.skipped and skip_reason(report).startswith(NOT_APPLICABLE):
        return "n/a", "n", "N/A"
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not TABLE.cells:
        return
    terminalreporter.section("rails × cases")
    # Not registered when this folder is not named on the command line.
    if terminalreporter.config.getoption("gateway_table", default=False):
        for line in TABLE.lines():
            terminalreporter.write_line(line)
    terminalreporter.write_line(TABLE.summary())
