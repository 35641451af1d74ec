"""How often automatic matches are wrong: the estimate from a stratified sample, and its bound.

Of ``N`` matches of a period a stratum ``h`` has ``N_h``, of which ``n_h`` were judged and ``x_h``
found false. Weak rules are drawn more often than others, so each stratum weighs what it is of all
matches and not what it is of the sample:

    rate  = Σ N_h / N · x_h / n_h
    bound = Σ N_h / N · U(x_h, n_h; α / H)

``U(x, n; a)`` is the upper limit of Clopper and Pearson (Biometrika 26, 1934): the greatest p with
P(X ≤ x | n, p) ≥ a; for x = 0 it is 1 - a^(1/n). ``H`` counts the strata that have matches. Each
limit fails with a probability of at most α / H, so that together they fail with at most α, whatever
the rates are (Bonferroni's inequality). With one stratum it is the limit itself. A stratum of which
nothing is judged may be wrong throughout: its limit is 1, and there is no rate. A stratum judged
whole is still treated as a sample, which errs on the side of caution.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, comb
from typing import Final

ALPHA: Final = Fraction(1, 20)
"""One minus the confidence: one-sided, 95 %."""

MILLION: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Stratum:
    """Matches of one kind of rule: how many there were, were judged, and were found false."""

    matches: int
    judged: int
    false: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Parts in a million: the rate (None where a stratum is unjudged) and its upper bound."""

    rate_ppm: int | None
    bound_ppm: int


def upper_limit(false: int, judged: int, alpha: Fraction = ALPHA) -> int:
    """Return the one-sided upper limit of Clopper and Pearson, in parts in a million, rounded up.

    The tail of the binomial is compared in whole numbers, so nothing is rounded before the end.
    """
    if not 0 <= false <= judged:
        raise ValueError(f"{false} of {judged}")
    if false == judged:
        return MILLION
    low, high = 0, MILLION
    while high - low > 1:
        middle = (low + high) // 2
        if _tail_reaches(false, judged, middle, alpha):
            low = middle
        else:
            high = middle
    return high


def estimate(strata: Sequence[Stratum], alpha: Fraction = ALPHA) -> Estimate:
    """Return the weighted rate of false matches and its one-sided upper bound.

    The rate is rounded half up, the bound up. Without any match both say nothing: None and all.
    """
    present = [stratum for stratum in strata if stratum.matches]
    if not present:
        return Estimate(None, MILLION)
    whole = sum(stratum.matches for stratum in present)
    share = alpha / len(present)
    limits = sum(s.matches * upper_limit(s.false, s.judged, share) for s in present)
    bound = ceil(Fraction(limits, whole))
    if not all(stratum.judged for stratum in present):
        return Estimate(None, bound)
    wrong = sum(Fraction(s.matches * s.false, s.judged) for s in present)
    return Estimate(int(wrong * MILLION / whole + Fraction(1, 2)), bound)


def _tail_reaches(false: int, judged: int, ppm: int, alpha: Fraction) -> bool:
    """Whether P(X ≤ false | judged, ppm / 10⁶) ≥ alpha, in whole numbers."""
    other = MILLION - ppm
    tail: int = sum(comb(judged, k) * ppm**k * other ** (judged - k) for k in range(false + 1))
    return bool(tail * alpha.denominator >= alpha.numerator * MILLION**judged)
