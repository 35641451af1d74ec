"""Inputs and results of the matcher as plain rows, for a checker that shares nothing with it."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

Row = dict[str, str]


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of a ``.csv`` or ``.parquet`` file, every value as text, absent ones empty."""
    if path.suffix == ".parquet":
        for batch in pq.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                yield {name: "" if value is None else str(value) for name, value in row.items()}
        return
    with path.open(encoding="utf-8-sig", newline="") as handle:
        yield from csv.DictReader(handle)


def table_in(folder: Path, name: str) -> Path:
    """Where ``name`` stands in a result folder: as CSV, else as Parquet."""
    text = folder / f"{name}.csv"
    return text if text.is_file() else folder / f"{name}.parquet"
