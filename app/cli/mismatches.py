"""``doisoat mismatches``: list what does not agree, and look at one."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(name="mismatches", invoke_without_command=True)


@app.callback()
def list_open(
    ctx: typer.Context,
    type_: Annotated[str, typer.Option("--type", help="Only this type.")] = "",
    status: Annotated[str, typer.Option(help="open, proposed, resolved or healed.")] = "open",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a mismatch.")] = False,
) -> None:
    """List mismatches, the oldest first."""
    if ctx.invoked_subcommand is not None:
        return
    from sqlmodel import col, select

    from app.cli.context import open_context, print_json
    from core.clock import business_day
    from core.db import reading
    from reconciliation.models import Mismatch
    from reconciliation.states import MismatchStatus, MismatchType

    if status not in set(MismatchStatus):
        raise typer.BadParameter(f"{status!r} is no status: {', '.join(MismatchStatus)}")
    if type_ and type_ not in set(MismatchType):
        raise typer.BadParameter(f"{type_!r} is no type: {', '.join(MismatchType)}")
    context = open_context()
    today = business_day(context.clock())
    with reading(context.engine) as session:
        query = select(Mismatch).where(Mismatch.status == status).order_by(col(Mismatch.opened_at))
        if type_:
            query = query.where(Mismatch.type == type_)
        for row in session.exec(query):
            age = (today - business_day(row.opened_at)).days
            if json:
                print_json(row.model_dump() | {"age_days": age})
            else:
                print(
                    f"{row.id}  {row.type.value:<18} {row.layer.value:<9}"
                    f" {row.amount_minor:>14,} {row.currency}  {age:>3} days  {row.reason}"
                )


@app.command()
def show(mismatch_id: str) -> None:
    """Show one mismatch with its history."""
    from sqlmodel import col, select

    from app.cli.context import open_context
    from core.db import reading
    from reconciliation.errors import MismatchNotFoundError
    from reconciliation.models import Mismatch, MismatchEvent

    with reading(open_context().engine) as session:
        row = session.get(Mismatch, mismatch_id)
        if row is None:
            raise MismatchNotFoundError(mismatch_id)
        for name, value in row.model_dump().items():
            if value not in ("", None, {}):
                print(f"{name:<16} {value}")
        events = select(MismatchEvent).where(MismatchEvent.mismatch_id == row.id)
        for event in session.exec(events.order_by(col(MismatchEvent.at))):
            who = event.actor_name or event.actor_id
            print(f"  {event.at:%Y-%m-%d %H:%M}  {who:<16} {event.kind.value:<10} {event.text}")


@app.command()
def suggest(
    account: Annotated[str, typer.Option(help="Only this account, by its number.")] = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a suggestion.")] = False,
) -> None:
    """Suggest bills for credits that nothing explains, the nearest first. Nothing is changed."""
    from dataclasses import asdict

    from app.cli.context import open_context, print_json
    from core.db import reading
    from payments.queries import ROOT, list_accounts
    from reconciliation.suggesting.open_money import list_suggestions

    with reading(open_context().engine) as session:
        accounts = [
            one for one in list_accounts(session, scope=ROOT) if account in {"", one.account_number}
        ]
        if not accounts:
            raise typer.BadParameter(f"--account: {account!r} is not known")
        for one in accounts:
            for found in list_suggestions(session, one.id, scope=ROOT):
                said = found.suggestion
                if json:
                    print_json(asdict(said) | {"mismatch_id": found.mismatch.id})
                    continue
                print(
                    f"{found.mismatch.id}  {found.line.amount_minor:>14,} {found.line.currency}"
                    f"  bill {said.bill_reference}  {said.points.total:>3} points"
                    f"  next best {f'+{said.gap}' if said.gap else 'just as good'}"
                )
