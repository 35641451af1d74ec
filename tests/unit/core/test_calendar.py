"""Working days skip weekends and the holidays of the data file."""

from datetime import date

from core.calendar import WorkingCalendar

FRIDAY, SATURDAY, MONDAY, TUESDAY = (date(2026, 11, day) for day in (6, 7, 9, 10))


def test_weekends_are_no_working_days() -> None:
    calendar = WorkingCalendar(frozenset())
    assert calendar.is_working_day(FRIDAY)
    assert not calendar.is_working_day(SATURDAY)
    assert calendar.working_day_after(FRIDAY) == MONDAY
    assert calendar.working_day_after(FRIDAY, 2) == TUESDAY


def test_a_holiday_is_no_working_day() -> None:
    calendar = WorkingCalendar(frozenset({MONDAY}))
    assert calendar.working_day_after(FRIDAY) == TUESDAY
    assert calendar.working_day_from(SATURDAY) == TUESDAY
    assert calendar.working_day_from(FRIDAY) == FRIDAY


def test_the_shipped_holidays_hold_the_fixed_days_of_the_demonstrated_year() -> None:
    calendar = WorkingCalendar.from_csv()
    for month, day in ((1, 1), (4, 30), (5, 1), (9, 2)):
        assert not calendar.is_working_day(date(2026, month, day))
