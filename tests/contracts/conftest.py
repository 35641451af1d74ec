"""The table of rails × cases that ``test_gateways.py`` ends with, and the command line."""

import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from app.cli import main
from core.clock import at_vietnam_time, move_clock
from core.settings import Settings, get_settings
from tests.contracts.rigs.cases import NOT_APPLICABLE, TABLE, cell_of, skip_reason
from tests.support.commandline import Doisoat, Done
from tests.support.evidence import DAY
from tests.support.statement_table import STATEMENT_TABLE


@pytest.fixture
def doisoat(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Doisoat]:
    """Return the command line of an installation of its own."""
    monkeypatch.setenv("DOISOAT_VAR_DIR", str(tmp_path / "var"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    move_clock(Settings().clock_file, at_vietnam_time(DAY, 12))

    def run(*words: object) -> Done:
        get_settings.cache_clear()
        monkeypatch.setattr(sys, "argv", ["doisoat", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Done(int(end.value.code or 0), said.out, said.err)

    yield run
    get_settings.cache_clear()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--gateway-table",
        action="store_true",
        help="print rails × cases, with the reasons of what is n/a",
    )
    parser.addoption(
        "--statement-table",
        action="store_true",
        help="print what became of every file of the statement corpus, and every refusal",
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
    if TABLE.cells:
        _print(terminalreporter, "rails × cases", "gateway_table", TABLE.lines(), TABLE.summary())
    if STATEMENT_TABLE.readings:
        lines, summary = STATEMENT_TABLE.lines(), STATEMENT_TABLE.summary()
        _print(terminalreporter, "statement corpus", "statement_table", lines, summary)


def _print(
    reporter: pytest.TerminalReporter, title: str, option: str, lines: list[str], summary: str
) -> None:
    reporter.section(title)
    # Not registered when this folder is not named on the command line.
    if reporter.config.getoption(option, default=False):
        for line in lines:
            reporter.write_line(line)
    reporter.write_line(summary)
