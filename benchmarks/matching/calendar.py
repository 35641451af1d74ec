"""The payouts of a large world: several a day, most by their id, some in every way seen."""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from benchmarks.matching import payouts
from benchmarks.matching.world import AS_OF, CONTRACTS, Row, World

LINES: Final = 8
"""Lines of a payout, at most."""
NAMELESS_EVERY: Final = 16
"""So many days lie between payouts that are paid without their id: their windows do not meet."""

Way = Callable[[World, str, list[list[Row]], int], None]

_NAMED: tuple[tuple[Way, int], ...] = (
    (payouts.whole, 50),
    (payouts.late, 10),
    (payouts.split, 8),
    (payouts.combined, 8),
    (payouts.paid_again, 5),
    (payouts.less_refunds, 10),
    (payouts.over_the_weekend, 5),
    (payouts.after_tet, 3),
    (payouts.several_for_several, 3),
)
_LEFT_OPEN: tuple[tuple[Way, int], ...] = (
    (payouts.differs, 4),
    (payouts.overdue, 2),
    (payouts.early, 2),
)
_NAMELESS: tuple[Way, ...] = (
    payouts.anonymous,
    payouts.by_name,
    payouts.split_anonymous,
    payouts.combined_anonymous,
    payouts.equal_sums,
    payouts.too_late,
)


def pay_out_daily(world: World, provider: str) -> None:
    """Bundle a provider's lines by day and pay each bundle in one of the ways."""
    days = _bundles(world, provider)
    nameless = sorted(days)[7::NAMELESS_EVERY]
    number = 0
    for day in sorted(days):
        bundles = days[day]
        if day in nameless and not world.part:
            way = _NAMELESS[(nameless.index(day) + len(provider)) % len(_NAMELESS)]
            taken, bundles = bundles[:2], bundles[2:]
            if len(taken) == 2:
                _pay(world, provider, way, taken, number)
            else:
                _pay(world, provider, payouts.whole, taken, number)
        near = any(abs((day - other).days) < NAMELESS_EVERY - 1 for other in nameless)
        ways = _NAMED if near else _NAMED + _LEFT_OPEN
        while bundles:
            taken, bundles = bundles[:2], bundles[2:]
            number += 1
            way = _draw(world, ways) if len(taken) == 2 else payouts.whole
            _pay(world, provider, way, taken, number)


def _draw(world: World, ways: tuple[tuple[Way, int], ...]) -> Way:
    return world.rng.choices([way for way, _ in ways], [weight for _, weight in ways])[0]


def _pay(world: World, provider: str, way: Way, bundles: list[list[Row]], number: int) -> None:
    if bundles:
        world.kind = f"payout_{way.__name__}"
        way(world, provider, bundles, number)


def _bundles(world: World, provider: str) -> dict[dt.date, list[list[Row]]]:
    """Lines that count, by the day on which the provider pays; every bundle is worth something."""
    repeated = {key[2] for key, types in world.flagged.items() if key[0] == "payout"}
    wait = dt.timedelta(days=CONTRACTS["providers"][provider]["settlement_days"])
    of_day: dict[dt.date, list[Row]] = defaultdict(list)
    for line in world.settlements:
        if line["provider"] == provider and line["line_id"] not in repeated:
            local = line["occurred_at"].astimezone(dt.timezone(dt.timedelta(hours=7)))
            of_day[local.date() + wait].append(line)
    days: dict[dt.date, list[list[Row]]] = defaultdict(list)
    rest: list[Row] = []
    for day, lines in sorted(of_day.items()):
        waiting = rest + lines
        while waiting:
            bundle, waiting = waiting[:LINES], waiting[LINES:]
            while payouts.net(bundle) <= 0 and waiting:
                bundle.append(waiting.pop(0))
            rest = bundle if payouts.net(bundle) <= 0 else []
            if rest:
                break
            number = 1_000 * world.part + len(days[day])
            payouts.assign(bundle, f"{provider[:2].upper()}{day:%y%m%d}N{number:04}", day)
            days[day].append(bundle)
    if rest:  # what is left owes us nothing: a last payout that is not paid yet
        payouts.assign(rest, f"{provider[:2].upper()}REST{world.part or ''}", AS_OF)
        world.kind = "payout_early"
        world.flag("timing_difference", "payout", *rest)
    return dict(days)
