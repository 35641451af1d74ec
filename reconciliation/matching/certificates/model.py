"""What a certificate holds: a decision, its items, its evidence and what it was preferred to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reconciliation.states import ItemKind, Layer

CODES: Final = frozenset({"fate", "kind", "status", "type", "by"})
"""Parameters whose value is a word of the tables: ``fate`` = ``matched`` is ``fate.matched``."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One checkable fact, as a message code and its parameters; amounts are minor units."""

    code: str
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, code: str, **parameters: object) -> "Finding":
        """Build with parameters of any type, kept as text."""
        return cls(code, {name: str(value) for name, value in parameters.items()})


@dataclass(frozen=True, slots=True)
class CertifiedItem:
    """An item of a decision: its row (from 0) in its input, and its own amount in the layer.

    ``amount`` is of minor units of ``currency``.
    """

    kind: ItemKind
    id: str
    row: int
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """One decision, and everything that it rests on.

    Attributes:
        id: a match id (``m…``) or a mismatch id (``x…``).
        layer: where it was decided.
        because: the rule of a match, the type of a mismatch.
        confidence: of the rule; empty for a mismatch.
        version: of the rules that decided.
        items: what is matched; of a mismatch the one item that is flagged.
        candidates: counterparts of a mismatch, as the result names them.
        expected: what a mismatch's own row expects; an amount, a word or empty.
        actual: what it found instead.
        reason: the sentence of a mismatch as code and parameters.
        evidence: the facts the decision rests on.
        rivals: what else was there, and why it was not taken.
    """

    id: str
    layer: Layer
    because: str
    confidence: str
    version: str
    items: tuple[CertifiedItem, ...]
    candidates: tuple[CertifiedItem, ...]
    expected: str
    actual: str
    reason: Finding | None
    evidence: tuple[Finding, ...]
    rivals: tuple[Finding, ...]

    @property
    def is_match(self) -> bool:
        """Whether the decision is a match."""
        return self.reason is None
