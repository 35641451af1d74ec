"""``doisoat statement``: read bank statement files, check them, and say what they hold."""

# ruff: noqa: PLC0415 - readers are imported when a command runs, so that --help stays quick
from __future__ import annotations

import json as json_text
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeGuard

import typer

if TYPE_CHECKING:
    from adapters.statements.parser import StatementFileParser
    from reconciliation.ports import ParsedFile, ParsedStatement

app = typer.Typer(
    name="statement", help="Read, check and import bank statements.", no_args_is_help=True
)

EXIT_STATUS: Final = {"ok": 0, "held": 1, "refused": 3}
"""Exit status by outcome; 2 is a usage error. A folder ends with the worst."""

_NARRATIVE_WIDTH: Final = 48


class DateOrder(StrEnum):
    """How days are written that could be read in two ways."""

    DMY = "dmy"
    MDY = "mdy"
    YMD = "ymd"


FileOrFolder = Annotated[
    Path, typer.Argument(metavar="FILE|DIR", exists=True, help="A statement file, or a folder.")
]
ProfileName = Annotated[
    str | None,
    typer.Option(
        "--profile", metavar="NAME|FILE", help="Read a table by this profile, or one in a file."
    ),
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
def profiles(
    withdraw: Annotated[
        str, typer.Option("--withdraw", metavar="NAME", help="Use this saved profile no more.")
    ] = "",
    json: AsJson = False,
) -> None:
    """List the table profiles, those that ship and those saved here, with their marks."""
    from adapters.statements.tables.profile import profile_from, table_profiles

    if withdraw:
        _withdraw(withdraw)
        return
    saved = [profile_from(data, where="profile") for data in _saved_layouts()]
    for profile in (*table_profiles(), *saved):
        if json:
            _print_json(profile.as_data())
            continue
        print(f"{profile.label}: {profile.title}")
        print(f"  recognised by  {'; '.join(' or '.join(group) for group in profile.marks)}")
        print(f"  columns        {', '.join(profile.columns)}")
        print(f"  known from     {profile.provenance or 'saved here'}")


@app.command()
def propose(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A table file.")],
    *,
    account: Annotated[str, typer.Option(help="Whose table it is, if it does not say.")] = "",
    currency: Annotated[str, typer.Option(help="Its currency, if it does not say.")] = "",
    date_order: Annotated[DateOrder | None, typer.Option(help="Day, month and year.")] = None,
    decimal_mark: Annotated[str, typer.Option(metavar="[.|,]", help="Of its amounts.")] = "",
    money_in: Annotated[
        str, typer.Option(metavar="[in|out|COLUMN]", help="What amounts without a sign are.")
    ] = "",
    name: Annotated[str, typer.Option(help="What to call the profile.")] = "",
    out: Annotated[Path | None, typer.Option(help="Write the profile to this file.")] = None,
    save: Annotated[bool, typer.Option("--save", help="Save it here, for its account.")] = False,
    json: AsJson = False,
) -> None:
    """Propose how to read a table of unknown layout; what it does not tell is asked.

    Ends with 0 if nothing is open, 1 if something is, 3 if no table with dates and amounts is
    found. Nothing is saved, or written to a file, while something is open.
    """
    from app.cli.layouts import print_proposal, save_proposal, write_profile
    from core.errors import DoisoatError
    from reconciliation.errors import LayoutInvalidError
    from reconciliation.ports import LayoutAnswers

    answers = LayoutAnswers(
        name=name,
        account=account,
        currency=currency.upper(),
        date_order=date_order.value if date_order else "",
        decimal_mark=decimal_mark,
        money_in=money_in,
    )
    try:
        proposal = _parser().propose(file, answers)
    except LayoutInvalidError as error:
        raise typer.BadParameter(error.detail) from error
    except DoisoatError as refusal:
        print(f"{file}: {refusal.detail}", file=sys.stderr)
        raise typer.Exit(EXIT_STATUS["refused"]) from refusal
    if proposal is None:
        print(f"{file}: no table with dates and amounts was found", file=sys.stderr)
        raise typer.Exit(EXIT_STATUS["refused"])
    print_proposal(proposal, as_json=json)
    if proposal.questions:
        raise typer.Exit(EXIT_STATUS["held"])
    if out is not None:
        write_profile(proposal, out)
    if save:
        save_proposal(proposal)


@app.command()
def chain(
    account: Annotated[str, typer.Argument(help="A collecting account; all without it.")] = "",
    json: AsJson = False,
) -> None:
    """Say whether statements follow each other, and what is missing.

    Ends with 1 if anything is.
    """
    from app.cli.chain import chains, print_chain

    found = chains(account)
    for one in found:
        print_chain(one, as_json=json)
    raise typer.Exit(EXIT_STATUS["held"] if any(one.gaps for one in found) else 0)


@app.command()
def undo(
    file_id: Annotated[str, typer.Argument(help="The id of the file, as import printed it.")],
    reason: Annotated[str, typer.Option(help="Why; the auditor reads it.")],
) -> None:
    """Take back an import as a unit, while nothing of it is matched or closed."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from reconciliation.intake import undo_import

    context = open_context()
    with transaction(context.engine) as session:
        undo_import(session, file_id, reason=reason, actor=operator(), clock=context.clock)
    print(f"{file_id} is taken back; its lines count no more, and it can be brought in again")


def _withdraw(name: str) -> None:
    from app.cli.context import open_context, operator
    from core.db import transaction
    from reconciliation.layouts import withdraw_layout

    context = open_context()
    with transaction(context.engine) as session:
        withdraw_layout(session, name, actor=operator(), clock=context.clock)
    print(f"{name} is used no more; what it has read stays as it is")


def parse_files(path: Path, profile: str | None) -> Iterator[ParsedFile]:
    """Read a file, or every file of a folder by name, one after the other.

    A profile that does not exist, or a file that cannot be opened, ends the command with 2.
    """
    from reconciliation.errors import LayoutInvalidError, LayoutUnknownError

    parser = _parser()
    try:
        written = json_text.loads(Path(profile).read_text("utf-8")) if _is_file(profile) else None
        for file in statement_files(path):
            if written is None:
                parsed = parser.parse(file, profile=profile)
            else:
                parsed = parser.parse_by(file, written)
            parsed.file = str(file)
            yield parsed
    except LayoutUnknownError as error:
        raise typer.BadParameter(f"{error} (see: doisoat statement profiles)") from error
    except LayoutInvalidError as error:
        raise typer.BadParameter(error.detail) from error
    except ValueError as error:
        raise typer.BadParameter(f"{profile}: this is no JSON") from error
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from error


def _is_file(profile: str | None) -> TypeGuard[str]:
    return profile is not None and profile.endswith(".json")


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
        print_statement(statement, with_lines=is_alone)
    for problem in parsed.problems:
        print(f"  {problem.code} {problem.where}: {problem.message}")
    if parsed.proposal is not None:
        from app.cli.layouts import print_proposal

        print_proposal(parsed.proposal, as_json=False)
        print(f"  to save it: doisoat statement propose {parsed.file} --name NAME --save")


def print_statement(statement: ParsedStatement, *, with_lines: bool) -> None:
    """Print a statement's head and sums, and its lines if they are wanted."""
    from reconciliation.statement_json import booked_totals

    count, credit, debit = booked_totals(statement.lines)
    period = f"{statement.from_date or '?'} to {statement.to_date or '?'}"
    number = f" no. {statement.number}" if statement.number else ""
    currency = statement.currency.replace("XXX", "of unknown currency")
    print(f"  account {statement.account or 'unknown'} {currency}{number}, {period}")
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


def _parser() -> StatementFileParser:
    from adapters.statements.parser import StatementFileParser

    return StatementFileParser(saved=_saved_layouts)


def _saved_layouts() -> list[dict[str, Any]]:
    """The profiles saved in this installation; none where nothing is installed."""
    from app.cli.context import open_context
    from core.db import reading
    from core.errors import SettingsError
    from reconciliation.layouts import list_layouts

    try:
        context = open_context()
    except SettingsError:
        return []
    with reading(context.engine) as session:
        return [dict(layout.profile) for layout in list_layouts(session)]


def _print_json(value: dict[str, object]) -> None:
    print(json_text.dumps(value, ensure_ascii=False))


if __name__ == "__main__":
    app()
