"""The evidence of every match, looked for again by the rule that the match names."""

from collections.abc import Iterable
from typing import Final

from reconciliation.checking import direct, provider
from reconciliation.checking.findings import Finding
from reconciliation.checking.payout import Payouts
from reconciliation.checking.world import Doubt, Group, World

RULES: Final = {
    "provider": ("txn_id", "txn_id_parts", "bill_reference"),
    "payout": ("payout_id", "payout_sum"),
    "direct": (
        "bank_reference",
        "narrative_reference",
        "narrative_reference_parts",
        "narrative_reference_bills",
        "narrative_reference_repaired",
        "dossier_code",
    ),
}


def check_evidence(world: World) -> tuple[list[Finding], int]:
    """What speaks against the matches, and how many could not be re-verified wholly."""
    payouts = Payouts(world)
    findings: list[Finding] = []
    unverified = 0
    for group in world.groups:
        doubts = list(dict.fromkeys(_doubts(world, payouts, group)))
        findings += [
            Finding(code, "matches", group.number, group.key, there)
            for code, there in doubts
            if code
        ]
        unverified += any(not code for code, _ in doubts)
    return [*findings, *_provider_credits(world)], unverified


def _doubts(world: World, payouts: Payouts, group: Group) -> Iterable[Doubt]:
    if group.rule not in RULES.get(group.layer, ()):
        yield "unknown_rule", f"{group.rule!r} in {group.layer!r}"
    elif group.layer == "provider":
        yield from provider.doubts(world, group)
    elif group.layer == "payout":
        yield from payouts.doubts(group)
    else:
        yield from direct.doubts(world, group)


def _provider_credits(world: World) -> Iterable[Finding]:
    """Credits of a provider that stand in the direct layer."""
    for item, line in world.bank.items():
        place = ("direct", "bank", item)
        if (place in world.match_of or place in world.type_of) and world.provider_of(line):
            there = f"it comes from {world.provider_of(line)}"
            yield Finding("provider_credit", "matches, mismatches", 0, item, there)
