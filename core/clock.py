"""The one business clock: what time and which day it is for everything that doisoat does.

In production it is the system's clock. Elsewhere a small file may move it for all processes of
an installation at once (application, scheduler and simulators), so that ten fee days pass in a
minute and no test waits.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]
"""A function that tells the present instant, with offset UTC."""

VIETNAM: Final = ZoneInfo("Asia/Ho_Chi_Minh")
"""A *day* anywhere in doisoat is a calendar day of this zone (UTC+7, no daylight saving)."""


def utc_now() -> datetime:
    """Return the system's present instant in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that reads the clock


def business_day(instant: datetime) -> date:
    """Return the Vietnamese calendar day that an instant falls on.

    Raises:
        ValueError: the instant has no offset, so its day is unknown.
    """
    if instant.tzinfo is None:
        raise ValueError("an instant without offset has no day")
    return instant.astimezone(VIETNAM).date()


def at_vietnam_time(day: date, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    """Return the instant of a wall-clock time in Vietnam, in UTC."""
    return datetime.combine(day, time(hour, minute, second), VIETNAM).astimezone(UTC)


def end_of_day(day: date) -> datetime:
    """Return the first instant after a Vietnamese day, in UTC."""
    return at_vietnam_time(day + timedelta(days=1))


@dataclass(frozen=True, slots=True)
class ClockSetting:
    """A moved clock: at ``real_at`` it showed ``business_at`` and runs ``rate`` times as fast.

    Both instants are RFC 3339 texts; ``rate`` 0 stands still.
    """

    business_at: str
    real_at: str
    rate: int


class BusinessClock:
    """A clock that follows the setting in a file, and the system where there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._modified_ns = -1
        self._setting: ClockSetting | None = None

    def __call__(self) -> datetime:
        """Return the present business instant in UTC."""
        setting = self._read()
        if setting is None:
            return utc_now()
        elapsed = utc_now() - datetime.fromisoformat(setting.real_at)
        moved = datetime.fromisoformat(setting.business_at) + elapsed * setting.rate
        return moved.astimezone(UTC)

    def _read(self) -> ClockSetting | None:
        try:
            modified_ns = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return None
        if modified_ns != self._modified_ns:
            self._setting = ClockSetting(**json.loads(self._path.read_text(encoding="utf-8")))
            self._modified_ns = modified_ns
        return self._setting


def move_clock(path: Path, business_at: datetime, *, rate: int = 0) -> None:
    """Set the clock of every process that follows ``path``; the file is replaced whole.

    Raises:
        ValueError: the instant has no offset.
    """
    if business_at.tzinfo is None:
        raise ValueError("an instant needs an offset")
    setting = ClockSetting(business_at.isoformat(), utc_now().isoformat(), rate)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    draft.write_text(json.dumps(asdict(setting)), encoding="utf-8")
    draft.replace(path)
