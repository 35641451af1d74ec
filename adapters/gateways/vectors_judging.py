"""What verifying a vector may show, and the comparison that most groups share."""

from collections.abc import Callable, Container, Mapping, Sequence
from enum import StrEnum
from typing import Any

from adapters.gateways.vectors_file import Vector


class Verdict(StrEnum):
    """What our code says of a vector."""

    HOLDS = "holds"
    DIFFERS = "differs"
    NOT_CHECKED = "not checked"


Judgement = tuple[Verdict, str]
"""A verdict and a word about it."""


def compare(
    vector: Vector, text: str, digest: Callable[[str], str], *, accepted: bool = True
) -> Judgement:
    """Compare the text to sign, then the signature that ``digest`` makes of it with the key.

    ``accepted`` is whether the adapter's own check accepts the message with its signature.
    """
    if vector.text is not None and text != vector.text:
        return Verdict.DIFFERS, f"the text to sign differs {_where(text, vector.text)}"
    if not vector.secret:
        agrees = "" if vector.text is None else "; the text to sign agrees"
        return Verdict.NOT_CHECKED, f"its key is not published{agrees}"
    if digest(text).lower() != vector.expected.lower():
        return Verdict.DIFFERS, "another signature comes out"
    return (Verdict.HOLDS, "") if accepted else (Verdict.DIFFERS, "the adapter does not accept it")


def _where(ours: str, theirs: str) -> str:
    same = next(
        (i for i, pair in enumerate(zip(ours, theirs, strict=False)) if len({*pair}) > 1), None
    )
    return f"from character {min(len(ours), len(theirs)) if same is None else same}"


def plain(values: Mapping[str, Any]) -> dict[str, str]:
    """Return values as the texts that are signed; numbers keep their plain digits."""
    return {name: "" if value is None else str(value) for name, value in values.items()}


def order_of(orders: Mapping[str, Sequence[str]], fields: Container[str]) -> Sequence[str]:
    """Return the order of the first name that a message holds.

    Raises:
        ValueError: it holds none of them.
    """
    for name, order in orders.items():
        if name in fields:
            return order
    raise ValueError("no message of this group has these fields")
