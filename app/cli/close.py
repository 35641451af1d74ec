"""``doisoat close``: the checklist of a day, and its close by two people."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from datetime import date

    from sqlmodel import Session

    from core.clock import Clock
    from payments.models import CollectingAccount


def close(
    day: Annotated[str, typer.Argument(metavar="DATE", help="The day, as 2026-12-31.")],
    account: Annotated[str, typer.Option(help="Only this account number.")] = "",
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Prepare it where the checklist holds.")
    ] = False,
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign what another user prepared; locks the day.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object an account.")] = False,
) -> None:
    """Show the checklist of a day for each account, prepare its close, or sign it.

    Exit status: 0 nothing blocks any of them (with --prepare each is prepared, with --sign each is
    closed); 1 something blocks, was changed after it was signed, or may not be signed by this
    user; 2 usage.
    """
    from datetime import date

    from app.cli.context import open_context
    from core.db import transaction
    from payments.queries import list_accounts

    try:
        wanted = date.fromisoformat(day)
    except ValueError:
        raise typer.BadParameter(f"{day!r} is not a day as 2026-12-31") from None
    if prepare and sign:
        raise typer.BadParameter("--prepare and --sign are for two different people")
    context = open_context()
    with transaction(context.engine) as session:
        every = list_accounts(session, scope="/")
        accounts = [one.id for one in every if account in {"", one.account_number}]
    if not accounts:
        raise typer.BadParameter(f"no collecting account {account}".rstrip())
    blocked = False
    for account_id in accounts:
        with transaction(context.engine) as session:
            view = _view(session, account_id, wanted)
            if prepare and view["state"] == "ready":
                view |= _prepare(session, account_id, wanted, context.clock)
            if sign and view["state"] == "prepared":
                view |= _sign(session, account_id, wanted, context.clock)
        _print(view, as_json=json)
        blocked |= view["state"] not in _good(prepare=prepare, sign=sign)
    raise typer.Exit(1 if blocked else 0)


def _good(*, prepare: bool, sign: bool) -> set[str]:
    if sign:
        return {"closed"}
    return {"closed", "prepared"} if prepare else {"closed", "prepared", "ready"}


def _view(session: Session, account_id: str, day: date) -> dict[str, Any]:
    """What there is to say of one account: its state, and each condition with what blocks it."""
    from payments.models import CollectingAccount
    from reconciliation.closing import check_day, close_of, is_untouched, last_closed

    account = session.get_one(CollectingAccount, account_id)
    found, closed = close_of(session, account_id, day), last_closed(session, account_id)
    view: dict[str, Any] = {"account": account.account_number, "day": day, "checks": []}
    if closed is not None and day <= closed:
        untouched = is_untouched(session, found) if found is not None else None
        sha256 = found.sheet_sha256 if found is not None else ""
        state = "closed" if untouched is not False else "changed"
        return view | {"state": state, "untouched": untouched, "sheet_sha256": sha256}
    checks = check_day(session, account, day)
    view["checks"] = [
        {
            "name": check.name,
            "holds": check.holds,
            "seen": check.seen,
            "blocks": [
                {"kind": one.kind, "id": one.id, "text": one.text, "amount_minor": one.amount_minor}
                for one in check.blocks
            ],
        }
        for check in checks
    ]
    if not all(check.holds for check in checks):
        return view | {"state": "blocked"}
    is_prepared = found is not None and found.day == day
    return view | {"state": "prepared" if is_prepared else "ready"}


def _prepare(session: Session, account_id: str, day: date, clock: Clock) -> dict[str, Any]:
    from app.cli.context import operator
    from reconciliation.closing import prepare_day

    account = _account(session, account_id)
    made = prepare_day(session, account, day, actor=operator(), clock=clock)
    return {"state": "prepared", "sheet_sha256": made.sheet_sha256}


def _sign(session: Session, account_id: str, day: date, clock: Clock) -> dict[str, Any]:
    from app.cli.context import operator
    from reconciliation.closing import close_of, sign_day

    made = close_of(session, account_id, day)
    assert made is not None  # noqa: S101 - the state said that it is prepared
    sign_day(session, made, actor=operator(), clock=clock)
    return {"state": "closed", "untouched": True, "sheet_sha256": made.sheet_sha256}


def _account(session: Session, account_id: str) -> CollectingAccount:
    from payments.models import CollectingAccount

    return session.get_one(CollectingAccount, account_id)


def _print(view: dict[str, Any], *, as_json: bool) -> None:
    from app.cli.context import print_json

    if as_json:
        print_json(view)
        return
    head = (view["account"], str(view["day"]), view["state"], view.get("sheet_sha256", ""))
    print("  ".join(head).rstrip())
    for check in view["checks"]:
        print(f"  {'holds ' if check['holds'] else 'BLOCKS'}  {check['name']:<24} {check['seen']}")
        for one in check["blocks"]:
            amount = f"  {one['amount_minor']:,}" if one["amount_minor"] is not None else ""
            print(f"            {one['kind']} {one['id']}  {one['text']}{amount}")
