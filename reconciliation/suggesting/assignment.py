"""The cheapest assignment of rows to columns, exactly, and how far ahead of the next it is.

Shortest augmenting paths with potentials (Kuhn 1955, Munkres 1957; in the form of Jonker and
Volgenant, Computing 38, 1987). Costs are integers, so that nothing is rounded.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
FORBIDDEN: Final = 1 << 40
"""The cost of a pair that cannot be; whatever is possible costs less than this altogether."""
_FAR: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class Assigned:
    """What one row got: its column, or None if it stays alone.

    ``gap`` is by how much everything together costs more at least, if this row gets another
    column or stays alone (or, alone now, gets any); None where nothing else is possible.
    """

    column: int | None
    gap: int | None


def assign(costs: Ints, alone: int) -> list[Assigned]:
    """Give each row a column of its own, or none at the cost ``alone``, at the least cost in all.

    ``costs`` is a matrix of whole numbers from 0, ``FORBIDDEN`` where a row cannot have a column.
    Of several assignments that cost the same, one is returned, and its gap says 0.
    """
    rows, columns = costs.shape
    own = np.full((rows, rows), FORBIDDEN, dtype=np.int64)
    np.fill_diagonal(own, alone)
    table = _Table(np.concatenate([costs.astype(np.int64), own], axis=1))
    for row in range(rows):
        table.add(row)
    return [
        Assigned(int(column) if column < columns else None, table.gap(row))
        for row, column in enumerate(table.column_of)
    ]


class _Table:
    """Costs with a partial assignment that is optimal for its rows, as the potentials prove."""

    def __init__(self, costs: Ints) -> None:
        self.costs = costs
        rows, columns = costs.shape
        self.row_of = np.full(columns, -1, dtype=np.int64)
        self.column_of = np.full(rows, -1, dtype=np.int64)
        self.left = np.zeros(rows, dtype=np.int64)
        self.right = np.zeros(columns, dtype=np.int64)

    def add(self, row: int) -> None:
        """Assign one more row by the shortest augmenting path, and keep the potentials proving."""
        distance = self.costs[row] - self.left[row] - self.right
        before = np.full(len(distance), row, dtype=np.int64)
        reached = np.zeros(len(distance), dtype=bool)
        while True:
            end = int(np.where(reached, _FAR, distance).argmin())
            through = int(self.row_of[end])
            if through < 0:
                break
            reached[end] = True
            before[self._nearer(distance, reached, end, through)] = through
        slack = distance[end] - distance[reached]
        self.left[row] += distance[end]
        self.left[self.row_of[reached]] += slack
        self.right[reached] -= slack
        while end >= 0:
            from_row = int(before[end])
            self.row_of[end] = from_row
            self.column_of[from_row], end = end, int(self.column_of[from_row])

    def gap(self, row: int) -> int | None:
        """The least rise of the whole cost, if the row does not get what it has.

        It is the cheapest circle of exchanges through the pair. Columns without a row count as
        held by rows that take any column for nothing, so that every exchange closes.
        """
        target = int(self.column_of[row])
        distance = self.costs[row] - self.left[row] - self.right
        distance[target] = FORBIDDEN
        reached = np.zeros(len(distance), dtype=bool)
        while not reached[target]:
            nearest = int(np.where(reached, _FAR, distance).argmin())
            reached[nearest] = True
            if nearest != target:
                self._nearer(distance, reached, nearest, int(self.row_of[nearest]))
        return int(distance[target]) if distance[target] < FORBIDDEN // 2 else None

    def _nearer(
        self, distance: Ints, reached: NDArray[np.bool_], column: int, row: int
    ) -> NDArray[np.bool_]:
        """Go on from a column through the row that holds it; which columns are nearer that way."""
        leaves = self.costs[row] - self.left[row] if row >= 0 else 0
        onward = distance[column] + leaves - self.right
        nearer = np.asarray(~reached & (onward < distance), dtype=np.bool_)
        distance[nearer] = onward[nearer]
        return nearer
