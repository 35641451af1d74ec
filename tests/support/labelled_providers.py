"""Kinds of noise of providers: settlement reports, and the payouts they lead to."""

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

from tests.support.labelled_world import AS_OF, CONTRACTS, Row, World

PROVIDER: dict[str, Callable[[World, str], None]] = {}


def _provider(make: Callable[[World, str], None]) -> Callable[[World, str], None]:
    PROVIDER[make.__name__] = make
    return make


# --- providers ------------------------------------------------------------------------------------


def _online(world: World, provider: str, **given: Any) -> Row:
    number = next(world.ids)
    day = given.pop("day", None) or world.day(latest=9)
    plain = {"status": "succeeded", "provider_txn_id": f"00{number}{world.rng.randrange(10**6):06}"}
    return world.pay(channel=provider, day=day, **(plain | given))


MANGLED: dict[str, Callable[[str], str]] = {
    "id_empty": lambda _: "",
    "id_lost_zeros": lambda text: text.lstrip("0"),
    "id_point_zero": lambda text: f"{text}.0",
    "id_scientific": lambda text: f"{int(text):.5E}",
}


def _mangled(name: str) -> Callable[[World, str], None]:
    def make(world: World, provider: str) -> None:
        pay = _online(world, provider)
        line = world.settle(pay, "", provider_txn_id=MANGLED[name](pay["provider_txn_id"]))
        world.match("provider", pay, line)

    return make


PROVIDER.update({name: _mangled(name) for name in MANGLED})


@_provider
def settled(world: World, provider: str) -> None:
    for _ in range(4):
        pay = _online(world, provider)
        world.match("provider", pay, world.settle(pay, ""))


@_provider
def refunded(world: World, provider: str) -> None:
    pay = _online(world, provider, amount=150_000)
    world.match("provider", pay, world.settle(pay, ""))
    back = {"kind": "refund", "reference": pay["bill_reference"], "amount": 50_000}
    refund = _online(world, provider, parent_payment_id=pay["payment_id"], **back)
    line = world.settle(refund, "", provider_txn_id=pay["provider_txn_id"])
    world.match("provider", refund, line)


@_provider
def reported_twice(world: World, provider: str) -> None:
    pay = _online(world, provider)
    line = world.settle(pay, "")
    copy = line | {"line_id": f"S{next(world.ids):08}", "report_id": line["report_id"] + "-R2"}
    copy["occurred_at"] = copy["occurred_at"].astimezone(dt.UTC)
    world.settlements.append(copy)
    world.copies.append((copy, line))
    world.match("provider", pay, line)
    world.flag("duplicate_line", "provider", copy)
    world.flag("duplicate_line", "payout", copy)


@_provider
def wrong_fee(world: World, provider: str) -> None:
    pay = _online(world, provider)
    world.flag("fee_mismatch", "provider", pay, world.settle(pay, "", fee=9_999))
    pay = _online(world, provider)
    line = world.settle(pay, "")
    line["net"] -= 1
    world.flag("fee_mismatch", "provider", pay, line)


@_provider
def wrong_amount(world: World, provider: str) -> None:
    pay = _online(world, provider)
    world.flag("amount_mismatch", "provider", pay, world.settle(pay, "", gross=pay["amount"] + 1))
    pay = _online(world, provider)
    line = world.settle(pay, "", gross=pay["amount"] - 1_000, provider_txn_id="1E+5")
    world.flag("amount_mismatch", "provider", pay, line)


@_provider
def wrong_status(world: World, provider: str) -> None:
    pay = _online(world, provider, status=world.rng.choice(["pending", "failed", "expired"]))
    world.flag("status_mismatch", "provider", pay, world.settle(pay, ""))


@_provider
def dead_attempt_beside_a_good_one(world: World, provider: str) -> None:
    dead = _online(world, provider, status="failed")
    good = _online(world, provider, reference=dead["bill_reference"], amount=dead["amount"])
    world.match("provider", good, world.settle(good, "", provider_txn_id="2.60E+17"))


@_provider
def twins_with_mangled_ids(world: World, provider: str) -> None:
    one = _online(world, provider)
    two = _online(world, provider, reference=one["bill_reference"], amount=one["amount"])
    lines = [world.settle(pay, "", provider_txn_id="") for pay in (one, two)]
    world.flag("ambiguous", "provider", one, two, *lines)


@_provider
def id_against_reference(world: World, provider: str) -> None:
    one, two = _online(world, provider, amount=50_000), _online(world, provider, amount=50_000)
    line = world.settle(one, "", bill_reference=two["bill_reference"])
    world.match("provider", one, line)
    world.flag("not_settled", "provider", two)


@_provider
def unrecorded(world: World, provider: str) -> None:
    ghost = _online(world, provider)
    world.payments.remove(ghost)
    world.flag("unrecorded_receipt", "provider", world.settle(ghost, ""))
    pay = _online(world, provider)
    world.match("provider", pay, world.settle(pay, ""))
    back = world.settle(pay, "", kind="refund", gross=-pay["amount"], provider_txn_id="R77")
    world.flag("unrecorded_refund", "provider", back)
    taken = world.settle(pay, "", kind="chargeback", gross=-pay["amount"])
    world.flag("chargeback", "provider", taken)


@_provider
def not_reported(world: World, provider: str) -> None:
    world.flag("not_settled", "provider", _online(world, provider))
    world.flag("timing_difference", "provider", _online(world, provider, day=AS_OF))
    _online(world, provider, status="failed")


@_provider
def foreign(world: World, provider: str) -> None:
    pay = _online(world, provider)
    line = world.settle(pay, "", currency="USD")
    world.flag("amount_mismatch", "provider", pay, line)
    world.flag("amount_mismatch", "payout", line)


# --- payouts --------------------------------------------------------------------------------------


def pay_out(world: World, provider: str) -> None:
    """Bundle the provider's lines into payouts and pay these in all ways seen in practice."""
    bundles = _bundles(world, provider)
    ways = (_whole, _anonymous, _by_name, _late, _split, _split_anonymous, _combined)
    ways += (_combined_anonymous, _differs, _overdue, _early, _paid_again, _equal_sums)
    for number, way in enumerate(itertools.cycle(ways)):
        if len(bundles) < 3:
            break
        world.kind = way.__name__.removeprefix("_")
        way(world, provider, [bundles.pop() for _ in range(2)], number)
    world.kind = "whole"
    for bundle in bundles:
        _whole(world, provider, [bundle], 0)


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
        while _net(bundle) <= 0 and lines:
            bundle.append(lines.pop())
        bundles.append(bundle)
    while len(bundles) > 1 and _net(bundles[-1]) <= 0:
        rest = bundles.pop()
        bundles[-1] += rest
    for number, bundle in enumerate(bundles):
        _assign(world, provider, bundle, f"{provider[:2].upper()}{number:04}X", number)
    return bundles


def _assign(world: World, provider: str, bundle: list[Row], payout: str, number: int) -> None:
    """Give a bundle its payout, far enough from others that windows do not meet."""
    day = AS_OF - dt.timedelta(days=10 * (number + 4))
    for line in bundle:
        line |= {"payout_id": payout + f"{day:%y%m%d}", "payout_date": day}


def _credit(world: World, provider: str, amount: int, text: str, **given: Any) -> Row:
    terms = CONTRACTS["providers"][provider]
    who = {
        "counterparty_name": terms["payout_names"][0],
        "counterparty_account": terms["payout_accounts"][0],
    }
    return world.line(amount, text, **(who | given))


def _net(*bundles: list[Row]) -> int:
    return sum(line["net"] for bundle in bundles for line in bundle)


def _whole(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    for bundle in bundles:
        day = bundle[0]["payout_date"]
        text = f"TT DOI SOAT {bundle[0]['payout_id']} NGAY {day:%d%m%Y}"
        world.match("payout", *bundle, _credit(world, provider, _net(bundle), text, day=day))


def _anonymous(world: World, provider: str, bundles: list[list[Row]], number: int) -> None:
    for bundle in bundles:
        day = bundle[0]["payout_date"] + dt.timedelta(days=number % 4)
        line = _credit(world, provider, _net(bundle), "THANH TOAN", day=day)
        world.match("payout", *bundle, line)


def _by_name(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    for bundle in bundles:
        given = {"counterparty_account": "", "day": bundle[0]["payout_date"]}
        given["counterparty_name"] = CONTRACTS["providers"][provider]["payout_names"][0].lower()
        world.match("payout", *bundle, _credit(world, provider, _net(bundle), "CK", **given))


def _late(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    for bundle in bundles:
        day = bundle[0]["payout_date"] + dt.timedelta(days=7)
        text = f"doi soat {bundle[0]['payout_id'].lower()}"
        given = {"counterparty_account": "", "counterparty_name": ""}
        line = _credit(world, provider, _net(bundle), text, day=day, **given)
        world.match("payout", *bundle, line)


def _split(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    for bundle in bundles:
        payout = bundle[0]["payout_id"]
        first = _net(bundle) // 3
        parts = [
            _credit(world, provider, part, f"TT {payout}", day=bundle[0]["payout_date"])
            for part in (first, _net(bundle) - first)
        ]
        world.match("payout", *bundle, *parts)


def _split_anonymous(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    for bundle in bundles:
        first = _net(bundle) // 3
        day = bundle[0]["payout_date"]
        parts = [
            _credit(world, provider, part, "THANH TOAN", day=day + dt.timedelta(days=at))
            for at, part in enumerate((first, _net(bundle) - first))
        ]
        world.match("payout", *bundle, *parts)


def _combined(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    one, two = bundles
    text = f"TT {one[0]['payout_id']} {two[0]['payout_id']}"
    world.match("payout", *one, *two, _credit(world, provider, _net(one, two), text))


def _combined_anonymous(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    one, two = bundles
    for line in two:
        line["payout_date"] = one[0]["payout_date"] + dt.timedelta(days=1)
    day = one[0]["payout_date"] + dt.timedelta(days=2)
    line = _credit(world, provider, _net(one, two), "TT CUOI TUAN", day=day)
    world.match("payout", *one, *two, line)


def _differs(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    for bundle in bundles:
        text = f"TT DOI SOAT {bundle[0]['payout_id']}"
        line = _credit(world, provider, _net(bundle) - 1, text, day=bundle[0]["payout_date"])
        world.flag("payout_mismatch", "payout", *bundle, line)


def _overdue(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    for bundle in bundles:
        world.flag("payout_missing", "payout", *bundle)
    day = AS_OF - dt.timedelta(days=4)
    for line in bundles[0]:
        line["payout_date"] = day


def _early(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    for bundle, ahead in zip(bundles, (1, -3), strict=True):
        for line in bundle:
            line["payout_date"] = AS_OF + dt.timedelta(days=ahead)
        world.flag("timing_difference", "payout", *bundle)


def _paid_again(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    for bundle in bundles:
        text = f"TT DOI SOAT {bundle[0]['payout_id']}"
        day = bundle[0]["payout_date"]
        first = _credit(world, provider, _net(bundle), text, day=day)
        again = _credit(world, provider, _net(bundle), text, day=day + dt.timedelta(days=2))
        world.match("payout", *bundle, first)
        world.flag("duplicate_payment", "payout", again)


def _equal_sums(world: World, provider: str, bundles: list[list[Row]], _: int) -> None:
    """Two payouts of one sum and one day, and one credit without id: nobody can tell."""
    one, two = bundles
    missing = _net(one) - _net(two)
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
    credit = _credit(world, provider, _net(one), "THANH TOAN", day=one[0]["payout_date"])
    world.flag("ambiguous", "payout", credit, *one, *two)
