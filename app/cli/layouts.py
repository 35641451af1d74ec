"""Proposed layouts on the command line: shown, written to a file, saved."""

# ruff: noqa: PLC0415 - what touches the database is imported when it is needed
from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from app.cli.statement import print_statement

if TYPE_CHECKING:
    from reconciliation.ports import LayoutProposal

_PROOFS = {
    "running_balance": "the balance behind every line follows from the one before",
    "opening_and_closing": "opening, lines and closing add up",
    "none": "none: no balances that could prove it",
}


_ORDERS = {
    "dmy": "day before month",
    "mdy": "month before day",
    "ymd": "year, month, day",
}


def print_proposal(proposal: LayoutProposal, *, as_json: bool) -> None:
    """Print a layout with what it reads, what is assumed, and what has to be said."""
    from adapters.statements.tables.profile import TableProfile
    from reconciliation.statement_json import proposal_json

    if as_json:
        print(json.dumps(proposal_json(proposal), ensure_ascii=False))
        return
    profile = TableProfile.model_validate(proposal.profile)
    proof = _PROOFS[proposal.proof]
    print(f"  proposal: the header is {proposal.header or 'missing'}; proof: {proof}")
    for role, texts in profile.columns.items():
        print(f"    {role:<22}{f'column {texts}' if isinstance(texts, int) else texts[0]}")
    print(f"    {'dates':<22}{_ORDERS[profile.date_order]}")
    print(f"    {'decimals after':<22}{profile.decimal_mark or 'a point or a comma, as it shows'}")
    print(f"    {'encoding':<22}{profile.encoding}")
    for statement in proposal.statements:
        print_statement(statement, with_lines=False)
    for problem in proposal.problems[:5]:
        print(f"    would be held: {problem.code} {problem.where}: {problem.message}")
    for assumption in proposal.assumptions:
        print(f"    assumed: {assumption}")
    for question in proposal.questions:
        option = question.about.replace("_", "-")
        choices = f" ({', '.join(question.choices)})" if question.choices else ""
        print(f"    open, say --{option}: {question.message}{choices}")


def write_profile(proposal: LayoutProposal, path: Path) -> None:
    """Write the profile as JSON; a file that is there is not overwritten."""
    try:
        with path.open("x", encoding="utf-8") as file:
            json.dump(proposal.profile, file, ensure_ascii=False, indent=2)
    except OSError as error:
        raise typer.BadParameter(f"{path}: {error.strerror}") from error
    print(f"written to {path}")


def save_proposal(proposal: LayoutProposal) -> None:
    """Save the profile for the account it was read for."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from reconciliation.layouts import save_layout

    context = open_context()
    account = proposal.statements[0].account if proposal.statements else ""
    with transaction(context.engine) as session:
        layout = save_layout(
            session,
            proposal.profile,
            account_number=account,
            actor=operator(),
            clock=context.clock,
        )
        print(f"saved as {layout.name}, version {layout.version}, for account {account}")
