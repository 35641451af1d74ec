"""Invariants of the matcher over drawn worlds: order, ids, days, strangers, conservation."""

import datetime as dt
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.matching.grading import grade, of_world
from benchmarks.matching.transfers import SPOILS
from benchmarks.matching.world import AS_OF, CONTRACTS, World
from reconciliation.matching.engine import run
from reconciliation.matching.model import MatchResult
from tests.support.labelled import build, decide, inputs_of

SEEDS = st.integers(0, 10**6)


def rendered(result: MatchResult) -> tuple[str, str, dict[str, Any]]:
    return (
        result.matches.to_csv(index=False),
        result.mismatches.to_csv(index=False),
        result.summary,
    )


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS, order=SEEDS)
def test_every_order_of_the_rows_gives_the_same_bytes(seed: int, order: int) -> None:
    world = build(seed, size=1)
    first = rendered(run(inputs_of(world)))
    shuffle = random.Random(order).shuffle
    for rows in (world.payments, world.settlements, world.bank):
        shuffle(rows)
    assert rendered(run(inputs_of(world))) == first


@settings(max_examples=12, deadline=None)
@given(seed=SEEDS)
def test_no_drawn_world_gives_a_false_match_or_loses_or_doubles_anything(seed: int) -> None:
    world = build(seed, size=2)
    result = run(inputs_of(world))
    assert grade(of_world(world), result.matches, result.mismatches).is_clean


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_money_is_conserved_in_every_layer(seed: int) -> None:
    """Recounted from the frames and the inputs alone, against what the summary claims."""
    world = build(seed, size=1)
    result = run(inputs_of(world))
    own = {tuple(key): amount for *key, amount, _ in of_world(world).items.itertuples(index=False)}
    seen: Counter[tuple[str, str]] = Counter()
    for frame in (result.matches, result.mismatches):
        for row in frame.to_dict("records"):
            key = (row["layer"], row["item_kind"], row["item_id"])
            seen[key[0], key[1]] += own[key]
    for layer, kinds in result.summary["layers"].items():
        for kind, proof in kinds.items():
            assert proof["difference"] == {"count": 0, "sum": 0}
            assert proof["due"]["sum"] == seen[layer, kind]
    bank = result.summary["layers"]["payout"]["bank"], result.summary["layers"]["direct"]["bank"]
    assert sum(proof["due"]["count"] for proof in bank) == len(world.bank)
    assert sum(proof["due"]["sum"] for proof in bank) == sum(r["amount"] for r in world.bank)


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS, days=st.integers(-400, 400))
def test_shifting_all_days_changes_nothing_but_the_days(seed: int, days: int) -> None:
    world = build(seed, size=1)
    before = run(inputs_of(world))
    shift = dt.timedelta(days=days)
    for rows, names in (
        (world.payments, ["paid_at"]),
        (world.settlements, ["occurred_at", "payout_date"]),
        (world.bank, ["booking_date", "value_date"]),
    ):
        for row in rows:
            row |= {name: row[name] + shift for name in names}
    inputs = inputs_of(world)
    after = run(inputs.on(inputs.contracts.as_of + shift))
    assert after.matches.equals(before.matches)
    parts = ["mismatch_id", "related_items", "expected", "actual"]
    assert after.mismatches[parts].equals(before.mismatches[parts])


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_an_unrelated_line_changes_no_other_decision(seed: int) -> None:
    world = build(seed, size=1)
    before = run(inputs_of(world))
    world.line(1_234_567, "KHACH VANG LAI", counterparty_name="NGUOI LA")
    after = run(inputs_of(world))
    assert after.matches.equals(before.matches)
    assert set(before.mismatches["mismatch_id"]) < set(after.mismatches["mismatch_id"])
    assert len(after.mismatches) == len(before.mismatches) + 1


@settings(max_examples=8, deadline=None)
@given(seed=SEEDS)
def test_reading_a_statement_twice_adds_only_duplicate_lines(seed: int) -> None:
    world = build(seed, size=1)
    before = decide(world)
    copies = [row | {"line_id": "Z" + row["line_id"]} for row in world.bank]
    world.bank += copies
    after = decide(world)
    assert after.result.matches.equals(before.result.matches)
    for row in copies:
        types = {after.type_of(layer, row) for layer in ("payout", "direct")}
        assert types == {"", "duplicate_line"}


@settings(max_examples=60, deadline=None)
@given(
    spoil=st.sampled_from(sorted(SPOILS)),
    seed=SEEDS,
    amount=st.integers(1, 10**9),
    change=st.sampled_from([0, 0, -1, 1, 1_000]),
)
def test_a_spoilt_reference_matches_its_own_bill_or_none(
    spoil: str, seed: int, amount: int, change: int
) -> None:
    world = World(random.Random(seed))
    pay = world.pay(amount=amount + 1_000)
    for _ in range(20):
        world.pay(amount=amount + 1_000 + change)
    text = SPOILS[spoil](world.rng, pay["bill_reference"])
    line = world.line(amount + 1_000 + change, text)
    outcome = decide(world)
    assert bool(outcome.matched("direct", pay, line)) == (change == 0)
    assert outcome.result.matches.empty == (change != 0)


@settings(max_examples=60, deadline=None)
@given(
    text=st.text(max_size=80),
    amount=st.integers(-(10**9), 10**9),
    name=st.text(max_size=20),
    seed=st.integers(0, 5),
)
def test_no_text_whatever_makes_a_match_or_a_crash(
    text: str, amount: int, name: str, seed: int
) -> None:
    world = World(random.Random(seed))
    for _ in range(5):
        world.pay(amount=abs(amount) + 1)
    line = world.line(amount, text, counterparty_name=name)
    outcome = decide(world)
    assert outcome.result.matches.empty
    assert outcome.type_of("direct", line) in {
        "unrecorded_receipt",
        "unrecorded_debit",
        "not_a_fee",
    }


@settings(max_examples=40, deadline=None)
@given(
    nets=st.lists(st.integers(1, 500), min_size=1, max_size=6),
    paid=st.lists(st.integers(1, 900), min_size=1, max_size=4),
)
def test_anonymous_credits_match_only_sums_that_one_combination_reaches(
    nets: list[int], paid: list[int]
) -> None:
    world = World()
    for number, net in enumerate(nets):
        pay = world.pay(channel="vnpay", status="succeeded", provider_txn_id=f"T{number}")
        line = world.settle(pay, f"VN{number}XXXX", payout_date=AS_OF - dt.timedelta(days=9))
        line |= {"gross": net + line["fee"], "net": net}
    terms = CONTRACTS["providers"]["vnpay"]
    for amount in paid:
        world.line(
            amount,
            "THANH TOAN",
            day=AS_OF - dt.timedelta(days=9),
            counterparty_account=terms["payout_accounts"][0],
        )
    matches = decide(world).result.matches
    for _, rows in matches[matches["layer"] == "payout"].groupby("match_id"):
        banks = rows[rows["item_kind"] == "bank"]["amount"].tolist()
        if len(banks) == 1:
            assert _subsets(nets, banks[0]) == 1
        lines = rows[rows["item_kind"] == "settlement"]["amount"].tolist()
        assert sum(banks) == sum(lines)


def _subsets(amounts_: list[int], target: int) -> int:
    counts = Counter({0: 1})
    for amount in amounts_:
        for total, number in list(counts.items()):
            counts[total + amount] += number
    return counts[target]


@pytest.mark.parametrize("empty", ["payments", "settlements", "bank"])
def test_a_run_without_one_of_the_tables_still_decides_the_others(empty: str) -> None:
    world = build(9, size=1)
    getattr(world, empty).clear()
    result = run(inputs_of(world))
    for kinds in result.summary["layers"].values():
        assert all(proof["difference"]["count"] == 0 for proof in kinds.values())
