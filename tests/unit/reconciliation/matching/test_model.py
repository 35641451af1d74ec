"""Contracts, rules, reasons, and what a result looks like."""

import copy
import hashlib
import string
from typing import Any

import numpy as np
import pytest

from benchmarks.matching.world import CONTRACTS, World
from reconciliation.errors import MatchInputError
from reconciliation.matching.columns import MATCH_COLUMNS, MISMATCH_COLUMNS
from reconciliation.matching.decisions import Decisions
from reconciliation.matching.model import Contracts, Rule
from reconciliation.matching.reasons import ENGLISH, sentence
from reconciliation.matching.tables import Tables
from reconciliation.states import ItemKind, Layer, MismatchType
from tests.support.labelled import decide, inputs_of

RULE = {"pattern": "(", "side": "debit", "name": "x"}
ODD = {"pattern": "x", "type": "reversal"}
TERMS = {"rate_bps": 1, "fixed": 0, "rounding": "down"}


def test_contracts_are_read_and_said_again() -> None:
    contracts = Contracts.from_json(CONTRACTS)
    assert Contracts.from_json(contracts.to_json()) == contracts
    assert contracts.on(contracts.as_of) == contracts


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ("as_of", {"as_of": "soon"}),
        ("grace_days", {"grace_days": -1}),
        ("grace_days", {"grace_days": "3"}),
        ("reference_prefix", {"reference_prefix": "m c"}),
        ("surprise", {"surprise": 1}),
        (
            "narrative_rules.0.pattern",
            {"narrative_rules": [{"pattern": "(", "side": "debit", "name": "x"}]},
        ),
        (
            "providers.vnpay.rounding",
            {"providers": {"vnpay": {"rate_bps": 1, "fixed": 0, "rounding": "down"}}},
        ),
    ],
)
def test_unusable_contracts_name_the_place(where: str, change: dict[str, Any]) -> None:
    with pytest.raises(MatchInputError, match=f"^contracts: {where}: "):
        Contracts.from_json(copy.deepcopy(CONTRACTS) | change)


def test_every_rule_has_one_fixed_confidence_between_zero_and_one() -> None:
    assert all(0 < float(rule.confidence) <= 1 for rule in Rule)
    assert Rule.TXN_ID.confidence == Rule.NARRATIVE_REFERENCE.confidence == "1"


def test_every_type_has_a_sentence_and_every_sentence_a_type() -> None:
    assert {code.partition(".")[0] for code in ENGLISH} == {str(type_) for type_ in MismatchType}


@pytest.mark.parametrize("code", sorted(ENGLISH))
def test_every_sentence_can_be_said(code: str) -> None:
    names = [name for _, name, _, _ in string.Formatter().parse(ENGLISH[code]) if name]
    said = sentence(code, dict.fromkeys(names, "1234567"))
    assert said.endswith(".")
    assert "{" not in said


def test_sums_are_grouped_in_sentences() -> None:
    said = sentence("unrecorded_debit", {"amount": "1500000"})
    assert said == "1,500,000 VND left the account, and nothing recorded explains it."


def test_ids_are_hashes_of_the_sorted_items() -> None:
    world = World()
    pay = world.pay(status="succeeded")
    line = world.line(pay["amount"], f"PHI {pay['bill_reference']}")
    lost = world.line(-1, "CHI")
    result = decide(world).result
    items = f"direct|bank|{line['line_id']}\ndirect|payment|{pay['payment_id']}"
    expected = "m" + hashlib.sha256(items.encode()).hexdigest()[:16]
    assert set(result.matches["match_id"]) == {expected}
    item = f"direct|bank|{lost['line_id']}|unrecorded_debit"
    expected = "x" + hashlib.sha256(item.encode()).hexdigest()[:16]
    assert result.mismatches["mismatch_id"].tolist() == [expected]
    assert result.reasons[expected][0] == "unrecorded_debit"


def test_an_empty_world_has_an_empty_result_with_all_columns() -> None:
    result = decide(World()).result
    assert tuple(result.matches.columns) == MATCH_COLUMNS
    assert tuple(result.mismatches.columns) == MISMATCH_COLUMNS
    assert result.summary["matches"] == 0
    assert result.summary["mismatches"] == {}
    assert set(result.summary["layers"]) == {"provider", "payout", "direct"}


def test_the_summary_counts_and_sums_what_was_decided() -> None:
    world = World()
    pay = world.pay(amount=50_000, status="pending")
    world.line(50_000, f"PHI {pay['bill_reference']}")
    world.line(-11_000, "THU PHI DICH VU")
    proof = decide(world).result.summary["layers"]["direct"]
    assert proof["payment"]["due"] == proof["payment"]["matched"] == {"count": 1, "sum": 50_000}
    assert proof["bank"]["flagged"] == {"not_a_fee": {"count": 1, "sum": -11_000}}
    assert proof["bank"]["due"] == {"count": 2, "sum": 39_000}
    assert proof["bank"]["difference"] == {"count": 0, "sum": 0}


def test_an_id_that_stands_twice_is_refused() -> None:
    world = World()
    world.payments += [world.pay() | {}]
    with pytest.raises(MatchInputError, match="stands twice"):
        decide(world)


def test_deciding_an_item_twice_is_impossible() -> None:
    world = World()
    world.pay()
    world.line(5, "x")
    decisions = Decisions(Tables.of(inputs_of(world)))
    decisions.match(Layer.DIRECT, Rule.NARRATIVE_REFERENCE, [0], [0])
    with pytest.raises(AssertionError, match="decided twice"):
        decisions.flag(MismatchType.AMBIGUOUS, Layer.DIRECT, (ItemKind.BANK, 0))
    with pytest.raises(AssertionError, match="decided twice"):
        decisions.match_pairs(Layer.DIRECT, Rule.DOSSIER_CODE, np.array([0]), np.array([0]))
    fresh = Decisions(decisions.tables)
    with pytest.raises(AssertionError, match="decided twice"):
        fresh.match(Layer.DIRECT, Rule.DOSSIER_CODE, np.zeros(20, dtype=np.int64), [0])
