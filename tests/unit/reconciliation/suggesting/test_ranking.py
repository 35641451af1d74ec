"""Suggestions rank what resembles; order changes nothing, and alike cases say that they are."""

import random
from datetime import date, timedelta

import pytest

from reconciliation.suggesting.ranking import (
    ALONE,
    MOST_LINES,
    NEAREST,
    OpenBill,
    OpenLine,
    suggest,
)

DAY = date(2026, 3, 10)


def a_line(number: int = 1, **fields: object) -> OpenLine:
    said: dict[str, object] = {
        "line_id": f"B{number:03}",
        "amount_minor": 150_000,
        "day": DAY,
        "narrative": "CHUYEN TIEN",
        "sender": "",
    }
    return OpenLine(**(said | fields))  # type: ignore[arg-type]


def a_bill(number: int = 1, **fields: object) -> OpenBill:
    said: dict[str, object] = {
        "bill_reference": f"MC{number:03}AAAAAAA",
        "dossier_code": f"H49.22-260310-{number:04}",
        "owed_minor": 150_000,
        "issued": DAY,
        "due": DAY,
        "payer": "",
    }
    return OpenBill(**(said | fields))  # type: ignore[arg-type]


def test_amount_and_day_alone_suggest_a_single_bill_with_all_that_is_missing_said() -> None:
    [one] = suggest([a_line()], [a_bill()])
    assert (one.line_id, one.bill_reference) == ("B001", "MC001AAAAAAA")
    assert (one.points.amount, one.points.reference, one.points.name, one.points.days) == (
        0, 30, 20, 0,
    )  # fmt: skip
    assert one.gap == ALONE - one.points.total


def test_two_bills_alike_are_no_better_than_each_other() -> None:
    [one] = suggest([a_line()], [a_bill(1), a_bill(2)])
    assert one.gap == 0


def test_a_name_tells_two_bills_apart_whatever_marks_and_order_it_has() -> None:
    bills = [a_bill(1, payer="Trần Văn Bình"), a_bill(2, payer="Nguyễn Thị Ánh Tuyết")]
    [one] = suggest([a_line(sender="TUYET NGUYEN THI ANH")], bills)
    assert one.bill_reference == bills[1].bill_reference
    assert one.points.name == 0
    assert one.gap >= 5


def test_a_name_in_the_narrative_counts_as_well() -> None:
    bills = [a_bill(1, payer="Trần Văn Bình"), a_bill(2, payer="Nguyễn Thị Ánh Tuyết")]
    [one] = suggest([a_line(narrative="Tran Van Binh nop phi")], bills)
    assert one.bill_reference == bills[0].bill_reference


def test_a_reference_too_damaged_to_be_read_still_points_somewhere() -> None:
    bills = [a_bill(1, bill_reference="MC3XMKZT6N87"), a_bill(2, bill_reference="MCHJ53T4J8GH")]
    [one] = suggest([a_line(narrative="NOP PHI MCHJ5XT4J0GH")], bills)
    assert one.bill_reference == "MCHJ53T4J8GH"
    assert one.points.reference <= 15


def test_other_amounts_need_more_than_a_day() -> None:
    assert suggest([a_line()], [a_bill(owed_minor=160_000)]) == []
    [one] = suggest([a_line(sender="Tran Van Binh")], [
        a_bill(owed_minor=151_000, payer="Trần Văn Bình", bill_reference="MC3XMKZT6N87"),
    ])  # fmt: skip
    assert one.points.amount == 21


def test_days_count_outside_of_issue_and_due_only() -> None:
    bill = a_bill(issued=DAY, due=DAY + timedelta(days=9))
    days = {
        shift: [one.points.days for one in suggest([a_line(day=DAY + timedelta(shift))], [bill])]
        for shift in (-3, 0, 9, 12, 30)
    }
    assert days == {-3: [3], 0: [0], 9: [0], 12: [3], 30: []}


def test_everybody_is_served_although_the_first_would_take_the_others_only_bill() -> None:
    """Greedy would give the first line the second's only bill."""
    lines = [a_line(1, sender="Le Minh"), a_line(2, day=DAY + timedelta(4), sender="")]
    bills = [
        a_bill(1, due=DAY + timedelta(4)),
        a_bill(2, issued=DAY - timedelta(1), due=DAY - timedelta(1), payer=""),
    ]
    got = {one.line_id: one.bill_reference for one in suggest(lines, bills)}
    assert got == {"B001": bills[1].bill_reference, "B002": bills[0].bill_reference}


def test_each_bill_is_suggested_once() -> None:
    assert len(suggest([a_line(1), a_line(2)], [a_bill()])) == 1


@pytest.mark.parametrize("seed", range(5))
def test_order_changes_nothing(seed: int) -> None:
    draw = random.Random(seed)
    names = ["Trần Văn Bình", "Nguyễn Thị Ánh", "Lê Minh", "Phạm Hồng Hà", ""]
    lines = [
        a_line(n, amount_minor=draw.choice([150_000, 200_000]), sender=draw.choice(names),
               day=DAY + timedelta(draw.randrange(8)))
        for n in range(30)
    ]  # fmt: skip
    bills = [
        a_bill(n, owed_minor=draw.choice([150_000, 200_000]), payer=draw.choice(names),
               issued=DAY - timedelta(draw.randrange(8)))
        for n in range(NEAREST * 3)
    ]  # fmt: skip
    first = suggest(lines, bills)
    draw.shuffle(lines)
    draw.shuffle(bills)
    assert suggest(lines, bills) == first
    assert len({one.bill_reference for one in first}) == len(first) > 20


def test_too_many_are_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        suggest([a_line(n) for n in range(MOST_LINES + 1)], [])
