"""The evidence of the payout layer: ids in narratives, senders, windows and exact sums."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Final

from payments.references import fold
from reconciliation.matching.certificates import rivals
from reconciliation.matching.certificates.matched import Findings, equal_sums
from reconciliation.matching.certificates.model import Finding
from reconciliation.matching.certificates.records import BANK, SETTLEMENT, Records, total
from reconciliation.matching.certificates.streams import find_payout_id
from reconciliation.matching.model import PAYOUT_WINDOW_DAYS, Rule
from reconciliation.states import Layer, MismatchType

_LAYER: Final = Layer.PAYOUT
_MOST_SUMS: Final = 200_000
"""Beyond so many different sums the combinations are not counted again."""
_NOT_COUNTED: Final = {MismatchType.DUPLICATE_LINE, MismatchType.AMOUNT_MISMATCH}

Place = tuple[str, str, date | None]
"""Provider, payout id and, where there is no id, the day."""


@dataclass(frozen=True, slots=True)
class Payout:
    """What one provider says it pays: its lines, their net sum, the (first) day it names."""

    provider: str
    payout_id: str
    day: date
    lines: tuple[int, ...]
    net: int

    @property
    def spoken(self) -> str:
        """The id, or the provider and day where there is none."""
        return self.payout_id or f"{self.provider} {self.day}"


class Payouts:
    """The payouts of the reports and the senders of credits, from the inputs."""

    def __init__(self, records: Records) -> None:
        self.records = records

    @cached_property
    def _by_place(self) -> dict[Place, Payout]:
        records = self.records
        groups: dict[Place, list[int]] = {}
        for row in range(len(records.column(SETTLEMENT, "line_id"))):
            if records.fate(_LAYER, SETTLEMENT, row).word not in _NOT_COUNTED:
                groups.setdefault(self._place(row), []).append(row)
        return {place: self._payout(place, rows) for place, rows in groups.items()}

    def _place(self, line: int) -> Place:
        payout_id = self.records.text(SETTLEMENT, line, "payout_id").strip()
        day = None if payout_id else self.records.day(SETTLEMENT, line, "payout_date")
        return self.records.text(SETTLEMENT, line, "provider"), payout_id, day

    def _payout(self, place: Place, lines: list[int]) -> Payout:
        day = min(self.records.day(SETTLEMENT, line, "payout_date") for line in lines)
        net = total(self.records.number(SETTLEMENT, line, "net") for line in lines)
        return Payout(place[0], place[1], day, tuple(lines), net)

    def every(self) -> Iterable[Payout]:
        """All payouts."""
        return self._by_place.values()

    def of(self, lines: Iterable[int]) -> list[Payout]:
        """The payouts that these settlement lines belong to."""
        places = dict.fromkeys(self._place(line) for line in lines)
        return [self._by_place[place] for place in places if place in self._by_place]

    def sender(self, credit: int) -> tuple[str, str]:
        """The provider that sent a credit, and what says so (account, name, narrative); or ""."""
        records = self.records
        account = _bare(records.text(BANK, credit, "counterparty_account"))
        name = _words(records.text(BANK, credit, "counterparty_name"))
        terms = records.contracts.providers.items()
        accounts = {_bare(text): who for who, one in terms for text in one.payout_accounts}
        names = {_words(text): who for who, one in terms for text in one.payout_names}
        if account and account in accounts:
            return accounts[account], "account"
        if name and name in names:
            return names[name], "name"
        said = _words(records.text(BANK, credit, "narrative")) + " "
        if not account and not name:
            for known in sorted(filter(None, names)):
                if said.startswith(known + " "):
                    return names[known], "narrative"
        return "", ""

    def reach(self, payout: Payout, credit: int) -> bool:
        """Whether the credit came from the payout's provider within its window."""
        day = self.records.day(BANK, credit, "value_date")
        last = payout.day + timedelta(days=PAYOUT_WINDOW_DAYS)
        return payout.day <= day <= last and self.sender(credit)[0] == payout.provider

    @cached_property
    def credits(self) -> Sequence[int]:
        """The bank lines of the layer."""
        rows = range(len(self.records.column(BANK, "line_id")))
        return [row for row in rows if self.records.fate(_LAYER, BANK, row).word != "open"]

    def undecided_payouts(self, provider: str) -> list[Payout]:
        """The payouts of a provider that no id had matched before sums were looked at."""
        return [
            one
            for one in self.every()
            if one.provider == provider
            and not self._matched_by_id(
                self.records.fate(_LAYER, SETTLEMENT, one.lines[0]).decision
            )
        ]

    def undecided_credits(self) -> list[int]:
        """The credits that were undecided before sums were looked at."""
        early = _NOT_COUNTED | {MismatchType.DUPLICATE_PAYMENT}
        fates = ((row, self.records.fate(_LAYER, BANK, row)) for row in self.credits)
        return [
            row
            for row, fate in fates
            if fate.word not in early and not self._matched_by_id(fate.decision)
        ]

    def _matched_by_id(self, decision: str) -> bool:
        rules = self.records.result.matches["rule"]
        places = self.records.matches.get(decision, ())
        return any(str(rules.iat[place]) == Rule.PAYOUT_ID for place in places[:1])


def _bare(text: str) -> str:
    return "".join(c for c in fold(text) if c.isalnum())


def _words(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in fold(text)).split())


def matched(
    payouts: Payouts, rule: Rule, lines: Sequence[int], credits_: Sequence[int]
) -> Findings:
    """Ids, or sender, window and the one exact combination; and the sums."""
    records, paid = payouts.records, payouts.of(lines)
    evidence = [net_of(one) for one in paid]
    if rule is Rule.PAYOUT_ID:
        evidence += [f for credit in credits_ for f in ids_in(records, credit, paid)]
    else:
        evidence += [f for credit in credits_ for f in sender_of(payouts, credit)]
        evidence += [f for credit in credits_ for f in windows(records, credit, paid)]
        evidence += _only_combination(payouts, paid, credits_)
    evidence.append(equal_sums(records, _LAYER, lines, credits_))
    return evidence, near(payouts, paid, credits_)


def net_of(payout: Payout) -> Finding:
    """What the lines of a payout add up to."""
    return Finding.of(
        "payout.net", payout=payout.spoken, provider=payout.provider, day=payout.day,
        lines=len(payout.lines), net=payout.net,
    )  # fmt: skip


def ids_in(records: Records, credit: int, payouts: Iterable[Payout]) -> list[Finding]:
    """Where a credit's narrative names these payouts."""
    narrative = records.text(BANK, credit, "narrative")
    found = []
    for payout in payouts:
        place = find_payout_id(narrative, payout.payout_id) if payout.payout_id else None
        if place is not None:
            found.append(
                Finding.of(
                    "payout.id", line=records.id_of(BANK, credit), payout=payout.payout_id,
                    start=place[0] + 1, end=place[1], text=narrative[place[0] : place[1]],
                )
            )  # fmt: skip
    return found


def sender_of(payouts: Payouts, credit: int) -> list[Finding]:
    """What says that a provider sent a credit."""
    provider, by = payouts.sender(credit)
    if not provider:
        return []
    column = {"account": "counterparty_account", "name": "counterparty_name"}.get(by, "narrative")
    text = payouts.records.text(BANK, credit, column)
    line = payouts.records.id_of(BANK, credit)
    return [Finding.of("payout.sender", line=line, provider=provider, by=by, text=text)]


def windows(records: Records, credit: int, payouts: Iterable[Payout]) -> list[Finding]:
    """The credit's day beside the window of each payout."""
    day = records.day(BANK, credit, "value_date")
    found = []
    for payout in payouts:
        last = payout.day + timedelta(days=PAYOUT_WINDOW_DAYS)
        inside = payout.day <= day <= last
        found.append(
            Finding.of(
                "payout.window" if inside else "payout.window.outside",
                line=records.id_of(BANK, credit), payout=payout.spoken, value_date=day,
                first=payout.day, last=last,
            )
        )  # fmt: skip
    return found


def _only_combination(
    payouts: Payouts, paid: Sequence[Payout], credits_: Sequence[int]
) -> list[Finding]:
    """How many combinations of what was open in the window have the exact sum: it is one."""
    records = payouts.records
    if len(credits_) == 1:
        provider = paid[0].provider
        near_ = [
            one.net
            for one in payouts.undecided_payouts(provider)
            if one in paid or payouts.reach(one, credits_[0])
        ]
        target, what = records.number(BANK, credits_[0], "amount"), "payouts"
    else:
        near_ = [
            records.number(BANK, row, "amount")
            for row in payouts.undecided_credits()
            if row in credits_ or payouts.reach(paid[0], row)
        ]
        target, what = paid[0].net, "credits"
    count = combinations(near_, target)
    if count is None:
        return []
    return [Finding.of(f"payout.combination.{what}", count=count, among=len(near_), sum=target)]


def combinations(amounts: Iterable[int], target: int) -> int | None:
    """How many combinations of positive amounts have a sum: 0, 1, 2 for more; None: too many."""
    counts = {0: 1}
    for amount in sorted(one for one in amounts if 0 < one <= target):
        for reached, ways in list(counts.items()):
            if reached + amount <= target:
                counts[reached + amount] = min(2, counts.get(reached + amount, 0) + ways)
        if len(counts) > _MOST_SUMS:
            return None
    return counts.get(target, 0) if target > 0 else 0


def near(payouts: Payouts, paid: Sequence[Payout], credits_: Sequence[int]) -> list[Finding]:
    """Other payouts that these credits could have paid, and other credits near these payouts."""
    found = []
    for payout in payouts.every():
        if payout in paid or not any(payouts.reach(payout, credit) for credit in credits_):
            continue
        fate = payouts.records.fate(_LAYER, SETTLEMENT, payout.lines[0])
        found.append(
            Finding.of(
                "rival.payout", payout=payout.spoken, day=payout.day, net=payout.net,
                fate=fate.word, decision=fate.decision,
            )
        )  # fmt: skip
    others = [
        row
        for row in payouts.credits
        if row not in credits_ and any(payouts.reach(payout, row) for payout in paid)
    ]
    lines = rivals.other_lines(payouts.records, _LAYER, BANK, others)
    return [*found[: rivals.MOST], *lines]
