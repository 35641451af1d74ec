"""``doisoat reconcile``: compare the database's accounts now."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlmodel import Session

    from payments.models import CollectingAccount
    from reconciliation.models import ReconciliationRun


def reconcile(
    account: Annotated[str, typer.Option(help="Only this account number.")] = "",
    as_of: Annotated[str, typer.Option(help="As of this day (default: today).")] = "",
    out: Annotated[
        Path | None, typer.Option(help="Also write inputs, matches and mismatches here.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object an account.")] = False,
) -> None:
    """Compare payments, settlements and bank lines of every account, and apply what follows."""
    from datetime import date

    from sqlmodel import select

    from app.cli.context import open_context, operator, print_json
    from core.clock import business_day
    from core.db import transaction
    from payments.models import CollectingAccount
    from reconciliation.engine import last_run, run_reconciliation

    context = open_context()
    try:
        day = date.fromisoformat(as_of) if as_of else business_day(context.clock())
    except ValueError:
        raise typer.BadParameter(f"{as_of!r} is not a day as 2026-12-31") from None
    with transaction(context.engine) as session:
        accounts = [
            found.id
            for found in session.exec(select(CollectingAccount))
            if account in {"", found.account_number}
        ]
    if not accounts:
        raise typer.BadParameter(f"no collecting account {account}".rstrip())
    for account_id in accounts:
        with transaction(context.engine) as session:
            found = session.get_one(CollectingAccount, account_id)
            new = run_reconciliation(
                session, found, as_of=day, clock=context.clock, actor=operator()
            )
            run = new or last_run(session, account_id)
            assert run is not None  # noqa: S101 - a run was made just now or before
            if out is not None:
                _write(session, found, run, out / found.account_number)
            view = {
                "account": found.account_number,
                "as_of": run.as_of,
                "changed": new is not None,
                "matches": run.summary["matches"],
                "mismatches": run.summary["mismatches"],
                "new_matches": run.new_matches if new else 0,
                "new_mismatches": run.new_mismatches if new else 0,
            }
        if json:
            print_json(view)
        else:
            flagged = sum(run.summary["mismatches"].values())
            state = "compared" if new else "nothing new"
            print(
                f"{found.account_number}  as of {run.as_of}  {run.summary['matches']:>6} matches"
                f"  {flagged:>5} flagged  {state}"
            )


def _write(
    session: Session, account: CollectingAccount, run: ReconciliationRun, folder: Path
) -> None:
    """Write everything that repeats the run by ``doisoat match``."""
    import json as json_text

    from reconciliation.engine import frozen_input
    from reconciliation.exports import matches_csv, mismatches_csv
    from reconciliation.interchange import run_document, write_json

    folder.mkdir(parents=True, exist_ok=True)
    for name in run.inputs:
        (folder / name).write_bytes(frozen_input(session, run, name))
    for name, lines in (
        ("matches.csv", matches_csv(session, account)),
        ("mismatches.csv", mismatches_csv(session, account)),
    ):
        with (folder / name).open("w", encoding="utf-8", newline="") as target:
            target.writelines(lines)
    summary = json_text.dumps(run.summary, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "summary.json").write_text(summary + "\n", encoding="utf-8")
    inputs = {name.partition(".")[0]: (folder / name, said) for name, said in run.inputs.items()}
    version = run.engine.rpartition(" ")[2]
    write_json(
        folder / "run.json",
        run_document(folder, inputs, as_of=run.as_of.isoformat(), version=version),
    )
