"""The cases of the contract, why one may not apply to a rail, and the table of what came of them.

A cell is one case on one rail. It passed, it failed, or it is n/a with a reason in words; the
suite itself asserts that none is empty.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeVar

import pytest

from payments.ports import Capabilities
from tests.contracts.rigs.registry import RAILS, RIGS
from tests.contracts.rigs.rig import Rig, TransferRig
from tests.contracts.rigs.world import open_world
from tests.support.postgres import quick_folder

NOT_APPLICABLE: Final = "n/a: "

REASONS: Final[Mapping[str, str]] = {
    "starts": "it opens no attempts: it only tells of transfers to the collecting account",
    "redirects": "it has no page of its own: the payer scans a code with a bank's app",
    "notices": "nobody sends messages: the bank's statement brings the answer",
    "queries": "it cannot be asked about an attempt",
    "refunds": "it has no way to send money back: an officer transfers it from the account",
    "refund_queries": "it cannot be asked about a refund",
    "cancels": "an attempt cannot be called off: it ends at its expiry",
    "credits": "its messages are about payments of its own, not about transfers to the account",
    "transfers": "its page takes the whole sum or nothing: nobody types a transfer by hand",
    "holds": "money is taken at once: there is no second step",
    "settlement_report": "its report comes as a file, not by a call",
    "start_calls": "opening an attempt calls nobody: it is an address or a code",
    "fees": "the payer's whole transfer comes to the account: there is nothing to settle net",
    "dates_signature": "its messages bear no signed sending time; a replay is harmless by its key",
    "secrets": "it has no secrets",
}
"""Why a case that needs a capability, or a trait, is n/a on a rail without it."""

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Case:
    """One row of the table: its title, and what a rail must have for it."""

    name: str
    title: str
    needs: tuple[str, ...]


CASES: Final[dict[str, Case]] = {}


def case(name: str, *needs: str) -> Callable[[Test], Test]:
    """Declare a test as the case ``name``, for all rails that have what it ``needs``."""

    def declare(test: Test) -> Test:
        assert name not in CASES, name
        assert set(needs) <= set(REASONS), needs
        CASES[name] = test.case = Case(name, name.replace("_", " "), needs)  # type: ignore[attr-defined]
        return test

    return declare


@cache
def capabilities(rail: str) -> Capabilities:
    """Return what the gateway of a rail says it can do."""
    with TemporaryDirectory() as folder, open_world(rail, Path(folder)) as world:
        return world.can


def why_not(rail: str, wanted: Case) -> str | None:
    """Return why a case is n/a on a rail, None where it is to be run."""
    rig = RIGS[rail]
    if reason := rig.not_applicable.get(wanted.name):
        return reason
    for need in wanted.needs:
        if not _has(rig, rail, need):
            return REASONS[need]
    return None


def _has(rig: type[Rig], rail: str, need: str) -> bool:
    if need == "secrets":
        return bool(rig.secrets)
    if need == "fees":
        return rig.traits.fees is not None
    if need == "transfers":
        return issubclass(rig, TransferRig) or capabilities(rail).credits
    if need in {"start_calls", "dates_signature", "holds"}:
        return bool(getattr(rig.traits, need))
    return bool(getattr(capabilities(rail), need))


def leave_out(rail: str, wanted: Case) -> None:
    """End the test as n/a where it does not apply, with the reason."""
    if reason := why_not(rail, wanted):
        pytest.skip(f"{NOT_APPLICABLE}{reason}")


@contextmanager
def quick_dir() -> Iterator[Path]:
    """Return a folder in memory: simulators write each step through to their files."""
    with TemporaryDirectory(prefix="doisoat-rig-", dir=quick_folder()) as folder:
        yield Path(folder)


@dataclass
class Table:
    """What came of every cell, as the run reports it."""

    cells: dict[tuple[str, str], str] = field(default_factory=dict)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)

    def note(self, cell: tuple[str, str], report: pytest.TestReport) -> None:
        """Take a report of one phase of one test; the worst of a cell stands."""
        if report.failed:
            self.cells[cell] = "FAIL"
        elif report.skipped:
            self._note_skip(cell, skip_reason(report))
        elif report.when == "call":
            self.cells.setdefault(cell, "pass")

    def _note_skip(self, cell: tuple[str, str], reason: str) -> None:
        if reason.startswith(NOT_APPLICABLE) and len(reason) > len(NOT_APPLICABLE):
            self.cells.setdefault(cell, "n/a")
            self.reasons[cell] = reason.removeprefix(NOT_APPLICABLE)
        else:
            self.cells[cell] = "FAIL"  # a silent skip is a hole in the table

    def holes(self, names: set[str], rails: set[str]) -> list[str]:
        """Return the cells of these rows and columns of which nothing is known."""
        return [
            f"{name} × {rail}"
            for name in sorted(names)
            for rail in sorted(rails)
            if self.cells.get((name, rail)) not in {"pass", "n/a", "FAIL"}
            or (self.cells[name, rail] == "n/a" and not self.reasons.get((name, rail)))
        ]

    def lines(self, cases: Mapping[str, Case] = CASES) -> list[str]:
        """Return the table, and the reasons by their number."""
        numbers: dict[str, int] = {}
        for name in cases:
            for rail in RAILS:
                if self.cells.get((name, rail)) == "n/a":
                    numbers.setdefault(self.reasons[name, rail], len(numbers) + 1)
        width = max(len(row.title) for row in cases.values())
        columns = [max(len(rail), 6) for rail in RAILS]
        head = "  ".join(rail.ljust(size) for rail, size in zip(RAILS, columns, strict=True))
        lines = [f"{'case'.ljust(width)}  {head}"]
        for name, row in cases.items():
            texts = [self._text(name, rail, numbers) for rail in RAILS]
            cells = "  ".join(text.ljust(size) for text, size in zip(texts, columns, strict=True))
            lines.append(f"{row.title.ljust(width)}  {cells}".rstrip())
        return [*lines, "", *(f"n/a {number}: {reason}" for reason, number in numbers.items())]

    def _text(self, name: str, rail: str, numbers: Mapping[str, int]) -> str:
        cell = self.cells.get((name, rail), "")
        return f"n/a {numbers[self.reasons[name, rail]]}" if cell == "n/a" else cell

    def summary(self) -> str:
        """Return how many cells there are of each kind."""
        words = ("pass", "n/a", "FAIL")
        counts = [(word, list(self.cells.values()).count(word)) for word in words]
        return ", ".join(f"{count} {word}" for word, count in counts if count)


TABLE: Final = Table()


def cell_of(item: pytest.Item) -> tuple[str, str] | None:
    """Return which cell a test is for: its case and its rail."""
    found: Case | None = getattr(getattr(item, "function", None), "case", None)
    spec: Any = getattr(item, "callspec", None)
    return (found.name, str(spec.params["rail"])) if found and spec else None


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return what a skipped test gave as its reason."""
    longrepr: Any = report.longrepr
    text = str(longrepr[2]) if isinstance(longrepr, tuple) else ""
    return text.removeprefix("Skipped: ")
