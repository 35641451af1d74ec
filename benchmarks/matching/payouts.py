"""Kinds of noise of payouts: how a provider pays the lines of its reports, and how it does not."""

import datetime as dt
import itertools
from typing import Any

from benchmarks.matching.world import AS_OF, CONTRACTS, Row, World


def pay_out(world: World, provider: str) -> None:
    """Bundle the provider's lines into payouts and pay these in all ways seen in practice."""
    bundles = _bundles(world, provider)
    ways = (
        *(whole, anonymous, by_name, late, split, split_anonymous, combined, combined_anonymous),
        *(differs, overdue, early, paid_again, equal_sums),
        *(over_the_weekend, after_tet, several_for_several, too_late),
    )
    for number, way in enumerate(itertools.cycle(ways)):
        if len(bundles) < 3:
            break
        world.kind = way.__name__
        way(world, provider, [bundles.pop() for _ in range(2)], number)
    world.kind = "whole"
    for bundle in bundles:
        whole(world, provider, [bundle], 0)


def _bundles(world: World, provider: str) -> list[list[Row]]:
    twice = {key[2] for key, types in world.flagged.items() if key[0] == "payout"}
    lines = [s for s in world.settlements if s["provider"] == provider]
    lines = [s for s in lines if s["line_id"] not in twice]
    world.rng.shuffle(lines)
    sizes = itertools.cycle((5, 9, 7))
    bundles = []
    while lines:
        size = next(sizes)
        bundle, lines = lines[:size], lines[size:]
        while net(bundle) <= 0 and lines:
            bundle.append(lines.pop())
        bundles.append(bundle)
    while len(bundles) > 1 and net(bundles[-1]) <= 0:
        rest = bundles.pop()
        bundles[-1] += rest
    for number, bundle in enumerate(bundles):
        day = AS_OF - dt.timedelta(days=10 * (number + 4))  # windows do not meet
        assign(bundle, f"{provider[:2].upper()}{number:04}X{day:%y%m%d}", day)
    return bundles


def assign(bundle: list[Row], payout: str, day: dt.date) -> None:
    """Give the lines their payout."""
    for line in bundle:
        line |= {"payout_id": payout, "payout_date": day}


def _credit(world: World, provider: str, amount: int, text: str, **given: Any) -> Row:
    terms = CONTRACTS["providers"][provider]
    who = {
        "counterparty_name": terms["payout_names"][0],
        "counterparty_account": terms["payout_accounts"][0],
    }
    return world.line(amount, text, **(who | given))


def net(*bundles: list[Row]) -> int:
    """What the bundles are worth."""
    return sum(line["net"] for bundle in bundles for line in bundle)


def whole(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """One credit for each payout, with its id."""
    for bundle in bundles:
        day = bundle[0]["payout_date"]
        text = f"TT DOI SOAT {bundle[0]['payout_id']} NGAY {day:%d%m%Y}"
        world.match("payout", *bundle, _credit(world, provider, net(bundle), text, day=day))


def anonymous(world: World, provider: str, bundles: list[list[Row]], number: int) -> None:
    """One credit for each, by its sum alone."""
    for bundle in bundles:
        day = bundle[0]["payout_date"] + dt.timedelta(days=number % 4)
        line = _credit(world, provider, net(bundle), "THANH TOAN", day=day)
        world.match("payout", *bundle, line)


def by_name(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """The sender's name in other letters, and no account."""
    for bundle in bundles:
        given = {"counterparty_account": "", "day": bundle[0]["payout_date"]}
        given["counterparty_name"] = CONTRACTS["providers"][provider]["payout_names"][0].lower()
        world.match("payout", *bundle, _credit(world, provider, net(bundle), "CK", **given))


def late(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """A week later, as at Tết, the id in other letters and nobody named."""
    for bundle in bundles:
        day = bundle[0]["payout_date"] + dt.timedelta(days=7)
        text = f"doi soat {bundle[0]['payout_id'].lower()}"
        given = {"counterparty_account": "", "counterparty_name": ""}
        line = _credit(world, provider, net(bundle), text, day=day, **given)
        world.match("payout", *bundle, line)


def split(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """Two credits with the id."""
    for bundle in bundles:
        payout = bundle[0]["payout_id"]
        first = net(bundle) // 3
        parts = [
            _credit(world, provider, part, f"TT {payout}", day=bundle[0]["payout_date"])
            for part in (first, net(bundle) - first)
        ]
        world.match("payout", *bundle, *parts)


def split_anonymous(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """Two credits without it, on two days."""
    for bundle in bundles:
        first = net(bundle) // 3
        day = bundle[0]["payout_date"]
        parts = [
            _credit(world, provider, part, "THANH TOAN", day=day + dt.timedelta(days=at))
            for at, part in enumerate((first, net(bundle) - first))
        ]
        world.match("payout", *bundle, *parts)


def combined(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """One credit that names two payouts."""
    one, two = bundles
    text = f"TT {one[0]['payout_id']} {two[0]['payout_id']}"
    world.match("payout", *one, *two, _credit(world, provider, net(one, two), text))


def combined_anonymous(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """One credit after a weekend that names none."""
    one, two = bundles
    for line in two:
        line["payout_date"] = one[0]["payout_date"] + dt.timedelta(days=1)
    day = one[0]["payout_date"] + dt.timedelta(days=2)
    line = _credit(world, provider, net(one, two), "TT CUOI TUAN", day=day)
    world.match("payout", *one, *two, line)


def differs(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """One credit with the id, one unit short."""
    for bundle in bundles:
        text = f"TT DOI SOAT {bundle[0]['payout_id']}"
        line = _credit(world, provider, net(bundle) - 1, text, day=bundle[0]["payout_date"])
        world.flag("payout_mismatch", "payout", *bundle, line)


def overdue(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """None, though one was due."""
    for bundle in bundles:
        world.flag("payout_missing", "payout", *bundle)
    day = AS_OF - dt.timedelta(days=4)
    for line in bundles[0]:
        line["payout_date"] = day


def early(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """None yet."""
    for bundle, ahead in zip(bundles, (1, -3), strict=True):
        for line in bundle:
            line["payout_date"] = AS_OF + dt.timedelta(days=ahead)
        world.flag("timing_difference", "payout", *bundle)


def paid_again(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """The same payout twice."""
    for bundle in bundles:
        text = f"TT DOI SOAT {bundle[0]['payout_id']}"
        day = bundle[0]["payout_date"]
        first = _credit(world, provider, net(bundle), text, day=day)
        again = _credit(world, provider, net(bundle), text, day=day + dt.timedelta(days=2))
        world.match("payout", *bundle, first)
        world.flag("duplicate_payment", "payout", again)


def equal_sums(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """Two payouts of one sum and one day, and one credit without id: nobody can tell."""
    one, two = bundles
    missing = net(one) - net(two)
    two[0]["net"] += missing
    two[0]["fee"] -= missing
    owner = next(
        (r for r in world.required if ("provider", "settlement", two[0]["line_id"]) in r), None
    )
    if owner is not None and missing:
        world.required.remove(owner)
        for key in owner:
            world.flagged[key] = frozenset({"fee_mismatch"})
    for line in two:
        line["payout_date"] = one[0]["payout_date"]
    credit = _credit(world, provider, net(one), "THANH TOAN", day=one[0]["payout_date"])
    world.flag("ambiguous", "payout", credit, *one, *two)


def less_refunds(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """What went back is a payout of its own, below zero, which the next credit is short by."""
    lines = [line for bundle in bundles for line in bundle]
    back = [line for line in lines if line["net"] < 0]
    if not back:
        whole(world, provider, bundles, _)
        return
    payout, day = bundles[0][0]["payout_id"], bundles[0][0]["payout_date"]
    came = [line for line in lines if line["net"] >= 0]
    assign(came, payout, day)
    assign(back, f"{payout}BACK", day)
    text = f"TT {payout} TRU {payout}BACK"
    world.match("payout", *came, *back, _credit(world, provider, net(came, back), text, day=day))


def over_the_weekend(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """The payouts of a Saturday and a Sunday in Monday's one credit, which names both."""
    one, two = bundles
    saturday = one[0]["payout_date"]
    for line in two:
        line["payout_date"] = saturday + dt.timedelta(days=1)
    text = f"TT T7 {one[0]['payout_id']}, CN {two[0]['payout_id']}"
    monday = saturday + dt.timedelta(days=2)
    world.match("payout", *one, *two, _credit(world, provider, net(one, two), text, day=monday))


def after_tet(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """Twelve days late, after the holidays: an id does not age."""
    for bundle in bundles:
        day = bundle[0]["payout_date"] + dt.timedelta(days=12)
        text = f"TT DOI SOAT {bundle[0]['payout_id']}"
        world.match("payout", *bundle, _credit(world, provider, net(bundle), text, day=day))


def too_late(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """The sum is right and no id is given, a day after the window: nothing is proved."""
    bundle, other = bundles
    day = bundle[0]["payout_date"] + dt.timedelta(days=8)
    line = _credit(world, provider, net(bundle), "THANH TOAN", day=day)
    world.flag("unrecorded_receipt|ambiguous", "payout", line)
    world.flag("payout_missing", "payout", *bundle)
    whole(world, provider, [other], 0)


def several_for_several(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """Two credits that both name both payouts: right as one match, right as a flag."""
    one, two = bundles
    text = f"TT {one[0]['payout_id']} {two[0]['payout_id']}"
    first = net(one, two) // 3
    day = one[0]["payout_date"]
    parts = (first, net(one, two) - first)
    lines = [_credit(world, provider, part, text, day=day) for part in parts]
    world.may_match("payout", *one, *two, *lines)
