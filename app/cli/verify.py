"""``doisoat match verify``: check a matcher's result by code that shares nothing with it."""

from pathlib import Path
from typing import Annotated

import typer


def verify(
    result_dir: Annotated[Path, typer.Argument(help="What `doisoat match --out` wrote.")],
    payments: Annotated[Path | None, typer.Option(help="Instead of run.json's.")] = None,
    settlements: Annotated[Path | None, typer.Option(help="Instead of run.json's.")] = None,
    bank: Annotated[Path | None, typer.Option(help="Instead of run.json's.")] = None,
    contracts: Annotated[Path | None, typer.Option(help="Instead of run.json's.")] = None,
) -> int:
    """Check a result against its inputs: conservation, figures, evidence, types.

    Exit status: 0 nothing found, 1 findings (a line each), 2 wrong usage, 3 result or inputs are
    unreadable or changed.
    """
    # pyarrow takes a while to load: not before the command really runs
    from reconciliation.checking.verdict import verify as check  # noqa: PLC0415

    if not result_dir.is_dir():
        raise typer.BadParameter(f"{result_dir} is not a folder")
    options = {
        "payments": payments,
        "settlements": settlements,
        "bank": bank,
        "contracts": contracts,
    }
    inputs = {name: path for name, path in options.items() if path is not None}
    for name, path in inputs.items():
        if not path.is_file():
            raise typer.BadParameter(f"--{name}: {path} is not a file")
    verdict = check(result_dir, inputs)
    for finding in verdict.findings:
        print(finding)
    print(
        f"{verdict.matches} matches and {verdict.mismatches} mismatches checked, "
        f"{verdict.unverified} matches not re-verified, {len(verdict.findings)} findings."
    )
    return 1 if verdict.findings else 0
