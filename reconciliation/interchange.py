"""The interchange files of the matcher: read strictly, hashed, and written the same every time."""

import csv
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from payments.channels import Channel
from reconciliation.errors import MatchInputError
from reconciliation.identity import normalise_account
from reconciliation.matching.arrays import bools_of, bytes_of, numbers_of, order_of, text_array
from reconciliation.matching.columns import (
    BANK,
    PAYMENTS,
    SETTLEMENTS,
    Column,
    Holds,
)
from reconciliation.matching.model import VERSION, Contracts, MatchInputs, MatchResult

_AMOUNT: Final = r"^[+-]?[0-9]{1,15}$"
_DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_INSTANT: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})$"
)
_CURRENCY: Final = r"^[A-Z]{3}$"
_BLOCK: Final = 1 << 20
_READ: Final = 1 << 23
"""As many bytes are read at a time; a row has to fit in."""
_ROWS: Final = 100_000
"""As many rows are written at a time, or read of a Parquet file."""
_SPECIAL: Final = np.isin(np.arange(256), list(b'",\r\n'))

FORMATS: Final = ("csv", "parquet")


@dataclass(frozen=True, slots=True)
class InputDigest:
    """What one input was: its file name, number of rows, and the SHA-256 of its bytes."""

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class InputFiles:
    """Where the inputs of one run are; ``.parquet`` is accepted wherever ``.csv`` is."""

    payments: Path
    settlements: Path
    bank: Path
    contracts: Path


def read_inputs(
    files: InputFiles, *, as_of: date | None = None
) -> tuple[MatchInputs, list[InputDigest]]:
    """Read everything one run needs.

    Raises:
        MatchInputError: something is unusable; the message names file, line and column.
    """
    contracts = read_contracts(files.contracts)
    if as_of is not None:
        contracts = contracts.on(as_of)
    payments = read_table(files.payments, PAYMENTS)
    settlements = read_table(files.settlements, SETTLEMENTS)
    bank = read_table(files.bank, BANK)
    channels = {str(channel) for channel in Channel} | set(contracts.providers)
    _check_words(files.payments, payments, "channel", channels)
    _check_words(files.settlements, settlements, "provider", channels - {"bank_transfer"})
    _check_account(files.bank, bank, contracts)
    counts = {
        files.payments: len(payments),
        files.settlements: len(settlements),
        files.bank: len(bank),
        files.contracts: 1,
    }
    digests = [InputDigest(path.name, rows, sha256_of(path)) for path, rows in counts.items()]
    return MatchInputs(payments, settlements, bank, contracts), digests


def read_contracts(path: Path) -> Contracts:
    """Read a ``contracts.json``.

    Raises:
        MatchInputError: it is not JSON, or not the terms of a run.
    """
    try:
        document = json.loads(_bytes(path).decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise MatchInputError(
            f"{path.name}, line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except UnicodeDecodeError as error:
        raise MatchInputError(f"{path.name}, line 1, column 1: not UTF-8") from error
    try:
        return Contracts.from_json(document)
    except MatchInputError as error:
        where, _, what = error.detail.removeprefix("contracts: ").partition(": ")
        raise MatchInputError(f"{path.name}, line 1, column {where}: {what}") from error


def read_table(path: Path, columns: tuple[Column, ...]) -> pd.DataFrame:
    """Read one table into a typed frame (see ``matching.columns``).

    Columns may stand in any order and others beside them; nothing is guessed.

    Raises:
        MatchInputError: a column or value is missing, or holds what it may not.
    """
    # what is read ahead and thrown away would else be kept for later, outside the next file's reach
    pa.default_memory_pool().release_unused()
    batches = _parquet(path) if path.suffix == ".parquet" else _csv(path)
    parts: dict[str, list[Any]] = {column.name: [] for column in columns}
    rows = 0
    for batch in batches:
        if not rows:
            _require_columns(path, batch.schema.names, columns)
        place = _Place(path, rows)
        for column in columns:
            values = pa.chunked_array([batch.column(column.name)])
            parts[column.name].append(_typed(values, column, place))
        rows += len(batch)
    frame = pd.DataFrame({column.name: _whole(parts.pop(column.name)) for column in columns})
    key = columns[0].name
    ids = text_array(frame[key])
    ordered = ids.take(pa.array(order_of(ids)))
    if bools_of(pc.equal(ordered[1:], ordered[:-1])).any():
        repeated = frame[key].duplicated().to_numpy(dtype=bool)
        what = f"{frame[key][repeated].iloc[0]} stands twice"
        _Place(path).refuse(int(repeated.argmax()), key, what)
    return frame


def _require_columns(path: Path, names: list[str], columns: tuple[Column, ...]) -> None:
    for column in columns:
        if names.count(column.name) != 1:
            what = "is missing" if column.name not in names else "stands twice"
            raise MatchInputError(f"{path.name}, line 1, column {column.name}: {what}")


def _whole(parts: "list[pd.Series[Any]]") -> "pd.Series[Any]":
    """A column of its parts, which are let go: a file is in memory once, not twice."""
    if isinstance(parts[0].dtype, pd.StringDtype):
        texts = pa.concat_arrays([text_array(part) for part in parts])
        parts.clear()
        return pd.Series(pd.array(texts, dtype="str"))
    column = pd.concat(parts, ignore_index=True)
    parts.clear()
    return column


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def csv_text(frame: pd.DataFrame, columns: tuple[Column, ...]) -> str:
    """An input frame as the text of its CSV file, rows sorted by id: for freezing a run's inputs.

    ``read_table`` reads it back to an equal frame.
    """
    said = pd.DataFrame({column.name: _said(frame[column.name], column) for column in columns})
    ordered = said.sort_values(columns[0].name, kind="stable")
    return ordered.to_csv(index=False, lineterminator="\n")


def summary_document(
    result: MatchResult, *, engine: str, inputs: Iterable[InputDigest]
) -> dict[str, Any]:
    """The whole of ``summary.json``."""
    named: dict[str, Any] = {}
    for digest in inputs:
        name = digest.file
        while name in named:
            name += "'"
        named[name] = {"rows": digest.rows, "sha256": digest.sha256}
    return {
        "as_of": result.summary["as_of"],
        "engine": engine,
        "inputs": named,
        "layers": result.summary["layers"],
        "matches": result.summary["matches"],
        "mismatches": result.summary["mismatches"],
    }


def run_document(
    folder: Path, inputs: Mapping[str, tuple[Path, str]], *, as_of: str, version: str = VERSION
) -> dict[str, Any]:
    """The whole of ``run.json``: where, seen from ``folder``, the inputs of its result stand.

    ``inputs`` are path and SHA-256 by option: payments, settlements, bank, contracts.
    """
    here = folder.resolve()
    return {
        "as_of": as_of,
        "version": version,
        "inputs": {
            name: {"path": Path(os.path.relpath(path.resolve(), here)).as_posix(), "sha256": said}
            for name, (path, said) in inputs.items()
        },
    }


def write_result(
    out: Path,
    result: MatchResult,
    summary: Mapping[str, Any],
    *,
    file_format: str = "csv",
    run: Mapping[str, Any] | None = None,
) -> None:
    """Write ``matches``, ``mismatches``, ``summary.json`` and, if given, ``run.json``.

    They appear in the folder whole or not at all.

    A new folder appears complete. In an existing one the summary goes first and comes back last,
    so that a folder with a summary is a complete result; other files there are left alone.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as temporary:
        fresh = Path(temporary) / "result"
        fresh.mkdir()
        _write_frames(fresh / f"matches.{file_format}", result.match_parts())
        _write_frames(fresh / f"mismatches.{file_format}", iter([result.mismatches]))
        write_json(fresh / "summary.json", summary)
        if run is not None:
            write_json(fresh / "run.json", run)
        if out.exists():
            _replace(fresh, out)
        else:
            fresh.rename(out)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON object the same way every time."""
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


def _replace(fresh: Path, out: Path) -> None:
    if not out.is_dir():
        raise MatchInputError(f"{out} is not a folder")
    for name in ("summary.json", "run.json"):
        (out / name).unlink(missing_ok=True)
    for stem in ("matches", "mismatches"):
        for suffix in FORMATS:
            (out / f"{stem}.{suffix}").unlink(missing_ok=True)
    for path in sorted(fresh.iterdir(), key=lambda path: path.name == "summary.json"):
        os.replace(path, out / path.name)  # noqa: PTH105 - atomic on one file system
    shutil.rmtree(fresh)


def _write_frames(path: Path, frames: Iterator[pd.DataFrame]) -> None:
    """Write frames of the same columns, at least one, one after another."""
    first = next(frames)
    every = chain([first], frames)
    if path.suffix == ".csv":
        with path.open("wb") as file:
            file.write((",".join(first.columns) + "\n").encode())
            for frame in every:
                table = _arrow(frame, pa.large_string())
                for start in range(0, len(table), _ROWS):
                    file.write(_csv_lines(table.slice(start, _ROWS)))
        return
    schema = _arrow(first, pa.string()).schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for frame in every:
            writer.write_table(_arrow(frame, pa.string()))


def _arrow(frame: pd.DataFrame, text: pa.DataType) -> pa.Table:
    numbers = {name for name in frame.columns if frame[name].dtype == np.int64}
    types = {name: pa.int64() if name in numbers else text for name in frame.columns}
    return pa.table({name: pa.array(frame[name], type=of) for name, of in types.items()})


def _csv_lines(table: pa.Table) -> bytes:
    """Rows as RFC 4180 lines; values are quoted only where they have to be."""
    cells = [_quoted(column.combine_chunks().cast(pa.large_string())) for column in table.columns]
    lines = pc.binary_join_element_wise(*cells, pa.scalar(",", type=pa.large_string()))
    ended = pc.binary_join_element_wise(lines, *(pa.scalar(t, lines.type) for t in ("\n", "")))
    return bytes(bytes_of(ended)[0])


def _quoted(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    if not _SPECIAL[bytes_of(texts)[0]].any():
        return texts
    special = pc.match_substring_regex(texts, '[",\r\n]')
    quote = pa.scalar('"', type=pa.large_string())
    doubled = pc.replace_substring(texts, '"', '""')
    said = pc.binary_join_element_wise(quote, doubled, quote, pa.scalar("", type=texts.type))
    return pc.if_else(special, said, texts)


# --- reading ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Knows where a row of the table stands in its file."""

    path: Path
    first: int = 0
    """The row of the table with which the part begins that is being read."""

    def refuse(self, row: int, column: str, what: str) -> None:
        """Stop the reading at a row (from 0) of the part."""
        row += self.first
        where = f"row {row + 1}" if self.path.suffix == ".parquet" else f"line {self._line(row)}"
        raise MatchInputError(f"{self.path.name}, {where}, column {column}: {what}")

    def _line(self, row: int) -> int:
        """The line on which a row starts; a quoted value may span several."""
        with self.path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.reader(handle)
            before = 0
            for number, _ in enumerate(_filled(reader)):
                if number == row + 1:
                    return before + 1
                before = reader.line_num
        return row + 2


def _filled(reader: Any) -> Iterable[list[str]]:
    return (cells for cells in reader if cells)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise MatchInputError(f"{path.name}, line 1, column 1: {error.strerror}") from error


def _csv(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file as batches of text, the first of them empty."""
    names = _header(path)
    try:
        with pacsv.open_csv(
            path,
            read_options=pacsv.ReadOptions(block_size=_READ),
            parse_options=pacsv.ParseOptions(newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        ) as reader:
            yield pa.RecordBatch.from_arrays(
                [pa.array([], type=field.type) for field in reader.schema], schema=reader.schema
            )
            yield from reader
    except pa.ArrowInvalid as error:
        _require_utf8(path, path.read_bytes())
        raise _malformed(path, str(error), len(names)) from error


def _header(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            start = file.read(_BLOCK)
    except OSError as error:
        raise MatchInputError(f"{path.name}, line 1, column 1: {error.strerror}") from error
    head = start.decode("utf-8-sig", "replace").split("\n", 1)[0].rstrip("\r")
    names = next(csv.reader([head]), [])
    if not names:
        raise MatchInputError(f"{path.name}, line 1, column 1: no header")
    return names


def _require_utf8(path: Path, content: bytes) -> None:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        raise MatchInputError(f"{path.name}, line {line}, column {column}: not UTF-8") from error


def _malformed(path: Path, message: str, width: int) -> MatchInputError:
    """Find the first row that has another number of cells than the header."""
    with path.open(newline="", encoding="utf-8-sig") as handle:
        reader = csv.reader(handle, strict=True)
        start = 1
        try:
            for cells in reader:
                if cells and len(cells) != width:
                    what = f"{len(cells)} cells where the header has {width}"
                    return MatchInputError(
                        f"{path.name}, line {start}, column {min(len(cells), width)}: {what}"
                    )
                start = reader.line_num + 1
        except csv.Error as error:
            return MatchInputError(f"{path.name}, line {start}, column 1: {error}")
    return MatchInputError(f"{path.name}, line {start}, column 1: {message.splitlines()[0]}")


def _parquet(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a file as batches, the first of them empty."""
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            yield pa.RecordBatch.from_arrays(
                [pa.array([], type=field.type) for field in schema], schema=schema
            )
            yield from file.iter_batches(batch_size=_ROWS, use_threads=False)
    except (pa.ArrowException, OSError) as error:
        what = str(error).splitlines()[0]
        raise MatchInputError(f"{path.name}, row 1, column 1: {what}") from error


def _typed(values: pa.ChunkedArray, column: Column, place: _Place) -> "pd.Series[Any]":
    if column.holds is Holds.AMOUNT:
        return _amounts(values, column, place)
    if column.holds is Holds.DATE:
        return _times(values, column, place, _DATE).astype("datetime64[s]")
    if column.holds is Holds.INSTANT:
        return _times(values, column, place, _INSTANT).astype("datetime64[us, UTC]")
    return _texts(values, column, place)


def _texts(values: pa.ChunkedArray, column: Column, place: _Place) -> "pd.Series[Any]":
    if pa.types.is_floating(values.type):
        place.refuse(0, column.name, "text is expected, not a floating-point number")
    texts = _as_text(values)
    if column.required:
        _require(pc.not_equal(texts, ""), texts, column, place, "is empty")
    if column.words:
        known = pc.is_in(texts, value_set=pa.array(column.words))
        _require(known, texts, column, place, f"is none of {', '.join(column.words)}")
    if column.name == "currency":
        _require(_each(texts, _CURRENCY), texts, column, place, "no currency")
    return pd.Series(pd.array(pc.cast(texts, pa.large_string()), dtype="str"))


def _amounts(values: pa.ChunkedArray, column: Column, place: _Place) -> "pd.Series[Any]":
    if not pa.types.is_integer(values.type):
        texts = _as_text(values)
        plain = pc.match_substring_regex(texts, _AMOUNT)
        _require(plain, texts, column, place, "is no whole number of minor units")
        values = pc.cast(pc.utf8_ltrim(texts, characters="+"), pa.int64())
    elif values.null_count:
        place.refuse(int(pc.index(pc.is_null(values), True).as_py()), column.name, "is empty")
    numbers = pd.Series(values.to_numpy().astype(np.int64))
    if column.positive and (numbers <= 0).any():
        row = int((numbers <= 0).to_numpy(dtype=bool).argmax())
        place.refuse(row, column.name, f"{numbers.iloc[row]} is not above zero")
    return numbers


def _times(
    values: pa.ChunkedArray, column: Column, place: _Place, pattern: str
) -> "pd.Series[Any]":
    instants = column.holds is Holds.INSTANT
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        if instants and getattr(values.type, "tz", None) is None:
            place.refuse(0, column.name, "an instant needs its offset")
        if values.null_count:
            place.refuse(int(pc.index(pc.is_null(values), True).as_py()), column.name, "is empty")
        return pd.to_datetime(pd.Series(values.to_pandas()), utc=instants)
    texts = _as_text(values)
    kind = "an RFC 3339 time with offset" if instants else "a date YYYY-MM-DD"
    fits = pc.match_substring_regex(texts, pattern) if instants else _each(texts, pattern)
    _require(fits, texts, column, place, f"is not {kind}")
    times = _instants(texts) if instants else _dates(texts)
    real = pa.chunked_array([pa.array(times.notna().to_numpy(dtype=bool))])
    _require(real, texts, column, place, f"is not {kind}")
    return times


def _instants(texts: pa.ChunkedArray) -> "pd.Series[Any]":
    """Times as pandas reads them; arrow reads the usual spelling, with a T, much quicker."""
    try:
        times = pc.cast(texts, pa.timestamp("us", tz="UTC"))
    except pa.ArrowInvalid:
        said = pd.Series(texts.to_pandas().to_numpy(), dtype="object")
        return pd.to_datetime(said, utc=True, format="ISO8601", errors="coerce")
    return pd.Series(times.to_pandas())


def _dates(texts: pa.ChunkedArray) -> "pd.Series[Any]":
    """Dates; there are few distinct ones."""
    coded = texts.combine_chunks().dictionary_encode()
    said = pd.Series(coded.dictionary.to_pylist(), dtype="object")
    days = pd.to_datetime(said, format="ISO8601", errors="coerce").astype("datetime64[s]")
    return pd.Series(days.to_numpy()[numbers_of(coded.indices)])


def _each(texts: pa.ChunkedArray, pattern: str) -> pa.ChunkedArray:
    """Whether each text is of the pattern; of equal ones only one is looked at."""
    coded = texts.combine_chunks().dictionary_encode()
    fits = pc.match_substring_regex(coded.dictionary, pattern)
    return pa.chunked_array([fits.take(coded.indices)])


def _as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.fill_null(pc.cast(values, pa.string()), "")


def _require(
    holds: pa.ChunkedArray, texts: pa.ChunkedArray, column: Column, place: _Place, what: str
) -> None:
    row = pc.index(holds, False).as_py()
    if row >= 0:
        value = re.sub(r"\s+", " ", texts[row].as_py())[:40]
        place.refuse(row, column.name, f"{value!r} {what}" if value else what)


def _check_words(path: Path, frame: pd.DataFrame, column: str, words: set[str]) -> None:
    strange = ~frame[column].isin(sorted(words)).to_numpy(dtype=bool)
    if strange.any():
        row = int(strange.argmax())
        what = f"{frame[column].iloc[row]!r} is none of {', '.join(sorted(words))}"
        _Place(path).refuse(row, column, what)


def _check_account(path: Path, bank: pd.DataFrame, contracts: Contracts) -> None:
    """One run covers one collecting account."""
    own = normalise_account(contracts.account)
    others = {a for a in bank["account"].unique() if a and normalise_account(a) != own}
    if others:
        row = int(bank["account"].isin(sorted(others)).to_numpy(dtype=bool).argmax())
        what = f"{bank['account'].iloc[row]} is not the collecting account"
        _Place(path).refuse(row, "account", what)


def _said(values: "pd.Series[Any]", column: Column) -> "pd.Series[Any]":
    if column.holds is Holds.DATE:
        return pd.Series(values.dt.strftime("%Y-%m-%d"))
    if column.holds is Holds.INSTANT:
        return pd.Series(values.dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"))
    return values
