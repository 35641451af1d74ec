"""The end of a run: due items without evidence, and the proof that money is conserved."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np

from reconciliation.matching.arrays import Bools, Ints
from reconciliation.matching.decisions import SIDES, Decisions
from reconciliation.matching.frames import Matches, Members, mismatches_frame, own_amounts
from reconciliation.matching.model import Contracts, MatchResult
from reconciliation.matching.tables import day_number, day_text
from reconciliation.states import ItemKind, Layer, MismatchType


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
    members = Members.of(decisions)
    matches = Matches.of(members, decisions.tables)
    mismatches, reasons = mismatches_frame(decisions)
    summary = {
        "as_of": contracts.as_of.isoformat(),
        "layers": _layers(decisions, members, payout_bank),
        "matches": members.count,
        "mismatches": {
            str(name): int(number)
            for name, number in mismatches["type"].value_counts().sort_index().items()
        },
    }
    return MatchResult(matches.parts, mismatches, summary, reasons)


# --- proof ------------------------------------------------------------------------------------


def _layers(decisions: Decisions, members: Members, payout_bank: Bools) -> dict[str, Any]:
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
    flagged = _flagged(decisions)
    layers: dict[str, Any] = {}
    for layer, kinds in SIDES.items():
        for kind in kinds:
            arrived = ~payments.succeeded if kind is ItemKind.PAYMENT else False
            due = np.flatnonzero(must[layer, kind] | (decisions.taken[layer, kind] & arrived))
            matched = members.rows_of(layer, kind)
            proof = _proof(due, matched, flagged[layer, kind], amounts[layer, kind])
            layers.setdefault(str(layer), {})[str(kind)] = proof
    return layers


def _flagged(decisions: Decisions) -> dict[tuple[Layer, ItemKind], dict[str, list[int]]]:
    found: dict[tuple[Layer, ItemKind], dict[str, list[int]]] = defaultdict(dict)
    for flag in decisions.flags:
        found[flag.layer, flag.item[0]].setdefault(str(flag.type), []).append(flag.item[1])
    return found


def _proof(
    due: Ints, matched: Ints, flagged: Mapping[str, list[int]], amounts: Ints
) -> dict[str, Any]:
    proof: dict[str, Any] = {"due": _total(due, amounts), "matched": _total(matched, amounts)}
    proof["flagged"] = {name: _total(rows, amounts) for name, rows in sorted(flagged.items())}
    seen = [proof["matched"], *proof["flagged"].values()]
    proof["difference"] = {
        name: proof["due"][name] - sum(part[name] for part in seen) for name in ("count", "sum")
    }
    if any(proof["difference"].values()):
        raise AssertionError(f"money is not conserved: {proof}")
    return proof


def _total(rows: Ints | list[int], amounts: Ints) -> dict[str, int]:
    return {"count": len(rows), "sum": int(amounts[rows].sum()) if len(rows) else 0}
