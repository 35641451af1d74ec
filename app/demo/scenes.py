"""The order of a play: when the clock moves, what is delivered, who acts."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.demo.deeds import Planned, Slot
from app.demo.plan import BEFORE, DAY_BEFORE, business_days, make_plan
from core.clock import at_vietnam_time


class Part(StrEnum):
    """Parts of a day.

    Providers close their sessions after midnight, so their reports exist in the ``night`` part
    and are delivered, with the banks' statements, before ``delivery``. The ``after`` parts let
    whatever a channel has to say twice be said before anything is compared.
    """

    NIGHT = "night"
    DELIVERY = "delivery"
    MORNING = "morning"
    AFTER_MORNING = "after_morning"
    AFTERNOON = "afternoon"
    AFTER_AFTERNOON = "after_afternoon"
    EVENING = "evening"


_TIMES = {
    Part.NIGHT: (7, 1),
    Part.DELIVERY: (7, 31),
    Part.MORNING: (9, 31),
    Part.AFTER_MORNING: (9, 37),
    Part.AFTERNOON: (14, 1),
    Part.AFTER_AFTERNOON: (14, 7),
    Part.EVENING: (18, 31),
}
_SLOTS = {Part.MORNING: Slot.MORNING, Part.AFTERNOON: Slot.AFTERNOON}


@dataclass(frozen=True, slots=True)
class Period:
    """What is delivered in a morning: the days since the last statement, the last session."""

    first: date
    last: date
    number: int


@dataclass(frozen=True, slots=True)
class Scene:
    """The clock moves to ``at``, all that is due is done, then people act."""

    number: int
    day: int
    date: date
    part: Part
    at: datetime
    deeds: tuple[Planned, ...] = ()
    delivery: Period | None = None


def make_scenes(days: int) -> list[Scene]:
    """Return the scenes of a play; more days add scenes at the end and change none."""
    dates = business_days(days)
    plan = make_plan(days)
    scenes = [
        Scene(
            number=0,
            day=BEFORE,
            date=DAY_BEFORE,
            part=Part.MORNING,
            at=at_vietnam_time(DAY_BEFORE, *_TIMES[Part.MORNING]),
            deeds=tuple(step for step in plan if step.day == BEFORE),
        )
    ]
    for day, day_date in enumerate(dates):
        for part in Part:
            if part is Part.DELIVERY and day == 0:
                continue
            slot = _SLOTS.get(part)
            scenes.append(
                Scene(
                    number=len(scenes),
                    day=day,
                    date=day_date,
                    part=part,
                    at=at_vietnam_time(day_date, *_TIMES[part]),
                    deeds=tuple(s for s in plan if s.day == day and s.slot is slot),
                    delivery=_period(dates, day) if part is Part.DELIVERY else None,
                )
            )
    return scenes


def count_steps(scenes: list[Scene]) -> int:
    """Return how many steps a play of these scenes counts, see ``kills.Steps``."""
    return sum(2 + len(scene.deeds) + (scene.delivery is not None) for scene in scenes)


def _period(dates: list[date], day: int) -> Period:
    last = dates[day - 1]
    first = dates[day - 2] + timedelta(days=1) if day > 1 else last
    return Period(first, last, number=day)
