"""What is a day, and what is not."""

from datetime import date, datetime

import pytest

from adapters.statements.dates import iso_date, table_date, table_moment


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-03-02", date(2026, 3, 2)),
        ("2026-03-02+07:00", date(2026, 3, 2)),
        ("2026-03-02Z", date(2026, 3, 2)),
        ("2026-03-02T00:30:00+14:00", date(2026, 3, 2)),
        ("2026-02-30", None),
        ("2026-3-2", None),
        ("20260302", None),
        ("02/03/2026", None),
        ("2026-03-021", None),
        ("", None),
    ],
)
def test_an_iso_day_is_the_day_as_written(text: str, day: date | None) -> None:
    assert iso_date(text) == day


@pytest.mark.parametrize(
    "cell",
    [
        "02/03/2026",
        "2/3/2026",
        "02-03-2026",
        "02.03.2026",
        "02/03/2026 14:05",
        "02/03/2026 14:05:09",
        "2026-03-02",
        "2026-03-02 14:05:09",
        "20260302140509",
        46083,
        46083.75,
        date(2026, 3, 2),
        datetime(2026, 3, 2, 23, 59),  # noqa: DTZ001
    ],
)
def test_the_second_of_march_however_it_is_written(cell: object) -> None:
    assert table_date(cell) == date(2026, 3, 2)


@pytest.mark.parametrize(
    "cell",
    [
        "03/13/2026",
        "31/02/2026",
        "02/03/26",
        "02/03-2026",
        "2 March",
        "",
        "20260302",
        None,
        True,
        20260302,
        3.0,
        float("nan"),
        "02/03/2026 25:00:00",
        "٠٢/٠٣/٢٠٢٦",
    ],
    ids=repr,
)
def test_what_is_not_plainly_a_day_is_no_day(cell: object) -> None:
    assert table_date(cell) is None


def test_a_time_without_offset_is_at_the_offset_of_its_map() -> None:
    assert table_moment("02/03/2026 09:15:00", offset_minutes=420) == "2026-03-02T09:15:00+07:00"
    assert table_moment("2026-03-02 09:15:00", offset_minutes=0) == "2026-03-02T09:15:00+00:00"


def test_a_stated_offset_wins() -> None:
    assert table_moment("2026-03-02T09:15:00Z", offset_minutes=420) == "2026-03-02T09:15:00+00:00"
    read = table_moment("2026-03-02T09:15:00+09:00", offset_minutes=420)
    assert read == "2026-03-02T09:15:00+09:00"


@pytest.mark.parametrize("cell", ["", "yesterday", 46083, None, "2026-13-02 00:00:00"])
def test_what_is_no_time_is_none(cell: object) -> None:
    assert table_moment(cell, offset_minutes=420) is None
