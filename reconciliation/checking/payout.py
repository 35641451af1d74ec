"""Evidence of matches between a provider's payouts and the bank credits that pay them."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property, lru_cache
from typing import Final, TypeVar

from reconciliation.checking.files import Row, day_of
from reconciliation.checking.references import Codes, compact, plain
from reconciliation.checking.world import CURRENCY, Doubt, Group, World, borne_apart, names

Key = TypeVar("Key")
_LAYER: Final = "payout"
_WINDOW: Final = timedelta(days=7)
MOST: Final = 14
"""Sums are tried over all subsets of as many; beyond, a match is counted as not re-verified."""
_AGAIN: Final = frozenset({"duplicate_line", "duplicate_payment"})
_TELLING: Final = 8

Payout = tuple[str, str]
"""Provider, and payout id or, without one, the payout date."""


def payout_of(line: Row) -> Payout:
    """The payout that a settlement line says it belongs to."""
    return line["provider"], line["payout_id"].strip() or f"of {day_of(line['payout_date'])}"


class Payouts:
    """Payouts of the inputs, without repeated and foreign lines, and credits by provider."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.lines: dict[Payout, list[Row]] = defaultdict(list)
        for line in world.settlements.values():
            repeated = world.flag(_LAYER, "settlement", line) == "duplicate_line"
            if line["currency"] == CURRENCY and not repeated:
                self.lines[payout_of(line)].append(line)
        self.credits: dict[str, list[Row]] = defaultdict(list)
        for line in world.bank.values():
            provider = world.provider_of(line)
            repeated = world.flag(_LAYER, "bank", line) == "duplicate_line"
            if provider and line["currency"] == CURRENCY and not repeated:
                self.credits[provider].append(line)
        self.named = lru_cache(maxsize=None)(self._named)
        self.day = lru_cache(maxsize=None)(self._first_day)

    def doubts(self, group: Group) -> Iterable[Doubt]:
        """What speaks against a match of this layer."""
        payouts = {payout_of(line) for line in group.settlements}
        for line in (*group.settlements, *group.bank):
            if line["currency"] != CURRENCY:
                yield "evidence_terms", f"{line['line_id']} {line['currency']}"
        for payout in sorted(payouts):
            for line in self.lines[payout]:
                if line not in group.settlements:
                    yield "evidence_missing", f"{line['line_id']} of {payout[1]} is not in it"
        if group.rule == "payout_id":
            yield from self._by_id(group, payouts)
        else:
            yield from self._by_sum(group, payouts)

    def _by_id(self, group: Group, payouts: set[Payout]) -> Iterable[Doubt]:
        named: set[Payout] = set()
        for line in group.bank:
            own = self.named(line["line_id"])
            named |= own
            if not own & payouts:
                yield "evidence_missing", f"{line['line_id']} names none of its payouts"
            for other in sorted(own - payouts):
                if other[0] in {provider for provider, _ in payouts}:
                    yield "evidence_rival", f"{line['line_id']} names {other[1]} as well"
        for payout in sorted(payouts - named):
            yield "evidence_missing", f"no credit of it names {payout[1]}"
        for line in self._naming:
            if (
                line not in group.bank
                and self._claims(line)
                and self.named(line["line_id"]) & payouts
            ):
                yield "evidence_rival", f"{line['line_id']} names the payout as well"

    @cached_property
    def _naming(self) -> list[Row]:
        """Bank lines that name a payout."""
        return [line for line in self.world.bank.values() if self.named(line["line_id"])]

    @cached_property
    def _by_payout_id(self) -> Mapping[str, list[Payout]]:
        found: dict[str, list[Payout]] = defaultdict(list)
        for payout in self.lines:
            if not payout[1].startswith("of "):
                found[payout[1]].append(payout)
        return found

    @cached_property
    def _ids(self) -> Codes:
        return Codes(self._by_payout_id)

    def _claims(self, line: Row) -> bool:
        return (
            int(line["amount"]) > 0
            and line["currency"] == CURRENCY
            and not self.world.is_matched(_LAYER, "bank", line)
            and self.world.flag(_LAYER, "bank", line) not in _AGAIN
        )

    def _named(self, line_id: str) -> frozenset[Payout]:
        line = self.world.bank[line_id]
        text, provider = plain(line["narrative"]), self.world.provider_of(line)
        found = {
            payout
            for code in self._ids.inside(compact(text))
            for payout in self._by_payout_id[code]
            if (payout[0] == provider or _is_telling(code)) and names(text, code)
        }
        own = {payout for payout in found if payout[0] == provider} or found
        longest_first = sorted({code for _, code in own}, key=len, reverse=True)
        borne = set(borne_apart(text, longest_first))
        return frozenset(payout for payout in own if payout[1] in borne)

    # --- exact sums -------------------------------------------------------------------------

    def _by_sum(self, group: Group, payouts: set[Payout]) -> Iterable[Doubt]:
        providers = {provider for provider, _ in payouts}
        for line in group.bank:
            if {self.world.provider_of(line)} != providers:
                yield "evidence_missing", f"{line['line_id']} is not the provider's"
                continue
            for payout in sorted(payouts):
                if not self._reaches(line, payout):
                    yield "evidence_missing", f"{line['value_date']} is outside {payout[1]}'s days"
        for line in group.bank:
            yield from self._only_payouts(line, payouts, alone=len(group.bank) == 1)
        for payout in sorted(payouts):
            yield from self._only_credits(payout, group)

    def _reaches(self, line: Row, payout: Payout) -> bool:
        day = self.day(payout)
        return day <= day_of(line["value_date"]) <= day + _WINDOW

    def _first_day(self, payout: Payout) -> date:
        return min(day_of(one["payout_date"]) for one in self.lines[payout] or [_NEVER])

    def _is_open(self, kind: str, row: Row) -> bool:
        """Whether no id in a narrative has decided it."""
        key = self.world.match_of.get((_LAYER, kind, row["line_id"]), "")
        return self.world.rule_of.get(key) != "payout_id"

    def _net(self, payout: Payout) -> int:
        return sum(int(line["net"]) for line in self.lines[payout])

    def _only_payouts(self, line: Row, own: set[Payout], *, alone: bool) -> Iterable[Doubt]:
        """Whether no other payouts add up to this credit."""
        near = [
            payout
            for payout in sorted(self.lines)
            if payout[0] == self.world.provider_of(line)
            and self._is_open("settlement", self.lines[payout][0])
            and self._net(payout) > 0
            and self._reaches(line, payout)
        ]
        must = {payout for payout in self.named(line["line_id"]) if payout in near}
        sums = _subsets({payout: self._net(payout) for payout in near}, int(line["amount"]))
        if sums is None:
            yield "", f"{len(near)} payouts in {line['line_id']}'s window"
            return
        for some in sums:
            if must <= some and not (alone and some == own):
                said = ", ".join(sorted(one for _, one in some))
                yield "evidence_rival", f"{line['line_id']} is the sum of {said} as well"

    def _only_credits(self, payout: Payout, group: Group) -> Iterable[Doubt]:
        """Whether no other credits add up to this payout."""
        near = {
            line["line_id"]: int(line["amount"])
            for line in self.credits[payout[0]]
            if int(line["amount"]) > 0
            and self._is_open("bank", line)
            and self._reaches(line, payout)
            and self.named(line["line_id"]) <= {payout}
        }
        sums = _subsets(near, self._net(payout))
        if sums is None:
            yield "", f"{len(near)} credits in {payout[1]}'s window"
            return
        own = {line["line_id"] for line in group.bank}
        for some in sums:
            if some != own:
                yield "evidence_rival", f"{payout[1]} is the sum of {', '.join(sorted(some))}"


_NEVER: Final[Row] = {"payout_date": "9000-01-01"}


def _is_telling(identifier: str) -> bool:
    """Whether an id cannot be a date, an amount or a word: outside a provider's own credits."""
    code = plain(identifier).replace(" ", "")
    digits = sum(c.isdigit() for c in code)
    return len(code) >= _TELLING and 0 < digits < len(code)


def _subsets(amounts: Mapping[Key, int], total: int) -> list[set[Key]] | None:
    """Every set of keys whose amounts are ``total``; None where there are too many to try all."""
    keys: Sequence[Key] = list(amounts)
    if len(keys) > MOST:
        return None
    return [
        set(some)
        for size in range(1, len(keys) + 1)
        for some in itertools.combinations(keys, size)
        if sum(amounts[key] for key in some) == total
    ]
