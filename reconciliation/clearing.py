"""What keeps a clearing account from zero, item by item, so that the items add up to its balance.

Every amount posted to ``clearing:<channel>`` is about a payment, a refund, a remittance, a line of
a report or a bank line. A match hands the money on from one to the next: from what we recorded to
the line that settles it, from there to the credit that pays it out. What an item got and has not
handed on is what it keeps; most keep nothing and are never read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, case, exists, func, union_all
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from core.clock import business_day
from payments.channels import Channel
from payments.ledger import chart
from payments.ledger.balances import trial_balance
from payments.ledger.models import JournalEntry, LedgerTransfer
from payments.models import CollectingAccount, Payment, Refund, Remittance
from payments.queries import by_id
from reconciliation.models import (
    Match,
    MatchItem,
    Mismatch,
    Resolution,
    SettlementLine,
    StatementLine,
)
from reconciliation.states import ItemKind, Layer, MatchStatus, ResolutionKind

_ID_LENGTH: Final = 30
"""Of every id in an event key: a prefix of three letters, a line, 26 symbols."""
_FAMILY: Final = "clearing:"
REMITTANCE: Final = "remittance"
"""The one clearing account that is no channel's: fees on their way to the State Treasury."""


class Keeps(StrEnum):
    """Why an item keeps money in clearing."""

    NOT_REPORTED = "not_reported"
    NOT_ON_STATEMENT = "not_on_statement"
    NOT_PAID_OUT = "not_paid_out"
    NOT_RECORDED = "not_recorded"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class ClearingItem:
    """An item and what it keeps in clearing (minor units; positive is owed to us).

    ``day`` is when it happened, ``mismatch`` the newest one about it, whatever its state.
    """

    id: str
    kind: str
    keeps: Keeps
    amount_minor: int
    day: date
    reference: str
    mismatch: Mismatch | None


@dataclass(frozen=True, slots=True)
class Clearing:
    """One clearing account of one collecting account: the balance, and its items by day."""

    account: CollectingAccount
    name: str
    balance_minor: int
    items: tuple[ClearingItem, ...]

    @property
    def sums(self) -> dict[Keeps, tuple[int, int]]:
        """How many items keep how much, for each reason there is."""
        found: dict[Keeps, tuple[int, int]] = {}
        for item in self.items:
            count, total = found.get(item.keeps, (0, 0))
            found[item.keeps] = (count + 1, total + item.amount_minor)
        return found


def list_clearings(session: Session, account: CollectingAccount) -> list[Clearing]:
    """Return every clearing account that an account has ever used, also those at zero."""
    balances = {
        row.code.removeprefix(_FAMILY): row.balance_minor
        for row in trial_balance(session, account_id=account.id)
        if row.code.startswith(_FAMILY) and row.currency is account.currency
    }
    return [
        Clearing(account, name, balance, tuple(_items(session, account, name)))
        for name, balance in sorted(balances.items())
    ]


def _items(session: Session, account: CollectingAccount, name: str) -> list[ClearingItem]:
    moves = union_all(_posted(account, name), *_handed_on(account, name)).subquery()
    kept = func.sum(moves.c.amount)
    rows = session.execute(
        columns(moves.c.item, kept).group_by(moves.c.item).having(kept != 0).order_by(moves.c.item)
    )
    amounts = {item: int(amount) for item, amount in rows}
    return sorted(
        _Reader(session, account, amounts).items(), key=lambda item: (item.day, item.kind, item.id)
    )


def _posted(account: CollectingAccount, name: str) -> Any:
    """Each amount in the books with the item that it is about; a reversal is about the same."""
    code = chart.CLEARING_REMITTANCE if name == REMITTANCE else chart.clearing(Channel(name))
    undone = aliased(JournalEntry)
    key = func.coalesce(undone.event_key, col(JournalEntry.event_key))
    debited = col(LedgerTransfer.debit_account) == code
    amount = col(LedgerTransfer.amount_minor)
    return (
        columns(_about(key).label("item"), case((debited, amount), else_=-amount).label("amount"))
        .select_from(LedgerTransfer)
        .join(JournalEntry, col(JournalEntry.id) == col(LedgerTransfer.entry_id))
        .outerjoin(undone, col(undone.id) == col(JournalEntry.reverses_id))
        .outerjoin(Resolution, key == "resolution:" + col(Resolution.id))
        .outerjoin(Mismatch, col(Mismatch.id) == col(Resolution.mismatch_id))
        .where(debited | (col(LedgerTransfer.credit_account) == code))
        .where(col(JournalEntry.account_id) == account.id)
        .where(col(LedgerTransfer.currency) == account.currency)
    )


def _about(key: Any) -> ColumnElement[str]:
    """The id of the item in an event key; an entry of another kind stands for itself."""

    def after(start: str) -> Any:
        return func.substr(key, len(start) + 1, _ID_LENGTH)

    match, fee = f"match:{'x' * _ID_LENGTH}:", f"match:{'x' * _ID_LENGTH}:fee:"
    by_hand = and_(
        col(Resolution.kind) == ResolutionKind.MATCH, col(Mismatch.item_kind) != ItemKind.PAYMENT
    )
    counterpart = func.substr(col(Resolution.related_items), len("payment:") + 1, _ID_LENGTH)
    return case(
        (key.startswith("collected:"), after("collected:")),
        (key.startswith("refund_sent:"), after("refund_sent:")),
        (key.startswith("remittance:"), after("remittance:")),
        (key.like("match:%:fee:%"), after(fee)),
        (key.startswith("match:"), after(match)),
        (by_hand, counterpart),
        (col(Mismatch.item_id).is_not(None), col(Mismatch.item_id)),
        else_=col(JournalEntry.id),
    )


def _handed_on(account: CollectingAccount, name: str) -> Iterable[Any]:
    """What active matches take from one side and give to the other.

    Each step is written twice, for the item and against the match, so that a match whose sides
    differ keeps the difference itself and the sum of all stays the balance.
    """
    gives = case(
        (
            and_(col(MatchItem.layer) == Layer.PAYOUT, col(MatchItem.item_kind) == ItemKind.BANK)
            | and_(
                col(MatchItem.layer) == Layer.PROVIDER,
                col(MatchItem.item_kind) == ItemKind.SETTLEMENT,
            )
            | and_(col(MatchItem.layer) == Layer.DIRECT, col(MatchItem.item_kind) == ItemKind.BANK),
            col(MatchItem.amount_minor),
        ),
        else_=-col(MatchItem.amount_minor),
    )
    for item, amount in ((col(MatchItem.item_id), gives), (col(MatchItem.match_id), -gives)):
        yield (
            columns(item.label("item"), amount.label("amount"))
            .select_from(MatchItem)
            .join(Match, col(Match.id) == col(MatchItem.match_id))
            .where(col(MatchItem.active), col(Match.status) == MatchStatus.ACTIVE)
            .where(col(Match.account_id) == account.id)
            .where(_passes_through(name))
        )


def _passes_through(name: str) -> ColumnElement[bool]:
    """Whether the money of a match passes through this clearing account."""
    beside = aliased(MatchItem)
    remitted = exists().where(
        col(beside.match_id) == col(Match.id), col(beside.item_id) == col(Remittance.id)
    )
    if name == REMITTANCE:
        return and_(col(Match.layer) == Layer.DIRECT, remitted)
    if name == Channel.BANK_TRANSFER:
        return and_(col(Match.layer) == Layer.DIRECT, ~remitted)
    settled = exists().where(
        col(beside.match_id) == col(Match.id),
        col(beside.item_kind) == ItemKind.SETTLEMENT,
        col(beside.item_id) == col(SettlementLine.id),
        col(SettlementLine.provider) == name,
    )
    return and_(col(Match.layer) != Layer.DIRECT, settled)


class _Reader:
    """Reads what the ids of items stand for."""

    def __init__(
        self, session: Session, account: CollectingAccount, amounts: dict[str, int]
    ) -> None:
        self._session = session
        self._account = account
        self._amounts = amounts
        self._payments = self._rows(Payment, "pay_")
        self._refunds = self._rows(Refund, "rfd_")
        self._remittances = self._rows(Remittance, "rem_")
        self._lines = self._rows(SettlementLine, "stl_")
        self._bank = self._rows(StatementLine, "bnk_")
        self._matches = self._rows(Match, "mat_")
        self._entries = self._rows(JournalEntry, "jrn_")
        self._join_chargebacks()
        self._layers = self._matched_in()
        self._mismatches = self._newest_mismatches()

    def items(self) -> Iterable[ClearingItem]:
        for item_id, amount in self._amounts.items():
            kind, keeps, day, reference = self._meaning(item_id)
            mismatch = self._mismatches.get(item_id)
            yield ClearingItem(item_id, kind, keeps, amount, day, reference, mismatch)

    def _rows(self, table: Any, prefix: str) -> dict[str, Any]:
        ids = [one for one in self._amounts if one.startswith(prefix)]
        found: dict[str, Any] = {}
        for part in _parts(ids):
            found |= by_id(self._session, table, part)
        return found

    def _join_chargebacks(self) -> None:
        """A chargeback's line and the payment that it takes back keep one amount together."""
        taken_back = {
            payment.provider_txn_id: payment.id
            for payment in self._payments.values()
            if payment.provider_txn_id
        }
        for line in self._lines.values():
            payment_id = taken_back.get(line.provider_txn_id)
            if line.kind == "chargeback" and payment_id is not None:
                self._amounts[line.id] += self._amounts.pop(payment_id)
                del taken_back[line.provider_txn_id]
        for item_id in [one for one, amount in self._amounts.items() if not amount]:
            del self._amounts[item_id]

    def _matched_in(self) -> dict[str, set[Layer]]:
        layers: dict[str, set[Layer]] = {}
        for part in _parts(list(self._amounts)):
            rows = self._session.exec(
                select(MatchItem.item_id, MatchItem.layer).where(
                    col(MatchItem.item_id).in_(part), col(MatchItem.active)
                )
            )
            for item_id, layer in rows:
                layers.setdefault(item_id, set()).add(Layer(layer))
        return layers

    def _newest_mismatches(self) -> dict[str, Mismatch]:
        newest: dict[str, Mismatch] = {}
        for part in _parts(list(self._amounts)):
            rows = self._session.exec(
                select(Mismatch)
                .where(Mismatch.account_id == self._account.id, col(Mismatch.item_id).in_(part))
                .order_by(col(Mismatch.opened_at), col(Mismatch.id))
            )
            newest |= {row.item_id: row for row in rows}
        return newest

    def _meaning(self, item_id: str) -> tuple[str, Keeps, date, str]:
        """Kind, reason, day and reference of an item."""
        layers = self._layers.get(item_id, set())
        if payment := self._payments.get(item_id):
            day = business_day(payment.paid_at or payment.created_at)
            return "payment", _record_keeps(payment, layers), day, payment.merchant_reference
        if refund := self._refunds.get(item_id):
            day = business_day(refund.submitted_at or refund.created_at)
            return "refund", _record_keeps(refund, layers), day, refund.refund_reference
        return self._meaning_beside(item_id, layers)

    def _meaning_beside(self, item_id: str, layers: set[Layer]) -> tuple[str, Keeps, date, str]:
        if sent := self._remittances.get(item_id):
            keeps = Keeps.DIFFERS if layers else Keeps.NOT_ON_STATEMENT
            return REMITTANCE, keeps, business_day(sent.instructed_at), sent.reference
        if line := self._lines.get(item_id):
            return "settlement", _line_keeps(layers), line.payout_date, line.bill_reference
        if credit := self._bank.get(item_id):
            return "bank", Keeps.DIFFERS, credit.booking_date, credit.bank_ref
        if match := self._matches.get(item_id):
            return "match", Keeps.DIFFERS, business_day(match.created_at), match.rule
        entry = self._entries[item_id]
        return "entry", Keeps.DIFFERS, entry.entry_date, entry.event_key


def _record_keeps(record: Payment | Refund, layers: set[Layer]) -> Keeps:
    if layers:
        return Keeps.DIFFERS
    by_transfer = record.channel is Channel.BANK_TRANSFER
    return Keeps.NOT_ON_STATEMENT if by_transfer else Keeps.NOT_REPORTED


def _line_keeps(layers: set[Layer]) -> Keeps:
    if layers == {Layer.PROVIDER}:
        return Keeps.NOT_PAID_OUT
    return Keeps.NOT_RECORDED if layers == {Layer.PAYOUT} else Keeps.DIFFERS


def _parts(ids: Sequence[str], size: int = 500) -> Iterable[list[str]]:
    """Ids in portions that fit into one statement."""
    for start in range(0, len(ids), size):
        yield list(ids[start : start + size])
