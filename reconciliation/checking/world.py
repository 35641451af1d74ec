"""What evidence is looked up in: the items of the inputs, and what the result made of each."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final, TypeVar

from reconciliation.checking.conservation import Place, place_of
from reconciliation.checking.files import Row
from reconciliation.checking.references import Codes, compact, plain
from reconciliation.checking.result import Result, Terms

Key = TypeVar("Key")
CURRENCY: Final = "VND"
CODE: Final = 10
"""Symbols of a bill reference after its prefix."""

Doubt = tuple[str, str]
"""A finding's code and what is there; code "" says that the match was not wholly re-verified."""


@dataclass(slots=True)
class Group:
    """All items of one match: payments or settlement lines left, what they met right."""

    key: str
    number: int
    layer: str
    rule: str
    payments: list[Row] = field(default_factory=list)
    settlements: list[Row] = field(default_factory=list)
    bank: list[Row] = field(default_factory=list)


class World:
    """Inputs by id and by what identifies them; ``match_of`` and ``type_of`` by place."""

    def __init__(self, result: Result) -> None:
        self.terms: Terms = result.terms
        self.payments = {row["payment_id"]: row for row in result.payments}
        self.settlements = {row["line_id"]: row for row in result.settlements}
        self.bank = {row["line_id"]: row for row in result.bank}
        self.match_of: dict[Place, str] = {}
        self.type_of = {place_of(row): row["type"] for row in result.mismatches}
        self.groups = self._grouped(result.matches)

    def _grouped(self, matches: list[Row]) -> list[Group]:
        groups: dict[str, Group] = {}
        for number, row in enumerate(matches, 1):
            self.match_of[place_of(row)] = row["match_id"]
            new = Group(row["match_id"], number, row["layer"], row["rule"])
            group = groups.setdefault(row["match_id"], new)
            item = self.item(row["item_kind"], row["item_id"])
            if item is not None:
                getattr(group, _LIST[row["item_kind"]]).append(item)
        return list(groups.values())

    def item(self, kind: str, item_id: str) -> Row | None:
        """The input row of an item, if there is one."""
        name = _LIST.get(kind)
        found: Mapping[str, Row] = getattr(self, name) if name else {}
        return found.get(item_id)

    @cached_property
    def rule_of(self) -> Mapping[str, str]:
        """Rule by match id."""
        return {group.key: group.rule for group in self.groups}

    @cached_property
    def payments_by_id(self) -> Mapping[tuple[str, str, str], list[Row]]:
        """Payments by channel, kind and provider_txn_id, where there is one."""
        return _by((_id_key(row, "channel"), row) for row in self.payments.values())

    @cached_property
    def lines_by_id(self) -> Mapping[tuple[str, str, str], list[Row]]:
        """Settlement lines by provider, kind and provider_txn_id, where there is one."""
        return _by((_id_key(row, "provider"), row) for row in self.settlements.values())

    @cached_property
    def payments_by_amount(self) -> Mapping[tuple[str, str, int], list[Row]]:
        """Payments by channel, kind and signed amount."""
        rows = self.payments.values()
        return _by(((row["channel"], row["kind"], signed(row)), row) for row in rows)

    @cached_property
    def payments_by_code(self) -> Mapping[str, list[Row]]:
        """Payments by the ten symbols of their bill reference."""
        return _by((code_of(row), row) for row in self.payments.values())

    @cached_property
    def codes_in(self) -> Mapping[str, frozenset[str]]:
        """For each bank line the known bills whose ten symbols stand in its narrative."""
        return {item: self._codes(row["narrative"]) for item, row in self.bank.items()}

    @cached_property
    def lines_by_code(self) -> Mapping[str, list[Row]]:
        """Bank lines by the known bills that they name whole."""
        pairs = ((code, self.bank[item]) for item, codes in self.codes_in.items() for code in codes)
        return _by(pairs)

    @cached_property
    def direct_by_amount(self) -> Mapping[int, list[Row]]:
        """Payments of the direct layer that money may settle, by signed amount."""
        rows = (row for row in self.payments.values() if is_direct(row) and is_able(row))
        return _by((signed(row), row) for row in rows)

    def direct_near(self, amount: int, text: str) -> Iterable[Row]:
        """Payments of ``direct_by_amount`` whose reference may stand damaged in a text."""
        pays = self.direct_by_amount.get(amount, [])
        if amount not in self._codes_by_amount:
            self._codes_by_amount[amount] = Codes({code_of(pay) for pay in pays})
        near = self._codes_by_amount[amount].near(compact(text))
        return (pay for code in sorted(near) for pay in self._direct_at[code, amount])

    @cached_property
    def _codes_by_amount(self) -> dict[int, Codes]:
        return {}

    @cached_property
    def _direct_at(self) -> Mapping[tuple[str, int], list[Row]]:
        rows = (row for rows in self.direct_by_amount.values() for row in rows)
        return _by(((code_of(row), signed(row)), row) for row in rows)

    @cached_property
    def direct_by_txn_id(self) -> Mapping[str, list[Row]]:
        """Payments of the direct layer by what they say the bank calls the transfer."""
        rows = (row for row in self.payments.values() if is_direct(row))
        return _by((row["provider_txn_id"] or None, row) for row in rows)

    @cached_property
    def bank_by_ref(self) -> Mapping[str, list[Row]]:
        """Bank lines by ``bank_ref``, where there is one."""
        return _by((row["bank_ref"] or None, row) for row in self.bank.values())

    @cached_property
    def dossiers(self) -> Codes:
        """The dossier codes of ``direct_by_dossier``."""
        return Codes(self.direct_by_dossier)

    @cached_property
    def direct_by_dossier(self) -> Mapping[str, list[Row]]:
        """Payments of the direct layer that money may settle, by dossier code."""
        rows = (row for row in self.payments.values() if is_direct(row) and is_able(row))
        return _by((row["dossier_code"], row) for row in rows if row["dossier_code"])

    def is_matched(self, layer: str, kind: str, row: Row) -> bool:
        """Whether the result matched the item in this layer."""
        return (layer, kind, row[_KEY[kind]]) in self.match_of

    def flag(self, layer: str, kind: str, row: Row) -> str:
        """The type by which the result flagged the item in this layer, else ""."""
        return self.type_of.get((layer, kind, row[_KEY[kind]]), "")

    def provider_of(self, line: Row) -> str:
        """The provider from whose account or name a credit comes, else ""."""
        if int(line["amount"]) < 0:
            return ""
        account = plain(line["counterparty_account"]).replace(" ", "")
        name = plain(line["counterparty_name"])
        for provider, terms in self.terms.providers.items():
            if account and account in {plain(one).replace(" ", "") for one in terms.accounts}:
                return provider
        for provider, terms in self.terms.providers.items():
            names = [plain(one) for one in terms.names]
            alone = not account and not name
            start = plain(line["narrative"]) + " "
            if (name and name in names) or (
                alone and any(start.startswith(one + " ") for one in names if one)
            ):
                return provider
        return ""

    def _codes(self, narrative: str) -> frozenset[str]:
        return frozenset(self._bills.inside(compact(narrative)))

    @cached_property
    def _bills(self) -> Codes:
        return Codes(self.payments_by_code)


_LIST: Final = {"payment": "payments", "settlement": "settlements", "bank": "bank"}
_KEY: Final = {"payment": "payment_id", "settlement": "line_id", "bank": "line_id"}


def _by(pairs: Iterable[tuple[Key | None, Row]]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = defaultdict(list)
    for key, row in pairs:
        if key is not None:
            found[key].append(row)
    return dict(found)


def _id_key(row: Row, provider: str) -> tuple[str, str, str] | None:
    said = row["provider_txn_id"]
    return (row[provider], row["kind"], said) if said else None


def code_of(payment: Row) -> str:
    """The ten symbols of a payment's bill reference."""
    return compact(payment["bill_reference"])[-CODE:]


def is_direct(payment: Row) -> bool:
    """Whether the payment is one of the direct layer."""
    return payment["channel"] == "bank_transfer"


def is_able(payment: Row) -> bool:
    """Whether money may settle it."""
    return payment["status"] in {"pending", "succeeded"}


def is_due(payment: Row) -> bool:
    """Whether money must settle it."""
    return payment["status"] == "succeeded"


def signed(payment: Row) -> int:
    """The amount, negative for refunds and remittances."""
    return int(payment["amount"]) * (1 if payment["kind"] == "payment" else -1)


@lru_cache(maxsize=100_000)
def _pattern(identifier: str) -> re.Pattern[str] | None:
    code = plain(identifier).replace(" ", "")
    if not code:
        return None
    before = "(?<![0-9])" if code[0].isdigit() else ""
    after = "(?![0-9])" if code[-1].isdigit() else ""
    return re.compile(before + " ?".join(code) + after)


def names(text: str, identifier: str) -> bool:
    """Whether an id stands in a ``plain`` text, blanks in it or not, no part of a longer number."""
    code = plain(identifier).replace(" ", "")
    if code not in text.replace(" ", ""):
        return False
    pattern = _pattern(identifier)
    return pattern is not None and pattern.search(text) is not None


def borne_apart(text: str, longest_first: Iterable[str]) -> Iterable[str]:
    """Those ids that stand in a ``plain`` text, not only as a part of a longer one before them."""
    for identifier in longest_first:
        pattern = _pattern(identifier)
        if pattern is not None and pattern.search(text):
            yield identifier
            text = pattern.sub(" | ", text)
