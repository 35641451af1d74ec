"""What the verification of published vectors found, as a table for people and as an object."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from adapters.gateways.vectors import Finding

_HEAD: Final = ("name", "group", "what it is", "result", "note")


def as_json(file: Path, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as one object for programs."""
    return {
        "file": str(file),
        "vectors": [
            {
                "name": finding.vector.name,
                "group": finding.vector.group,
                "standing": finding.vector.standing.value,
                "result": finding.verdict.value,
                "fails": finding.fails,
                "note": finding.note,
            }
            for finding in findings
        ],
        "summary": _summary(findings),
    }


def _summary(findings: Sequence[Finding]) -> dict[str, Any]:
    counted = Counter((f.vector.standing.value, f.verdict.value) for f in findings)
    by_standing: dict[str, dict[str, int]] = {}
    for (standing, verdict), number in sorted(counted.items()):
        by_standing.setdefault(standing, {})[verdict] = number
    failed = sum(finding.fails for finding in findings)
    return {"vectors": len(findings), "failed": failed, "by_standing": by_standing}


def print_table(findings: Sequence[Finding]) -> None:
    """Print a row for each vector and a summary."""
    rows = [_HEAD]
    for finding in findings:
        vector = finding.vector
        result = f"{finding.verdict.value}{' (FAILS)' if finding.fails else ''}"
        rows.append((vector.name, vector.group, vector.standing.value, result, finding.note))
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEAD))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
    summary = _summary(findings)
    parts = [f"{summary['vectors']} vectors", f"{summary['failed']} failed"]
    for standing, verdicts in summary["by_standing"].items():
        told = ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())
        parts.append(f"{standing}: {told}")
    print("; ".join(parts))
