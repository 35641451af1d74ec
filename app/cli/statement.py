"""``doisoat statement``: read bank statement files, check them, and say what they hold."""

# ruff: noqa: PLC0415 - readers are imported when a command runs, so that --help stays quick
from __future__ import annotations

import json as json_text
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from reconciliation.ports import ParsedFile, ParsedStatement, StatementParser

app = typer.Typer(
    name="statement", help="Read, check and import bank statements.", no_args_is_help=True
)

EXIT_STATUS: Final = {"ok": 0, "held": 1, "refused": 3}
"""Exit status by outcome; 2 is a usage error. A folder ends with the worst."""

_NARRATIVE_WIDTH: Final = 48

FileOrFolder = Annotated[
    Path, typer.Argument(metavar="FILE|DIR", exists=True, help="A statement file, or a folder.")
]
ProfileName = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="Read a table by this profile.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a file, on one line each.")]


@app.command()
def inspect(path: FileOrFolder, profile: ProfileName = None, json: AsJson = False) -> None:
    """Read, check and print; nothing is stored."""
    worst = 0
    for parsed in parse_files(path, profile):
        print_parsed(parsed, as_json=json, is_alone=path.is_file())
        worst = max(worst, EXIT_STATUS[parsed.outcome.value])
    raise typer.Exit(worst)


@app.command("import")
def import_files(path: FileOrFolder, profile: ProfileName = None, json: AsJson = False) -> None:
    """The same, then store: one transaction a file; the same file again changes nothing."""
    from app.cli.context import open_context, operator
    from app.cli.evidence import end_with
    from core.db import transaction
    from reconciliation.intake import Delivery, ImportReport, import_statement

    context, actor = open_context(), operator()

    def stored() -> Iterator[ImportReport]:
        for parsed in parse_files(path, profile):
            delivery = Delivery(Path(parsed.file).read_bytes(), "command line", actor)
            with transaction(context.engine) as session:
                yield import_statement(
                    session, parsed, delivery, vault=context.vault, clock=context.clock
                )

    end_with(stored(), as_json=json)


@app.command()
def profiles(json: AsJson = False) -> None:
    """List the saved table profiles with the marks they are recognised by."""
    from adapters.statements.tables.profile import table_profiles

    for profile in table_profiles():
        if json:
            _print_json(profile.as_data())
            continue
        print(f"{profile.name}: {profile.title}")
        print(f"  recognised by  {'; '.join(' or '.join(group) for group in profile.marks)}")
        print(f"  columns        {', '.join(profile.columns)}")
        print(f"  known from     {profile.provenance}")


def parse_files(path: Path, profile: str | None) -> Iterator[ParsedFile]:
    """Read a file, or every file of a folder by name, one after the other.

    A profile that does not exist, or a file that cannot be opened, ends the command with 2.
    """
    from reconciliation.errors import LayoutUnknownError

    parser = _parser()
    try:
        for file in statement_files(path):
            parsed = parser.parse(file, profile=profile)
            parsed.file = str(file)
            yield parsed
    except LayoutUnknownError as error:
        raise typer.BadParameter(f"{error} (see: doisoat statement profiles)") from error
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from error


def statement_files(path: Path) -> list[Path]:
    """The file itself, or all files below a folder that are not hidden, sorted."""
    if path.is_file():
        return [path]
    below = (p for p in path.rglob("*") if p.is_file())
    return sorted(p for p in below if not any(part.startswith(".") for part in p.parts[-2:]))


def print_parsed(parsed: ParsedFile, *, as_json: bool, is_alone: bool = True) -> None:
    """Print what was read: one line of JSON, or a short table for people."""
    from reconciliation.statement_json import statement_file_json

    if as_json:
        _print_json(statement_file_json(parsed))
        return
    print(f"{parsed.file}  {parsed.format}  {parsed.outcome.value}")
    for statement in parsed.statements:
        _print_statement(statement, with_lines=is_alone)
    for problem in parsed.problems:
        print(f"  {problem.code} {problem.where}: {problem.message}")


def _print_statement(statement: ParsedStatement, *, with_lines: bool) -> None:
    from reconciliation.statement_json import booked_totals

    count, credit, debit = booked_totals(statement.lines)
    period = f"{statement.from_date or '?'} to {statement.to_date or '?'}"
    number = f" no. {statement.number}" if statement.number else ""
    print(f"  account {statement.account} {statement.currency}{number}, {period}")
    opening, closing = _shown(statement.opening_balance), _shown(statement.closing_balance)
    rows = [("opening", opening), (f"in ({count} booked)", _shown(credit))]
    rows += [("out", _shown(-debit)), ("closing", closing)]
    for label, amount in rows:
        print(f"    {label:<16}{amount:>22}")
    print(f"    {'balance':<16}{statement.balance_check.value.replace('_', ' '):>22}")
    if with_lines:
        _print_lines(statement)


def _print_lines(statement: ParsedStatement) -> None:
    """The lines, aligned; a long narrative is cut on the screen only."""
    width = max((len(line.position) for line in statement.lines), default=0)
    for line in statement.lines:
        day = (line.booking_date or line.value_date) or "?"
        state = "" if line.status.value == "booked" else f" ({line.status.value})"
        text = " ".join(f"{line.counterparty_name} {line.narrative}".split())
        cut = text if len(text) <= _NARRATIVE_WIDTH else text[: _NARRATIVE_WIDTH - 1] + "…"
        print(f"    {line.position:<{width}}  {day!s:<10}  {_shown(line.amount):>18}{state}  {cut}")


def _shown(amount: object) -> str:
    return "not stated" if amount is None else f"{amount:,}"


def _parser() -> StatementParser:
    from adapters.statements.parser import StatementFileParser

    return StatementFileParser()


def _print_json(value: dict[str, object]) -> None:
    print(json_text.dumps(value, ensure_ascii=False))


if __name__ == "__main__":
    app()
