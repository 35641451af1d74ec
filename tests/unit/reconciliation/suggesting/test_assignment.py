"""The assignment is the cheapest there is, and its gaps are what another choice costs."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from reconciliation.suggesting.assignment import FORBIDDEN, Assigned, Ints, assign

ALONE = 12
COSTS = st.integers(0, 20) | st.just(FORBIDDEN)


@st.composite
def tables(draw: st.DrawFn, rows: int = 7, columns: int = 7) -> Ints:
    shape = draw(st.integers(1, rows)), draw(st.integers(0, columns))
    cells = draw(st.lists(COSTS, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))
    return np.asarray(cells, dtype=np.int64).reshape(shape)


def cost_of(costs: Ints, got: list[Assigned]) -> int:
    return sum(
        ALONE if one.column is None else int(costs[row, one.column]) for row, one in enumerate(got)
    )


def by_scipy(costs: Ints) -> int:
    """The least cost, as the other library finds it."""
    own = np.full((len(costs), len(costs)), FORBIDDEN, dtype=np.int64)
    np.fill_diagonal(own, ALONE)
    whole = np.concatenate([costs, own], axis=1)
    return int(whole[linear_sum_assignment(whole)].sum())


@given(tables())
def test_it_costs_what_another_library_finds(costs: Ints) -> None:
    got = assign(costs, ALONE)
    columns = [one.column for one in got if one.column is not None]
    assert len(columns) == len(set(columns))
    assert cost_of(costs, got) == by_scipy(costs)


@given(tables())
def test_a_gap_is_what_forbidding_the_choice_costs(costs: Ints) -> None:
    got = assign(costs, ALONE)
    least = cost_of(costs, got)
    for row, one in enumerate(got):
        without = costs.copy()
        if one.column is None:
            continue
        without[row, one.column] = FORBIDDEN
        assert one.gap == by_scipy(without) - least


@given(tables(rows=4, columns=4))
def test_a_row_alone_says_what_any_column_would_cost(costs: Ints) -> None:
    got = assign(costs, ALONE)
    least = cost_of(costs, got)
    for row, one in enumerate(got):
        if one.column is not None:
            continue
        ways = [
            sum(ALONE if c is None else int(costs[r, c]) for r, c in enumerate(way))
            for way in itertools.product([None, *range(costs.shape[1])], repeat=len(costs))
            if way[row] is not None
            and len({c for c in way if c is not None}) == sum(c is not None for c in way)
        ]
        possible = [way for way in ways if way < FORBIDDEN]
        assert one.gap == (min(possible) - least if possible else None)


@pytest.mark.parametrize("seed", range(3))
def test_a_large_table_agrees_as_well(seed: int) -> None:
    random = np.random.default_rng(seed)
    costs = random.integers(0, 100, (120, 300)).astype(np.int64)
    costs[random.random(costs.shape) < 0.9] = FORBIDDEN
    got = assign(costs, ALONE)
    assert cost_of(costs, got) == by_scipy(costs)
    for row in random.integers(0, 120, 5).tolist():
        one = got[row]
        if one.column is not None:
            without = costs.copy()
            without[row, one.column] = FORBIDDEN
            assert one.gap == by_scipy(without) - by_scipy(costs)


def test_without_columns_every_row_stays_alone() -> None:
    assert assign(np.zeros((2, 0), dtype=np.int64), ALONE) == [Assigned(None, None)] * 2
