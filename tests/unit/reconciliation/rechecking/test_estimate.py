"""The false-match rate: exact limits, weights of strata, and what is not known."""

from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta

from reconciliation.rechecking.estimate import (
    ALPHA,
    MILLION,
    Estimate,
    Stratum,
    estimate,
    upper_limit,
)


def tail(false: int, judged: int, ppm: int) -> Fraction:
    p = Fraction(ppm, MILLION)
    return sum(
        (comb(judged, k) * p**k * (1 - p) ** (judged - k) for k in range(false + 1)), Fraction(0)
    )


@pytest.mark.parametrize("judged", [1, 2, 10, 59, 100, 300])
def test_none_of_n_is_the_closed_form(judged: int) -> None:
    assert upper_limit(0, judged) == pytest.approx((1 - 0.05 ** (1 / judged)) * MILLION, abs=1.01)


def test_all_but_one_of_n_is_the_closed_form() -> None:
    assert upper_limit(9, 10) == pytest.approx(0.95 ** (1 / 10) * MILLION, abs=1.01)


def test_one_of_two_is_the_closed_form() -> None:
    """P(X ≤ 1) = 1 - p² = 0.05."""
    assert upper_limit(1, 2) == pytest.approx(0.95**0.5 * MILLION, abs=1.01)


def test_nothing_judged_or_all_false_leaves_all_possible() -> None:
    assert upper_limit(0, 0) == upper_limit(7, 7) == MILLION


@pytest.mark.parametrize(("false", "judged"), [(-1, 3), (4, 3)])
def test_counts_that_cannot_be_are_refused(false: int, judged: int) -> None:
    with pytest.raises(ValueError, match="of 3"):
        upper_limit(false, judged)


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.integers(0, n - 1), st.just(n))))
def test_the_limit_is_the_smallest_millionth_with_a_smaller_tail(counts: tuple[int, int]) -> None:
    limit = upper_limit(*counts)
    assert tail(*counts, limit - 1) >= ALPHA
    assert limit == MILLION or tail(*counts, limit) < ALPHA


def test_one_stratum_is_the_limit_itself() -> None:
    assert estimate([Stratum(5_000, 100, 1)]) == Estimate(10_000, upper_limit(1, 100))


def test_strata_weigh_what_they_are_of_all_matches_not_of_the_sample() -> None:
    """Half of the weak sample is false, but weak matches are one in a hundred."""
    found = estimate([Stratum(9_900, 50, 0), Stratum(100, 50, 25)])
    assert found.rate_ppm == 5_000
    half = Fraction(1, 40)
    limits = 99 * upper_limit(0, 50, half) + upper_limit(25, 50, half)
    assert found.bound_ppm == -(-limits // 100)


def test_an_unjudged_stratum_leaves_no_rate_and_may_be_wrong_throughout() -> None:
    found = estimate([Stratum(900, 100, 0), Stratum(100, 0, 0)])
    assert found.rate_ppm is None
    assert found.bound_ppm >= 100_000


def test_a_stratum_without_matches_takes_no_part() -> None:
    assert estimate([Stratum(10, 5, 0), Stratum(0, 0, 0)]) == estimate([Stratum(10, 5, 0)])


def test_without_matches_nothing_is_known() -> None:
    assert estimate([]) == Estimate(None, MILLION)


@given(st.lists(st.tuples(st.integers(1, 9_999), st.integers(1, 40)), min_size=1, max_size=4))
def test_the_bound_is_never_under_the_rate(sizes: list[tuple[int, int]]) -> None:
    found = estimate([Stratum(matches, judged, judged // 3) for matches, judged in sizes])
    assert found.rate_ppm is not None
    assert found.rate_ppm <= found.bound_ppm <= MILLION


@pytest.mark.parametrize("judged", [1, 7, 60, 250])
@pytest.mark.parametrize("share", [1, 2, 4])
def test_the_limit_is_that_of_another_library(judged: int, share: int) -> None:
    """The upper limit is the 1 - α quantile of Beta(x + 1, n - x)."""
    alpha = ALPHA / share
    for false in sorted({0, 1, judged // 3, judged - 1} - {judged}):
        expected = beta.ppf(float(1 - alpha), false + 1, judged - false) * MILLION
        found = upper_limit(false, judged, alpha)
        assert expected - 0.01 <= found <= expected + 1.01, (false, judged)
