"""``doisoat ledger``: export the books, verify that they hold, and prove it by their log."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from typing import Annotated

import typer

from app.cli.ledger_export import export
from app.cli.ledger_log import checkpoint, key, prove, rotate_key, verify_log

app = typer.Typer(name="ledger", no_args_is_help=True)


app.command()(export)
for _log_command in (checkpoint, prove, key, rotate_key, verify_log):
    app.command(name=_log_command.__name__.replace("_", "-"))(_log_command)


@app.command()
def clearing(
    account: Annotated[str, typer.Option(help="Only this account number.")] = "",
    channel: Annotated[str, typer.Option(help="Only this channel, or remittance.")] = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object an item.")] = False,
) -> None:
    """Say item by item what keeps each clearing account from zero."""
    from app.cli.context import open_context, print_json
    from core.db import reading
    from payments.queries import list_accounts
    from reconciliation.clearing import list_clearings

    with reading(open_context().engine) as session:
        accounts = [
            one for one in list_accounts(session, scope="/") if account in {"", one.account_number}
        ]
        if not accounts:
            raise typer.BadParameter(f"no collecting account {account}".rstrip())
        found = [
            one
            for each in accounts
            for one in list_clearings(session, each)
            if channel in {"", one.name}
        ]
    for one in found:
        number, currency = one.account.account_number, one.account.currency
        if not json:
            print(f"{number}  clearing:{one.name:<14} {one.balance_minor:>16,} {currency}")
        for item in one.items:
            mismatch = item.mismatch
            if json:
                print_json(
                    {
                        "account": number, "clearing": one.name, "day": item.day,
                        "kind": item.kind, "id": item.id, "reference": item.reference,
                        "keeps": item.keeps.value, "amount_minor": item.amount_minor,
                        "currency": currency.value,
                        "mismatch": mismatch.id if mismatch else None,
                    }
                )  # fmt: skip
            else:
                why = f"{item.keeps.value}, {mismatch.type.value}" if mismatch else item.keeps.value
                print(
                    f"  {item.day}  {item.kind:<10} {item.reference:<22}"
                    f" {item.amount_minor:>14,}  {why}"
                )


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
