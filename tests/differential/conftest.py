"""Ends a comparison with every disagreement it found."""

import pytest

from tests.differential.report import REPORT


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if REPORT.versions:
        terminalreporter.section("other people's readers")
        for line in REPORT.lines():
            terminalreporter.write_line(line)
