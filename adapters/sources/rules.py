"""What all sources go by: which files are left where they are, and how taken ones are named."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import count
from pathlib import PurePosixPath
from typing import Final

TAKEN: Final = "taken"
"""Where sources keep what was taken, beside what was not."""

MAX_BYTES: Final = 512 * 1024 * 1024
"""A larger file is left where it is, for a person."""

MAX_FILES: Final = 10_000
"""More files in one place are no inbox: something is wrong there."""

UNFINISHED: Final = (".part", ".tmp", ".draft", ".crdownload", ".filepart")


class After(StrEnum):
    """What becomes of a file at its source once it is stored here.

    ``move``: it goes to ``taken/``. ``mark``: a mail bears a keyword. ``remember``: nothing
    changes there, the installation remembers it; for a source that lets us only read.
    """

    MOVE = "move"
    MARK = "mark"
    REMEMBER = "remember"


class Left(StrEnum):
    """Why a file is not taken."""

    UNFINISHED = "its name says that it is not finished"
    HIDDEN = "its name is hidden"
    TOO_LARGE = "it is larger than 512 MiB"
    LARGE_MAIL = "it is larger than 128 MiB"
    GROWING = "it may still be growing"


def why_left(name: str, size: int) -> Left | None:
    """Return why a file of this name (relative to its place) and size is left, if it is."""
    path = PurePosixPath(name)
    if any(part.startswith(".") for part in path.parts):
        return Left.HIDDEN
    if path.suffix.lower() in UNFINISHED:
        return Left.UNFINISHED
    return Left.TOO_LARGE if size > MAX_BYTES else None


def numbered(name: str) -> Iterator[str]:
    """Yield the name, then ``a.2.xml``, ``a.3.xml``, …: a file never replaces one before it."""
    path = PurePosixPath(name)
    yield name
    for number in count(2):
        yield str(path.with_name(f"{path.stem}.{number}{path.suffix}"))


def shown(name: str) -> str:
    """Return a name as it may be printed: names from outside may hold anything."""
    return "".join(c if c.isprintable() else "?" for c in name)[:200]
