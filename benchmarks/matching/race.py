"""How fast and small the matcher is, CSV to CSV, beside the floor, a naive cascade and others.

Run by ``make bench-matching``. Each contestant is a program in a process of its own; they take
turns, round by round, and what is printed is the median of the rounds. The result of the last
round is graded. A contestant that does not finish in time, or fails, is said to.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.matching.contest import CONTESTANTS, PEERS, Contestant, Run, data_set, run

TIMEOUT_SECONDS = 900


def main() -> None:
    """Measure, print a table for each size, write JSON if asked."""
    options = _options()
    results: dict[str, Any] = {"machine": machine(), "sizes": {}}
    for payments in options.sizes:
        data = data_set(Path(options.folder), payments)
        measured = {one.name: _measure(one, data, options) for one in _present(payments, options)}
        results["sizes"][str(payments)] = figures = {
            name: figures_of(runs) for name, runs in measured.items()
        }
        _print(payments, figures)
    _print_growth(results["sizes"])
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1), encoding="utf-8")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="*", type=int, default=[100_000, 1_000_000])
    parser.add_argument(
        "--rounds", type=int, default=3, help="of everybody but the peers, who run once"
    )
    parser.add_argument("--only", nargs="*", default=[one.name for one in CONTESTANTS])
    parser.add_argument("--folder", default="var/matching", help="where data sets are kept")
    parser.add_argument("--timeout", type=float, default=TIMEOUT_SECONDS, help="seconds for each")
    parser.add_argument("--no-grade", action="store_true")
    parser.add_argument("--json", default="", help="write the figures here as well")
    return parser.parse_args()


def _present(payments: int, options: argparse.Namespace) -> list[Contestant]:
    return [
        one
        for one in CONTESTANTS
        if one.name in options.only
        and (one.most is None or (payments <= one.most and PEERS.exists()))
    ]


def _measure(one: Contestant, data: Path, options: argparse.Namespace) -> list[Run]:
    runs: list[Run] = []
    rounds = 1 if one.is_peer else options.rounds
    for number in range(rounds):
        graded = number == rounds - 1 and not options.no_grade
        with tempfile.TemporaryDirectory(dir=options.folder) as out:
            runs.append(run(one, data, Path(out), timeout=options.timeout, graded=graded))
        if runs[-1].failed:
            break
    return runs


def figures_of(runs: list[Run]) -> dict[str, Any]:
    """Medians of what the runs took, and the grade of the last one."""
    last = runs[-1]
    if last.failed:
        return {"failed": last.failed}
    verdict = last.verdict
    return {
        "wall": round(statistics.median(one.wall for one in runs), 3),
        "cpu": round(statistics.median(one.cpu for one in runs), 3),
        "peak": round(max(one.peak for one in runs), 1),
        "made": verdict.made,
        "false": len(verdict.false),
        "lost": len(verdict.lost),
        "counted_twice": len(verdict.double),
        "unbalanced": len(verdict.unbalanced),
        "not_due": len(verdict.not_due),
        "required": verdict.found.total() + verdict.missed.total(),
        "found": verdict.found.total(),
        "flags_required": verdict.typed.total() + verdict.mistyped.total(),
        "flags_right": verdict.typed.total(),
        "kinds": _kinds(last),
    }


def _kinds(last: Run) -> dict[str, dict[str, int]]:
    verdict = last.verdict
    mistyped: dict[str, int] = {}
    for name, number in verdict.mistyped.items():
        kind = name.partition(":")[0]
        mistyped[kind] = mistyped.get(kind, 0) + number
    names = {*verdict.found, *verdict.missed, *verdict.typed, *mistyped, *verdict.false_in}
    return {
        kind: {
            "required": verdict.found[kind] + verdict.missed[kind],
            "found": verdict.found[kind],
            "flags_required": verdict.typed[kind] + mistyped.get(kind, 0),
            "flags_right": verdict.typed[kind],
            "false": verdict.false_in[kind],
            "lost": verdict.lost_in[kind],
        }
        for kind in sorted(names)
    }


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    names = ("pandas", "numpy", "pyarrow")
    return {
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        **{name: version(name) for name in names},
    }


def _print(payments: int, figures: dict[str, Any]) -> None:
    print(f"\n{payments:,} payments, CSV to CSV, medians", flush=True)
    print(f"  {'':<15}{'wall s':>9}{'CPU s':>9}{'peak MB':>9}{'x floor':>9}{'x cascade':>11}"
          f"{'false':>8}{'recall':>10}{'lost':>9}")  # fmt: skip
    for name, one in figures.items():
        if "failed" in one:
            print(f"  {name:<15}  {one['failed']}")
            continue
        ratios = [
            one["cpu"] / figures[other]["cpu"] if figures.get(other, {}).get("cpu") else None
            for other in ("floor", "cascade")
        ]
        said = [f"{ratio:.2f}" if ratio else "-" for ratio in ratios]
        graded = ("-", "-", "-")
        if one["made"]:
            recall = one["found"] / (one["required"] or 1)
            graded = (f"{one['false']:,}", f"{recall:.6f}", f"{one['lost']:,}")
        print(f"  {name:<15}{one['wall']:9.2f}{one['cpu']:9.2f}{one['peak']:9.0f}{said[0]:>9}"
              f"{said[1]:>11}{graded[0]:>8}{graded[1]:>10}{graded[2]:>9}")  # fmt: skip
    if not PEERS.exists():
        print("  others not measured: make matchers installs them")


def _print_growth(sizes: dict[str, dict[str, Any]]) -> None:
    """What a payment costs at one size over what it costs at the size before."""
    for small, large in zip(list(sizes), list(sizes)[1:], strict=False):
        for name in ("floor", "cascade", "doisoat"):
            pair = [sizes[size].get(name, {}).get("cpu") for size in (small, large)]
            if all(pair):
                ratio = pair[1] / int(large) / (pair[0] / int(small))
                print(f"  cost per payment at {int(large):,} over {int(small):,}, {name}:"
                      f" {ratio:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
