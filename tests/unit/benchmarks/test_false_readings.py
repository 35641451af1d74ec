import math

import numpy as np
import pytest

from benchmarks.matching.false_readings import KINDS, Damage, count, open_bills
from payments.references import CODE_LENGTH, is_codeword
from reconciliation.matching import codes

TEXTS = 200_000


@pytest.mark.parametrize("damage", KINDS, ids=lambda damage: damage.name)
def test_what_is_derived_is_what_is_counted(damage: Damage) -> None:
    """Within five standard deviations of a Poisson count, and exactly where nothing may come."""
    counted = count(damage, open_bills(1, 5), TEXTS, 11)
    assert abs(counted.seen - counted.expected) <= 5 * math.sqrt(counted.expected)


def test_known_bills_are_met_as_often_as_their_share_of_all_codewords() -> None:
    known = open_bills(2_000_000, 5)
    unchecked = [one for one in KINDS if one.derived == 1.0]
    assert len(unchecked) == 3
    for damage in unchecked:
        counted = count(damage, known, TEXTS, 12)
        assert 0 < counted.expected_known < 20
        assert abs(counted.seen_known - counted.expected_known) <= 5 * math.sqrt(
            counted.expected_known
        )


def test_open_bills_are_distinct_codewords_in_order() -> None:
    known = open_bills(1_000, 5)
    assert len(known) == 1_000
    assert (np.diff(known) > 0).all()
    assert all(is_codeword(codes.spell(int(code))) for code in known[:50])
    assert len(codes.spell(int(known[0]))) == CODE_LENGTH
