"""The published figures of a month's re-check: counts, the false-match rate, and its bound."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlmodel import Session, col, select

from payments.queries import ROOT
from reconciliation.errors import RecheckNotFoundError
from reconciliation.rechecking.estimate import Estimate, Stratum, estimate, upper_limit
from reconciliation.rechecking.judging import items_with_answers
from reconciliation.rechecking.models import (
    RecheckAnswer,
    RecheckDraw,
    RecheckItem,
    RuleClass,
    Verdict,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one class of rules: matches in the month, and what became of those drawn.

    ``limit_ppm`` is the class's own upper limit at 95 %, in parts in a million.
    """

    rule_class: RuleClass
    matches: int
    drawn: int
    agreed: int
    disagreed: int
    cannot_tell: int
    limit_ppm: int

    @property
    def judged(self) -> int:
        """How many were judged so or so."""
        return self.agreed + self.disagreed


@dataclass(frozen=True, slots=True)
class Figures:
    """A month of the whole installation.

    ``cautious`` counts every "cannot tell" as a false match.
    """

    period: str
    seed: str
    classes: list[Counts]
    estimate: Estimate
    cautious: Estimate

    def total(self, name: str) -> int:
        """Return the sum of a count over all classes."""
        return sum(int(getattr(counts, name)) for counts in self.classes)


def list_periods(session: Session) -> list[str]:
    """Return the months of which a sample was drawn, the newest first."""
    return list(session.exec(select(RecheckDraw.period).order_by(col(RecheckDraw.period).desc())))


def get_figures(session: Session, period: str) -> Figures:
    """Return the figures of a month, over all offices: they are public.

    Raises:
        RecheckNotFoundError: no sample was drawn of it.
    """
    drawn = session.get(RecheckDraw, period)
    if drawn is None:
        raise RecheckNotFoundError(f"no sample was drawn of {period}")
    rows = items_with_answers(session, period, scope=ROOT)
    classes = [_counts(kind, drawn.population.get(kind, 0), rows) for kind in RuleClass]
    return Figures(
        period,
        drawn.seed,
        classes,
        estimate([Stratum(one.matches, one.judged, one.disagreed) for one in classes]),
        estimate([_cautious(one) for one in classes]),
    )


def as_json(figures: Figures) -> dict[str, Any]:
    """Return the figures as they are published; rates are parts in a million."""
    rows = [asdict(one) | {"judged": one.judged} for one in figures.classes]
    names = ("matches", "drawn", "judged", "agreed", "disagreed", "cannot_tell")
    return {
        "period": figures.period,
        "confidence": "0.95",
        "false_match_rate_ppm": figures.estimate.rate_ppm,
        "upper_bound_ppm": figures.estimate.bound_ppm,
        "upper_bound_if_cannot_tell_is_false_ppm": figures.cautious.bound_ppm,
        **{name: figures.total(name) for name in names},
        "classes": rows,
    }


def final_verdict(answers: Sequence[RecheckAnswer]) -> Verdict | None:
    """Return the last verdict that is no "cannot tell", else that; None without an answer."""
    said = [one.verdict for one in answers if one.verdict is not Verdict.CANNOT_TELL]
    if said:
        return said[-1]
    return Verdict.CANNOT_TELL if answers else None


def _counts(
    kind: RuleClass, matches: int, rows: Iterable[tuple[RecheckItem, list[RecheckAnswer]]]
) -> Counts:
    verdicts = [final_verdict(answers) for item, answers in rows if item.rule_class is kind]
    agreed, disagreed, unclear = (verdicts.count(verdict) for verdict in Verdict)
    limit = upper_limit(disagreed, agreed + disagreed)
    return Counts(kind, matches, len(verdicts), agreed, disagreed, unclear, limit)


def _cautious(counts: Counts) -> Stratum:
    false = counts.disagreed + counts.cannot_tell
    return Stratum(counts.matches, counts.judged + counts.cannot_tell, false)
