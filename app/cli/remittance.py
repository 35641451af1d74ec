"""``doisoat remittance``: propose, approve, order and follow what goes to the State Treasury."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sqlmodel import Session

    from payments.models import CollectingAccount
    from payments.queries import RemittanceView

app = typer.Typer(name="remittance", invoke_without_command=True)
_Id = Annotated[str, typer.Argument(help="The id that `remittance` and `propose` print.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object a remittance.")]


@app.callback()
def list_remittances(ctx: typer.Context, json: _Json = False) -> None:
    """List remittances, the oldest first."""
    if ctx.invoked_subcommand is not None:
        return
    from sqlmodel import col, select

    from app.cli.context import open_context
    from core.db import reading
    from payments.models import Remittance
    from payments.queries import get_remittance_view

    with reading(open_context().engine) as session:
        query = select(Remittance.id).order_by(col(Remittance.created_at), col(Remittance.id))
        for remittance_id in session.exec(query):
            _print(session, get_remittance_view(session, remittance_id), as_json=json)


@app.command()
def due(account: Annotated[str, typer.Option(help="Only this account number.")] = "") -> None:
    """Say what is due to the State Treasury from each account, by fee."""
    from app.cli.context import open_context
    from core.db import reading
    from reconciliation import remitting

    with reading(open_context().engine) as session:
        for found in _accounts(session, account):
            parts = remitting.due(session, found)
            print(f"{found.account_number}  {sum(parts.values()):>16,} {found.currency}")
            for code, minor in parts.items():
                print(f"  {code:<44} {minor:>16,}")


@app.command()
def account(
    number: Annotated[str, typer.Argument(help="The collecting account.")],
    name: Annotated[str, typer.Option(help="Name of the State Treasury's account.")],
    to: Annotated[str, typer.Option(help="Its number.")],
    bank_bin: Annotated[str, typer.Option(help="BIN of its bank, six digits.")],
) -> None:
    """Say to which account of the State Treasury the fees of an account go from now on."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from payments import treasury
    from payments.refunds import Beneficiary

    context = open_context()
    beneficiary = Beneficiary.parse(name, to, bank_bin)
    with transaction(context.engine) as session:
        [found] = _accounts(session, number)
        treasury.name_treasury(session, found, beneficiary, actor=operator(), clock=context.clock)
        print(f"{number}: {beneficiary.name}, {beneficiary.account}, bank {beneficiary.bank_bin}")


@app.command()
def propose(
    number: Annotated[str, typer.Argument(help="The collecting account.")], json: _Json = False
) -> None:
    """Propose to send everything that is due. Exit status 1 if nothing can be sent."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from payments.queries import get_remittance_view
    from reconciliation import remitting

    context = open_context()
    with transaction(context.engine) as session:
        [found] = _accounts(session, number)
        made = remitting.propose(session, found, actor=operator(), clock=context.clock)
        _print(session, get_remittance_view(session, made.id), as_json=json)


@app.command()
def approve(
    remittance_id: _Id,
    note: Annotated[str, typer.Option(help="A remark.")] = "",
    json: _Json = False,
) -> None:
    """Approve exactly this remittance; the user who proposed it is refused (exit status 1)."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from payments.queries import get_remittance_view
    from reconciliation import remitting

    context = open_context()
    with transaction(context.engine) as session:
        view = get_remittance_view(session, remittance_id)
        remitting.approve(
            session, view.remittance, note=note, actor=operator(), clock=context.clock
        )
        _print(session, view, as_json=json)


@app.command()
def reject(
    remittance_id: _Id, note: Annotated[str, typer.Option(help="Why.")], json: _Json = False
) -> None:
    """Turn a remittance down, or withdraw one that is not ordered yet."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from payments import treasury
    from payments.queries import get_remittance_view

    context = open_context()
    with transaction(context.engine) as session:
        view = get_remittance_view(session, remittance_id)
        treasury.reject_remittance(
            session, view.remittance, note=note, actor=operator(), clock=context.clock
        )
        _print(session, view, as_json=json)


@app.command()
def order(
    remittance_id: _Id,
    output: Annotated[
        Path, typer.Option(help="Where to write it: .xml for the bank (pain.001), .csv as a table.")
    ],
) -> None:
    """Make the file for the bank and write it, afterwards the same bytes; overwrites nothing."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from payments.queries import get_remittance_view
    from reconciliation import remitting

    if output.suffix not in {".xml", ".csv"}:
        raise typer.BadParameter(f"{output.name}: it ends in .xml or .csv", param_hint="--output")
    context = open_context()
    with transaction(context.engine) as session:
        view = get_remittance_view(session, remittance_id)
        made = view.order or remitting.order(
            session, view.remittance, actor=operator(), clock=context.clock
        )
        content = made.content if output.suffix == ".xml" else made.sheet
    try:
        with output.open("xb") as target:
            target.write(content)
    except OSError as problem:
        raise typer.BadParameter(f"{output}: {problem.strerror}", param_hint="--output") from None
    print(f"{output}  {len(content):,} bytes")


@app.command()
def show(remittance_id: _Id, json: _Json = False) -> None:
    """Show one remittance: its parts, where it goes, its state and its debit."""
    from app.cli.context import open_context
    from core.db import reading
    from payments.queries import get_remittance_view

    with reading(open_context().engine) as session:
        view = get_remittance_view(session, remittance_id)
        _print(session, view, as_json=json)
        if not json:
            sent = view.remittance
            for code, minor in sent.parts.items():
                print(f"  {code:<44} {minor:>16,}")
            print(
                f"  to {sent.treasury_name}, {sent.treasury_account}, bank {sent.treasury_bank_bin}"
            )
            print(f"  proposed by {sent.prepared_by}, decided by {sent.approved_by or '-'}")


def _accounts(session: Session, number: str) -> list[CollectingAccount]:
    from payments.queries import list_accounts

    every = list_accounts(session, scope="/")
    found = [one for one in every if number in {"", one.account_number}]
    if not found:
        raise typer.BadParameter(f"no collecting account {number}".rstrip())
    return found


def _print(session: Session, view: RemittanceView, *, as_json: bool) -> None:
    from app.cli.context import print_json
    from reconciliation.queries import debits_of

    sent = view.remittance
    debit = debits_of(session, [sent.id]).get(sent.id)
    left: dict[str, Any] = {"left_on": debit.booking_date if debit else None}
    if as_json:
        print_json(sent.model_dump() | left | {"account_number": view.account.account_number})
        return
    end = f"left on {debit.booking_date}" if debit else sent.status.value
    print(
        f"{sent.id}  {sent.reference:<14} {view.account.account_number:<16}"
        f" {sent.amount_minor:>14,} {sent.currency}  {end}"
    )
