"""The tables of the books as Parquet, compressed by zstd, written in parts."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from reconciliation.auditing.books import Books
from reconciliation.auditing.columns import Kind, Row, Table
from reconciliation.auditing.text_tables import write_tables

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
    """Write ``<table>.parquet``; each part is a row group. One version of pyarrow, one result."""
    fields = [
        pa.field(column.name, _TYPES[column.kind], nullable=not column.required)
        for column in table.columns
    ]
    schema = pa.schema(fields)
    path = folder / f"{table.name}.parquet"
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for part in parts:
            columns = zip(*part, strict=True) if part else [()] * len(fields)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, fields, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
