"""Labelled data of our own for the matcher, and a checker that counts what came out wrong.

Everything is drawn from one seed. Each kind of noise writes its payments and lines together with
what must become of them, following the interchange contract and nothing of the engine.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciliation.matching.engine import run
from reconciliation.matching.model import Contracts, MatchInputs, MatchResult
from tests.support.labelled_direct import DIRECT
from tests.support.labelled_providers import PROVIDER, pay_out
from tests.support.labelled_world import CONTRACTS, Key, Row, World


def build(seed: int, *, size: int = 16) -> World:
    """A labelled set; ``size`` times each kind of noise (16 makes about 2,000 payments)."""
    world = World(random.Random(seed))
    for _ in range(size):
        for name, make in DIRECT.items():
            world.kind = name
            make(world)
        for provider in CONTRACTS["providers"]:
            for name, spoil in PROVIDER.items():
                world.kind = name
                spoil(world, provider)
    for provider in CONTRACTS["providers"]:
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


@dataclass(slots=True)
class Verdict:
    """What is wrong with a result."""

    false: list[str] = field(default_factory=list)
    lost: list[Key] = field(default_factory=list)
    double: list[Key] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)
    not_due: list[Key] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    mistyped: Counter[str] = field(default_factory=Counter)
    typed: int = 0

    def recall(self) -> dict[str, float]:
        """Found among required, by kind of noise."""
        kinds = sorted({*self.found, *self.missed})
        return {kind: self.found[kind] / (self.found[kind] + self.missed[kind]) for kind in kinds}


def amounts(world: World) -> dict[Key, int]:
    """Each item's own amount in each layer it passes through."""
    own: dict[Key, int] = {}
    for row in world.payments:
        layer = "direct" if row["channel"] == "bank_transfer" else "provider"
        own[layer, "payment", row["payment_id"]] = (
            row["amount"] if row["kind"] == "payment" else -row["amount"]
        )
    for row in world.settlements:
        own["provider", "settlement", row["line_id"]] = row["gross"]
        own["payout", "settlement", row["line_id"]] = row["net"]
    for row in world.bank:
        for layer in ("payout", "direct"):
            own[layer, "bank", row["line_id"]] = row["amount"]
    return own


def check(
    world: World, matches: list[Mapping[str, Any]], mismatches: list[Mapping[str, Any]]
) -> Verdict:
    """Compare a result with the truth."""
    verdict = Verdict()
    own = amounts(world)
    groups: dict[str, set[Key]] = defaultdict(set)
    seen: Counter[Key] = Counter()
    flags: dict[Key, str] = {}
    for row in matches:
        key = (row["layer"], row["item_kind"], row["item_id"])
        groups[row["match_id"]].add(key)
        seen[key] += 1
        if int(row["amount"]) != own[key]:
            verdict.unbalanced.append(row["match_id"])
    for row in mismatches:
        key = (row["layer"], row["item_kind"], row["item_id"])
        seen[key] += 1
        flags[key] = row["type"]
    _check_groups(world, own, groups, verdict)
    for key, types in world.flagged.items():
        verdict.typed += 1
        if flags.get(key) not in types:
            got = flags.get(key, "a match" if seen[key] else "nothing")
            verdict.mistyped[f"{world.noise[key]}: {key[1]} {'|'.join(sorted(types))} ≠ {got}"] += 1
    _check_presence(world, seen, flags, verdict)
    return verdict


def _check_groups(
    world: World, own: Mapping[Key, int], groups: Mapping[str, set[Key]], verdict: Verdict
) -> None:
    required = set(world.required)
    right = set()
    for match_id, keys in groups.items():
        inner = "settlement" if next(iter(keys))[0] == "payout" else "payment"
        if sum(own[k] if k[1] == inner else -own[k] for k in keys):
            verdict.unbalanced.append(match_id)
        if frozenset(keys) in required:
            right.add(frozenset(keys))
        else:
            kinds = {world.noise.get(key, "?") for key in keys}
            verdict.false.append(f"{sorted(kinds)} {sorted(keys)[:4]}")
    for group in required:
        kind = world.noise[min(group)]
        (verdict.found if group in right else verdict.missed)[kind] += 1


def _check_presence(
    world: World, seen: Counter[Key], flags: Mapping[Key, str], verdict: Verdict
) -> None:
    for row in world.payments:
        layer = "direct" if row["channel"] == "bank_transfer" else "provider"
        key = (layer, "payment", row["payment_id"])
        if row["status"] == "succeeded" and not seen[key]:
            verdict.lost.append(key)
        if row["status"] != "succeeded" and key in flags and key not in world.flagged:
            verdict.not_due.append(key)
    for row in world.settlements:
        for layer in ("provider", "payout"):
            if not seen[layer, "settlement", row["line_id"]]:
                verdict.lost.append((layer, "settlement", row["line_id"]))
    for row in world.bank:
        keys = [("payout", "bank", row["line_id"]), ("direct", "bank", row["line_id"])]
        if sum(seen[key] for key in keys) != 1:
            (verdict.double if any(seen[key] for key in keys) else verdict.lost).append(keys[0])
    verdict.double += [key for key, count in seen.items() if count > 1]
