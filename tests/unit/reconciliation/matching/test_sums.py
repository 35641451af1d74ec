"""Counting exact sums: none, one, several, or too many to know."""

import itertools
import random

import pytest

from reconciliation.matching import sums
from reconciliation.matching.sums import SubsetSums


def test_the_only_subset_is_found() -> None:
    assert SubsetSums([100, 250, 999], 350).solutions() == [(1, 0)]


def test_no_subset_is_no_solution() -> None:
    assert SubsetSums([100, 250], 7).solutions() == []
    assert SubsetSums([], 7).solutions() == []
    assert SubsetSums([5], 0).solutions() == []


def test_two_subsets_are_two_solutions_and_no_more_are_looked_for() -> None:
    assert len(SubsetSums([10] * 12, 60).solutions()) == 2


def test_amounts_that_are_not_positive_pay_nothing() -> None:
    assert SubsetSums([-5, 0, 5], 5).solutions() == [(2,)]


def test_the_count_agrees_with_trying_every_subset() -> None:
    rng = random.Random(4)
    for _ in range(300):
        amounts = [rng.randrange(1, 30) for _ in range(8)]
        target = rng.randrange(1, 90)
        subsets = [
            chosen
            for size in range(1, 9)
            for chosen in itertools.combinations(range(8), size)
            if sum(amounts[i] for i in chosen) == target
        ]
        found = SubsetSums(amounts, target).solutions()
        assert len(found) == min(2, len(subsets))
        assert {tuple(sorted(chosen)) for chosen in found} <= set(subsets)


def test_a_search_beyond_its_limit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "SEARCH_LIMIT", 50)
    search = SubsetSums(list(range(1_001, 1_041)), 20_007)
    search.solutions()
    assert search.exhausted
