"""Closed pairs taken out, the rest decided alone, and both put together again: the same bytes."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from benchmarks.matching.world import Row, World
from reconciliation.matching import closed, payout
from reconciliation.matching.arrays import Bools, Ints, Texts
from reconciliation.matching.closed import Closed, Pairs
from reconciliation.matching.engine import run
from reconciliation.matching.model import Contracts, MatchInputs, MatchResult
from reconciliation.matching.said import Said
from reconciliation.matching.tables import Tables
from reconciliation.states import ItemKind
from tests.support.labelled import build, inputs_of

SEEDS = st.integers(0, 10**6)
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
"""A world's seed does not grow simpler by being smaller."""


def rendered(result: MatchResult) -> tuple[str, str, Mapping[str, Any]]:
    return (
        result.matches.to_csv(index=False),
        result.mismatches.to_csv(index=False),
        result.summary,
    )


def plain(world: World, times: int) -> None:
    """Payments that came as they should, by transfer and by a provider."""
    for number in range(times):
        pay = world.pay(channel="bank_transfer")
        world.line(pay["amount"], f"NOP PHI {pay['bill_reference']}")
        paid = {"channel": "vnpay", "provider_txn_id": f"26{number:09}", "status": "succeeded"}
        world.settle(world.pay(**paid), "VN1")


def tangle(world: World, rng: random.Random, times: int) -> None:
    """Let items share what should be theirs alone: what closes a pair must then not close it."""
    for _ in range(times):
        rng.choice(TANGLES)(world, rng)


def _two(rows: list[Row], rng: random.Random) -> tuple[Row, Row]:
    return rng.choice(rows), rng.choice(rows)


def _transfers(world: World) -> list[Row]:
    return [row for row in world.payments if row["channel"] == "bank_transfer"]


def _same_id(world: World, rng: random.Random) -> None:
    one, other = _two([*world.payments, *world.settlements], rng)
    one["provider_txn_id"] = other["provider_txn_id"]


def _same_bill(world: World, rng: random.Random) -> None:
    one, other = _two([*world.payments, *world.settlements], rng)
    one["bill_reference"] = other["bill_reference"]


def _same_dossier(world: World, rng: random.Random) -> None:
    one, other = _two(world.payments, rng)
    one["dossier_code"] = other["dossier_code"]


def _told(world: World, rng: random.Random) -> None:
    """A credit notice, of whatever line; often of one that fits."""
    pay, line = rng.choice(_transfers(world)), rng.choice(world.bank)
    fits = [row for row in world.bank if pay["bill_reference"] in row["narrative"]]
    pay["provider_txn_id"] = rng.choice(fits or [line])["bank_ref"]


def _same_bank_ref(world: World, rng: random.Random) -> None:
    one, other = _two(world.bank, rng)
    one["bank_ref"] = other["bank_ref"]


def _says(world: World, rng: random.Random) -> None:
    """A line names another's bill or dossier beside its own, whole or with a slip."""
    line, pay = rng.choice(world.bank), rng.choice(world.payments)
    text = rng.choice([pay["bill_reference"], pay["dossier_code"]])
    if text and rng.random() < 0.5:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice("0123456789ABCDEFGHJK") + text[at + 1 :]
    line["narrative"] = rng.choice([f"{line['narrative']} {text}", text])


def _copied(world: World, rng: random.Random) -> None:
    rows = rng.choice([world.bank, world.settlements])
    row = rng.choice(rows)
    rows.append(row | {"line_id": f"Z{len(rows)}{row['line_id']}"})


def _same_amount(world: World, rng: random.Random) -> None:
    pay, other = _two(world.payments, rng)
    pay["amount"] = other["amount"]


def _status(world: World, rng: random.Random) -> None:
    rng.choice(world.payments)["status"] = rng.choice(["pending", "failed", "succeeded"])


TANGLES = (
    _same_id,
    _same_bill,
    _same_dossier,
    _told,
    _told,
    _same_bank_ref,
    _says,
    _says,
    _says,
    _copied,
    _same_amount,
    _status,
)


def tangled(seed: int, times: int) -> World:
    world = build(seed, size=1)
    plain(world, 40)
    tangle(world, random.Random(seed), times)
    return world


def found(inputs: MatchInputs) -> tuple[Tables, Closed, Bools]:
    tables = Tables.of(inputs)
    side = payout.split(tables, inputs.contracts)
    said = Said.of(tables, inputs.contracts, side.bank)
    return tables, closed.find(tables, inputs.contracts, said, side.bank), side.bank


@settings(max_examples=25, deadline=None, phases=UNSHRUNK)
@given(seed=SEEDS, tangles=st.integers(0, 120))
def test_taking_closed_pairs_out_changes_no_byte(seed: int, tangles: int) -> None:
    inputs = inputs_of(tangled(seed, tangles))
    assert rendered(run(inputs)) == rendered(run(inputs, closing=closed.nothing))


@settings(max_examples=10, deadline=None, phases=UNSHRUNK)
@given(seed=SEEDS, tangles=st.integers(0, 40), share=st.floats(0, 1))
def test_any_closed_pairs_may_be_taken_out(seed: int, tangles: int, share: float) -> None:
    rng = np.random.default_rng(seed)

    def some(tables: Tables, contracts: Contracts, said: Said, payout_bank: Bools) -> Closed:
        every = closed.find(tables, contracts, said, payout_bank)
        chosen = [rng.random(len(p.pays)) < share for p in (every.provider, every.direct)]
        return Closed(
            every.provider.where(chosen[0]), every.direct.where(chosen[1]), every.told[chosen[1]]
        )

    inputs = inputs_of(tangled(seed, tangles))
    assert rendered(run(inputs, closing=some)) == rendered(run(inputs, closing=closed.nothing))


@settings(max_examples=15, deadline=None, phases=UNSHRUNK)
@given(seed=SEEDS, tangles=st.integers(0, 60))
def test_the_rest_is_decided_without_knowing_what_was_closed(seed: int, tangles: int) -> None:
    """Only the rest's own rows are given: no reference, dossier or line of a closed pair."""
    inputs = inputs_of(tangled(seed, tangles))
    tables, pairs, payout_bank = found(inputs)
    rows = pairs.rest(tables)
    mine = rows[ItemKind.BANK][~payout_bank[rows[ItemKind.BANK]]]
    rest = MatchInputs(
        _rows(inputs.payments, tables.payments.ids, rows[ItemKind.PAYMENT]),
        _rows(inputs.settlements, tables.settlements.ids, rows[ItemKind.SETTLEMENT]),
        _rows(inputs.bank, tables.bank.ids, mine),
        inputs.contracts,
    )
    alone = run(rest, closing=closed.nothing)
    whole = run(inputs, closing=closed.nothing)
    assert _facts(whole.mismatches) == _facts(alone.mismatches)
    gone = {
        *zip(*_ids(tables.payments.ids, tables.settlements.ids, pairs.provider), strict=True),
        *zip(*_ids(tables.payments.ids, tables.bank.ids, pairs.direct), strict=True),
    }
    matches = whole.matches[whole.matches["layer"] != "payout"]
    members = matches.groupby("match_id")["item_id"].agg(lambda ids: " ".join(sorted(ids)))
    settled = matches["match_id"].map(members).isin([" ".join(sorted(pair)) for pair in gone])
    assert len(gone) * 2 == settled.sum()
    assert _facts(matches[~settled]) == _facts(alone.matches)


def _rows(frame: pd.DataFrame, ids: Texts, rows: Ints) -> pd.DataFrame:
    return frame[frame.iloc[:, 0].isin(ids.take(rows).to_pylist())]


def _ids(left: Texts, right: Texts, pairs: Pairs) -> tuple[list[str], list[str]]:
    return left.take(pairs.pays).to_pylist(), right.take(pairs.rows).to_pylist()


def _facts(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    """What the layers between payments and lines decided."""
    return frame[frame["layer"] != "payout"].to_dict("records")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_most_of_a_plain_world_is_closed(seed: int) -> None:
    """Else the tests above would compare a run with itself."""
    tables, pairs, _ = found(inputs_of(tangled(seed, 20)))
    assert len(pairs.provider.pays) > 40
    assert len(pairs.direct.pays) > 30
    assert 0 < len(pairs.rest(tables)[ItemKind.PAYMENT]) < len(tables.payments.ids)


def test_a_pair_that_a_credit_notice_told_of_is_closed() -> None:
    world = tangled(7, 0)
    for pay in _transfers(world):
        fits = [row for row in world.bank if pay["bill_reference"] in row["narrative"]]
        if len(fits) == 1:
            pay["provider_txn_id"] = fits[0]["bank_ref"]
    inputs = inputs_of(world)
    _, pairs, _ = found(inputs)
    assert pairs.told.any()
    assert rendered(run(inputs)) == rendered(run(inputs, closing=closed.nothing))
