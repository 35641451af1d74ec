"""What a run of the comparison found: the counts of each library, and every disagreement."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.differential.comparison import Pair


@dataclass
class Report:
    """The pairs that were compared, with what differed and why."""

    versions: dict[str, str] = field(default_factory=dict)
    agreeing: dict[str, int] = field(default_factory=dict)
    differing: list[tuple[Pair, dict[str, str], str]] = field(default_factory=list)

    def note(self, pair: Pair, version: str, found: dict[str, str], reason: str) -> None:
        """Take what came of a pair."""
        self.versions[pair.library] = version
        self.agreeing.setdefault(pair.library, 0)
        if found:
            self.differing.append((pair, found, reason))
        else:
            self.agreeing[pair.library] += 1

    def lines(self) -> Iterator[str]:
        """Every disagreement with both values and its reason, then the counts."""
        for pair, found, reason in self.differing:
            yield f"{pair.library} {pair.file.name}"
            yield from (f"    {name}: {values}" for name, values in found.items())
            yield f"    because {reason}" if reason else "    NOT EXPLAINED"
        yield ""
        for library, version in self.versions.items():
            mine = [reason for pair, _, reason in self.differing if pair.library == library]
            unexplained = mine.count("")
            yield (
                f"{library} {version}: {self.agreeing[library] + len(mine)} files, "
                f"{self.agreeing[library]} agree, {len(mine) - unexplained} differ for a reason, "
                f"{unexplained} unexplained"
            )


REPORT: Final = Report()
"""The report of this run."""
