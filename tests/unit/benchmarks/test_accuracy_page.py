import json
import math

import pytest

from benchmarks.matching import calendar, noise
from benchmarks.matching.accuracy import FIGURES, PAGE, page, upper_bound
from benchmarks.matching.kinds import KINDS


def test_the_page_is_what_its_figures_say() -> None:
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == page(figures)
    assert "{{" not in page(figures)


def test_the_page_says_a_false_match_and_a_lost_item() -> None:
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    largest = max(figures["sizes"], key=int)
    figures["sizes"][largest]["doisoat"] |= {"false": 3, "lost": 7}
    assert "- **false: 3**" in page(figures)
    assert "- lost 7," in page(figures)


def test_every_kind_of_noise_has_its_line() -> None:
    ways = [way for group in (calendar._NAMED, calendar._LEFT_OPEN) for way, _ in group]
    payouts = {f"payout_{way.__name__}" for way in (*ways, *calendar._NAMELESS)}
    plain = {"clean_transfer", "clean_settlement", "clean_payout"}
    assert {*noise.DIRECT, *noise.PROVIDER, *payouts, *plain} == {*KINDS}


@pytest.mark.parametrize(("count", "times"), [(0, 2.996), (1, 4.744), (5, 10.513)])
def test_the_upper_bound_is_the_exact_one_of_poisson(count: int, times: float) -> None:
    assert math.isclose(upper_bound(count, 1_000) * 1_000, times, rel_tol=1e-3)
