"""Noise of the calendar: weekends, Tết, cut-offs, two zones, two dates on one line."""

import datetime as dt
from collections.abc import Callable

from benchmarks.matching.providers import online
from benchmarks.matching.world import AS_OF, ZONE, World

DIRECT: dict[str, Callable[[World], None]] = {}
PROVIDER: dict[str, Callable[[World, str], None]] = {}


def _direct(make: Callable[[World], None]) -> Callable[[World], None]:
    DIRECT[make.__name__] = make
    return make


def _provider(make: Callable[[World, str], None]) -> Callable[[World, str], None]:
    PROVIDER[make.__name__] = make
    return make


@_direct
def booked_on_monday(world: World) -> None:
    """Sent on a Saturday, booked on the Monday, with the Saturday's value or the Monday's."""
    saturday = AS_OF - dt.timedelta(days=AS_OF.weekday() + 2 + 7)
    monday = saturday + dt.timedelta(days=2)
    for value in (saturday, monday):
        pay = world.pay(day=saturday)
        line = world.line(
            pay["amount"], f"PHI {pay['bill_reference']}", booking_date=monday, value_date=value
        )
        world.match("direct", pay, line)


@_direct
def twice_booked_in_the_other_order(world: World) -> None:
    """The receipt with the earlier value date settles, though it was booked later."""
    pay = world.pay(day=AS_OF - dt.timedelta(days=21))
    text = f"PHI {pay['bill_reference']}"
    days = [AS_OF - dt.timedelta(days=n) for n in (20, 18, 16)]
    again = world.line(pay["amount"], text, booking_date=days[0], value_date=days[2])
    first = world.line(pay["amount"], text, booking_date=days[1], value_date=days[0])
    world.match("direct", pay, first)
    world.flag("duplicate_payment", "direct", again)


@_direct
def over_tet(world: World) -> None:
    """Nine days without bank business: a reference does not age."""
    pay = world.pay(status="succeeded", day=AS_OF - dt.timedelta(days=24))
    line = world.line(
        pay["amount"], f"PHI {pay['bill_reference']}", day=AS_OF - dt.timedelta(days=10)
    )
    world.match("direct", pay, line)


@_direct
def came_before_it_was_asked(world: World) -> None:
    """The attempt was started again after the money had gone out: the value date is earlier."""
    pay = world.pay(day=AS_OF - dt.timedelta(days=9))
    line = world.line(
        pay["amount"], f"PHI {pay['bill_reference']}", day=AS_OF - dt.timedelta(days=11)
    )
    world.match("direct", pay, line)


@_direct
def grace_counted_at_seven_hours(world: World) -> None:
    """Paid on the day before by the clock of Greenwich: the day that counts is at +07:00."""
    inside = world.pay(status="succeeded")
    day = AS_OF - dt.timedelta(days=3)
    inside["paid_at"] = dt.datetime.combine(day, dt.time(0, 30), ZONE).astimezone(dt.UTC)
    world.flag("timing_difference", "direct", inside)
    outside = world.pay(status="succeeded")
    day = AS_OF - dt.timedelta(days=4)
    outside["paid_at"] = dt.datetime.combine(day, dt.time(23, 30), ZONE).astimezone(dt.UTC)
    world.flag("not_settled", "direct", outside)


@_provider
def after_the_cut_off(world: World, provider: str) -> None:
    """Paid at 23:40, settled with the next day's business."""
    day = world.day(latest=12)
    pay = online(world, provider, day=day)
    pay["paid_at"] = dt.datetime.combine(day, dt.time(23, 40), ZONE)
    line = world.settle(pay, "")
    line["report_id"] = f"R-{day + dt.timedelta(days=1):%Y%m%d}"
    world.match("provider", pay, line)


@_provider
def over_midnight(world: World, provider: str) -> None:
    """Paid before midnight by our clock, after it by the provider's, who writes UTC."""
    day = world.day(latest=12)
    pay = online(world, provider, day=day)
    pay["paid_at"] = dt.datetime.combine(day, dt.time(23, 59, 50), ZONE)
    line = world.settle(pay, "")
    line["occurred_at"] = (pay["paid_at"] + dt.timedelta(seconds=25)).astimezone(dt.UTC)
    world.match("provider", pay, line)


@_provider
def repeated_in_the_other_zone(world: World, provider: str) -> None:
    """The second report writes the same instants at +07:00 that the first wrote in UTC."""
    pay = online(world, provider)
    line = world.settle(pay, "")
    line["occurred_at"] = line["occurred_at"].astimezone(dt.UTC)
    copy = line | {
        "line_id": f"S{next(world.ids):08}",
        "report_id": line["report_id"] + "-Z",
        "occurred_at": line["occurred_at"].astimezone(ZONE),
    }
    world.settlements.append(copy)
    world.copies.append((copy, line))
    world.match("provider", pay, line)
    world.flag("duplicate_line", "provider", copy)
    world.flag("duplicate_line", "payout", copy)


@_provider
def not_reported_over_the_weekend(world: World, provider: str) -> None:
    """Grace is counted in calendar days; three of them are not over yet."""
    pay = online(world, provider, day=AS_OF - dt.timedelta(days=3))
    world.flag("timing_difference", "provider", pay)
