"""The end of a run: due items without evidence, the proof that money is conserved, the frames."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from reconciliation.matching.columns import MATCH_COLUMNS, MISMATCH_COLUMNS
from reconciliation.matching.decisions import Decisions, Flag, Item
from reconciliation.matching.model import Contracts, MatchResult, Rule
from reconciliation.matching.reasons import sentence
from reconciliation.matching.tables import Bools, Ints, Tables, day_number, day_text
from reconciliation.states import ItemKind, Layer, MismatchType

_LAYERS: Final[Mapping[Layer, tuple[ItemKind, ItemKind]]] = {
    Layer.PROVIDER: (ItemKind.PAYMENT, ItemKind.SETTLEMENT),
    Layer.PAYOUT: (ItemKind.SETTLEMENT, ItemKind.BANK),
    Layer.DIRECT: (ItemKind.PAYMENT, ItemKind.BANK),
}

ID_DIGITS: Final = 16


def flag_missing(decisions: Decisions, contracts: Contracts) -> None:
    """Flag each payment that is due and of which nothing has been seen."""
    payments = decisions.tables.payments
    as_of = day_number(contracts.as_of)
    for layer, of_layer in ((Layer.PROVIDER, ~payments.direct), (Layer.DIRECT, payments.direct)):
        seen = decisions.taken[layer, ItemKind.PAYMENT]
        for row in np.flatnonzero(of_layer & payments.succeeded & ~seen).tolist():
            day = int(payments.day[row])
            late = as_of > day + contracts.grace_days
            missing = (
                MismatchType.REFUND_MISSING
                if payments.kind[row] == "refund"
                else MismatchType.NOT_SETTLED
            )
            decisions.flag(
                missing if late else MismatchType.TIMING_DIFFERENCE,
                layer,
                (ItemKind.PAYMENT, row),
                expected=int(payments.signed[row]),
                amount=abs(int(payments.signed[row])),
                day=day_text(day),
                grace=contracts.grace_days,
            )


def conclude(decisions: Decisions, contracts: Contracts, payout_bank: Bools) -> MatchResult:
    """Turn decisions into sorted frames and the summary."""
    matches, count = _matches(decisions)
    mismatches, reasons = _mismatches(decisions)
    summary = {
        "as_of": contracts.as_of.isoformat(),
        "layers": _layers(decisions, payout_bank),
        "matches": count,
        "mismatches": {
            str(name): int(number)
            for name, number in mismatches["type"].value_counts().sort_index().items()
        },
    }
    return MatchResult(matches, mismatches, summary, reasons)


# --- frames -----------------------------------------------------------------------------------


def _own_ids(tables: Tables) -> Mapping[ItemKind, list[str]]:
    return {
        ItemKind.PAYMENT: tables.payments.ids,
        ItemKind.SETTLEMENT: tables.settlements.ids,
        ItemKind.BANK: tables.bank.ids,
    }


def own_amounts(tables: Tables) -> Mapping[tuple[Layer, ItemKind], Ints]:
    """Each item's own amount in each layer: signed, gross or net."""
    return {
        (Layer.PROVIDER, ItemKind.PAYMENT): tables.payments.signed,
        (Layer.PROVIDER, ItemKind.SETTLEMENT): tables.settlements.gross,
        (Layer.PAYOUT, ItemKind.SETTLEMENT): tables.settlements.net,
        (Layer.PAYOUT, ItemKind.BANK): tables.bank.amount,
        (Layer.DIRECT, ItemKind.PAYMENT): tables.payments.signed,
        (Layer.DIRECT, ItemKind.BANK): tables.bank.amount,
    }


def _groups(decisions: Decisions) -> Iterator[tuple[Layer, Rule, tuple[Item, ...]]]:
    for block in decisions.pairs:
        for left, right in zip(block.left_rows.tolist(), block.right_rows.tolist(), strict=True):
            yield block.layer, block.rule, ((block.left, left), (block.right, right))
    for group in decisions.groups:
        yield group.layer, group.rule, group.items


def _matches(decisions: Decisions) -> tuple[pd.DataFrame, int]:
    ids = _own_ids(decisions.tables)
    amounts = {key: values.tolist() for key, values in own_amounts(decisions.tables).items()}
    rows: list[tuple[str, str, str, str, str, str, int]] = []
    count = 0
    for layer, rule, items in _groups(decisions):
        count += 1
        balance = sum(
            amounts[layer, kind][row] * (1 if kind is _LAYERS[layer][0] else -1)
            for kind, row in items
        )
        if balance:
            raise AssertionError(f"a match of {layer} does not balance: {items}")
        members = sorted((f"{layer}|{kind}|{ids[kind][row]}", kind, row) for kind, row in items)
        match_id = "m" + _digest("\n".join(line for line, _, _ in members))
        for _, kind, row in members:
            own = amounts[layer, kind][row]
            rows.append(
                (match_id, str(layer), str(rule), str(kind), ids[kind][row], rule.confidence, own)
            )
    rows.sort(key=lambda row: (row[1], row[0], row[3], row[4]))
    frame = pd.DataFrame(rows, columns=list(MATCH_COLUMNS))
    texts = {name: "str" for name in MATCH_COLUMNS if name != "amount"}
    return frame.astype({**texts, "amount": "int64"}), count


def _mismatches(
    decisions: Decisions,
) -> tuple[pd.DataFrame, dict[str, tuple[str, Mapping[str, str]]]]:
    ids = _own_ids(decisions.tables)
    rows: list[tuple[str, ...]] = []
    reasons = {}
    for flag in decisions.flags:
        row = _mismatch(flag, ids)
        rows.append(row)
        reasons[row[0]] = (flag.code, flag.parameters)
    rows.sort(key=lambda row: (row[2], row[0], row[3], row[4]))
    frame = pd.DataFrame(rows, columns=list(MISMATCH_COLUMNS)).astype("str")
    return frame, dict(sorted(reasons.items()))


def _mismatch(flag: Flag, ids: Mapping[ItemKind, list[str]]) -> tuple[str, ...]:
    kind, row = flag.item
    own = ids[kind][row]
    return (
        "x" + _digest(f"{flag.layer}|{kind}|{own}|{flag.type}"),
        str(flag.type),
        str(flag.layer),
        str(kind),
        own,
        ";".join(f"{other}|{ids[other][at]}".replace("|", ":", 1) for other, at in flag.related),
        flag.expected,
        flag.actual,
        sentence(flag.code, flag.parameters),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


# --- proof ------------------------------------------------------------------------------------


def _layers(decisions: Decisions, payout_bank: Bools) -> dict[str, Any]:
    """Due = matched + flagged, for each layer and kind, in number and in sum.

    What must appear is derived from the inputs alone: every settlement line and bank line, and
    every payment that succeeded. Payments that did not are due only where money arrived for them.
    """
    payments = decisions.tables.payments
    everything = np.ones(len(decisions.tables.settlements.ids), dtype=bool)
    must = {
        (Layer.PROVIDER, ItemKind.PAYMENT): ~payments.direct & payments.succeeded,
        (Layer.PROVIDER, ItemKind.SETTLEMENT): everything,
        (Layer.PAYOUT, ItemKind.SETTLEMENT): everything,
        (Layer.PAYOUT, ItemKind.BANK): payout_bank,
        (Layer.DIRECT, ItemKind.PAYMENT): payments.direct & payments.succeeded,
        (Layer.DIRECT, ItemKind.BANK): ~payout_bank,
    }
    amounts = own_amounts(decisions.tables)
    matched = _matched(decisions)
    flagged = _flagged(decisions)
    layers: dict[str, Any] = {}
    for layer, kinds in _LAYERS.items():
        for kind in kinds:
            arrived = ~payments.succeeded if kind is ItemKind.PAYMENT else False
            due = must[layer, kind] | (decisions.taken[layer, kind] & arrived)
            proof = _proof(due, matched[layer, kind], flagged[layer, kind], amounts[layer, kind])
            layers.setdefault(str(layer), {})[str(kind)] = proof
    return layers


def _matched(decisions: Decisions) -> dict[tuple[Layer, ItemKind], list[int]]:
    found: dict[tuple[Layer, ItemKind], list[int]] = defaultdict(list)
    for layer, _, items in _groups(decisions):
        for kind, row in items:
            found[layer, kind].append(row)
    return found


def _flagged(decisions: Decisions) -> dict[tuple[Layer, ItemKind], dict[str, list[int]]]:
    found: dict[tuple[Layer, ItemKind], dict[str, list[int]]] = defaultdict(dict)
    for flag in decisions.flags:
        found[flag.layer, flag.item[0]].setdefault(str(flag.type), []).append(flag.item[1])
    return found


def _proof(
    due: Bools, matched: list[int], flagged: Mapping[str, list[int]], amounts: Ints
) -> dict[str, Any]:
    parts = {"due": np.flatnonzero(due).tolist(), "matched": matched}
    proof: dict[str, Any] = {name: _total(rows, amounts) for name, rows in parts.items()}
    proof["flagged"] = {name: _total(rows, amounts) for name, rows in sorted(flagged.items())}
    seen = [proof["matched"], *proof["flagged"].values()]
    proof["difference"] = {
        name: proof["due"][name] - sum(part[name] for part in seen) for name in ("count", "sum")
    }
    if any(proof["difference"].values()):
        raise AssertionError(f"money is not conserved: {proof}")
    return proof


def _total(rows: list[int], amounts: Ints) -> dict[str, int]:
    return {"count": len(rows), "sum": int(amounts[rows].sum()) if rows else 0}
