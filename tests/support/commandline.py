"""How a command of ``doisoat`` ended, and what it said."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> list[dict[str, Any]]:
        """What it printed for programs: an object on each line."""
        return [json.loads(line) for line in self.out.splitlines()]


Doisoat = Callable[..., Done]


def is_one_line(text: str) -> bool:
    """Whether this is one line for people, and no trace of a program."""
    return text.startswith("doisoat: ") and text.count("\n") == 1 and "Traceback" not in text
