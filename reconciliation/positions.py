"""Where the rows of a table stand in the file that it was read from."""

import csv
from collections.abc import Iterable
from pathlib import Path


def positions(path: Path, rows: Iterable[int]) -> dict[int, int]:
    """For each row (from 0): the line of a CSV file on which it starts, or the row, both from 1.

    A quoted value may span several lines, and empty lines are no rows.
    """
    wanted = set(rows)
    if path.suffix == ".parquet":
        return {row: row + 1 for row in wanted}
    found: dict[int, int] = {}
    with path.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.reader(handle)
        row, start = -1, 1
        for cells in reader:
            if cells:
                if row in wanted:
                    found[row] = start
                row += 1
            start = reader.line_num + 1
            if len(found) == len(wanted):
                break
    return found
