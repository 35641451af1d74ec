"""Ends a long fuzz with what it has seen."""

import pytest

from tests.support.mutations import FUZZ


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if FUZZ.seen:
        terminalreporter.section("damaged statement files")
        for line in FUZZ.lines():
            terminalreporter.write_line(line)
