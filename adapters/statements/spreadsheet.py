"""Workbooks read in a child process with limits, after a look into the package."""

import json
import lzma
import re
import struct
import subprocess
import sys
import threading
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

from adapters.statements.limits import MEBIBYTE, Limits
from adapters.statements.problems import Code, ContentRefusedError
from adapters.statements.rows import Cell, Row

_READER: Final = Path(__file__).with_name("spreadsheet_reader.py")
_CHUNK: Final = 256 * 1024
_OVERLAP: Final = 64
_CELL: Final = re.compile(rb"""[\s]r\s*=\s*["']([A-Z]{0,3})(\d{1,7})["']""")
_DOCTYPE: Final = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_ENCRYPTED: Final = 0x1
_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    struct.error,
)
_MAX_ROW_TEXT: Final = 16 * MEBIBYTE
_INFLATION_PER_SECOND: Final = 2 * MEBIBYTE
_PATIENCE: Final = 20
"""A reader may wait for whoever takes its rows: so many times its own time, then it hangs."""


def workbook_rows(source: BinaryIO, limits: Limits, *, is_zip: bool) -> Iterator[Row]:
    """Read the first visible sheet; nothing is started before the package was looked through.

    Raises:
        ContentRefusedError: hostile, damaged, protected, or larger than the limits.
    """
    source.seek(0)
    content = source.read(limits.workbook_bytes + 1)
    if len(content) > limits.workbook_bytes:
        raise ContentRefusedError(Code.LIMIT_EXCEEDED, "file", "the workbook is too large")
    inflated = _scan_package(source, limits) if is_zip else len(content)
    seconds = limits.reader_seconds + inflated / _INFLATION_PER_SECOND
    yield from _read_in_child(content, limits, seconds)


def _scan_package(source: BinaryIO, limits: Limits) -> int:
    """Unpack every part in pieces, keeping nothing; returns how much there is.

    Raises:
        ContentRefusedError: not a workbook, or one made to overwhelm its reader.
    """
    source.seek(0)
    try:
        with zipfile.ZipFile(source) as package:
            parts = package.infolist()
            _check_parts(parts, limits)
            inflated = 0
            for part in parts:
                inflated += _scan_part(package, part, limits, limits.inflated_bytes - inflated)
    except _DAMAGE as error:
        raise ContentRefusedError(Code.DAMAGED, "package", "the workbook is damaged") from error
    return inflated


def _check_parts(parts: list[zipfile.ZipInfo], limits: Limits) -> None:
    names = {part.filename for part in parts}
    if "xl/workbook.xml" not in names:
        message = "this is an archive or document, but no .xlsx workbook"
        raise ContentRefusedError(Code.FORMAT_NOT_SUPPORTED, "package", message)
    if any(part.flag_bits & _ENCRYPTED for part in parts):
        raise ContentRefusedError(Code.UNREADABLE, "package", "the workbook is encrypted")
    declared = sum(part.file_size for part in parts)
    repeated = len(names) != len(parts)
    if len(parts) > limits.workbook_parts or repeated or declared > limits.inflated_bytes:
        message = "the workbook has too many or too large parts"
        raise ContentRefusedError(Code.HOSTILE_ARCHIVE, "package", message)


def _scan_part(
    package: zipfile.ZipFile, part: zipfile.ZipInfo, limits: Limits, allowed: int
) -> int:
    """Unpack one part, counting what really comes out and how far its cells reach."""
    size = rows = columns = 0
    rest = b""
    with package.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > allowed:
                message = "the workbook unpacks to more than it declares or may"
                raise ContentRefusedError(Code.HOSTILE_ARCHIVE, part.filename[:80], message)
            window = rest + chunk
            if _DOCTYPE.search(window):
                message = "a document type is never accepted"
                raise ContentRefusedError(Code.DOCTYPE, part.filename[:80], message)
            if part.filename.startswith("xl/worksheets/"):
                reach = _reach(window)
                rows, columns = max(rows, reach[0]), max(columns, reach[1])
            rest = window[-_OVERLAP:]
    if columns > limits.columns or rows * columns > limits.workbook_cells:
        message = f"the sheet reaches to row {rows}, column {columns}"
        raise ContentRefusedError(Code.HOSTILE_ARCHIVE, part.filename[:80], message)
    return size


def _reach(xml: bytes) -> tuple[int, int]:
    """The last row and column that cells in this piece of sheet XML name."""
    rows = columns = 0
    for letters, number in set(_CELL.findall(xml)):
        rows = max(rows, int(number))
        columns = max(columns, _column(letters))
    return rows, columns


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number


def _read_in_child(content: bytes, limits: Limits, seconds: float) -> Iterator[Row]:
    """Give the bytes to the reader and take its rows, as long as it has time of its own."""
    # The reader is this file's neighbour, run by this interpreter, without a shell.
    command = [sys.executable, "-I", str(_READER), str(limits.reader_bytes), str(int(seconds) + 1)]
    child = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    timer = threading.Timer(seconds * _PATIENCE, child.kill)
    timer.start()
    try:
        with child:
            yield from _rows_of(child, content, limits)
            child.wait()
    finally:
        timer.cancel()
        child.kill()
        child.wait()
    if child.returncode != 0:
        message = "the workbook could not be read within its time and memory"
        raise ContentRefusedError(Code.LIMIT_EXCEEDED, "sheet", message)


def _rows_of(child: subprocess.Popen[bytes], content: bytes, limits: Limits) -> Iterator[Row]:
    assert child.stdin is not None  # noqa: S101 - both are pipes
    assert child.stdout is not None  # noqa: S101
    try:
        child.stdin.write(content)
        child.stdin.close()
    except BrokenPipeError:
        return
    while line := child.stdout.readline(_MAX_ROW_TEXT):
        values = json.loads(line)
        if isinstance(values, dict):
            message = f"the workbook is damaged or protected ({values['error']})"
            raise ContentRefusedError(Code.DAMAGED, "sheet", message)
        yield _row(values, limits)


def _row(values: list[Any], limits: Limits) -> Row:
    position = f"row {values[0]}"
    if len(values) > limits.columns + 1:
        raise ContentRefusedError(Code.LIMIT_EXCEEDED, position, "the row is too wide")
    return Row(position, [_cell(value) for value in values[1:]])


def _cell(value: Any) -> Cell:
    if not isinstance(value, dict):
        return value if isinstance(value, str) else None
    if "d" in value:
        text = value["d"]
        return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    number: int | float | bool = value["n"] if "n" in value else value["b"]
    return number
