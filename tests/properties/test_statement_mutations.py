"""Damaged files: whatever is flipped, cut or repeated, no crash, and no amount is invented."""

from decimal import Decimal
from pathlib import Path

import pytest

from reconciliation.ports import Outcome
from tests.support.mutations import FUZZ, Fuzz, digits, kinds, written_numbers

SECONDS = 2.0
"""The most CPU time that one file may take."""


def test_two_thousand_mutations_are_answered(tmp_path: Path) -> None:
    fuzz = Fuzz()
    fuzz.run(tmp_path, seed=20260302, rounds=2000)

    for kind in kinds():
        counts = {outcome: fuzz.seen[kind.name, outcome] for outcome in Outcome}
        assert all(counts.values()), (kind.name, counts)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_five_thousand_mutations_of_each_seed_are_answered(tmp_path: Path, seed: int) -> None:
    before = FUZZ.seen.total()
    FUZZ.run(tmp_path, seed=seed, rounds=5000, seconds=SECONDS)

    assert FUZZ.seen.total() - before == 5000


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("<Amt Ccy='EUR'>1234.50</Amt>", "1234.5"),
        (":61:2603020302C5,00NTRF", "5.00"),
        (":60F:C260302VND1000,", "1000"),
        ("02/03/2026;0;1.234.000 VND;x", "1234000"),
        ('02/03/2026,"83,000",x', "83000"),
        ("1,83000,2", "83000"),
        ("<v>83000</v>", "83000"),
    ],
)
def test_an_amount_that_is_written_is_found(text: str, amount: str) -> None:
    assert digits(Decimal(amount)) in written_numbers(text)


def test_a_part_of_a_number_is_not_taken_for_a_number() -> None:
    assert digits(Decimal(234)) not in written_numbers("<Amt>12345.60</Amt>")
    assert digits(Decimal("12345.6")) in written_numbers("<Amt>12345.60</Amt>")
