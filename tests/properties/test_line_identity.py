"""However an account's days are exported and re-exported, every genuine line is stored once."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.identity import line_identities, statement_digest
from reconciliation.ports import ParsedLine, ParsedStatement

START = date(2026, 3, 2)

lines = st.builds(
    ParsedLine,
    position=st.just("row"),
    booking_date=st.integers(0, 4).map(lambda n: START + timedelta(days=n)),
    value_date=st.none(),
    amount=st.integers(-3, 3).filter(bool).map(Decimal),
    currency=st.just("VND"),
    narrative=st.sampled_from(["", "a", "b"]),
    bank_reference=st.sampled_from(["", "NONREF", "X"]),
)


def keys(exported: list[ParsedLine]) -> list[str]:
    statement = ParsedStatement(account="1", currency="VND", lines=exported)
    return [identity.key for identity in line_identities(statement)]


@given(st.lists(lines, max_size=20))
def test_lines_of_one_file_all_have_their_own_key(exported: list[ParsedLine]) -> None:
    assert len(set(keys(exported))) == len(exported)


@given(st.lists(lines, max_size=20), st.data())
def test_whole_days_exported_in_overlapping_pieces_and_any_order_store_each_line_once(
    account: list[ParsedLine], data: st.DataObject
) -> None:
    stored: set[str] = set()
    pieces = data.draw(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=4))
    covered = set(range(5)) if not pieces else {d for a, b in pieces for d in range(a, b + 1)}
    for first, last in pieces or [(0, 4)]:
        piece = [x for x in account if first <= (x.booking_date - START).days <= last]  # type: ignore[operator]
        stored.update(keys(data.draw(st.permutations(piece))))

    genuine = [x for x in account if (x.booking_date - START).days in covered]  # type: ignore[operator]
    assert stored == set(keys(genuine))
    assert len(stored) == len(genuine)


@given(st.lists(lines, min_size=1, max_size=8), st.data())
def test_a_statement_that_lost_or_changed_a_line_has_another_digest(
    exported: list[ParsedLine], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(exported) - 1))
    whole = ParsedStatement(account="1", currency="VND", lines=exported)
    changed = replace(exported[index], amount=exported[index].amount + 10)
    less = ParsedStatement(
        account="1", currency="VND", lines=[*exported[:index], *exported[index + 1 :]]
    )
    other = ParsedStatement(
        account="1", currency="VND", lines=[*exported[:index], changed, *exported[index + 1 :]]
    )

    assert len({statement_digest(s) for s in (whole, less, other)}) == 3
