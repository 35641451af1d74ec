"""The tables of the books as Parquet, compressed by zstd, written in parts."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from reconciliation.auditing.books import Books
from reconciliation.auditing.columns import Kind, Row, Table
from reconciliation.auditing.text_tables import write_tables

GROUP_ROWS: Final = 20_000

_TYPES: Final = {
    Kind.TEXT: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.DATE: pa.date32(),
    Kind.UTC: pa.timestamp("us", "UTC"),
    Kind.LOCAL: pa.timestamp("us", "+07:00"),
}


def write_parquet_books(books: Books, folder: Path) -> None:
    """Write the books as Parquet; missing values are null."""
    write_tables(books, folder, write_parquet)


def write_parquet(folder: Path, table: Table, parts: Iterable[list[Row]]) -> None:
    """Write ``<table>.parquet``; row groups of about 20,000. One version of pyarrow, one result."""
    fields = [
        pa.field(column.name, _TYPES[column.kind], nullable=not column.required)
        for column in table.columns
    ]
    schema = pa.schema(fields)
    path = folder / f"{table.name}.parquet"
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        waiting, rows = list[pa.RecordBatch](), 0
        for part in parts:
            columns = zip(*part, strict=True) if part else [()] * len(fields)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, fields, strict=True)]
            waiting.append(pa.record_batch(arrays, schema=schema))
            rows += len(part)
            if rows >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(waiting, schema))
                waiting, rows = [], 0
        writer.write_table(pa.Table.from_batches(waiting, schema))
