"""Who does what on which day: a plan that follows from a seed, the same in every run.

A plan speaks of bills by keys of its own, because references are random. Days count from 0; day
``BEFORE`` lies five weeks earlier, so that some bills have expired when the play begins.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Final

from adapters.simulators.faults import Fault, draw
from app.demo.city import WARDS, Ward, procedure_codes
from app.demo.deeds import (
    BookLine,
    Cancel,
    Deed,
    Dispute,
    Issue,
    PayOnline,
    Planned,
    PlannedBill,
    Purpose,
    RefundElsewhere,
    ShowCode,
    Slot,
    Sum,
    TakeBack,
    Transfer,
)
from app.demo.simulators import SEED
from core.calendar import WorkingCalendar
from payments.channels import Rail

FIRST_DAY: Final = date(2026, 10, 5)
DAY_BEFORE: Final = date(2026, 8, 31)
BEFORE: Final = -1
BILLS_A_DAY: Final = 38


class Story(StrEnum):
    """What becomes of one bill."""

    TRANSFERRED = "transferred"
    PAID_VNPAY = "paid_vnpay"
    PAID_MOMO = "paid_momo"
    PAID_ZALOPAY = "paid_zalopay"
    PAID_STRIPE = "paid_stripe"
    LEFT_OPEN = "left_open"
    ABANDONED = "abandoned"
    ABANDONED_THEN_TRANSFERRED = "abandoned_then_transferred"
    DECLINED_THEN_PAID = "declined_then_paid"
    EXEMPT = "exempt"
    CANCELLED = "cancelled"
    TOO_LITTLE = "too_little"
    TOO_MUCH = "too_much"
    OTHER_AMOUNT_COLLECTED = "other_amount_collected"
    NO_REFERENCE = "no_reference"
    UNREADABLE_REFERENCE = "unreadable_reference"
    DOSSIER_CODE_ONLY = "dossier_code_only"
    IN_PARTS = "in_parts"
    TWO_BILLS_AT_ONCE = "two_bills_at_once"
    TWO_BILLS_ONE_DOSSIER = "two_bills_one_dossier"
    TRANSFERRED_TWICE = "transferred_twice"
    PAID_ON_TWO_CHANNELS = "paid_on_two_channels"
    LATE_NOTICE = "late_notice"
    LOST_NOTICE = "lost_notice"
    LOST_NOTICE_AND_ANSWER = "lost_notice_and_answer"
    DOUBLE_NOTICE = "double_notice"
    LOST_START = "lost_start"
    PAID_LATER = "paid_later"
    WRONG_FEE = "wrong_fee"
    UNREPORTED = "unreported"
    CHARGED_BACK = "charged_back"
    REFUNDED_ELSEWHERE = "refunded_elsewhere"
    TAKEN_BACK = "taken_back"
    CANCELLED_THEN_PAID = "cancelled_then_paid"
    EXPIRED_THEN_PAID = "expired_then_paid"


_ORDINARY: Final = (
    (Story.TRANSFERRED, 450),
    (Story.PAID_VNPAY, 160),
    (Story.PAID_MOMO, 110),
    (Story.PAID_ZALOPAY, 80),
    (Story.PAID_STRIPE, 90),
    (Story.LEFT_OPEN, 40),
    (Story.ABANDONED, 20),
    (Story.DECLINED_THEN_PAID, 15),
    (Story.ABANDONED_THEN_TRANSFERRED, 10),
    (Story.EXEMPT, 15),
    (Story.CANCELLED, 10),
)
"""How many of a thousand ordinary bills end in which way."""

_SPECIAL: Final = (
    (0, "TOO_LITTLE UNREPORTED WRONG_FEE LOST_NOTICE DOUBLE_NOTICE NO_REFERENCE"),
    (0, "TRANSFERRED_TWICE CHARGED_BACK TAKEN_BACK LATE_NOTICE OTHER_AMOUNT_COLLECTED"),
    (1, "UNREADABLE_REFERENCE LOST_START REFUNDED_ELSEWHERE DOSSIER_CODE_ONLY TOO_MUCH"),
    (1, "EXPIRED_THEN_PAID IN_PARTS TWO_BILLS_AT_ONCE TWO_BILLS_ONE_DOSSIER PAID_LATER"),
    (2, "CANCELLED_THEN_PAID PAID_ON_TWO_CHANNELS LOST_NOTICE_AND_ANSWER WRONG_FEE"),
    (3, "TOO_LITTLE LATE_NOTICE DOUBLE_NOTICE NO_REFERENCE LOST_START UNREPORTED"),
    (4, "TRANSFERRED_TWICE LOST_NOTICE TAKEN_BACK IN_PARTS OTHER_AMOUNT_COLLECTED"),
    (5, "EXPIRED_THEN_PAID CHARGED_BACK UNREADABLE_REFERENCE WRONG_FEE"),
    (6, "TOO_MUCH LOST_NOTICE TWO_BILLS_AT_ONCE NO_REFERENCE REFUNDED_ELSEWHERE"),
    (7, "UNREPORTED LATE_NOTICE DOSSIER_CODE_ONLY TRANSFERRED_TWICE PAID_LATER"),
    (8, "TOO_LITTLE DOUBLE_NOTICE LOST_START WRONG_FEE"),
    (9, "NO_REFERENCE LATE_NOTICE LOST_NOTICE"),
)
"""What goes wrong on which day, besides what is ordinary."""

_FAULTY: Final[dict[Story, tuple[Rail, tuple[Fault, ...]]]] = {
    Story.OTHER_AMOUNT_COLLECTED: (Rail.VNPAY, (Fault.OTHER_AMOUNT,)),
    Story.LATE_NOTICE: (Rail.STRIPE, (Fault.LATE_NOTICE,)),
    Story.LOST_NOTICE: (Rail.ZALOPAY, (Fault.LOST_NOTICE,)),
    Story.LOST_NOTICE_AND_ANSWER: (Rail.VNPAY, (Fault.LOST_NOTICE, Fault.LOST_QUERY)),
    Story.DOUBLE_NOTICE: (Rail.MOMO, (Fault.DOUBLE_NOTICE,)),
    Story.LOST_START: (Rail.STRIPE, (Fault.LOST_START,)),
    Story.WRONG_FEE: (Rail.VNPAY, (Fault.WRONG_FEE,)),
    Story.UNREPORTED: (Rail.VNPAY, (Fault.UNREPORTED,)),
}

Course = list[tuple[int, Deed]]


def _transferred(purpose: Purpose, amount: Sum = Sum.AS_SHOWN) -> Callable[[PlannedBill], Course]:
    return lambda bill: [(0, Transfer(bill, purpose=purpose, sum=amount))]


def _online(rail: Rail, outcome: str = "pay") -> Callable[[PlannedBill], Course]:
    return lambda bill: [(0, PayOnline(bill, rail, outcome=outcome))]


def _untouched(bill: PlannedBill, number: int = 1, amount: Sum = Sum.AS_SHOWN) -> Transfer:
    return Transfer(bill, number=number, purpose=Purpose.UNTOUCHED, sum=amount)


def _two_bills_at_once(bill: PlannedBill) -> Course:
    other = replace(bill, key=f"{bill.key}-b", dossier_code=_next_dossier(bill.dossier_code))
    both = Transfer(bill, purpose=Purpose.TWO_REFERENCES, sum=Sum.BOTH_BILLS, other_bill=other)
    return [(0, Issue(other)), (0, ShowCode(other)), (0, both)]


def _two_bills_one_dossier(bill: PlannedBill) -> Course:
    other = replace(bill, key=f"{bill.key}-b")
    transfer = Transfer(bill, purpose=Purpose.DOSSIER_CODE)
    return [(0, Issue(other)), (0, ShowCode(other)), (0, transfer)]


_COURSES: Final[dict[Story, Callable[[PlannedBill], Course]]] = {
    Story.TRANSFERRED: _transferred(Purpose.AS_SHOWN),
    Story.PAID_VNPAY: _online(Rail.VNPAY),
    Story.PAID_MOMO: _online(Rail.MOMO),
    Story.PAID_ZALOPAY: _online(Rail.ZALOPAY),
    Story.PAID_STRIPE: _online(Rail.STRIPE),
    Story.PAID_LATER: _online(Rail.STRIPE, "pay_later"),
    Story.ABANDONED: _online(Rail.VNPAY, "abandon"),
    Story.ABANDONED_THEN_TRANSFERRED: lambda bill: [
        (0, PayOnline(bill, Rail.VNPAY, outcome="abandon")),
        (0, Transfer(bill, attempt=2)),
    ],
    Story.DECLINED_THEN_PAID: lambda bill: [
        (0, PayOnline(bill, Rail.VNPAY, outcome="insufficient")),
        (0, PayOnline(bill, Rail.STRIPE, attempt=2)),
    ],
    Story.CANCELLED: lambda bill: [(0, Cancel(bill))],
    Story.TOO_LITTLE: _transferred(Purpose.UNTOUCHED, Sum.LESS),
    Story.TOO_MUCH: _transferred(Purpose.UNTOUCHED, Sum.MORE),
    Story.NO_REFERENCE: _transferred(Purpose.NOTHING),
    Story.UNREADABLE_REFERENCE: _transferred(Purpose.TWO_SYMBOLS_WRONG),
    Story.DOSSIER_CODE_ONLY: _transferred(Purpose.DOSSIER_CODE),
    Story.IN_PARTS: lambda bill: [
        (0, _untouched(bill, 1, Sum.FIRST_HALF)),
        (0, _untouched(bill, 2, Sum.SECOND_HALF)),
    ],
    Story.TWO_BILLS_AT_ONCE: _two_bills_at_once,
    Story.TWO_BILLS_ONE_DOSSIER: _two_bills_one_dossier,
    Story.TRANSFERRED_TWICE: lambda bill: [(0, _untouched(bill)), (0, _untouched(bill, 2))],
    Story.PAID_ON_TWO_CHANNELS: lambda bill: [
        (0, ShowCode(bill)),
        (0, PayOnline(bill, Rail.VNPAY, attempt=2)),
        (1, _untouched(bill)),
    ],
    Story.CHARGED_BACK: lambda bill: [(0, PayOnline(bill, Rail.STRIPE)), (1, Dispute(bill))],
    Story.REFUNDED_ELSEWHERE: lambda bill: [
        (0, PayOnline(bill, Rail.STRIPE)),
        (1, RefundElsewhere(bill)),
    ],
    Story.TAKEN_BACK: lambda bill: [(0, _untouched(bill)), (1, TakeBack(bill))],
    Story.CANCELLED_THEN_PAID: lambda bill: [
        (0, ShowCode(bill)),
        (0, Cancel(bill)),
        (1, _untouched(bill)),
    ],
    Story.EXPIRED_THEN_PAID: lambda bill: [(0, ShowCode(bill)), (0, _untouched(bill))],
}
"""What follows the issue of a bill. What is not named here is left open."""

_FAMILY_NAMES: Final = [
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Hoàng",
    "Vũ",
    "Đặng",
    "Bùi",
    "Đỗ",
    "Hồ",
    "Ngô",
    "Dương",
    "Lý",
    "Đinh",
    "Phùng",
]
_MIDDLE_NAMES: Final = ["Văn", "Thị", "Minh", "Quốc", "Thu", "Ngọc", "Đức", "Hữu", "Thanh", "Hồng"]
_GIVEN_NAMES: Final = [
    "An",
    "Bình",
    "Cường",
    "Dung",
    "Đức",
    "Hạnh",
    "Khôi",
    "Lan",
    "Mai",
    "Nam",
    "Phúc",
    "Quân",
    "Sơn",
    "Trang",
    "Yến",
]


def business_days(count: int) -> list[date]:
    """Return the first ``count`` business days of the play."""
    calendar = WorkingCalendar.from_csv()
    days = [calendar.working_day_from(FIRST_DAY)]
    while len(days) < count:
        days.append(calendar.working_day_after(days[-1]))
    return days


def make_plan(days: int) -> list[Planned]:
    """Return every deed of ``days`` business days in order; more days change no earlier one."""
    dates = business_days(days)
    planned = [
        step
        for day in range(days)
        for number, story in enumerate(_stories(day))
        for step in _tell(story, day, dates, number)
    ]
    planned += [Planned(day, Slot.AFTERNOON, line) for day, line in _bank_lines()]
    return sorted(
        (step for step in planned if step.day < days), key=lambda step: (step.day, step.slot)
    )


def _stories(day: int) -> Iterator[Story]:
    for number in range(BILLS_A_DAY):
        point = draw(SEED, "story", str(day), str(number)) % 1000
        for story, weight in _ORDINARY:
            if point < weight:
                yield story
                break
            point -= weight
    for special_day, names in _SPECIAL:
        if special_day == day:
            yield from (Story[name] for name in names.split())


def _tell(story: Story, day: int, dates: list[date], number: int) -> list[Planned]:
    """Return what happens to one bill; everything but what comes later happens in one slot."""
    slot = Slot(draw(SEED, "slot", str(day), str(number)) % 2)
    ward = WARDS[draw(SEED, "ward", str(day), str(number)) % len(WARDS)]
    expired = story is Story.EXPIRED_THEN_PAID
    bill = _bill(ward, DAY_BEFORE if expired else dates[day], day, number)
    if expired:
        bill = replace(bill, due_days=0)
    if story is Story.EXEMPT:
        bill = replace(bill, exemption_reason="Hộ nghèo (minh họa) / poor household")
    issued = BEFORE if expired else day
    told = [Planned(issued, slot, Issue(bill))]
    told += [Planned(day + later, slot, deed) for later, deed in _deeds(story, bill)]
    if expired:
        told[1] = replace(told[1], day=BEFORE)
    return told


def _deeds(story: Story, bill: PlannedBill) -> Course:
    """Return what follows the issue of a bill, each deed with how many days later."""
    if story in _FAULTY:
        channel, faults = _FAULTY[story]
        return [(0, PayOnline(bill, channel, faults=faults))]
    course = _COURSES.get(story)
    return course(bill) if course else []


def _bill(ward: Ward, day: date, day_number: int, number: int) -> PlannedBill:
    key = f"demo-{day_number:02d}-{number:03d}"
    unit = WARDS.index(ward) + 1
    sequence = day_number * 1000 + number + 1
    codes = procedure_codes()
    return PlannedBill(
        key=key,
        dossier_code=f"H49.31.{unit:02d}-{day:%y%m%d}-{sequence:05d}",
        office_code=ward.code,
        procedure_code=codes[draw(SEED, "procedure", key) % len(codes)],
        payer_name=" ".join(
            names[draw(SEED, f"name{place}", key) % len(names)]
            for place, names in enumerate((_FAMILY_NAMES, _MIDDLE_NAMES, _GIVEN_NAMES))
        ),
        language="en" if draw(SEED, "language", key) % 12 == 0 else "vi",
    )


def _next_dossier(code: str) -> str:
    head, _, sequence = code.rpartition("-")
    return f"{head}-{int(sequence) + 500:05d}"


def _bank_lines() -> Iterator[tuple[int, BookLine]]:
    """Yield what banks book besides: interest, charges, and money that nobody can place."""
    for place, ward in enumerate(WARDS):
        interest = 900 + draw(SEED, "interest", ward.code) % 9000
        yield place, BookLine(f"interest-{place}", ward.code, interest, "LAI TIEN GUI THANG 09")
        charge = BookLine(f"charge-{place}", ward.code, -11_000, "PHI QUAN LY TAI KHOAN T10")
        yield (place + 1) % 5, charge
    unknown = (
        (1, 0, 500_000, "UNG HO QUY KHUYEN HOC PHUONG", "CTY TNHH BIEN DONG MINH HOA"),
        (4, 3, 120_000, "tra tien mua hang", "DINH VAN TOAN"),
        (7, 5, 84_000, "chuyen khoan", "HO THI SEN"),
    )
    for day, place, amount, narrative, name in unknown:
        yield day, BookLine(f"unknown-{day}", WARDS[place].code, amount, narrative, name)
    yield 3, BookLine("debit-3", WARDS[2].code, -45_000, "THANH TOAN VAN PHONG PHAM", "CUA HANG 8")
