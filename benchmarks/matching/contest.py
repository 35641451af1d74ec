"""Who matches the same data: ours, the floor, the naive cascade, and other people's packages.

Everybody is a program that takes a data set and a folder for its result; each runs in a process of
its own. Others' packages run in ``.venv-matchers`` (``make matchers``), made from their lock.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.matching.generate import write
from benchmarks.matching.grading import Verdict, grade, of_folder, read_result

ROOT: Final = Path(__file__).parents[2]
PEERS: Final = ROOT / ".venv-matchers" / "bin" / "python"
SEED: Final = 2026
_SOURCES: Final = ("world", "transfers", "nasty", "slips", "days", "providers", "payouts",
                   "calendar", "bulk", "noise", "generate")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Contestant:
    """One who matches. ``most``: the most payments it is asked for; None: any number."""

    name: str
    what: str
    command: Callable[[Path, Path], list[str]]
    most: int | None = None
    graded: bool = True

    @property
    def is_peer(self) -> bool:
        """Whether it is other people's package, in an environment of its own."""
        return self.most is not None


@dataclass(slots=True)
class Run:
    """What one contestant took for one data set, and what it made of it."""

    wall: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0
    failed: str = ""
    verdict: Verdict = field(default_factory=Verdict)


def _ours(data: Path, out: Path) -> list[str]:
    names = ("payments.csv", "settlements.csv", "bank.csv", "contracts.json")
    options = [part for name in names for part in (f"--{Path(name).stem}", str(data / name))]
    return [sys.executable, "-m", "app.cli.match", *options, "--out", str(out)]


def _module(name: str, *options: str) -> Callable[[Path, Path], list[str]]:
    module = f"benchmarks.matching.{name}"
    return lambda data, out: [sys.executable, "-m", module, str(data), str(out), *options]


def _peer(name: str) -> Callable[[Path, Path], list[str]]:
    module = f"benchmarks.matching.peers.match_{name}"
    return lambda data, out: [str(PEERS), "-m", module, str(data), str(out)]


CONTESTANTS: Final = (
    Contestant("floor", "read, one hash join a layer, write (pyarrow)", _module("floor"),
               graded=False),
    Contestant("cascade", "pandas merges, with amount and date as the last resort",
               _module("cascade")),
    Contestant("cascade strict", "the same without the last resort",
               _module("cascade", "--no-fallback")),
    Contestant("doisoat", "doisoat match", _ours),
    Contestant("splink", "probability ≥ 0.99, best links, ties dropped, amounts equal",
               _peer("splink"), 100_000),
    Contestant("recordlinkage", "weighted score, mutual best, ties dropped, amounts equal",
               _peer("recordlinkage"), 100_000),
    Contestant("datacompy", "join on the reference, amounts equal", _peer("datacompy"), 1_000_000),
    Contestant("reconcile-py", "amount and date as gates, what it calls ambiguous left out",
               _peer("reconcile"), 10_000),
)  # fmt: skip


def data_set(folder: Path, payments: int, seed: int = SEED) -> Path:
    """A data set of so many payments; made if the same generator has not made it before."""
    digest = hashlib.sha256(f"{seed}".encode())
    for name in _SOURCES:
        path = Path(__file__).with_name(f"{name}.py")
        digest.update(path.read_bytes() if path.exists() else b"")
    place = folder / f"{payments}-{digest.hexdigest()[:12]}"
    if not (place / "truth.csv").exists():
        made = place.with_name(place.name + ".part")
        write(made, payments, seed)
        made.rename(place)
    return place


def run(one: Contestant, data: Path, out: Path, *, timeout: float, graded: bool = True) -> Run:
    """Let one contestant match a data set, in at most so many seconds, and grade the result."""
    command = [sys.executable, "-m", "benchmarks.matching.measured", *one.command(data, out)]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said, errors = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return Run(failed=f"not finished in {timeout:.0f} s")
    if process.returncode:
        return Run(failed=(errors.strip().splitlines() or ["failed"])[-1][:200])
    figures: dict[str, float] = json.loads(said.splitlines()[-1])
    made = Run(wall=figures["wall"], cpu=figures["cpu"], peak=figures["peak"])
    if graded and one.graded:
        made.verdict = grade(of_folder(data), *read_result(out))
    return made
