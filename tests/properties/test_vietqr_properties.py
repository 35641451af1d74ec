"""VietQR codes under any values and any damage."""

import string

from hypothesis import given
from hypothesis import strategies as st

from adapters.gateways.vietqr import build_vietqr, parse_vietqr, transfer_purpose
from core.money import Money
from payments.errors import QRPayloadError

ALNUM = string.ascii_uppercase + string.digits
bins = st.text("0123456789", min_size=6, max_size=6)
accounts = st.text(ALNUM + string.ascii_lowercase, min_size=1, max_size=19)
amounts = st.none() | st.integers(1, 10**13 - 1).map(Money)
purposes = st.text(ALNUM + " ", min_size=1, max_size=25)
codes = st.builds(build_vietqr, bins, accounts, amounts, purposes)


@given(bins, accounts, amounts, purposes)
def test_whatever_is_built_is_read_as_it_was(
    bank_bin: str, account: str, amount: Money | None, purpose: str
) -> None:
    order = parse_vietqr(build_vietqr(bank_bin, account, amount, purpose))

    assert (order.bank_bin, order.account, order.amount, order.purpose) == (
        bank_bin,
        account,
        amount,
        purpose,
    )


@given(codes, st.data())
def test_one_wrong_character_is_always_noticed(code: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(code) - 1))
    wrong = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E))
    damaged = code[:place] + wrong + code[place + 1 :]
    try:
        order = parse_vietqr(damaged)
    except QRPayloadError:
        return
    # Only the case of the checksum's own digits does not count.
    assert damaged.upper() == code.upper()
    assert order == parse_vietqr(code)


@given(codes, st.data())
def test_two_swapped_neighbours_are_always_noticed(code: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(code) - 2))
    swapped = code[:place] + code[place + 1] + code[place] + code[place + 2 :]
    try:
        parse_vietqr(swapped)
    except QRPayloadError:
        return
    assert swapped == code


@given(codes, st.data())
def test_a_cut_code_is_refused(code: str, data: st.DataObject) -> None:
    cut = code[: data.draw(st.integers(0, len(code) - 1))]
    try:
        parse_vietqr(cut)
    except QRPayloadError:
        return
    raise AssertionError(cut)


@given(st.text())
def test_any_text_is_read_or_refused_never_more(text: str) -> None:
    try:
        parse_vietqr(text)
    except QRPayloadError:
        return
    raise AssertionError(text)


@given(st.text(ALNUM, min_size=1, max_size=25), st.text(max_size=80))
def test_a_purpose_is_plain_short_and_begins_with_the_reference(
    reference: str, description: str
) -> None:
    purpose = transfer_purpose(reference, description)

    assert purpose.partition(" ")[0] == reference
    assert len(purpose) <= 25
    assert set(purpose) <= set(ALNUM + " ")
