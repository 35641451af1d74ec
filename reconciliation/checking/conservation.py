"""Conservation and balance of a matcher's result, recounted from its inputs.

It does not look at the evidence of a match: a result without findings here may still be wrong.
"""

import hashlib
import itertools
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from reconciliation.checking.files import Row
from reconciliation.checking.findings import Finding

Place = tuple[str, str, str]
"""Layer, item kind, item id."""

_LEFT: Final = {"provider": "payment", "payout": "settlement", "direct": "payment"}


@dataclass(slots=True)
class Population:
    """What may stand where: the item's own amount in each layer, and which items are due."""

    amounts: dict[Place, int] = field(default_factory=dict)
    due: set[Place] = field(default_factory=set)
    bank: set[str] = field(default_factory=set)


def population_of(
    payments: Iterable[Row], settlements: Iterable[Row], bank: Iterable[Row]
) -> Population:
    """Read what each layer holds out of the three inputs; amounts in minor units."""
    held = Population()
    for row in payments:
        layer = "direct" if row["channel"] == "bank_transfer" else "provider"
        place = (layer, "payment", row["payment_id"])
        sign = 1 if row["kind"] == "payment" else -1
        held.amounts[place] = sign * int(row["amount"])
        if row["status"] == "succeeded":
            held.due.add(place)
    for row in settlements:
        for layer, column in (("provider", "gross"), ("payout", "net")):
            place = (layer, "settlement", row["line_id"])
            held.amounts[place] = int(row[column])
            held.due.add(place)
    for row in bank:
        held.bank.add(row["line_id"])
        for layer in ("payout", "direct"):
            held.amounts[layer, "bank", row["line_id"]] = int(row["amount"])
    return held


def check(held: Population, matches: list[Row], mismatches: list[Row]) -> list[Finding]:
    """Everything that breaks conservation, balance, order or the ids of matches."""
    return [
        *_order("matches", "match_id", matches),
        *_order("mismatches", "mismatch_id", mismatches),
        *_taken(held, matches, mismatches),
        *_groups(held, matches),
    ]


def place_of(row: Row) -> Place:
    """Where a row of a result puts its item."""
    return row["layer"], row["item_kind"], row["item_id"]


def _order(file: str, key: str, rows: list[Row]) -> Iterable[Finding]:
    keys = [(row["layer"], row[key], row["item_kind"], row["item_id"]) for row in rows]
    for number, (before, after) in enumerate(itertools.pairwise(keys), 2):
        if after < before:
            yield Finding("row_order", file, number, after[3], f"it stands after {before[3]}")


def _taken(held: Population, matches: list[Row], mismatches: list[Row]) -> Iterable[Finding]:
    seen: set[Place] = set()
    for file, rows in (("matches", matches), ("mismatches", mismatches)):
        for number, row in enumerate(rows, 1):
            place = place_of(row)
            if place not in held.amounts:
                there = f"no such {row['item_kind']} in {row['layer']}"
                yield Finding("unknown_item", file, number, row["item_id"], there)
            elif place in seen:
                there = f"again in {row['layer']}"
                yield Finding("item_twice", file, number, row["item_id"], there)
            seen.add(place)
    for layer, kind, item in sorted(held.due - seen):
        there = f"the {kind} is due in {layer} and in neither file"
        yield Finding("item_missing", "matches, mismatches", 0, item, there)
    for line in sorted(held.bank):
        layers = [layer for layer in ("payout", "direct") if (layer, "bank", line) in seen]
        if len(layers) != 1:
            there = f"it is in {len(layers)} layers"
            yield Finding("bank_layer", "matches, mismatches", 0, line, there)


def _groups(held: Population, matches: list[Row]) -> Iterable[Finding]:
    groups: dict[str, list[tuple[int, Row]]] = defaultdict(list)
    for number, row in enumerate(matches, 1):
        groups[row["match_id"]].append((number, row))
        if held.amounts.get(place_of(row)) != int(row["amount"]):
            yield Finding("item_amount", "matches", number, row["item_id"], row["amount"])
    fixed: dict[str, str] = {}
    for key, numbered in groups.items():
        first, rows = numbered[0][0], [row for _, row in numbered]
        lines = "\n".join(sorted("|".join(place_of(row)) for row in rows))
        if key != "m" + hashlib.sha256(lines.encode()).hexdigest()[:16]:
            yield Finding("match_id", "matches", first, key, "another digest")
        said = {(row["rule"], row["layer"], row["confidence"]) for row in rows}
        if len(said) != 1:
            yield Finding("match_rule", "matches", first, key, f"{len(said)} of them")
        confidence = fixed.setdefault(rows[0]["rule"], rows[0]["confidence"])
        if rows[0]["confidence"] != confidence:
            there = f"{rows[0]['rule']} {rows[0]['confidence']}, elsewhere {confidence}"
            yield Finding("match_rule", "matches", first, key, there)
        yield from _balance(key, first, rows)


def _balance(key: str, first: int, rows: list[Row]) -> Iterable[Finding]:
    sides = {True: 0, False: 0}
    for row in rows:
        sides[row["item_kind"] == _LEFT.get(row["layer"])] += int(row["amount"])
    if sides[True] != sides[False] or len({row["item_kind"] for row in rows}) != 2:  # noqa: PLR2004
        there = f"{sides[True]} against {sides[False]}"
        yield Finding("match_balance", "matches", first, key, there)
