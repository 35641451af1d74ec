"""A watched folder: files that have arrived whole are taken and moved to ``taken/``."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from reconciliation.ports import FetchedFile

TAKEN: Final = "taken"
_UNFINISHED: Final = (".part", ".tmp", ".draft", ".crdownload")
_QUIET_SECONDS: Final = 1.0
MAX_BYTES: Final = 512 * 1024 * 1024
"""A larger file is left where it is, for a person."""

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

    def fetch(self) -> Iterator[FetchedFile]:
        """Yield the whole files in the order of their names."""
        for path in sorted(self._folder.glob("*")) + sorted(self._folder.glob("*/*")):
            try:
                content = path.read_bytes() if self._is_whole(path) else None
            except OSError as problem:  # gone by now, or not readable: the others are taken
                _logger.warning("file left", extra={"reason_code": type(problem).__name__})
                continue
            if content is not None:
                name = path.relative_to(self._folder).as_posix()
                yield FetchedFile(name=name, content=content)

    def taken(self, names: Iterable[str]) -> None:
        """Move files to ``taken/``; one of the same name there is kept beside it."""
        for name in names:
            target = self._folder / TAKEN / name
            target.parent.mkdir(parents=True, exist_ok=True)
            number = 1
            while target.exists():
                number += 1
                target = target.with_name(f"{Path(name).stem}.{number}{Path(name).suffix}")
            with suppress(FileNotFoundError):  # another process has moved it
                (self._folder / name).rename(target)

    def _is_whole(self, path: Path) -> bool:
        relative = path.relative_to(self._folder)
        if relative.parts[0] == TAKEN or not path.is_file() or path.is_symlink():
            return False
        if any(part.startswith(".") for part in relative.parts):
            return False
        if path.suffix.lower() in _UNFINISHED:
            return False
        status = path.stat()
        return status.st_size <= MAX_BYTES and self._age(status.st_mtime) >= self._quiet_seconds

    def _age(self, modified: float) -> float:
        return time.time() - modified
