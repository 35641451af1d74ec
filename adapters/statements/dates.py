"""Texts and cells read as calendar days, in a known order of day and month, or not at all."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

_ISO: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:$|[T Z+-].*)", re.ASCII)
_CLOCK: Final = r"(?:[ T]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?)?"
_YEAR_LAST: Final = re.compile(r"(\d{1,2})([/.\- ])(\d{1,2})\2(\d{4}|\d{2})\.?" + _CLOCK, re.ASCII)
_YEAR_FIRST: Final = re.compile(r"(\d{4})([/.-])(\d{1,2})\2(\d{1,2})\.?" + _CLOCK, re.ASCII)
_NAMED_MONTH: Final = re.compile(r"(\d{1,2})[ /.-]([A-Za-z]{3})[ /.-](\d{4})" + _CLOCK, re.ASCII)
_CHINESE: Final = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日", re.ASCII)
_BARE_DAY: Final = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_MONTHS: Final = [
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "OCT",
    "NOV",
    "DEC",
]
_CENTURY: Final = 2000
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


def table_date(cell: object, order: str = "dmy", *, short_years: bool = False) -> date | None:
    """The day of a table's cell: a date cell, ``dd/mm/yyyy[ hh:mm[:ss]]``, ISO, or a serial.

    Args:
        cell: what is printed.
        order: ``dmy``, ``mdy`` or ``ymd``: how to read what could be read in two ways. A year
            of four digits in front, or a month by name, leave no doubt.
        short_years: years may have two digits, of this century. Eight digits in one are a day
            where the order is ``ymd``.
    """
    if isinstance(cell, str):
        return _text_date(cell, order, short_years)
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        is_compact = order == "ymd" and cell > _SERIALS[1] and float(cell).is_integer()
        return _text_date(str(int(cell)), order, short_years) if is_compact else _from_serial(cell)
    return cell if isinstance(cell, date) else None


@lru_cache(maxsize=8_192)
def _text_date(text: str, order: str, short_years: bool) -> date | None:  # noqa: FBT001 - cached
    moment = _read(text, order, short_years=short_years)
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


def _read(text: str, order: str = "dmy", *, short_years: bool = False) -> datetime | None:
    text = text.strip()
    year, month, day, *clock = _parts(text, order, short_years=short_years) or ("", "", "")
    if not year:
        return None
    hour, minute, second = (int(part or 0) for part in clock or ("", "", ""))
    try:
        return datetime(int(year), int(month), int(day), hour, minute, second)  # noqa: DTZ001
    except ValueError:
        return None


def _parts(text: str, order: str, *, short_years: bool) -> list[str] | None:
    """Year, month and day, and hour, minute and second where they are written."""
    if found := _YEAR_FIRST.fullmatch(text):
        year, _, month, day, *clock = found.groups()
    elif found := _YEAR_LAST.fullmatch(text):
        first, mark, second, year, *clock = found.groups()
        if order == "mdy" and mark == ".":  # nobody writes the month first with points
            return None
        day, month = (second, first) if order == "mdy" else (first, second)
        if len(year) == len("yy") and order == "ymd":
            year, month, day = first, second, year
    elif found := _NAMED_MONTH.fullmatch(text):
        day, name, year, *clock = found.groups()
        month = str(_MONTHS.index(name.upper())) if name.upper() in _MONTHS else "0"
    elif (found := _COMPACT.fullmatch(text) or _CHINESE.fullmatch(text)) or (
        order == "ymd" and (found := _BARE_DAY.fullmatch(text))
    ):
        year, month, day, *clock = found.groups()
    else:
        return None
    if len(year) == len("yy"):
        if not short_years:
            return None
        year = str(_CENTURY + int(year))
    return [year, month, day, *clock]


def _compact(text: str, order: str) -> re.Match[str] | None:
    """A day without marks: with a clock, or where the layout writes years first."""
    whole = _COMPACT.fullmatch(text) or _CHINESE.fullmatch(text)
    return whole or (_BARE_DAY.fullmatch(text) if order == "ymd" else None)


def _real(year: str, month: str, day: str) -> date | None:
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


def _from_serial(number: float) -> date | None:
    if not _SERIALS[0] <= number <= _SERIALS[1]:
        return None
    return _SERIAL_ZERO + timedelta(days=int(number))
