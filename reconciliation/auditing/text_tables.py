"""The tables of the books as CSV (RFC 4180) and as JSON Lines, byte for byte the same each time."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

from reconciliation.auditing.books import Books
from reconciliation.auditing.columns import (
    ACCOUNTS,
    CLOSING,
    OPENING,
    TRANSFERS,
    Kind,
    Row,
    Table,
    as_text,
    local_text,
    utc_text,
)

TableWriter = Callable[[Path, Table, Iterable[list[Row]]], None]
"""Writes one table, in parts, into a folder."""

_SPELT: Final = {Kind.DATE: date.isoformat, Kind.UTC: utc_text, Kind.LOCAL: local_text}

TABLES: Final = (TRANSFERS, ACCOUNTS, OPENING, CLOSING)


def write_tables(books: Books, folder: Path, write: TableWriter) -> None:
    """Write the four tables of the books with one writer."""
    for table, parts in tables_of(books):
        write(folder, table, parts)


def tables_of(books: Books) -> Iterator[tuple[Table, Iterable[list[Row]]]]:
    """Yield each table with its rows in parts; the closing balances come last, after all passed."""
    yield ACCOUNTS, [[(a.code, a.type.value, a.name_vi, a.name_en) for a in books.accounts]]
    yield OPENING, [[balance.row for balance in books.opening]]
    yield TRANSFERS, books.transfers()
    yield CLOSING, [[balance.row for balance in books.closing()]]


def write_csv(folder: Path, table: Table, parts: Iterable[list[Row]]) -> None:
    """Write ``<table>.csv`` in UTF-8, lines ended by CR LF; text is never altered, nothing escaped.

    It is for programs: a spreadsheet would run a cell that begins like a formula.
    """
    with (folder / f"{table.name}.csv").open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(table.names)
        spelt = [
            (number, _SPELT[column.kind])
            for number, column in enumerate(table.columns)
            if column.kind in _SPELT
        ]
        for part in parts:
            writer.writerows(_texts(part, spelt))


def _texts(part: list[Row], spelt: list[tuple[int, Callable[[Any], str]]]) -> Iterator[list[Any]]:
    """Yield rows as ``csv`` writes them right by itself: digits for integers, nothing for None."""
    for row in part:
        texts = list(row)
        for number, spell in spelt:
            texts[number] = spell(texts[number])
        yield texts


def write_json_lines(folder: Path, table: Table, parts: Iterable[list[Row]]) -> None:
    """Write ``<table>.jsonl``: an object on each line, integers as such, missing values null."""
    encode = json.JSONEncoder(ensure_ascii=False, default=as_text, separators=(",", ":")).encode
    names = table.names
    with (folder / f"{table.name}.jsonl").open("w", encoding="utf-8", newline="\n") as target:
        for part in parts:
            target.writelines(encode(dict(zip(names, row, strict=True))) + "\n" for row in part)


def write_jsonl_books(books: Books, folder: Path) -> None:
    """Write the books as JSON Lines."""
    write_tables(books, folder, write_json_lines)
