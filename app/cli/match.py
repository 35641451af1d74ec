"""``doisoat match``: re-perform a reconciliation from exported files, without a database."""

import gc
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reconciliation.matching.model import MatchResult

STEPS = 4


class FileFormat(StrEnum):
    """How the result is written."""

    CSV = "csv"
    PARQUET = "parquet"


class Engine(StrEnum):
    """Where the matcher runs."""

    LOCAL = "local"
    SPARK = "spark"


def match(
    payments: Annotated[Path, typer.Option(help="What the service recorded (.csv, .parquet).")],
    settlements: Annotated[Path, typer.Option(help="Lines of the providers' reports.")],
    bank: Annotated[Path, typer.Option(help="Statement lines of the collecting account.")],
    contracts: Annotated[Path, typer.Option(help="The terms of the run (.json).")],
    out: Annotated[Path, typer.Option(help="Folder for the result.")],
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Day of the run instead of the contracts' as_of."),
    ] = None,
    format_: Annotated[
        FileFormat, typer.Option("--format", help="How the result is written.")
    ] = FileFormat.CSV,
    engine: Annotated[Engine, typer.Option(help="Where the matcher runs.")] = Engine.LOCAL,
) -> None:
    """Match payments, settlement lines and bank lines; write matches, mismatches and summary.

    ``doisoat match verify RESULT_DIR`` checks the result by code of its own.

    Exit status: 0 also where mismatches were found, 2 wrong usage, 3 an input is unusable.
    """
    if engine is Engine.SPARK:
        _stop(2, "this installation has only the local engine")
    for name, path in (
        ("payments", payments),
        ("settlements", settlements),
        ("bank", bank),
        ("contracts", contracts),
    ):
        if not path.is_file():
            _stop(2, f"--{name}: {path} is not a file")
    _run(
        {"payments": payments, "settlements": settlements, "bank": bank, "contracts": contracts},
        out,
        as_of=as_of,
        file_format=format_,
        engine=engine,
    )


def _run(
    paths: Mapping[str, Path],
    out: Path,
    *,
    as_of: datetime | None,
    file_format: FileFormat,
    engine: Engine,
) -> None:
    # pandas and pyarrow take a second to load: not before the command really runs
    from core.errors import InputUnusableError  # noqa: PLC0415
    from reconciliation import interchange  # noqa: PLC0415
    from reconciliation.matching import engine as matching  # noqa: PLC0415
    from reconciliation.matching.tables import Tables  # noqa: PLC0415

    silent = not sys.stderr.isatty()
    with (
        _without_collector(),
        typer.progressbar(length=STEPS, label="Matching", file=sys.stderr, hidden=silent) as bar,
    ):
        try:
            inputs, digests = interchange.read_inputs(
                interchange.InputFiles(**paths), as_of=as_of.date() if as_of else None
            )
            bar.update(1)
            tables, terms = Tables.of(inputs), inputs.contracts
            del inputs  # half of the memory: the tables have all that is needed
            result = matching.decide(tables, terms)
            bar.update(2)
            summary = interchange.summary_document(result, engine=engine, inputs=digests)
            distinct = dict.fromkeys(paths.values())
            said = {path: one.sha256 for path, one in zip(distinct, digests, strict=True)}
            run = interchange.run_document(
                out,
                {name: (path, said[path]) for name, path in paths.items()},
                as_of=result.summary["as_of"],
            )
            interchange.write_result(out, result, summary, file_format=file_format, run=run)
            bar.update(1)
        except InputUnusableError as error:
            _stop(3, error.detail)
        except OSError as error:
            _stop(2, f"--out: {error.filename}: {error.strerror}")
    _say(out, result)


@contextmanager
def _without_collector() -> Iterator[None]:
    """A run makes millions of tuples, none in a circle: looking for circles is a tenth of it."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _say(out: Path, result: "MatchResult") -> None:
    summary = result.summary
    print(f"As of {summary['as_of']}: {summary['matches']} matches.")
    for layer, kinds in summary["layers"].items():
        for kind, proof in kinds.items():
            print(_line(layer, kind, proof))
    for type_, number in summary["mismatches"].items():
        print(f"  {number:>9,}  {type_}")
    print(f"Result in {out}")


def _line(layer: str, kind: str, proof: Mapping[str, Any]) -> str:
    flagged = sum(part["count"] for part in proof["flagged"].values())
    return (
        f"  {layer:<8} {kind:<10} due {proof['due']['count']:>9,}"
        f"  matched {proof['matched']['count']:>9,}  flagged {flagged:>7,}"
        f"  difference {proof['difference']['sum']}"
    )


def _stop(status: int, message: str) -> None:
    typer.echo(f"doisoat match: {message}", err=True)
    raise typer.Exit(status)


if __name__ == "__main__":
    typer.run(match)
