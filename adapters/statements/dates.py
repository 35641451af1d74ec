"""Texts and cells read as calendar days, day before month, or not at all."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

_ISO: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:$|[T Z+-].*)", re.ASCII)
_CLOCK: Final = r"(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?"
_DAY_FIRST: Final = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})" + _CLOCK, re.ASCII)
_YEAR_FIRST: Final = re.compile(r"(\d{4})([/-])(\d{1,2})\2(\d{1,2})" + _CLOCK, re.ASCII)
_OFFSET: Final = re.compile(r"(Z|[+-]\d{2}:?\d{2})$")
_COMPACT: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})", re.ASCII)
_SERIAL_ZERO: Final = date(1899, 12, 30)
_SERIALS: Final = (29_221, 73_050)
"""1980 to 2099 as days of the 1900 system; other numbers in a date column are not dates."""


@lru_cache(maxsize=4_096)
def iso_date(text: str) -> date | None:
    """The calendar day as written in an ISO 8601 date or date-time, whatever its offset."""
    found = _ISO.match(text.strip())
    return _real(*found.groups()[:3]) if found else None


def table_date(cell: object) -> date | None:
    """The day of a table's cell: a date cell, ``dd/mm/yyyy[ hh:mm[:ss]]``, ISO, or a serial."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        return _from_serial(cell)
    moment = _read(cell) if isinstance(cell, str) else None
    return moment.date() if moment else None


def table_moment(cell: object, *, offset_minutes: int) -> str | None:
    """The instant of a report's cell as RFC 3339, at the map's offset where it states none."""
    zone = timezone(timedelta(minutes=offset_minutes)) if offset_minutes else UTC
    if isinstance(cell, datetime):
        return cell.replace(tzinfo=zone).isoformat(timespec="seconds")
    if not isinstance(cell, str):
        return None
    text, stated = cell.strip(), None
    if found := _OFFSET.search(text[10:]):
        stated = datetime.strptime(found.group(1), "%z").tzinfo
        text = text[: 10 + found.start()]
    moment = _read(text)
    return moment.replace(tzinfo=stated or zone).isoformat(timespec="seconds") if moment else None


def _read(text: str) -> datetime | None:
    text = text.strip()
    if found := _DAY_FIRST.fullmatch(text):
        day, _, month, year, *clock = found.groups()
    elif found := _YEAR_FIRST.fullmatch(text):
        year, _, month, day, *clock = found.groups()
    elif found := _COMPACT.fullmatch(text):
        year, month, day, *clock = found.groups()
    else:
        return None
    hour, minute, second = (int(part or 0) for part in clock)
    try:
        return datetime(int(year), int(month), int(day), hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None


def _real(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _from_serial(number: float) -> date | None:
    if not _SERIALS[0] <= number <= _SERIALS[1]:
        return None
    return _SERIAL_ZERO + timedelta(days=int(number))
