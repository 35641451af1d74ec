"""Working days: weekends and the public holidays of a dated data file."""

import csv
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final, Self

_SATURDAY: Final = 5
SHIPPED_HOLIDAYS: Final = Path(__file__).parent / "data" / "holidays_vn.csv"
"""Columns date, name, source; the government fixes the list every year, so it is data."""


@dataclass(frozen=True, slots=True)
class WorkingCalendar:
    """Which days banks and offices work; ``holidays`` are the days off besides weekends."""

    holidays: frozenset[date]

    @classmethod
    def from_csv(cls, path: Path = SHIPPED_HOLIDAYS) -> Self:
        """Read a holiday file."""
        with path.open(encoding="utf-8", newline="") as lines:
            return cls(frozenset(date.fromisoformat(row["date"]) for row in csv.DictReader(lines)))

    def is_working_day(self, day: date) -> bool:
        """Whether banks settle on ``day``."""
        return day.weekday() < _SATURDAY and day not in self.holidays

    def working_day_after(self, day: date, count: int = 1) -> date:
        """Return the ``count``-th working day after ``day`` (``count`` >= 1)."""
        while count:
            day += timedelta(days=1)
            count -= self.is_working_day(day)
        return day

    def working_day_from(self, day: date) -> date:
        """Return ``day`` itself if it is a working day, else the next one."""
        return day if self.is_working_day(day) else self.working_day_after(day)
