"""How the import commands say what became of files."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from app.cli.context import print_json
from app.cli.statement import EXIT_STATUS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciliation.intake import ImportReport


def end_with(reports: Iterable[ImportReport], *, as_json: bool) -> None:
    """Print each report as it comes and end with the worst status."""
    worst = 0
    for report in reports:
        outcome = report.outcome.value
        worst = max(worst, EXIT_STATUS[outcome])
        if as_json:
            print_json(asdict(report) | {"outcome": outcome})
            continue
        known = "known file, " if report.known_file else ""
        print(
            f"{report.name}: {outcome}, {known}{report.lines_added} lines added,"
            f" {report.lines_known} known"
        )
        for problem in report.problems:
            print(f"  {problem.code} {problem.where}: {problem.message}")
    raise typer.Exit(worst)
