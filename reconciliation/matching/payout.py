"""The payout layer: settlement lines of providers' payouts with the credits that pay them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from payments.references import fold
from reconciliation.matching.decisions import MOST_CANDIDATES, Decisions, Item
from reconciliation.matching.model import CURRENCY, PAYOUT_WINDOW_DAYS, Contracts, Rule
from reconciliation.matching.narrative import PayoutReader, Text
from reconciliation.matching.sums import SubsetSums
from reconciliation.matching.tables import Bools, Tables, day_text
from reconciliation.states import ItemKind, Layer, MismatchType

_LAYER: Final = Layer.PAYOUT
_LINE: Final = ItemKind.SETTLEMENT
_BANK: Final = ItemKind.BANK


CLOSE: Final = 10
"""A credit without id that differs by less than a tenth is called the payout's, but wrong."""


@dataclass(frozen=True, slots=True)
class Payout:
    """What one provider says it pays on one day: the rows of its lines, and their net sum."""

    provider: str
    payout_id: str
    day: int
    rows: tuple[int, ...]
    net: int


@dataclass(frozen=True, slots=True)
class Credit:
    """A bank credit of this layer: its provider ("" if only an id says so) and the ids it names."""

    row: int
    provider: str
    named: tuple[int, ...]
    amount: int
    day: int


@dataclass(frozen=True, slots=True)
class PayoutSide:
    """The payouts and the credits of this layer, and which bank lines the layer has."""

    payouts: list[Payout]
    credits: list[Credit]
    bank: Bools


def split(tables: Tables, contracts: Contracts) -> PayoutSide:
    """Find the credits that providers sent: by account, by name, or by a payout id."""
    payouts = _payouts(tables)
    found = list(_credits(tables, contracts, payouts))
    bank = np.zeros(len(tables.bank.ids), dtype=bool)
    bank[[credit.row for credit in found]] = True
    return PayoutSide(payouts, found, bank)


def decide(decisions: Decisions, side: PayoutSide, contracts: Contracts) -> None:
    """Decide every settlement line and every credit of this layer."""
    layer = _PayoutLayer(decisions, side, contracts)
    layer.flag_repeated()
    layer.flag_foreign()
    layer.decide_by_id()
    layer.decide_by_sum()
    layer.flag_differences()
    layer.flag_credits()
    layer.flag_unpaid()


def _payouts(tables: Tables) -> list[Payout]:
    """Lines by payout; without payout id by day. Repeated and foreign lines do not count."""
    lines = tables.settlements
    groups: dict[tuple[str, str, int], list[int]] = defaultdict(list)
    for row in np.flatnonzero((lines.original < 0) & lines.in_currency).tolist():
        payout_id = lines.payout_id[row].strip()
        day = 0 if payout_id else int(lines.payout_day[row])
        groups[lines.provider[row], payout_id, day].append(row)
    return [
        Payout(
            provider,
            payout_id,
            int(lines.payout_day[rows].min()),
            tuple(rows),
            int(lines.net[rows].sum()),
        )
        for (provider, payout_id, _), rows in sorted(groups.items())
    ]


def _credits(tables: Tables, contracts: Contracts, payouts: list[Payout]) -> Iterator[Credit]:
    bank = tables.bank
    accounts = {
        _account(account): name
        for name, terms in contracts.providers.items()
        for account in terms.payout_accounts
        if _account(account)
    }
    names = {
        _name(text): name
        for name, terms in contracts.providers.items()
        for text in terms.payout_names
        if _name(text)
    }
    reader = PayoutReader([payout.payout_id for payout in payouts])
    for row in np.flatnonzero(bank.amount >= 0).tolist():
        account, name = _account(bank.counterparty_account[row]), _name(bank.name[row])
        provider = accounts.get(account) or names.get(name) or ""
        narrative = bank.narrative[row]
        if not (account or name):
            provider = _sender(narrative, names)
        if not provider and not reader.may_stand_in(narrative):
            continue
        named = reader.read(Text.of(narrative), from_provider=bool(provider))
        own = tuple(at for at in named if payouts[at].provider == provider)
        if provider or named:
            yield Credit(
                row, provider, own or named, int(bank.amount[row]), int(bank.value_day[row])
            )


def _account(text: str) -> str:
    return "".join(c for c in fold(text) if c.isalnum())


def _name(text: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in fold(text)).split()
    return " ".join(words)


def _sender(narrative: str, names: Mapping[str, str]) -> str:
    """The provider whose name a narrative begins with, where the bank names nobody else."""
    said = _name(narrative) + " "
    return next((names[name] for name in sorted(names) if said.startswith(name + " ")), "")


class _PayoutLayer:
    def __init__(self, decisions: Decisions, side: PayoutSide, contracts: Contracts) -> None:
        self.decisions = decisions
        self.lines = decisions.tables.settlements
        self.bank = decisions.tables.bank
        self.contracts = contracts
        self.payouts = side.payouts
        self.credits = side.credits
        self.open_payouts = set(range(len(side.payouts)))
        self.open_credits = set(range(len(side.credits)))

    def flag_repeated(self) -> None:
        """Lines and credits that only repeat others."""
        for row in np.flatnonzero(self.lines.original >= 0).tolist():
            self._flag_repeated((_LINE, row), int(self.lines.original[row]), self.lines.ids)
        for at, credit in enumerate(self.credits):
            if self.bank.original[credit.row] >= 0:
                original = int(self.bank.original[credit.row])
                self._flag_repeated((_BANK, credit.row), original, self.bank.ids)
                self.open_credits.discard(at)

    def flag_foreign(self) -> None:
        """Money of another currency agrees with no payout here."""
        foreign: list[tuple[Item, str]] = [
            ((_LINE, row), str(self.lines.frame["currency"].iloc[row]))
            for row in np.flatnonzero((self.lines.original < 0) & ~self.lines.in_currency).tolist()
        ]
        for at in sorted(self.open_credits):
            row = self.credits[at].row
            if not self.bank.in_currency[row]:
                foreign.append(((_BANK, row), str(self.bank.frame["currency"].iloc[row])))
                self.open_credits.discard(at)
        for item, currency in foreign:
            self.decisions.flag(
                MismatchType.AMOUNT_MISMATCH,
                _LAYER,
                item,
                expected=CURRENCY,
                actual=currency,
                variant="currency",
                currency=currency,
                expected_currency=CURRENCY,
            )

    def decide_by_id(self) -> None:
        """Credits and payouts linked by ids, where their sums are equal."""
        for credits_, payouts in self._linked():
            due = sum(self.payouts[at].net for at in payouts)
            paid = sum(self.credits[at].amount for at in credits_)
            whole = next((at for at in credits_ if self.credits[at].amount == due), None)
            if paid == due:
                self._match(Rule.PAYOUT_ID, credits_, payouts)
            elif whole is not None and all(
                self.credits[at].named == self.credits[whole].named for at in credits_
            ):
                self._match(Rule.PAYOUT_ID, [whole], payouts)
                for at in credits_:
                    if at != whole:
                        self._flag_again(at, whole, payouts)

    def decide_by_sum(self) -> None:
        """Exact sums of one provider within the window, where exactly one combination fits.

        Every combination of open payouts for one credit, and of open credits for one payout, is
        counted. One that shares an item with another is no evidence, and ids that are named have
        to be part of it.
        """
        found, exhausted = self._combinations()
        uses: dict[tuple[str, int], int] = defaultdict(int)
        for credits_, payouts in found:
            for part in _parts(credits_, payouts):
                uses[part] += 1
        disputed: dict[int, set[int]] = defaultdict(set)
        for credits_, payouts in found:
            if all(uses[part] == 1 for part in _parts(credits_, payouts)) and not (
                exhausted & set(_parts(credits_, payouts))
            ):
                self._match(Rule.PAYOUT_SUM, credits_, payouts)
            else:
                for at in credits_:
                    disputed[at] |= set(payouts)
        for kind, at in sorted(exhausted):
            if kind == "credit":
                disputed[at] |= set(self._reachable(at))
        self._flag_disputed(disputed)

    def flag_differences(self) -> None:
        """Credits that name a payout, or are the only ones near it, but of another sum."""
        for credits_, payouts in self._linked():
            self._flag_difference(credits_, payouts)
        for at in sorted(self.open_credits):
            near = self._reachable(at)
            alone = len(near) == 1 and self._rivals(near[0]) == [at]
            if alone and self._is_close(at, near[0]):
                self._flag_difference([at], near)

    def flag_credits(self) -> None:
        """Credits that belong to nothing reported."""
        for at in sorted(self.open_credits):
            credit = self.credits[at]
            near = self._reachable(at)
            items = [(_LINE, self.payouts[p].rows[0]) for p in near[:MOST_CANDIDATES]]
            self.decisions.flag(
                MismatchType.UNRECORDED_RECEIPT,
                _LAYER,
                (_BANK, credit.row),
                related=items,
                actual=credit.amount,
                variant="payout",
                amount=credit.amount,
                provider=credit.provider or self.bank.name[credit.row] or "a provider",
            )

    def flag_unpaid(self) -> None:
        """Lines of payouts that no credit pays: overdue or not yet."""
        as_of = _as_of(self.contracts)
        for at in sorted(self.open_payouts):
            payout = self.payouts[at]
            for row in payout.rows:
                day = int(self.lines.payout_day[row])
                late = as_of > day + self.contracts.grace_days
                self.decisions.flag(
                    MismatchType.PAYOUT_MISSING if late else MismatchType.TIMING_DIFFERENCE,
                    _LAYER,
                    (_LINE, row),
                    expected=int(self.lines.net[row]),
                    variant="" if late else "payout",
                    payout=payout.payout_id or "these lines",
                    day=day_text(day),
                    grace=self.contracts.grace_days,
                )

    # --- questions --------------------------------------------------------------------------

    def _linked(self) -> Iterator[tuple[list[int], list[int]]]:
        """Open credits and open payouts that ids join, as connected groups."""
        parent: dict[int, int] = {}
        credits_of: dict[int, int] = {}
        for at in sorted(self.open_credits):
            named = [p for p in self.credits[at].named if p in self.open_payouts]
            for payout in named:
                parent[_root(parent, payout)] = _root(parent, named[0])
            if named:
                credits_of[at] = named[0]
        groups: dict[int, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
        for at, payout in credits_of.items():
            groups[_root(parent, payout)][0].append(at)
        for payout in sorted(parent):
            groups[_root(parent, payout)][1].append(payout)
        for _, (credits_, payouts) in sorted(groups.items()):
            yield sorted(credits_, key=self._order), payouts

    def _order(self, at: int) -> tuple[int, str]:
        credit = self.credits[at]
        return credit.day, self.bank.ids[credit.row]

    def _reaches(self, at: int, payout: int) -> bool:
        """Whether the credit's day lies in the payout's window and the provider is the same."""
        credit, target = self.credits[at], self.payouts[payout]
        same = credit.provider == target.provider
        return same and target.day <= credit.day <= target.day + PAYOUT_WINDOW_DAYS

    def _reachable(self, at: int) -> list[int]:
        return [p for p in sorted(self.open_payouts) if self._reaches(at, p)]

    def _rivals(self, payout: int) -> list[int]:
        return [at for at in sorted(self.open_credits) if self._reaches(at, payout)]

    def _combinations(
        self,
    ) -> tuple[list[tuple[list[int], list[int]]], set[tuple[str, int]]]:
        """All exact sums (at most two for each credit and payout), and what took too long."""
        found: dict[tuple[tuple[int, ...], tuple[int, ...]], None] = {}
        exhausted: set[tuple[str, int]] = set()
        for at in sorted(self.open_credits):
            credit = self.credits[at]
            near = [p for p in self._near(at) if self.payouts[p].net > 0]
            sums = SubsetSums([self.payouts[p].net for p in near], credit.amount)
            must = {p for p in credit.named if p in self.open_payouts}
            for chosen in sums.solutions():
                payouts = tuple(near[i] for i in chosen)
                if must <= set(payouts):
                    found[(at,), payouts] = None
            if sums.exhausted:
                exhausted |= {("credit", at), *(("payout", p) for p in near)}
        for payout in sorted(self.open_payouts):
            near = [at for at in self._rivals(payout) if self._may_pay(at, payout)]
            amounts = [self.credits[at].amount for at in near]
            sums = SubsetSums(amounts, self.payouts[payout].net)
            for chosen in sums.solutions():
                if len(chosen) > 1:
                    found[tuple(near[i] for i in chosen), (payout,)] = None
            if sums.exhausted:
                exhausted |= {("payout", payout), *(("credit", at) for at in near)}
        return [(list(credits_), list(payouts)) for credits_, payouts in found], exhausted

    def _near(self, at: int) -> list[int]:
        """Payouts in reach, and those named."""
        named = [p for p in self.credits[at].named if p in self.open_payouts]
        return sorted({*self._reachable(at), *named})

    def _may_pay(self, at: int, payout: int) -> bool:
        """A credit that names other payouts does not pay this one."""
        named = {p for p in self.credits[at].named if p in self.open_payouts}
        return not named or named == {payout}

    def _is_close(self, at: int, payout: int) -> bool:
        """Whether credit and payout differ so little that one was meant to be the other."""
        net, amount = self.payouts[payout].net, self.credits[at].amount
        return abs(net - amount) * CLOSE <= net

    # --- decisions --------------------------------------------------------------------------

    def _items(self, credits_: Iterable[int], payouts: Iterable[int]) -> list[Item]:
        items: list[Item] = [(_BANK, self.credits[at].row) for at in credits_]
        items += [(_LINE, row) for p in payouts for row in self.payouts[p].rows]
        return items

    def _close(self, credits_: Iterable[int], payouts: Iterable[int]) -> None:
        self.open_credits -= set(credits_)
        self.open_payouts -= set(payouts)

    def _match(self, rule: Rule, credits_: Sequence[int], payouts: Sequence[int]) -> None:
        self.decisions.match(_LAYER, rule, self._items(credits_, payouts))
        self._close(credits_, payouts)

    def _flag_again(self, at: int, whole: int, payouts: Sequence[int]) -> None:
        """The provider paid the same payout once more."""
        credit, settling = self.credits[at], self.credits[whole]
        lines = [(_LINE, self.payouts[p].rows[0]) for p in payouts]
        self.decisions.flag(
            MismatchType.DUPLICATE_PAYMENT,
            _LAYER,
            (_BANK, credit.row),
            related=[(_BANK, settling.row), *lines],
            expected=0,
            actual=credit.amount,
            amount=credit.amount,
            settled_by=self.bank.ids[settling.row],
        )
        self._close([at], [])

    def _flag_difference(self, credits_: Sequence[int], payouts: Sequence[int]) -> None:
        items = self._items(credits_, payouts)
        banks = [item for item in items if item[0] is _BANK]
        for item in items:
            related = (
                [i for i in items if i[0] is _LINE][:MOST_CANDIDATES] if item[0] is _BANK else banks
            )
            self.decisions.flag(
                MismatchType.PAYOUT_MISMATCH,
                _LAYER,
                item,
                related=related,
                expected=sum(self.payouts[p].net for p in payouts),
                actual=sum(self.credits[at].amount for at in credits_),
                payout=", ".join(self.payouts[p].payout_id or "?" for p in payouts),
            )
        self._close(credits_, payouts)

    def _flag_disputed(self, disputed: dict[int, set[int]]) -> None:
        """Credits with several readings, and the lines of the payouts they may pay."""
        rivals: dict[int, list[int]] = defaultdict(list)
        for at, payouts in sorted(disputed.items()):
            for payout in sorted(payouts):
                rivals[payout].append(at)
            lines = [(_LINE, self.payouts[p].rows[0]) for p in sorted(payouts)]
            self.decisions.flag(
                MismatchType.AMBIGUOUS,
                _LAYER,
                (_BANK, self.credits[at].row),
                related=lines[:MOST_CANDIDATES],
                actual=self.credits[at].amount,
            )
        for payout, credits_ in sorted(rivals.items()):
            banks = [(_BANK, self.credits[at].row) for at in credits_]
            for row in self.payouts[payout].rows:
                self.decisions.flag(
                    MismatchType.AMBIGUOUS,
                    _LAYER,
                    (_LINE, row),
                    related=banks[:MOST_CANDIDATES],
                    expected=int(self.lines.net[row]),
                    variant="payment",
                )
        self._close(disputed, rivals)

    def _flag_repeated(self, item: Item, original: int, ids: Sequence[str]) -> None:
        self.decisions.flag(
            MismatchType.DUPLICATE_LINE,
            _LAYER,
            item,
            related=[(item[0], original)],
            original=ids[original],
        )


def _root(parent: dict[int, int], member: int) -> int:
    """The representative of the group that a member belongs to (union-find with halving)."""
    parent.setdefault(member, member)
    while parent[member] != member:
        parent[member] = parent[parent[member]]
        member = parent[member]
    return member


def _parts(credits_: Iterable[int], payouts: Iterable[int]) -> Iterator[tuple[str, int]]:
    yield from (("credit", at) for at in credits_)
    yield from (("payout", at) for at in payouts)


def _as_of(contracts: Contracts) -> int:
    return int(np.datetime64(contracts.as_of, "D").astype(np.int64))
