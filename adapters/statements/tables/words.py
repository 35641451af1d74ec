"""The words that banks print at the head of tables and in their columns, in several languages."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from adapters.statements.tables.profile import Direction, Role, folded
from reconciliation.ports import LineStatus

_WORDS: Final = "words.json"


@dataclass(frozen=True, slots=True)
class Words:
    """All folded; those of ``columns`` in order of preference, the plainest last.

    ``labels`` stand before an account or a currency, or begin rows of opening, closing, totals.
    """

    columns: dict[Role, tuple[str, ...]]
    directions: dict[str, Direction]
    statuses: dict[str, LineStatus]
    currencies: dict[str, str]
    labels: dict[str, tuple[str, ...]]


@cache
def standard_words() -> Words:
    """The words every profile knows besides its own."""
    text = resources.files("adapters.statements.tables").joinpath(_WORDS).read_text("utf-8")
    data = json.loads(text)
    return Words(
        columns={role: _folded(texts) for role, texts in data["columns"].items()},
        directions={w: d for d, texts in data["directions"].items() for w in _folded(texts)},
        statuses={
            w: LineStatus(s) for s, texts in data["statuses"].items() for w in _folded(texts)
        },
        currencies={w: c for c, texts in data["currencies"].items() for w in _folded(texts)},
        labels={name: _folded(texts) for name, texts in data["labels"].items()},
    )


def _folded(texts: list[str]) -> tuple[str, ...]:
    return tuple(folded(text) for text in texts)
