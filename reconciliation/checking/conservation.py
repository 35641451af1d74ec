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

Place = tuple[str, str, str]
"""Layer, item kind, item id."""

_LEFT: Final = {"provider": "payment", "payout": "settlement", "direct": "payment"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: a stable code, the file, the item or match, and what is there."""

    code: str
    file: str
    item: str
    detail: str


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


def _place(row: Row) -> Place:
    return row["layer"], row["item_kind"], row["item_id"]


def _order(file: str, key: str, rows: list[Row]) -> Iterable[Finding]:
    keys = [(row["layer"], row[key], row["item_kind"], row["item_id"]) for row in rows]
    for before, after in itertools.pairwise(keys):
        if after < before:
            yield Finding("row_order", file, after[3], f"stands after {before[3]}")


def _taken(held: Population, matches: list[Row], mismatches: list[Row]) -> Iterable[Finding]:
    seen: set[Place] = set()
    for file, rows in (("matches", matches), ("mismatches", mismatches)):
        for row in rows:
            place = _place(row)
            if place not in held.amounts:
                yield Finding("unknown_item", file, row["item_id"], f"not in {row['layer']}")
            elif place in seen:
                yield Finding("item_twice", file, row["item_id"], f"again in {row['layer']}")
            seen.add(place)
    for layer, kind, item in sorted(held.due - seen):
        yield Finding("item_missing", "matches", item, f"{kind} is due in {layer}, in no file")
    for line in sorted(held.bank):
        layers = [layer for layer in ("payout", "direct") if (layer, "bank", line) in seen]
        if len(layers) != 1:
            yield Finding("bank_layer", "matches", line, f"in {len(layers)} layers, not in one")


def _groups(held: Population, matches: list[Row]) -> Iterable[Finding]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in matches:
        groups[row["match_id"]].append(row)
        if held.amounts.get(_place(row)) != int(row["amount"]):
            yield Finding("item_amount", "matches", row["item_id"], f"says {row['amount']}")
    for key, rows in groups.items():
        lines = "\n".join(sorted("|".join(_place(row)) for row in rows))
        if key != "m" + hashlib.sha256(lines.encode()).hexdigest()[:16]:
            yield Finding("match_id", "matches", key, "is not the digest of its items")
        if len({row["rule"] for row in rows}) != 1 or len({row["layer"] for row in rows}) != 1:
            yield Finding("match_rule", "matches", key, "has more than one rule or layer")
        yield from _balance(key, rows)


def _balance(key: str, rows: list[Row]) -> Iterable[Finding]:
    sides = {True: 0, False: 0}
    for row in rows:
        sides[row["item_kind"] == _LEFT.get(row["layer"])] += int(row["amount"])
    if sides[True] != sides[False] or len({row["item_kind"] for row in rows}) != 2:  # noqa: PLR2004
        yield Finding("match_balance", "matches", key, f"{sides[True]} against {sides[False]}")
