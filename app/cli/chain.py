"""Whether the statements of accounts follow each other, on the command line."""

# ruff: noqa: PLC0415 - what touches the database is imported when it is needed
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from reconciliation.continuity import Chain


def chains(account_number: str) -> list[Chain]:
    """Return the chains of one account, or of all; an unknown account is a usage error."""
    from sqlmodel import select

    from app.cli.context import open_context
    from core.db import reading
    from payments.models import CollectingAccount
    from reconciliation.continuity import chains_of
    from reconciliation.identity import normalise_account

    wanted = normalise_account(account_number)
    with reading(open_context().engine) as session:
        accounts = [
            account
            for account in session.exec(select(CollectingAccount))
            if not wanted or normalise_account(account.account_number) == wanted
        ]
        if wanted and not accounts:
            raise typer.BadParameter(f"no collecting account {account_number}")
        accounts.sort(key=lambda account: account.account_number)
        return [chain for account in accounts for chain in chains_of(session, account)]


def print_chain(chain: Chain, *, as_json: bool) -> None:
    """Print one chain and its gaps: one line of JSON, or a few for people."""
    number = chain.account.account_number
    if as_json:
        print(
            json.dumps(
                {
                    "account": number,
                    "currency": chain.currency,
                    "statements": chain.count,
                    "from": str(chain.first_day) if chain.first_day else None,
                    "to": str(chain.last_day) if chain.last_day else None,
                    "gaps": [
                        {
                            "kind": gap.kind.value,
                            "before_statement": gap.before.id,
                            "number": gap.before.number,
                            "from": str(gap.before.from_date),
                            "text": gap.text,
                        }
                        for gap in chain.gaps
                    ],
                },
                ensure_ascii=False,
            )
        )
        return
    state = "follow each other" if not chain.gaps else f"{len(chain.gaps)} gaps"
    period = f"{chain.first_day} to {chain.last_day}"
    print(f"{number} {chain.currency}: {chain.count} statements, {period}: {state}")
    for gap in chain.gaps:
        print(f"  before no. {gap.before.number or '-'} of {gap.before.from_date}: {gap.text}")
