"""``doisoat refunds``: list money that goes back, and fetch the files for banks."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="refunds", invoke_without_command=True)


@app.callback()
def list_refunds(
    ctx: typer.Context,
    status: Annotated[
        str, typer.Option(help="requested, rejected, approved, submitted, succeeded or failed.")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object a refund.")] = False,
) -> None:
    """List refunds, the oldest first."""
    if ctx.invoked_subcommand is not None:
        return
    from sqlmodel import col, select

    from app.cli.context import open_context, print_json
    from core.db import reading
    from payments.models import Refund
    from payments.states import RefundStatus

    if status and status not in set(RefundStatus):
        raise typer.BadParameter(f"{status!r} is no status: {', '.join(RefundStatus)}")
    with reading(open_context().engine) as session:
        query = select(Refund).order_by(col(Refund.created_at), col(Refund.id))
        if status:
            query = query.where(Refund.status == status)
        for row in session.exec(query):
            if json:
                print_json(row.model_dump())
            else:
                print(
                    f"{row.id}  {row.refund_reference:<18} {row.status.value:<10}"
                    f" {row.amount_minor:>14,} {row.currency}  {row.channel.value:<14} {row.reason}"
                )


@app.command()
def orders(
    json: Annotated[bool, typer.Option("--json", help="One JSON object an order.")] = False,
) -> None:
    """List the payment orders that were made, the oldest first."""
    from sqlmodel import col, select

    from app.cli.context import open_context, print_json
    from core.db import reading
    from payments.models import CollectingAccount, PaymentOrder

    with reading(open_context().engine) as session:
        query = (
            select(PaymentOrder, CollectingAccount.account_number)
            .join(CollectingAccount, col(CollectingAccount.id) == col(PaymentOrder.account_id))
            .order_by(col(PaymentOrder.created_at), col(PaymentOrder.id))
        )
        for row, account in session.exec(query):
            if json:
                files = {"content", "sheet"}
                print_json(row.model_dump(exclude=files) | {"account_number": account})
            else:
                print(
                    f"{row.id}  {row.name}  {account:<16} {row.refund_count:>4} refunds"
                    f" {row.amount_minor:>14,} {row.currency}  sha256 {row.sha256}"
                )


@app.command()
def file(
    order_id: Annotated[str, typer.Argument(help="The id that `refunds orders` prints.")],
    output: Annotated[
        Path, typer.Option(help="Where to write it: .xml for the bank (pain.001), .csv as a table.")
    ],
) -> None:
    """Write the file of a payment order, the same bytes each time; nothing is overwritten."""
    from app.cli.context import open_context
    from core.db import reading
    from payments.queries import get_payment_order

    if output.suffix not in {".xml", ".csv"}:
        raise typer.BadParameter(f"{output.name}: it ends in .xml or .csv", param_hint="--output")
    with reading(open_context().engine) as session:
        order = get_payment_order(session, order_id).order
        content = order.content if output.suffix == ".xml" else order.sheet
    try:
        with output.open("xb") as target:
            target.write(content)
    except OSError as problem:
        raise typer.BadParameter(f"{output}: {problem.strerror}", param_hint="--output") from None
    print(f"{output}  {len(content):,} bytes")
