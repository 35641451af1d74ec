"""A watched folder: files that have arrived whole are taken and moved to ``taken/``."""

import logging
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from adapters.sources.rules import TAKEN, Left, numbered, why_left
from reconciliation.ports import FetchedFile, WaitingFile

_QUIET_SECONDS: Final = 1.0

_logger = logging.getLogger(__name__)


class FolderSource:
    """Implements ``StatementSource`` over a folder and one level of folders below it.

    A file is whole when its name does not say otherwise and its size has been still for a
    second. Names are relative to the folder (``vnpay/report.csv``), so the place can tell what a
    file is. Taken files are kept in ``taken/``.
    """

    def __init__(self, folder: Path, *, quiet_seconds: float = _QUIET_SECONDS) -> None:
        self._folder = folder
        self._quiet_seconds = quiet_seconds

    def look(self) -> Iterator[WaitingFile]:
        """List the files in the order of their names."""
        for path in sorted(self._folder.glob("*")) + sorted(self._folder.glob("*/*")):
            relative = path.relative_to(self._folder)
            with suppress(OSError):  # gone by now, or in a folder that is closed to us
                if relative.parts[0] != TAKEN and path.is_file() and not path.is_symlink():
                    yield self._seen(relative.as_posix(), path)

    def fetch(self) -> Generator[FetchedFile, None, None]:
        """Yield the whole files in the order of their names."""
        for file in self.look():
            if file.left:
                if file.left == Left.TOO_LARGE:
                    _logger.warning("file left", extra={"file": file.name, "bytes": file.size})
                continue
            try:
                content = (self._folder / file.name).read_bytes()
            except OSError as problem:  # gone by now, or not readable: the others are taken
                _logger.warning("file left", extra={"reason_code": type(problem).__name__})
                continue
            yield FetchedFile(name=file.name, content=content)

    def taken(self, keys: Iterable[str]) -> None:
        """Move files to ``taken/``; one of the same name there is kept beside it."""
        for name in keys:
            kept = self._folder / TAKEN
            target = next(t for each in numbered(name) if not (t := kept / each).exists())
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):  # another process has moved it
                (self._folder / name).rename(target)

    def _seen(self, name: str, path: Path) -> WaitingFile:
        status = path.stat()
        left = why_left(name, status.st_size)
        if left is None and time.time() - status.st_mtime < self._quiet_seconds:
            left = Left.GROWING
        return WaitingFile(name, status.st_size, left or "")
