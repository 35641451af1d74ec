"""``doisoat ledger``: export the books and verify that they hold."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="ledger", no_args_is_help=True)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    first: Annotated[str, typer.Option("--from", help="First day.")] = "2000-01-01",
    last: Annotated[str, typer.Option("--to", help="Last day.")] = "2999-12-31",
) -> None:
    """Write every transfer of the period as CSV; the file appears whole or not at all."""
    from datetime import date

    from app.cli.context import open_context
    from core.db import reading
    from reconciliation.exports import Period, ledger_csv

    try:
        period = Period(date.fromisoformat(first), date.fromisoformat(last))
    except ValueError:
        raise typer.BadParameter("days are written as 2026-12-31") from None
    engine = open_context().engine
    draft = out.with_name(f".{out.name}.draft")
    count = -1
    try:
        with reading(engine) as session, draft.open("w", encoding="utf-8", newline="") as target:
            for line in ledger_csv(session, period):
                target.write(line)
                count += 1
        draft.replace(out)
    except OSError as problem:
        raise typer.BadParameter(f"{out}: {problem.strerror}") from None
    finally:
        draft.unlink(missing_ok=True)
    print(f"{out}: {count} transfers")


@app.command()
def verify(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check that debits equal credits and every entry is whole. Exit status 1 if not."""
    from app.cli.context import open_context, print_json
    from core.db import reading
    from payments.ledger.balances import broken_rules, trial_balance

    with reading(open_context().engine) as session:
        rows = trial_balance(session)
        broken = list(broken_rules(session))
    if json:
        print_json({"holds": not broken, "broken": broken, "accounts": len(rows)})
    else:
        for row in rows:
            print(
                f"{row.code:<44} {row.debit_minor:>16,} {row.credit_minor:>16,}"
                f" {row.balance_minor:>16,} {row.currency}"
            )
        for rule in broken:
            print(f"BROKEN: {rule}")
        if not broken:
            print("The books hold: debits equal credits, every entry is whole.")
    raise typer.Exit(1 if broken else 0)
