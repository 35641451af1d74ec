"""Counting the subsets of amounts that have an exact sum, within a bound."""

from collections.abc import Sequence
from typing import Final

SEARCH_LIMIT: Final = 200_000
"""Steps one search may take. Beyond it the result is ambiguous, never a guess."""


class SubsetSums:
    """Which subsets of positive amounts have a given sum; looks for two and then stops.

    Two are as bad as a thousand. ``exhausted`` says that the search met its limit, so that even
    a single solution is not known to be the only one.
    """

    def __init__(self, amounts: Sequence[int], target: int) -> None:
        self._order = sorted(
            (i for i, amount in enumerate(amounts) if 0 < amount <= target),
            key=lambda i: (-amounts[i], i),
        )
        self._amounts = [amounts[i] for i in self._order]
        self._rest = [0] * (len(self._amounts) + 1)
        for i in range(len(self._amounts) - 1, -1, -1):
            self._rest[i] = self._rest[i + 1] + self._amounts[i]
        self._target = target
        self._steps = 0
        self.exhausted = False

    def solutions(self) -> list[tuple[int, ...]]:
        """Up to two subsets, as indexes into the amounts; depth first, largest amounts first."""
        found: list[tuple[int, ...]] = []
        stack: list[tuple[int, int, tuple[int, ...]]] = [(0, self._target, ())]
        while stack and len(found) < 2:  # noqa: PLR2004 - a second one settles the question
            self._steps += 1
            if self._steps > SEARCH_LIMIT:
                self.exhausted = True
                break
            at, left, chosen = stack.pop()
            if left == 0 and chosen:
                found.append(tuple(self._order[i] for i in chosen))
            elif at < len(self._amounts) and 0 < left <= self._rest[at]:
                stack.append((at + 1, left, chosen))
                if self._amounts[at] <= left:
                    stack.append((at + 1, left - self._amounts[at], (*chosen, at)))
        return found
