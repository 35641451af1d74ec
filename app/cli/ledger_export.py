"""``doisoat ledger export``: the books of a range as a package for an auditor."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import date

    from scheduler.context import JobContext

FORMATS = ("datapackage", "parquet", "xlsx", "jsonl", "hledger", "beancount")


def export(
    out: Annotated[Path, typer.Option(help="The folder to make; it must not exist yet.")],
    first: Annotated[str, typer.Option("--from", help="First day (default: the oldest).")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day (default: today).")] = "",
    format_: Annotated[
        str, typer.Option("--format", help=f"One of: {', '.join(FORMATS)}.")
    ] = "datapackage",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write the books of these days with a manifest; the folder appears whole or not at all."""
    from app.cli.context import open_context, print_json
    from core.clock import business_day
    from core.db import reading
    from reconciliation.auditing.books import book_range
    from reconciliation.auditing.models import Format
    from reconciliation.auditing.package import write_package
    from reconciliation.errors import ExportRangeError, ExportTargetError

    if format_ not in FORMATS:
        raise typer.BadParameter(f"--format is one of {', '.join(FORMATS)}")
    days = _day(first), _day(last)
    context = open_context()
    _bring_log_up(context)
    try:
        with reading(context.engine) as session:
            wanted = book_range(session, *days, scope="/", today=business_day(context.clock()))
            about = write_package(session, wanted, Format(format_), out, progress=_show)
    except (ExportRangeError, ExportTargetError) as problem:
        raise typer.BadParameter(f"{problem.code} {problem.detail}") from None
    if json:
        print_json(about)
        return
    print(f"{out}: {about['entries']:,} entries, {about['transfers']:,} transfers")
    for total in about["totals"]:
        print(
            f"debits {total['debit_minor']:,} = credits {total['credit_minor']:,}"
            f" {total['currency']} (minor units)"
        )


def _bring_log_up(context: JobContext) -> None:
    """Have the newest entries in a checkpoint; a log that cannot be signed stops no export."""
    from core.errors import DoisoatError
    from scheduler.publishing import append_log, sign_log

    try:
        append_log(context)
        sign_log(context)
    except DoisoatError as problem:
        print(f"doisoat: not signed: {problem.code} {problem.detail}", file=sys.stderr)


def _day(text: str) -> date | None:
    from datetime import date

    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a day as 2026-12-31") from None


def _show(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{done:,} of {total:,} transfers", end=end, file=sys.stderr, flush=True)
