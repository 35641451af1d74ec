"""``doisoat recheck``: draw a month's blind re-check, and show the false-match rate."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(name="recheck", no_args_is_help=True)
_Period = Annotated[str, typer.Argument(help="A month, such as 2026-11; the last one if left out.")]


@app.command()
def draw(period: _Period = "") -> None:
    """Draw the sample of a month; what is drawn already stays as it is."""
    from app.cli.context import open_context, operator
    from core.clock import business_day
    from core.db import transaction
    from reconciliation.rechecking.drawing import draw_rechecks, month_before
    from reconciliation.rechecking.figures import get_figures

    context = open_context()
    month = period or month_before(business_day(context.clock()))
    with transaction(context.engine) as session:
        draw_rechecks(session, month, actor=operator(), clock=context.clock)
        figures = get_figures(session, month)
    print(f"{month}: {figures.total('drawn')} of {figures.total('matches')} matches are drawn")


@app.command()
def show(
    period: _Period = "",
    json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show how many matches were judged, the false-match rate and its upper bound at 95 %."""
    from app.cli.context import open_context, print_json
    from core.db import reading
    from reconciliation.errors import RecheckNotFoundError
    from reconciliation.rechecking.figures import as_json, get_figures, list_periods

    with reading(open_context().engine) as session:
        months = [period] if period else list_periods(session)
        if not months:
            raise RecheckNotFoundError("no sample was drawn yet")
        figures = get_figures(session, months[0])
    if json:
        print_json(as_json(figures))
        return
    names = ("matches", "drawn", "judged", "agreed", "disagreed", "cannot_tell")
    counts = ", ".join(f"{name.replace('_', ' ')} {figures.total(name):,}" for name in names)
    rate = figures.estimate.rate_ppm
    said = "not known yet" if rate is None else f"{rate / 10_000:.4f} %"
    print(f"{figures.period}: {counts}")
    print(f"false-match rate {said}, at most {figures.estimate.bound_ppm / 10_000:.4f} % (95 %)")
    for one in figures.classes:
        print(
            f"  {one.rule_class.value:<11} {one.matches:>9,} matches  {one.judged:>4} judged"
            f"  {one.disagreed:>3} false  at most {one.limit_ppm / 10_000:.4f} %"
        )
