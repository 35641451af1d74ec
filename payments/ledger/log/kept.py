"""The last checkpoint, kept also outside the database: in a file that is replaced whole."""

import os
from pathlib import Path

from payments.errors import LogForkedError


def read_kept(path: Path) -> str:
    """Return the note that is kept, or nothing where none was kept yet.

    Raises:
        LogForkedError: there is something that cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as problem:
        raise LogForkedError(f"{path.name} cannot be read: {type(problem).__name__}") from None


def keep(path: Path, note: str) -> None:
    """Replace the note that is kept; it is on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with draft.open("w", encoding="utf-8", newline="\n") as target:
        target.write(note)
        target.flush()
        os.fsync(target.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
