"""Procedures and their fees: what is in force on a day, and importing a fee list row by row."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal, TypeVar

from sqlmodel import Session, col, or_, select

from core.errors import MoneyFormatError
from core.money import Currency, Money
from payments.errors import FeeFileError
from payments.models import Budget, FeeKind, FeeSchedule, Procedure

COLUMNS: Final = (
    "procedure_code",
    "procedure_name_vi",
    "procedure_name_en",
    "field_vi",
    "fee_code",
    "kind",
    "fee_name_vi",
    "fee_name_en",
    "amount",
    "currency",
    "legal_basis",
    "budget",
    "effective_from",
    "effective_until",
    "demonstration",
)
"""The columns of a fee list, in any order; ``effective_until`` may be empty."""

_Kind = TypeVar("_Kind", FeeKind, Budget)
_MAX_LENGTH: Final = {"procedure_code": 40, "fee_code": 40}
_MAYBE_THOUSANDS: Final = re.compile(r"[0-9]+\.[0-9]{3}")
"""``20.000`` is twenty thousand to whoever wrote it in Vietnam, and twenty to a program."""

_MAX_TEXT: Final = 500
_FIXED: Final = {
    "amount_minor": "amount",
    "currency": "currency",
    "kind": "kind",
    "budget": "budget",
    "legal_basis": "legal_basis",
    "name_vi": "fee_name_vi",
    "name_en": "fee_name_en",
}
"""What a schedule says, and the column that says it; a change needs a new start."""

_Taken = Literal["added", "ended", "unchanged"]
_MAY_BE_EMPTY: Final = frozenset({"effective_until", "demonstration", "field_vi"})


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that was not taken: its number in the file (header = 1) and why."""

    row: int
    column: str
    message: str


@dataclass(slots=True)
class FeeImportReport:
    """What became of a fee list."""

    added: int = 0
    ended: int = 0
    unchanged: int = 0
    refused: list[RefusedRow] = field(default_factory=list)


class _RowError(Exception):
    def __init__(self, column: str, message: str) -> None:
        super().__init__(message)
        self.column = column


def fees_in_force(session: Session, procedure: Procedure, day: date) -> list[FeeSchedule]:
    """Return the fees charged for a procedure on ``day``, by code."""
    return list(
        session.exec(
            select(FeeSchedule)
            .where(FeeSchedule.procedure_id == procedure.id)
            .where(col(FeeSchedule.effective_from) <= day)
            .where(
                or_(
                    col(FeeSchedule.effective_until).is_(None),
                    col(FeeSchedule.effective_until) >= day,
                )
            )
            .order_by(col(FeeSchedule.fee_code))
        )
    )


def import_fees(session: Session, rows: Iterable[Mapping[str, str]]) -> FeeImportReport:
    """Take a fee list: good rows are stored, every other row is reported with its reason.

    Taking the same list again changes nothing. A fee in force is ended by a row with the same
    start and an ``effective_until``; nothing else of it is ever changed in place, and no two rows
    of one fee are in force on the same day.

    Raises:
        FeeFileError: a column is missing, so no row can be read.
    """
    report = FeeImportReport()
    for number, row in enumerate(rows, start=2):
        if missing := [name for name in COLUMNS if name not in row]:
            raise FeeFileError(f"column {missing[0]!r} is missing")
        try:
            taken = _take_row(session, {name: (row[name] or "").strip() for name in COLUMNS})
        except _RowError as problem:
            report.refused.append(RefusedRow(number, problem.column, str(problem)))
            continue
        setattr(report, taken, getattr(report, taken) + 1)
    session.flush()
    return report


def _take_row(session: Session, row: Mapping[str, str]) -> _Taken:
    for name in COLUMNS:
        if not row[name] and name not in _MAY_BE_EMPTY:
            raise _RowError(name, "is empty")
        if "\0" in row[name] or len(row[name]) > _MAX_LENGTH.get(name, _MAX_TEXT):
            raise _RowError(name, "is too long or not a text")
    fee = _read_fee(row)
    procedure = _ensure_procedure(session, row)
    fee.procedure_id = procedure.id
    known = session.exec(
        select(FeeSchedule).where(
            FeeSchedule.procedure_id == procedure.id, FeeSchedule.fee_code == fee.fee_code
        )
    ).all()
    for other in known:
        if other.effective_from != fee.effective_from and _overlap(other, fee):
            raise _RowError(
                "effective_from", f"overlaps the fee in force from {other.effective_from}"
            )
    for same in known:
        if same.effective_from == fee.effective_from:
            return _end(same, fee)
    session.add(fee)
    session.flush()
    return "added"


def _end(known: FeeSchedule, fee: FeeSchedule) -> _Taken:
    for name, column in _FIXED.items():
        if getattr(known, name) != getattr(fee, name):
            raise _RowError(column, "differs from the fee already in force from this day")
    if known.effective_until == fee.effective_until:
        return "unchanged"
    known.effective_until = fee.effective_until
    return "ended"


def _overlap(left: FeeSchedule, right: FeeSchedule) -> bool:
    starts_before = right.effective_until is None or left.effective_from <= right.effective_until
    ends_after = left.effective_until is None or left.effective_until >= right.effective_from
    return starts_before and ends_after


def _read_fee(row: Mapping[str, str]) -> FeeSchedule:
    try:
        currency = Currency(row["currency"])
    except ValueError:
        raise _RowError("currency", f"{row['currency']!r} is not VND or USD") from None
    if _MAYBE_THOUSANDS.fullmatch(row["amount"]):
        raise _RowError("amount", f"{row['amount']!r} may be thousands or decimals")
    try:
        amount = Money.parse(row["amount"], currency)
    except MoneyFormatError as problem:
        raise _RowError("amount", problem.detail) from None
    if amount.amount_minor <= 0:
        raise _RowError("amount", "must be more than nothing")
    fee = FeeSchedule(
        procedure_id="",
        fee_code=row["fee_code"],
        kind=_one_of(FeeKind, row, "kind"),
        name_vi=row["fee_name_vi"],
        name_en=row["fee_name_en"],
        amount_minor=amount.amount_minor,
        currency=currency,
        legal_basis=row["legal_basis"],
        budget=_one_of(Budget, row, "budget"),
        effective_from=_day(row, "effective_from"),
        effective_until=_day(row, "effective_until") if row["effective_until"] else None,
        demonstration=_flag(row),
    )
    if fee.effective_until is not None and fee.effective_until < fee.effective_from:
        raise _RowError("effective_until", "is before effective_from")
    return fee


def _one_of(kind: type[_Kind], row: Mapping[str, str], name: str) -> _Kind:
    try:
        return kind(row[name])
    except ValueError:
        allowed = ", ".join(member.value for member in kind)
        raise _RowError(name, f"{row[name]!r} is not one of {allowed}") from None


def _day(row: Mapping[str, str], name: str) -> date:
    try:
        return date.fromisoformat(row[name])
    except ValueError:
        raise _RowError(name, f"{row[name]!r} is not a day as 2026-12-31") from None


def _flag(row: Mapping[str, str]) -> bool:
    if row["demonstration"] not in {"", "yes", "no"}:
        raise _RowError("demonstration", "must be yes, no or empty")
    return row["demonstration"] == "yes"


def _ensure_procedure(session: Session, row: Mapping[str, str]) -> Procedure:
    known = session.exec(select(Procedure).where(Procedure.code == row["procedure_code"])).first()
    if known is None:
        known = Procedure(
            code=row["procedure_code"],
            name_vi=row["procedure_name_vi"],
            name_en=row["procedure_name_en"],
            field_vi=row["field_vi"],
            demonstration=row["demonstration"] == "yes",
        )
        session.add(known)
        session.flush()
    return known
