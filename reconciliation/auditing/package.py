"""Writes one package for an auditor: the books in a format, what proves them, and a manifest."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from sqlmodel import Session

from reconciliation.auditing.books import BookRange, Books, Progress
from reconciliation.auditing.datapackage import write_datapackage
from reconciliation.auditing.folder import whole_folder, write_manifest
from reconciliation.auditing.journals import write_beancount, write_hledger
from reconciliation.auditing.log_files import write_proof
from reconciliation.auditing.models import Format
from reconciliation.auditing.runs import write_runs
from reconciliation.auditing.text_tables import write_jsonl_books

BookWriter = Callable[[Books, Path], None]
"""Writes the books into a folder; reads the transfers once and the closing balances after them."""

Attachment = Callable[[Session, BookRange, Path], None]
"""Writes files of its own beside the books, from the same snapshot, into the folder it is given."""


def _write_parquet(books: Books, folder: Path) -> None:
    from reconciliation.auditing.parquet import write_parquet_books  # noqa: PLC0415 - large

    write_parquet_books(books, folder)


def _write_xlsx(books: Books, folder: Path) -> None:
    from reconciliation.auditing.workbooks import write_workbooks  # noqa: PLC0415 - seldom needed

    write_workbooks(books, folder)


WRITERS: Final[Mapping[Format, BookWriter]] = {
    Format.DATAPACKAGE: write_datapackage,
    Format.PARQUET: _write_parquet,
    Format.XLSX: _write_xlsx,
    Format.JSONL: write_jsonl_books,
    Format.HLEDGER: write_hledger,
    Format.BEANCOUNT: write_beancount,
}

ATTACHMENTS: Final[tuple[Attachment, ...]] = (write_runs, write_proof)
"""What every package carries beside the books, whatever its format.

The one place to add to. The manifest lists and hashes whatever lies in the folder.
"""


def write_package(
    session: Session,
    wanted: BookRange,
    kind: Format,
    target: Path,
    *,
    progress: Progress = lambda _done, _total: None,
) -> dict[str, Any]:
    """Write the folder ``target`` and return what its manifest says of the books.

    ``session`` has to be one that reads (:func:`core.db.reading`): everything is of one snapshot.
    The same snapshot gives the same bytes.

    Raises:
        ExportTargetError: ``target`` holds something already, or cannot be written.
        BooksUnequalError: the transfers are not what the balances say.
    """
    with whole_folder(target) as folder:
        books = Books(session, wanted, progress=progress)
        WRITERS[kind](books, folder)
        for attach in ATTACHMENTS:
            attach(session, wanted, folder)
        about = {
            "package": "doisoat books 1",
            "format": kind.value,
            "from": wanted.first.isoformat(),
            "to": wanted.last.isoformat(),
            "scope": wanted.scope,
            "entries": books.entries_read,
            "transfers": books.transfers_read,
            "totals": books.totals(),
        }
        write_manifest(folder, about)
    return about
