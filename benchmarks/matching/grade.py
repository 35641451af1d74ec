"""Grade a result: ``python -m benchmarks.matching.grade DATASET RESULT``; 1 if it is not clean."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from benchmarks.matching.grading import Verdict, grade, of_folder, read_result

WANTED_RECALL = 0.999
"""Of what the evidence determines."""


def main() -> int:
    """Grade and say what was found, one line for each kind of noise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--kinds", action="store_true", help="a line for each kind of noise")
    options = parser.parse_args()
    verdict = grade(of_folder(options.dataset), *read_result(options.result))
    print(said(verdict, kinds=options.kinds))
    found, missed = verdict.found.total(), verdict.missed.total()
    complete = found >= WANTED_RECALL * (found + missed) and not verdict.mistyped
    return 0 if verdict.is_clean and complete else 1


def said(verdict: Verdict, *, kinds: bool) -> str:
    """The verdict as text."""
    found, missed = verdict.found.total(), verdict.missed.total()
    wrong = {
        "false matches": len(verdict.false),
        "lost": len(verdict.lost),
        "counted twice": len(verdict.double),
        "unbalanced": len(verdict.unbalanced),
        "flagged without being due": len(verdict.not_due),
    }
    recall = found / (found + missed or 1)
    types = verdict.typed.total() + verdict.mistyped.total()
    lines = [
        ", ".join(f"{name} {count}" for name, count in wrong.items()),
        f"matches required {found + missed:,}, made {found:,} (recall {recall:.6f})",
        f"flags required {types:,}, of the right type {verdict.typed.total():,}",
    ]
    if kinds:
        lines += [
            "",
            "| noise | matches required | made | false | flags right |",
            "|---|--:|--:|--:|--:|",
        ]
        for kind in sorted({*verdict.found, *verdict.missed, *verdict.typed}):
            made = verdict.found[kind]
            lines.append(
                f"| {kind} | {made + verdict.missed[kind]:,} | {made:,} |"
                f" {verdict.false_in[kind]:,} | {verdict.typed[kind]:,} |"
            )
    for title, counter in (("missed", verdict.missed), ("false", verdict.false_in),
                           ("mistyped", verdict.mistyped)):  # fmt: skip
        lines += _worst(title, counter)
    for title, some in (("false", verdict.false), ("lost", verdict.lost),
                        ("twice", verdict.double), ("not due", verdict.not_due),
                        ("unbalanced", verdict.unbalanced)):  # fmt: skip
        lines += [f"  {title}: {one}" for one in some[:5]]
    return "\n".join(lines)


def _worst(title: str, counter: "Counter[str]") -> list[str]:
    return [f"  {title} {count:,} × {name}" for name, count in counter.most_common(10)]


if __name__ == "__main__":
    sys.exit(main())
