"""``doisoat fees``: import procedures and their fees."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="fees", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Import procedures and their fees."""


@app.command("import")
def import_list(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV or XLSX.")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Take a fee list: good rows are stored, every refused row is reported. Status 1 if any."""
    from dataclasses import asdict

    from adapters.statements.fee_lists import read_fee_list
    from app.cli.context import open_context, operator, print_json
    from core.audit import record_audit
    from core.crypto import sha256_hex
    from core.db import transaction
    from payments.fees import import_fees

    context = open_context()
    rows = read_fee_list(file)
    with transaction(context.engine) as session:
        report = import_fees(session, rows)
        record_audit(
            session,
            operator(),
            "import_fees",
            ("fee_list", sha256_hex(file.read_bytes())),
            clock=context.clock,
            after={"added": report.added, "refused": len(report.refused)},
        )
    if json:
        print_json(asdict(report))
    else:
        print(
            f"{file}: {report.added} fees added, {report.ended} ended, {report.unchanged} unchanged"
        )
        for row in report.refused:
            print(f"  row {row.row}, {row.column}: {row.message}")
    raise typer.Exit(1 if report.refused else 0)
