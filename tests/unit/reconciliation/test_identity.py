"""Files, statements and lines are known again when they arrive once more."""

from collections import Counter
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from core.money import Money
from reconciliation.identity import (
    file_line_identities,
    file_sha256,
    line_content,
    line_identities,
    normalise_account,
    normalise_text,
    settlement_line_identities,
    statement_digest,
    statement_key,
    statement_kind,
    statement_place,
)
from reconciliation.ports import (
    LineStatus,
    Outcome,
    ParsedFile,
    ParsedLine,
    ParsedSettlement,
    ParsedSettlementLine,
    ParsedStatement,
)

DAY = date(2026, 3, 2)
LINE = ParsedLine("row 1", DAY, DAY, Decimal(150000), "VND", narrative="nop le phi DX4KT7PQ2MNA")
OTHER = replace(LINE, amount=Decimal(90000))


def statement(*lines: ParsedLine, **changes: object) -> ParsedStatement:
    stated = {
        "account": "1201 0009 8765",
        "currency": "VND",
        "number": "41",
        "from_date": DAY,
        "to_date": DAY,
        "opening_balance": Decimal(0),
        "closing_balance": Decimal(300000),
        "lines": list(lines),
    }
    return ParsedStatement(**{**stated, **changes})  # type: ignore[arg-type]


def keys(parsed: ParsedStatement, **options: bool) -> list[str]:
    return [identity.key for identity in line_identities(parsed, **options)]  # type: ignore[arg-type]


def test_a_file_is_known_by_its_bytes() -> None:
    assert file_sha256(b"a") == file_sha256(b"a") != file_sha256(b"b")


def test_two_genuine_twins_stay_two() -> None:
    first, second = line_identities(statement(LINE, LINE))

    assert first.content == second.content
    assert (first.occurrence, second.occurrence) == (1, 2)
    assert first.key != second.key


def test_the_same_statement_again_adds_nothing() -> None:
    again = replace(LINE, position="row 99", narrative="Nộp lệ phí\nDX4KT 7PQ2MNA")

    assert keys(statement(LINE, OTHER, LINE)) == keys(statement(LINE, OTHER, again))


def test_an_overlapping_export_adds_only_its_surplus() -> None:
    stored = set(keys(statement(LINE, OTHER)))

    surplus = [key for key in keys(statement(LINE, LINE, OTHER)) if key not in stored]

    assert len(surplus) == 1


def test_the_order_of_an_export_does_not_matter() -> None:
    assert set(keys(statement(LINE, OTHER, LINE))) == set(keys(statement(OTHER, LINE, LINE)))


@pytest.mark.parametrize(
    "change",
    [
        {"amount": Decimal(-150000)},
        {"currency": "USD"},
        {"booking_date": date(2026, 3, 3)},
        {"value_date": date(2026, 3, 3)},
        {"narrative": "another"},
        {"reference": "E2E"},
        {"bank_reference": "FT26061001"},
        {"counterparty_account": "777"},
        {"reversal": True},
        {"status": LineStatus.PENDING},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_line_that_says_something_else_is_another_line(change: dict[str, object]) -> None:
    other = replace(LINE, **change)  # type: ignore[arg-type]

    assert line_content(LINE, account="1") != line_content(other, account="1")


def test_the_account_is_part_of_a_lines_identity() -> None:
    assert line_content(LINE, account="1") != line_content(LINE, account="2")
    assert line_content(LINE, account="VN 12-3") == line_content(LINE, account="vn123")


def test_zeros_behind_an_amount_do_not_make_it_another() -> None:
    padded = replace(LINE, amount=Decimal("150000.00"))

    assert line_content(LINE, account="1") == line_content(padded, account="1")


def test_where_references_are_unique_another_wording_is_no_other_line() -> None:
    told = replace(LINE, bank_reference="FT26061001")
    reworded = replace(told, narrative="quite another wording", value_date=None)

    options = {"reference_is_unique": True}
    assert keys(statement(told), **options) == keys(statement(reworded), **options)
    assert keys(statement(told)) != keys(statement(reworded))


def test_a_reference_that_stands_twice_identifies_nothing() -> None:
    told = replace(LINE, bank_reference="FT26061001")
    other = replace(told, narrative="another")

    both = keys(statement(told, other), reference_is_unique=True)

    assert len(set(both)) == 2
    assert both == keys(statement(told, other))


def test_what_banks_write_for_no_reference_identifies_nothing() -> None:
    told = replace(LINE, bank_reference="NONREF")

    assert keys(statement(told), reference_is_unique=True) == keys(statement(told))


def test_a_twin_on_the_next_page_is_another_line() -> None:
    counted: Counter[tuple[date | None, str]] = Counter()
    first = line_identities(statement(LINE), counted=counted)
    second = line_identities(statement(LINE, page=2), counted=counted)

    assert [first[0].occurrence, second[0].occurrence] == [1, 2]


def test_lines_of_one_file_are_never_merged() -> None:
    pages = [statement(LINE), statement(LINE, page=2)]
    parsed = ParsedFile("f", "0", "camt.053.001.08", Outcome.OK, pages)

    identities = [i for page in file_line_identities(parsed) for i in page]

    assert len({identity.key for identity in identities}) == 2


def test_a_format_is_one_kind_in_all_its_versions() -> None:
    assert statement_kind("camt.053.001.02") == statement_kind("camt.053.001.14") == "camt.053"
    assert statement_kind("table:bidv") == "table:bidv"


@pytest.mark.parametrize(
    "change",
    [
        {"account": "999"},
        {"currency": "USD"},
        {"number": "42"},
        {"page": 2},
        {"from_date": date(2026, 3, 1)},
        {"to_date": date(2026, 3, 3)},
        {"opening_balance": Decimal(1)},
        {"closing_balance": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_statement_has_another_key(change: dict[str, object]) -> None:
    one, other = statement(LINE), statement(LINE, **change)

    assert statement_key(one, kind="camt.053") != statement_key(other, kind="camt.053")


def test_a_corrected_statement_has_the_same_key_and_another_digest() -> None:
    one, corrected = statement(LINE), statement(replace(LINE, narrative="corrected"))

    assert statement_key(one, kind="camt.053") == statement_key(corrected, kind="camt.053")
    assert statement_digest(one) != statement_digest(corrected)


def test_a_correction_of_the_balances_keeps_the_place_in_the_series() -> None:
    one, corrected = statement(LINE), statement(LINE, closing_balance=Decimal(1))

    assert statement_place(one, kind="camt.053") == statement_place(corrected, kind="camt.053")
    assert statement_key(one, kind="camt.053") != statement_key(corrected, kind="camt.053")


def test_the_number_of_another_year_is_another_place() -> None:
    one = statement(LINE)
    later = statement(LINE, from_date=date(2027, 3, 2), to_date=date(2027, 3, 2))

    assert statement_place(one, kind="camt.053") != statement_place(later, kind="camt.053")


def test_without_a_number_there_is_no_place() -> None:
    assert statement_place(statement(LINE, number=""), kind="camt.053") is None


def test_a_copy_in_another_order_has_the_same_digest() -> None:
    assert statement_digest(statement(LINE, OTHER)) == statement_digest(statement(OTHER, LINE))


def test_accounts_are_compared_without_their_gaps() -> None:
    assert normalise_account(" de89 3704-0044.0532 ") == "DE89370400440532"


def test_texts_are_compared_without_diacritics_and_gaps() -> None:
    assert normalise_text("Đặng Thị  Ánh\n nộp") == "DANGTHIANHNOP"


def test_a_settlement_line_in_another_report_is_another_line() -> None:
    line = ParsedSettlementLine(
        "row 1", "payment", "1", "DX", Money(10), Money(1), Money(9), "t", "PO", DAY
    )
    one = ParsedSettlement("f", "0", "x", "vnpay", "R1", Outcome.OK, [line, line])
    other = ParsedSettlement("f", "0", "x", "vnpay", "R2", Outcome.OK, [line])

    first, twin = settlement_line_identities(one)
    assert first.key != twin.key
    assert settlement_line_identities(other)[0].key not in {first.key, twin.key}
