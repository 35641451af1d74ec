"""Small labelled worlds, and what the matcher makes of them."""

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.matching.noise import DIRECT, PROVIDER
from benchmarks.matching.payouts import pay_out
from benchmarks.matching.world import CONTRACTS, Key, Row, World
from reconciliation.matching.engine import run
from reconciliation.matching.model import Contracts, MatchInputs, MatchResult

PROVIDERS = ("vnpay", "stripe")


def build(seed: int, *, size: int = 16) -> World:
    """A labelled set; ``size`` times each kind of noise (16 makes about 2,000 payments)."""
    world = World(random.Random(seed))
    for _ in range(size):
        for name, make in DIRECT.items():
            world.kind = name
            make(world)
        for provider in PROVIDERS:
            for name, spoil in PROVIDER.items():
                world.kind = name
                spoil(world, provider)
    for provider in PROVIDERS:
        pay_out(world, provider)
    for copy, original in world.copies:
        copy |= {name: original[name] for name in ("payout_id", "payout_date", "fee", "net")}
    return world


def inputs_of(world: World) -> MatchInputs:
    """The world as the matcher takes it."""
    return MatchInputs.from_rows(
        payments=world.payments,
        settlements=world.settlements,
        bank=world.bank,
        contracts=Contracts.from_json(CONTRACTS),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of each item of a small world."""

    result: MatchResult
    flags: Mapping[Key, str]
    groups: Mapping[Key, frozenset[Key]]
    rules: Mapping[Key, str]

    def type_of(self, layer: str, row: Row) -> str:
        """The mismatch type of an item, or "" if it is not flagged."""
        return self.flags.get(World.key(layer, row), "")

    def matched(self, layer: str, *rows: Row) -> str:
        """The rule by which exactly these rows are one match, or "" if they are not."""
        keys = frozenset(World.key(layer, row) for row in rows)
        first = next(iter(keys))
        return self.rules[first] if self.groups.get(first) == keys else ""

    def mismatch(self, layer: str, row: Row) -> dict[str, str]:
        """The mismatch of an item, whole."""
        _, kind, item_id = World.key(layer, row)
        rows = self.result.mismatches.to_dict("records")
        (found,) = [
            m for m in rows if (m["layer"], m["item_kind"], m["item_id"]) == (layer, kind, item_id)
        ]
        return {str(name): str(value) for name, value in found.items()}


def decide(world: World) -> Outcome:
    """Run the matcher over a world."""
    result = run(inputs_of(world))
    flags = {
        (row["layer"], row["item_kind"], row["item_id"]): str(row["type"])
        for row in result.mismatches.to_dict("records")
    }
    members: dict[str, set[Key]] = defaultdict(set)
    rules = {}
    for row in result.matches.to_dict("records"):
        key = (row["layer"], row["item_kind"], row["item_id"])
        members[row["match_id"]].add(key)
        rules[key] = str(row["rule"])
    groups = {key: frozenset(keys) for keys in members.values() for key in keys}
    return Outcome(result, flags, groups, rules)
