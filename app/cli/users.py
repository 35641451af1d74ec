"""``doisoat users``: accounts of staff and keys of portals."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(name="users", no_args_is_help=True)

NewPassword = Annotated[
    str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True, envvar="PASSWORD")
]


@app.command()
def add(
    username: Annotated[str, typer.Argument(help="Sign-in name.")],
    role: Annotated[str, typer.Option(help="officer, approver, auditor or admin.")],
    office: Annotated[str, typer.Option(help="Code of the office whose subtree they see.")],
    name: Annotated[str, typer.Option(help="Full name.")],
    password: NewPassword,
) -> None:
    """Make an account; the password is asked for, or read from PASSWORD."""
    from app.auth.accounts import create_user
    from app.auth.passwords import Passwords
    from app.cli.context import open_context, operator
    from core.actors import Role
    from core.db import transaction

    if role not in set(Role):
        raise typer.BadParameter(f"{role!r} is no role")
    context = open_context()
    with transaction(context.engine) as session:
        create_user(
            session,
            username=username,
            name=name,
            role=Role(role),
            office_code=office,
            password=password,
            passwords=Passwords(),
            actor=operator(),
            clock=context.clock,
        )
    print(f"{username}: {role} of office {office}")


@app.command("list")
def list_all(
    json: Annotated[bool, typer.Option("--json", help="One JSON object an account.")] = False,
) -> None:
    """List the accounts of staff."""
    from app.auth.accounts import list_users
    from app.cli.context import open_context, print_json
    from core.db import reading

    with reading(open_context().engine) as session:
        for user, office in list_users(session, scope="/"):
            view = {
                "username": user.username,
                "name": user.name,
                "role": user.role.value,
                "office": office.code,
                "active": user.active,
            }
            if json:
                print_json(view)
            else:
                state = "" if user.active else "  switched off"
                print(
                    f"{user.username:<24} {user.role.value:<10} {office.code:<8} {user.name}{state}"
                )


@app.command()
def portal(
    name: Annotated[str, typer.Argument(help="Name of the portal.")],
    office: Annotated[str, typer.Option(help="Code of the office whose subtree it issues for.")],
    webhook: Annotated[str, typer.Option(help="Where 'bill paid' is told.")] = "",
) -> None:
    """Register a one-stop portal and print its API key and webhook secret, once."""
    from sqlmodel import select

    from adapters.notifications.webhook import secret_text
    from app.api.keys import create_client
    from app.cli.context import open_context, operator
    from core.audit import record_audit
    from core.db import transaction
    from payments.models import Office

    context = open_context()
    with transaction(context.engine) as session:
        found = session.exec(select(Office).where(Office.code == office)).first()
        if found is None:
            raise typer.BadParameter(f"no office {office!r}")
        client, key, secret = create_client(
            session, name, found, webhook_url=webhook, vault=context.vault, clock=context.clock
        )
        record_audit(
            session, operator(), "create_portal", ("api_client", client.id), clock=context.clock
        )
    print(f"API key (shown once):        {key}")
    print(f"Webhook secret (shown once): {secret_text(secret)}")
