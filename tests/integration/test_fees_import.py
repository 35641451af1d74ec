"""Importing a fee list: good rows are stored, every other row is told with its reason."""

from datetime import date
from typing import Any

import pytest
from sqlmodel import Session, select

from payments.errors import FeeFileError
from payments.fees import COLUMNS, FeeImportReport, RefusedRow, fees_in_force, import_fees
from payments.models import FeeSchedule, Procedure

ROW = {
    "procedure_code": "1.004222",
    "procedure_name_vi": "Đăng ký thường trú",
    "procedure_name_en": "Registration of permanent residence",
    "field_vi": "Cư trú",
    "fee_code": "LP-CUTRU",
    "kind": "le_phi",
    "fee_name_vi": "Lệ phí đăng ký cư trú",
    "fee_name_en": "Residence registration charge",
    "amount": "20000",
    "currency": "VND",
    "legal_basis": "demonstration",
    "budget": "state_treasury",
    "effective_from": "2026-01-01",
    "effective_until": "",
    "demonstration": "yes",
}


def _import(session: Session, *changes: dict[str, Any]) -> FeeImportReport:
    return import_fees(session, [ROW | change for change in changes])


def test_a_list_is_stored_with_its_procedures(session: Session) -> None:
    report = _import(session, {}, {"fee_code": "P-BANSAO", "kind": "phi", "amount": "8000.0"})
    assert (report.added, report.unchanged, report.refused) == (2, 0, [])
    procedure = session.exec(select(Procedure)).one()
    assert procedure.code == "1.004222"
    assert procedure.demonstration
    fees = fees_in_force(session, procedure, date(2026, 6, 1))
    assert [(fee.fee_code, fee.amount_minor) for fee in fees] == [
        ("LP-CUTRU", 20_000), ("P-BANSAO", 8_000),
    ]  # fmt: skip


def test_the_same_list_again_changes_nothing(session: Session) -> None:
    _import(session, {})
    report = _import(session, {})
    assert (report.added, report.ended, report.unchanged) == (0, 0, 1)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"amount": "20.000"}, "amount"),
        ({"amount": "20000.5"}, "amount"),
        ({"amount": "20,000"}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"currency": "EUR"}, "currency"),
        ({"kind": "fee"}, "kind"),
        ({"budget": "mine"}, "budget"),
        ({"effective_from": "01/01/2026"}, "effective_from"),
        ({"effective_until": "2025-12-31"}, "effective_until"),
        ({"legal_basis": "  "}, "legal_basis"),
        ({"demonstration": "maybe"}, "demonstration"),
        ({"fee_code": "X" * 41}, "fee_code"),
        ({"procedure_code": "X" * 41}, "procedure_code"),
        ({"fee_name_vi": "lệ\0phí"}, "fee_name_vi"),
        ({"fee_name_vi": None}, "fee_name_vi"),
    ],
)
def test_a_bad_row_is_refused_by_its_column_and_the_others_are_taken(
    session: Session, change: dict[str, Any], column: str
) -> None:
    report = _import(
        session, {"fee_code": "A"}, change | {"procedure_name_en": "Bad"}, {"fee_code": "B"}
    )
    assert report.added == 2
    [refused] = report.refused
    assert isinstance(refused, RefusedRow)
    assert (refused.row, refused.column) == (3, column)
    assert session.exec(select(Procedure).where(Procedure.name_en == "Bad")).first() is None


def test_a_file_without_a_column_is_no_fee_list(session: Session) -> None:
    row = {name: value for name, value in ROW.items() if name != "budget"}
    with pytest.raises(FeeFileError, match="budget"):
        import_fees(session, [row])
    assert set(ROW) == set(COLUMNS)


def test_a_fee_is_ended_by_a_row_with_the_same_start_and_followed_by_another(
    session: Session,
) -> None:
    _import(session, {})
    report = _import(
        session,
        {"effective_until": "2026-06-30"},
        {"effective_from": "2026-07-01", "amount": "25000"},
    )
    assert (report.ended, report.added, report.refused) == (1, 1, [])
    procedure = session.exec(select(Procedure)).one()
    for day, amount in ((date(2026, 6, 30), 20_000), (date(2026, 7, 1), 25_000)):
        assert [fee.amount_minor for fee in fees_in_force(session, procedure, day)] == [amount]


def test_two_rows_of_one_fee_are_never_in_force_on_the_same_day(session: Session) -> None:
    _import(session, {"effective_until": "2026-06-30"}, {"effective_from": "2026-07-01"})
    report = _import(
        session,
        {"effective_from": "2026-03-01"},  # begins while the first is in force
        {"effective_until": ""},  # would reopen the first beside the second
        {"effective_from": "2025-01-01"},  # would last over both
    )
    assert [refused.column for refused in report.refused] == ["effective_from"] * 3
    assert len(session.exec(select(FeeSchedule)).all()) == 2


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"amount": "20001"}, "amount"),
        ({"currency": "USD", "amount": "200.00"}, "currency"),
        ({"kind": "phi"}, "kind"),
        ({"budget": "revenue"}, "budget"),
        ({"legal_basis": "another law"}, "legal_basis"),
        ({"fee_name_vi": "Tên khác"}, "fee_name_vi"),
    ],
)
def test_a_fee_in_force_is_never_changed_in_place(
    session: Session, change: dict[str, str], column: str
) -> None:
    _import(session, {})
    [refused] = _import(session, change).refused
    assert refused.column == column
    assert session.exec(select(FeeSchedule)).one().amount_minor == 20_000
