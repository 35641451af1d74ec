"""``doisoat settlement``: import providers' settlement reports."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="settlement", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Import providers' settlement reports."""


@app.command("import")
def import_report(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The report.")],
    provider: Annotated[str, typer.Option(help="vnpay, stripe, momo or zalopay.")],
    account: Annotated[str, typer.Option(help="The collecting account it is paid to.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Store a report in one transaction; the same file again changes nothing."""
    from sqlmodel import select

    from app.cli.context import open_context, operator
    from app.cli.evidence import end_with
    from core.db import transaction
    from payments.channels import Channel
    from payments.models import CollectingAccount
    from reconciliation.intake import Delivery, import_settlement

    if provider not in {c.value for c in Channel if c is not Channel.BANK_TRANSFER}:
        raise typer.BadParameter(f"{provider!r} is not a provider")
    context = open_context()
    parsed = context.settlements.parse(file, provider=provider)
    delivery = Delivery(file.read_bytes(), "command line", operator())
    with transaction(context.engine) as session:
        owner = None
        if account:
            query = select(CollectingAccount).where(CollectingAccount.account_number == account)
            owner = session.exec(query).first()
            if owner is None:
                raise typer.BadParameter(f"no collecting account {account!r}")
        report = import_settlement(
            session, parsed, delivery, vault=context.vault, clock=context.clock, account=owner
        )
    end_with([report], as_json=json)
