"""The payout layer: settlement lines of providers' payouts with the credits that pay them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from payments.references import fold
from reconciliation.matching.arrays import Bools, Ints, Texts, Words, bools_of, by_parts, together
from reconciliation.matching.decisions import MOST_CANDIDATES, Decisions, Item
from reconciliation.matching.model import CURRENCY, PAYOUT_WINDOW_DAYS, Contracts, Rule
from reconciliation.matching.narrative import PayoutReader, Text
from reconciliation.matching.sums import SubsetSums
from reconciliation.matching.tables import Tables, day_text
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
    rows: Ints
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
    rows = np.flatnonzero((lines.original < 0) & lines.in_currency)
    said = [word.strip() for word in lines.payout_id.words]
    ids = Words(lines.payout_id.codes[rows], said)
    code = ids.codes_in(sorted(set(said)))
    day = np.where(code == 0, lines.payout_day[rows], 0) if "" in said else np.zeros_like(rows)
    payout = together(lines.provider.codes[rows].astype(np.int64), code, day)
    order = np.argsort(payout, kind="stable")
    groups = np.split(rows[order], np.flatnonzero(np.diff(payout[order])) + 1) if len(rows) else []
    found = [
        Payout(
            lines.provider[members[0]],
            lines.payout_id[members[0]].strip(),
            int(lines.payout_day[members].min()),
            members,
            int(lines.net[members].sum()),
        )
        for members in groups
    ]
    return sorted(found, key=lambda one: (one.provider, one.payout_id, one.day))


def _credits(tables: Tables, contracts: Contracts, payouts: list[Payout]) -> Iterator[Credit]:
    bank = tables.bank
    sides = contracts.providers.items()
    accounts = {_account(text): name for name, terms in sides for text in terms.payout_accounts}
    names = {_name(text): name for name, terms in sides for text in terms.payout_names}
    accounts.pop("", None)
    names.pop("", None)
    reader = PayoutReader([payout.payout_id for payout in payouts])
    rows = np.flatnonzero(bank.amount >= 0)
    account = by_parts(bank.counterparty_account.take(rows), _plain_account, _account)
    name = by_parts(bank.name.take(rows), _plain_name, _name)
    narrative = bank.narrative.take(rows)
    worth_a_look = bools_of(pc.is_in(account, value_set=_known(accounts)))
    worth_a_look |= bools_of(pc.is_in(name, value_set=_known(names)))
    worth_a_look |= bools_of(pc.and_(pc.equal(account, ""), pc.equal(name, "")))
    worth_a_look |= reader.may_stand_in(narrative)
    for at in np.flatnonzero(worth_a_look).tolist():
        row, said = int(rows[at]), narrative[at].as_py()
        own_account, own_name = account[at].as_py(), name[at].as_py()
        provider = accounts.get(own_account) or names.get(own_name) or ""
        if not (own_account or own_name):
            provider = _sender(said, names)
        named = reader.read(Text.of(said), from_provider=bool(provider))
        own = tuple(one for one in named if payouts[one].provider == provider)
        if provider or named:
            yield Credit(
                row, provider, own or named, int(bank.amount[row]), int(bank.value_day[row])
            )


def _known(texts: Iterable[str]) -> pa.LargeStringArray:
    return pa.array(sorted(texts), type=pa.large_string())


def _account(text: str) -> str:
    return "".join(c for c in fold(text) if c.isalnum())


def _plain_account(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    return pc.replace_substring_regex(pc.ascii_upper(texts), "[^0-9A-Z]", "")


def _name(text: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in fold(text)).split()
    return " ".join(words)


def _plain_name(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    spaced = pc.replace_substring_regex(pc.ascii_upper(texts), "[^0-9A-Z]+", " ")
    return pc.utf8_trim(spaced, " ")


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
            ((_LINE, row), self.lines.currency[row])
            for row in np.flatnonzero((self.lines.original < 0) & ~self.lines.in_currency).tolist()
        ]
        for at in sorted(self.open_credits):
            row = self.credits[at].row
            if not self.bank.in_currency[row]:
                foreign.append(((_BANK, row), self.bank.currency[row]))
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
            items = [(_LINE, int(self.payouts[p].rows[0])) for p in near[:MOST_CANDIDATES]]
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
            for row in payout.rows.tolist():
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
        items += [(_LINE, row) for p in payouts for row in self.payouts[p].rows.tolist()]
        return items

    def _close(self, credits_: Iterable[int], payouts: Iterable[int]) -> None:
        self.open_credits -= set(credits_)
        self.open_payouts -= set(payouts)

    def _match(self, rule: Rule, credits_: Sequence[int], payouts: Sequence[int]) -> None:
        lines = np.concatenate([self.payouts[at].rows for at in payouts])
        self.decisions.match(_LAYER, rule, lines, [self.credits[at].row for at in credits_])
        self._close(credits_, payouts)

    def _flag_again(self, at: int, whole: int, payouts: Sequence[int]) -> None:
        """The provider paid the same payout once more."""
        credit, settling = self.credits[at], self.credits[whole]
        lines = [(_LINE, int(self.payouts[p].rows[0])) for p in payouts]
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
            lines = [(_LINE, int(self.payouts[p].rows[0])) for p in sorted(payouts)]
            self.decisions.flag(
                MismatchType.AMBIGUOUS,
                _LAYER,
                (_BANK, self.credits[at].row),
                related=lines[:MOST_CANDIDATES],
                actual=self.credits[at].amount,
            )
        for payout, credits_ in sorted(rivals.items()):
            banks = [(_BANK, self.credits[at].row) for at in credits_]
            for row in self.payouts[payout].rows.tolist():
                self.decisions.flag(
                    MismatchType.AMBIGUOUS,
                    _LAYER,
                    (_LINE, row),
                    related=banks[:MOST_CANDIDATES],
                    expected=int(self.lines.net[row]),
                    variant="payment",
                )
        self._close(disputed, rivals)

    def _flag_repeated(self, item: Item, original: int, ids: Texts) -> None:
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
