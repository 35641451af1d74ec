"""The doisoat command line; what a command needs is imported when it runs."""

import sys
from importlib import import_module
from typing import Any, Final

import typer

_GROUPS: Final = {
    "statement": ("app.cli.statement", "Read, check and import bank statements."),
    "sources": ("app.cli.sources", "Where statement files are fetched from."),
    "settlement": ("app.cli.settlement", "Import providers' settlement reports."),
    "mismatches": ("app.cli.mismatches", "List what does not agree, and look at one."),
    "recheck": ("app.cli.recheck", "Blind re-checks of matches, and how often they are wrong."),
    "refunds": ("app.cli.refunds", "List refunds, and fetch payment orders for banks."),
    "remittance": ("app.cli.remittance", "Send fees to the State Treasury."),
    "ledger": ("app.cli.ledger", "Export, verify and prove the books."),
    "witness": ("app.cli.witness", "Sign heads of other offices' logs; have ours signed."),
    "users": ("app.cli.users", "Accounts of staff and keys of portals."),
    "fees": ("app.cli.fees", "Import procedures and their fees."),
    "gateways": ("app.cli.gateways", "Contracts, secrets and checks of the rails."),
}
_COMMANDS: Final = {
    "serve": ("app.cli.running", "Run the web application."),
    "scheduler": ("app.cli.running", "Run the scheduler."),
    "simulate": ("app.cli.simulate", "Play the provider of a rail, with faults if you like."),
    "simulators": ("app.cli.running", "Run the demonstration's providers and bank."),
    "demo": ("app.cli.running", "Play ten fee days of a demonstration city."),
    "migrate": ("app.cli.running", "Bring the database to the present tables."),
    "match": ("app.cli.match", "Match payments, settlements and bank lines of files."),
    "explain": ("app.cli.explain", "Say why the matcher decided so, from the files of a run."),
    "report": ("app.cli.report", "A treasurer's statement as CSV."),
    "close": ("app.cli.close", "The checklist of a day; close it by two people."),
    "reconcile": ("app.cli.reconcile", "Compare every account of the database now."),
    "version": ("app.cli.running", "Print the version."),
}
_BELOW: Final = {"match verify": ("app.cli.verify", "verify")}
"""Commands below a command that also works by itself."""


def build_app(wanted: str | None) -> typer.Typer:
    """Return the command line with every name in its help and only ``wanted`` loaded."""
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="doisoat: public fees paid, matched against statements, in books anybody can check.",
    )
    for name, (module, line) in _COMMANDS.items():
        if wanted in _BELOW and wanted.split()[0] == name:
            app.add_typer(_below(wanted), name=name, help=line)
            continue
        work = getattr(import_module(module), name) if name == wanted else _unloaded
        app.command(name=name, help=None if name == wanted else line)(work)
    for name, (module, line) in _GROUPS.items():
        group = import_module(module).app if name == wanted else typer.Typer()
        if name != wanted:
            group.callback()(_unloaded)
        app.add_typer(group, name=name, help=line)
    return app


def _below(words: str) -> typer.Typer:
    """The command ``words`` names, alone in a group of its own."""
    module, name = _BELOW[words]
    group = typer.Typer()
    group.callback()(_unloaded)
    group.command(name=name)(getattr(import_module(module), name))
    return group


def _unloaded() -> None:
    """Stand for a command in the help of all."""


def main() -> None:
    """Run the command line; expected failures are one line and an exit status.

    0 done; 1 a check did not hold; 2 usage or settings; 3 an input is unusable.
    """
    from core.errors import (  # noqa: PLC0415 - help stays quick
        DoisoatError,
        InputUnusableError,
        NotFoundError,
        SettingsError,
    )

    wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    if " ".join(sys.argv[1:3]) in _BELOW:
        wanted = " ".join(sys.argv[1:3])
    try:
        status = build_app(wanted)(prog_name="doisoat", standalone_mode=False)
        sys.exit(status if isinstance(status, int) else 0)
    except typer.TyperException as problem:
        _end_usage(problem)
    except typer.Abort:
        sys.exit(130)
    except InputUnusableError as problem:
        _end(problem, 3)
    except (SettingsError, NotFoundError) as problem:
        _end(problem, 2)
    except DoisoatError as problem:
        _end(problem, 1)
    except Exception as problem:
        if not type(problem).__module__.startswith("sqlalchemy"):
            raise
        _end(SettingsError(f"the database does not work: {type(problem).__name__}"), 2)


def _end_usage(problem: Any) -> None:
    """One line, after the help where nothing was said but the name of a group."""
    if message := " ".join(problem.format_message().split()):
        print(f"doisoat: {message}", file=sys.stderr)
    sys.exit(problem.exit_code)


def _end(problem: Any, status: int) -> None:
    print(f"doisoat: {problem.code} {problem.detail}", file=sys.stderr)
    sys.exit(status)
