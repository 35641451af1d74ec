"""The business clock: Vietnamese days, and one setting that moves every process."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from core.clock import (
    BusinessClock,
    at_vietnam_time,
    business_day,
    end_of_day,
    move_clock,
    utc_now,
)


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        (datetime(2026, 3, 1, 16, 59, 59, tzinfo=UTC), date(2026, 3, 1)),
        (datetime(2026, 3, 1, 17, 0, 0, tzinfo=UTC), date(2026, 3, 2)),
    ],
)
def test_a_day_starts_at_midnight_in_vietnam(instant: datetime, day: date) -> None:
    assert business_day(instant) == day


def test_an_instant_without_offset_has_no_day() -> None:
    with pytest.raises(ValueError, match="offset"):
        business_day(datetime(2026, 3, 1))  # noqa: DTZ001 - that is the point


def test_the_end_of_a_day_is_the_first_instant_of_the_next() -> None:
    day = date(2026, 12, 31)
    assert business_day(end_of_day(day) - timedelta(microseconds=1)) == day
    assert business_day(end_of_day(day)) == date(2027, 1, 1)
    assert at_vietnam_time(day, 23, 59, 59) == datetime(2026, 12, 31, 16, 59, 59, tzinfo=UTC)


def test_without_a_setting_the_clock_is_the_systems(tmp_path: Path) -> None:
    before = utc_now()
    assert before <= BusinessClock(tmp_path / "clock.json")() <= utc_now()


def test_a_clock_at_rate_nought_stands_still(tmp_path: Path) -> None:
    moment = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
    move_clock(tmp_path / "clock.json", moment)
    clock = BusinessClock(tmp_path / "clock.json")
    assert (clock(), clock()) == (moment, moment)


def test_a_fast_clock_runs_as_many_times_as_fast(tmp_path: Path) -> None:
    path, business = tmp_path / "clock.json", datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
    an_hour_ago = utc_now() - timedelta(hours=1)
    setting = {"business_at": business.isoformat(), "real_at": an_hour_ago.isoformat(), "rate": 24}
    path.write_text(json.dumps(setting), encoding="utf-8")
    assert (
        timedelta(0) <= BusinessClock(path)() - (business + timedelta(days=1)) < timedelta(hours=1)
    )


def test_all_clocks_on_a_file_follow_when_it_moves(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "clock.json"
    move_clock(path, datetime(2026, 3, 2, tzinfo=UTC))
    clocks = [BusinessClock(path), BusinessClock(path)]
    assert {clock() for clock in clocks} == {datetime(2026, 3, 2, tzinfo=UTC)}
    move_clock(path, datetime(2026, 3, 9, tzinfo=UTC))
    assert {clock() for clock in clocks} == {datetime(2026, 3, 9, tzinfo=UTC)}


def test_a_clock_is_not_moved_to_an_instant_without_offset(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="offset"):
        move_clock(tmp_path / "clock.json", datetime(2026, 3, 2))  # noqa: DTZ001
    assert not (tmp_path / "clock.json").exists()
