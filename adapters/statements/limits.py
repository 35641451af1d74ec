"""How much of a file is read before it is refused: every input has an end."""

from dataclasses import dataclass
from typing import Protocol

from adapters.statements.problems import Code, ContentRefusedError

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one file.

    ``file_bytes`` on text formats and ``workbook_bytes`` on spreadsheets as they arrive,
    ``inflated_bytes``, ``workbook_parts`` and ``workbook_cells`` on what a spreadsheet unpacks
    to. ``entry_bytes`` is the longest piece of XML between two entries. A spreadsheet's reader
    gets ``reader_bytes`` of memory and of the processor ``reader_seconds``, plus one second for
    two MiB unpacked. Of ``problems`` a person is shown as many; a file with more than
    ``unreadable_rows`` of them is of another layout. ``statements`` and ``details`` bound a file
    and an entry.
    """

    file_bytes: int = 512 * MEBIBYTE
    entry_bytes: int = 2 * MEBIBYTE
    workbook_bytes: int = 32 * MEBIBYTE
    workbook_parts: int = 200
    inflated_bytes: int = 64 * MEBIBYTE
    workbook_cells: int = 3_000_000
    reader_bytes: int = 192 * MEBIBYTE
    reader_seconds: float = 1.5
    columns: int = 256
    cell_characters: int = 32_767
    header_within_rows: int = 100
    problems: int = 100
    unreadable_rows: int = 1_000
    statements: int = 10_000
    details: int = 50_000


class ByteSource(Protocol):
    """Anything that bytes can be read from."""

    def read(self, size: int = -1, /) -> bytes:
        """Read up to ``size`` bytes; empty at the end."""
        ...


class MeteredReader:
    """A byte source that refuses to go on when a file, or a piece of it, grows too long."""

    def __init__(self, source: ByteSource, limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._total = 0
        self._since_progress = 0

    def read(self, size: int = -1, /) -> bytes:
        """Read on.

        Raises:
            ContentRefusedError: the file is larger than allowed, or much was read without
                anything coming of it.
        """
        chunk = self._source.read(size)
        self._total += len(chunk)
        self._since_progress += len(chunk)
        if self._total > self._limits.file_bytes:
            raise ContentRefusedError(Code.LIMIT_EXCEEDED, "file", "the file is too large")
        if self._since_progress > self._limits.entry_bytes:
            where = f"before byte {self._total}"
            raise ContentRefusedError(Code.LIMIT_EXCEEDED, where, "one entry is too large")
        return chunk

    def progress(self) -> None:
        """Something was read and let go of: the next piece starts here."""
        self._since_progress = 0
