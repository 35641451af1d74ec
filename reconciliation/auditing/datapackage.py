"""The books as a Frictionless Data Package (version 2): CSV tables, their schema and hashes."""

from pathlib import Path
from typing import Any, Final

from reconciliation.auditing.books import Books
from reconciliation.auditing.columns import CLOSING, OPENING, TRANSFERS, Column, Kind, Table
from reconciliation.auditing.folder import fingerprint, write_json
from reconciliation.auditing.text_tables import TABLES, write_csv, write_tables

_TYPES: Final = {
    Kind.TEXT: "string",
    Kind.INTEGER: "integer",
    Kind.DATE: "date",
    Kind.UTC: "datetime",
    Kind.LOCAL: "datetime",
}
_ACCOUNT_COLUMNS: Final = {
    TRANSFERS.name: ("debit_account", "credit_account"),
    OPENING.name: ("account",),
    CLOSING.name: ("account",),
}


def write_datapackage(books: Books, folder: Path) -> None:
    """Write four CSV files and ``datapackage.json``, which describes them."""
    write_tables(books, folder, write_csv)
    wanted = books.range
    write_json(
        folder / "datapackage.json",
        {
            "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
            "name": f"doisoat-books-{wanted.first}-{wanted.last}",
            "title": f"Books from {wanted.first} to {wanted.last}",
            "resources": [_resource(folder, table) for table in TABLES],
        },
    )


def _resource(folder: Path, table: Table) -> dict[str, Any]:
    path = folder / f"{table.name}.csv"
    found = fingerprint(path)
    return {
        "name": table.name.replace("_", "-"),
        "type": "table",
        "path": path.name,
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "bytes": found["bytes"],
        "hash": f"sha256:{found['sha256']}",
        "schema": {
            "fields": [_field(table, column) for column in table.columns],
            "primaryKey": list(table.key),
            "foreignKeys": [
                {"fields": [name], "reference": {"resource": "accounts", "fields": ["code"]}}
                for name in _ACCOUNT_COLUMNS.get(table.name, ())
            ],
        },
    }


def _field(table: Table, column: Column) -> dict[str, Any]:
    constraints: dict[str, Any] = {}
    if column.required:
        constraints["required"] = True
    if column.name in {"amount_minor", "position"}:
        constraints["minimum"] = 1
    if table.key == (column.name,):
        constraints["unique"] = True
    field = {"name": column.name, "type": _TYPES[column.kind], "description": column.meaning}
    if column.kind is Kind.LOCAL:
        field["format"] = "any"
    return field | ({"constraints": constraints} if constraints else {})
