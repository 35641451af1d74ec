"""Kinds of noise of providers: what settlement reports say, and what they should."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from benchmarks.matching.world import AS_OF, Row, World

PROVIDER: dict[str, Callable[[World, str], None]] = {}


def _provider(make: Callable[[World, str], None]) -> Callable[[World, str], None]:
    PROVIDER[make.__name__] = make
    return make


# --- providers ------------------------------------------------------------------------------------


def online(world: World, provider: str, **given: Any) -> Row:
    """A payment that its channel says succeeded; what is not given is plain."""
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
        pay = online(world, provider)
        line = world.settle(pay, "", provider_txn_id=MANGLED[name](pay["provider_txn_id"]))
        world.match("provider", pay, line)

    return make


PROVIDER.update({name: _mangled(name) for name in MANGLED})


@_provider
def settled(world: World, provider: str) -> None:
    for _ in range(4):
        pay = online(world, provider)
        world.match("provider", pay, world.settle(pay, ""))


@_provider
def refunded(world: World, provider: str) -> None:
    pay = online(world, provider, amount=150_000)
    world.match("provider", pay, world.settle(pay, ""))
    back = {"kind": "refund", "reference": pay["bill_reference"], "amount": 50_000}
    refund = online(world, provider, parent_payment_id=pay["payment_id"], **back)
    line = world.settle(refund, "", provider_txn_id=pay["provider_txn_id"])
    world.match("provider", refund, line)


@_provider
def reported_twice(world: World, provider: str) -> None:
    pay = online(world, provider)
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
    pay = online(world, provider)
    world.flag("fee_mismatch", "provider", pay, world.settle(pay, "", fee=9_999))
    pay = online(world, provider)
    line = world.settle(pay, "")
    line["net"] -= 1
    world.flag("fee_mismatch", "provider", pay, line)


@_provider
def wrong_amount(world: World, provider: str) -> None:
    pay = online(world, provider)
    world.flag("amount_mismatch", "provider", pay, world.settle(pay, "", gross=pay["amount"] + 1))
    pay = online(world, provider)
    line = world.settle(pay, "", gross=pay["amount"] - 1_000, provider_txn_id="1E+5")
    world.flag("amount_mismatch", "provider", pay, line)


@_provider
def wrong_status(world: World, provider: str) -> None:
    pay = online(world, provider, status=world.rng.choice(["pending", "failed", "expired"]))
    world.flag("status_mismatch", "provider", pay, world.settle(pay, ""))


@_provider
def dead_attempt_beside_a_good_one(world: World, provider: str) -> None:
    dead = online(world, provider, status="failed")
    good = online(world, provider, reference=dead["bill_reference"], amount=dead["amount"])
    world.match("provider", good, world.settle(good, "", provider_txn_id="2.60E+17"))


@_provider
def twins_with_mangled_ids(world: World, provider: str) -> None:
    one = online(world, provider)
    two = online(world, provider, reference=one["bill_reference"], amount=one["amount"])
    two["paid_at"] = one["paid_at"] + dt.timedelta(seconds=90)
    lines = [world.settle(pay, "", provider_txn_id="") for pay in (one, two)]
    world.flag("ambiguous", "provider", one, two, *lines)


@_provider
def id_against_reference(world: World, provider: str) -> None:
    one, two = online(world, provider, amount=50_000), online(world, provider, amount=50_000)
    line = world.settle(one, "", bill_reference=two["bill_reference"])
    world.match("provider", one, line)
    world.flag("not_settled", "provider", two)


@_provider
def unrecorded(world: World, provider: str) -> None:
    ghost = online(world, provider)
    world.payments.remove(ghost)
    world.flag("unrecorded_receipt", "provider", world.settle(ghost, ""))
    pay = online(world, provider)
    world.match("provider", pay, world.settle(pay, ""))
    back = world.settle(pay, "", kind="refund", gross=-pay["amount"], provider_txn_id="R77")
    world.flag("unrecorded_refund", "provider", back)
    taken = world.settle(pay, "", kind="chargeback", gross=-pay["amount"])
    world.flag("chargeback", "provider", taken)


@_provider
def not_reported(world: World, provider: str) -> None:
    world.flag("not_settled", "provider", online(world, provider))
    world.flag("timing_difference", "provider", online(world, provider, day=AS_OF))
    online(world, provider, status="failed")


@_provider
def foreign(world: World, provider: str) -> None:
    pay = online(world, provider)
    line = world.settle(pay, "", currency="USD")
    world.flag("amount_mismatch", "provider", pay, line)
    world.flag("amount_mismatch", "payout", line)
