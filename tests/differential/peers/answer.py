"""How another reader's answer leaves its own environment: the same words for all of them, as JSON.

Run by the interpreter of that environment, never by the product's; imports nothing of either.
"""

import json
import sys
import warnings
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

Reader = Callable[[Path], dict[str, Any]]


def decoded(path: Path) -> str:
    """The text of a file: what differs is to be the reading, not the encoding."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def plain(amount: Decimal | None) -> str | None:
    """An amount in digits only."""
    return None if amount is None else format(amount, "f")


def statement(
    amounts: list[Decimal], opening: Decimal | None, closing: Decimal | None
) -> dict[str, Any]:
    """One statement with its signed booked amounts and its balances."""
    return {
        "entries": len(amounts),
        "net": plain(sum(amounts, Decimal(0))),
        "opening": plain(opening),
        "closing": plain(closing),
    }


def total(amounts: list[Decimal]) -> dict[str, Any]:
    """A file with all its signed booked amounts."""
    return {
        "entries": len(amounts),
        "credit": plain(sum((a for a in amounts if a > 0), Decimal(0))),
        "debit": plain(-sum((a for a in amounts if a < 0), Decimal(0))),
    }


def answer(library: str, read: Reader) -> None:
    """Read every file named on stdin (a JSON list); print its version and what came of each."""
    warnings.simplefilter("ignore")
    answers = {}
    out, sys.stdout = sys.stdout, sys.stderr  # what a reader prints is no answer
    for name in json.load(sys.stdin):
        try:
            answers[name] = read(Path(name))
        except Exception as error:  # noqa: BLE001 - a refusal, however it is said
            answers[name] = {"refused": f"{type(error).__name__}: {error}"[:200]}
    json.dump({"version": version(library), "answers": answers}, out)
