"""``doisoat report``: a treasurer's statement as CSV."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

import sys
from typing import Annotated

import typer

KINDS = (
    "collections-by-procedure", "collections-by-fee-kind", "collections-by-office",
    "collections-by-channel", "channel-fees", "outstanding", "ageing",
)  # fmt: skip


def report(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(KINDS)}.")],
    first: Annotated[str, typer.Option("--from", help="First day (default: of this month).")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day (default: today).")] = "",
    step: Annotated[str, typer.Option("--by", help="A row a day, month or year.")] = "day",
    office: Annotated[str, typer.Option(help="Only this office's subtree, by code.")] = "",
) -> None:
    """Write a statement as CSV: codes, and amounts in minor units of VND."""
    from datetime import date

    from sqlmodel import select

    from app.cli.context import open_context
    from app.reporting import Kind, Step, codes_of, table_of, write_csv
    from core.clock import business_day
    from core.db import reading
    from payments.models import Office
    from payments.queries.reports import Range

    if kind not in set(Kind) or step not in set(Step):
        raise typer.BadParameter(f"{kind!r} {step!r}: kinds are {', '.join(KINDS)}")
    context = open_context()
    today = business_day(context.clock())
    try:
        days = (
            date.fromisoformat(first) if first else today.replace(day=1),
            date.fromisoformat(last) if last else today,
        )
    except ValueError:
        raise typer.BadParameter(f"{first or last!r} is not a day as 2026-12-31") from None
    if days[1] < days[0]:
        raise typer.BadParameter("the period ends before it begins")
    with reading(context.engine) as session:
        scope = "/"
        if office:
            found = session.exec(select(Office.path).where(Office.code == office)).first()
            if found is None:
                raise typer.BadParameter(f"no office {office}")
            scope = found
        table = table_of(session, Kind(kind), Step(step), Range(*days, scope), clock=context.clock)
        sys.stdout.write(write_csv(table, codes_of(session)))
