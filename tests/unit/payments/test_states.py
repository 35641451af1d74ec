"""Every state times every event: what is drawn here is allowed, everything else is refused."""

from collections.abc import Mapping
from enum import StrEnum

import pytest

from payments import states
from payments.errors import IllegalTransitionError
from payments.states import (
    BILL_TRANSITIONS,
    MAY_STILL_COLLECT,
    PAYABLE,
    PAYMENT_TRANSITIONS,
    REFUND_TRANSITIONS,
    REMITTANCE_TRANSITIONS,
    BillEvent,
    BillStatus,
    PaymentEvent,
    PaymentStatus,
    RefundEvent,
    RefundStatus,
    RemittanceEvent,
    RemittanceStatus,
    event_for_received,
    next_state,
)

# One row for each state, one column for each event in the order of its enum; "-" is refused.
BILL = """
                nothing part        all  more     cancel    expire  exempt due_again
    open        -       partly_paid paid overpaid cancelled expired exempt -
    partly_paid open    partly_paid paid overpaid -         -       -      -
    paid        open    partly_paid paid overpaid -         -       -      -
    overpaid    open    partly_paid paid overpaid cancelled -       exempt -
    cancelled   -       partly_paid paid overpaid -         -       -      open
    expired     -       partly_paid paid overpaid cancelled -       exempt -
    exempt      -       partly_paid paid overpaid -         -       -      -
"""
PAYMENT = """
                started collected declined timed_out abandoned taken_back
    created     pending succeeded failed   expired   cancelled -
    pending     -       succeeded failed   expired   cancelled -
    succeeded   -       -         -        -         -         reversed
    failed      -       succeeded -        -         -         -
    expired     -       succeeded -        -         -         -
    cancelled   -       succeeded -        -         -         -
    reversed    -       succeeded -        -         -         -
"""
REFUND = """
                approve  reject   submit    sent_back refused unproven
    requested   approved rejected -         -         -       -
    rejected    -        -        -         -         -       -
    approved    -        rejected submitted -         -       -
    submitted   -        -        -         succeeded failed  -
    succeeded   -        -        -         -         -       submitted
    failed      -        -        -         succeeded -       -
"""

REMITTANCE = """
                approve  reject   order   refused
    proposed    approved rejected -       -
    rejected    -        -        -       -
    approved    -        rejected ordered -
    ordered     -        -        -       refused
    refused     -        -        -       -
"""


def _cells(drawing: str, events: type[StrEnum]) -> list[tuple[str, StrEnum, str]]:
    rows = [line.split() for line in drawing.strip().splitlines()[1:]]
    return [
        (row[0], event, target)
        for row in rows
        for event, target in zip(events, row[1:], strict=True)
    ]


TABLES: list[
    tuple[Mapping[tuple[StrEnum, StrEnum], StrEnum], type[StrEnum], type[StrEnum], str]
] = [
    (BILL_TRANSITIONS, BillStatus, BillEvent, BILL),
    (PAYMENT_TRANSITIONS, PaymentStatus, PaymentEvent, PAYMENT),
    (REFUND_TRANSITIONS, RefundStatus, RefundEvent, REFUND),
    (REMITTANCE_TRANSITIONS, RemittanceStatus, RemittanceEvent, REMITTANCE),
]


@pytest.mark.parametrize(("table", "kind", "events", "drawing"), TABLES)
def test_every_state_meets_every_event_as_drawn(
    table: Mapping[tuple[StrEnum, StrEnum], StrEnum],
    kind: type[StrEnum],
    events: type[StrEnum],
    drawing: str,
) -> None:
    cells = _cells(drawing, events)
    assert {state for state, _, _ in cells} == {state.value for state in kind}
    for state, event, target in cells:
        if target == "-":
            with pytest.raises(IllegalTransitionError):
                next_state(table, kind(state), event)
        else:
            assert next_state(table, kind(state), event) is kind(target), (state, event)


def test_money_that_arrives_is_never_refused() -> None:
    money = (BillEvent.RECEIVED_PART, BillEvent.RECEIVED_ALL, BillEvent.RECEIVED_MORE)
    assert all((state, event) in BILL_TRANSITIONS for state in BillStatus for event in money)


def test_collected_money_is_undone_only_by_its_return() -> None:
    leaving = [event for state, event in PAYMENT_TRANSITIONS if state is PaymentStatus.SUCCEEDED]
    assert leaving == [PaymentEvent.TAKEN_BACK]


def test_only_unknown_attempts_may_still_collect_and_only_unpaid_bills_are_payable() -> None:
    assert {PaymentStatus.CREATED, PaymentStatus.PENDING} == MAY_STILL_COLLECT
    assert {BillStatus.OPEN, BillStatus.PARTLY_PAID} == PAYABLE
    assert {s for s, e in BILL_TRANSITIONS if e is BillEvent.RECEIVED_NOTHING} == states.HOLDS_MONEY


@pytest.mark.parametrize(
    ("received", "due", "event"),
    [
        (-1, 100, BillEvent.RECEIVED_NOTHING),
        (0, 100, BillEvent.RECEIVED_NOTHING),
        (0, 0, BillEvent.RECEIVED_NOTHING),
        (1, 100, BillEvent.RECEIVED_PART),
        (99, 100, BillEvent.RECEIVED_PART),
        (100, 100, BillEvent.RECEIVED_ALL),
        (101, 100, BillEvent.RECEIVED_MORE),
        (1, 0, BillEvent.RECEIVED_MORE),
    ],
)
def test_what_a_bill_holds_names_its_event(received: int, due: int, event: BillEvent) -> None:
    assert event_for_received(received, due) is event
