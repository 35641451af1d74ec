"""The whole check of a result: everything that is wrong, and how far the check went."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reconciliation.checking import conservation
from reconciliation.checking.evidence import check_evidence
from reconciliation.checking.figures import check_figures
from reconciliation.checking.findings import Finding
from reconciliation.checking.result import Result, check_inputs, read_result
from reconciliation.checking.types import check_types
from reconciliation.checking.world import World


@dataclass(frozen=True, slots=True)
class Verdict:
    """Findings in file order, and how many matches were looked at and not wholly re-verified."""

    findings: list[Finding]
    matches: int
    mismatches: int
    unverified: int


def verify(folder: Path, inputs: Mapping[str, Path]) -> Verdict:
    """Check a result folder against its inputs; ``inputs`` stand instead of run.json's.

    Raises:
        ResultUnusableError: result or inputs cannot be read, or an input has changed.
    """
    return judge(read_result(folder, inputs))


def judge(result: Result) -> Verdict:
    """Check a result that has been read."""
    held = conservation.population_of(result.payments, result.settlements, result.bank)
    world = World(result)
    evidence, unverified = check_evidence(world)
    findings = [
        *check_inputs(result),
        *check_figures(result.summary, held, result.matches, result.mismatches),
        *conservation.check(held, result.matches, result.mismatches),
        *evidence,
        *check_types(world, result.mismatches),
    ]
    matches = len({row["match_id"] for row in result.matches})
    return Verdict(findings, matches, len(result.mismatches), unverified)
