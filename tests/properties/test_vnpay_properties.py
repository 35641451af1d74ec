"""VNPay signatures under any values, orders and changes."""

from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.gateways.vnpay_signing import (
    QUERY_RESPONSE,
    encode_query,
    hmac_sha512,
    is_signed_object,
    pipe_string,
    read_signed_query,
    signed_query,
)

names = st.text("ABCDEFabcdef", min_size=1, max_size=8).map("vnp_{}".format)
values = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
parameters = st.dictionaries(names, values, min_size=1, max_size=8)
secrets = st.text("abcdef0123456789", min_size=1, max_size=32)


@given(parameters, secrets)
def test_what_is_signed_is_read_back(fields: dict[str, str], secret: str) -> None:
    assert read_signed_query(signed_query(fields, secret), [secret]) == fields


@given(parameters, secrets, st.randoms())
def test_the_order_of_pairs_does_not_count(
    fields: dict[str, str],
    secret: str,
    random: object,
) -> None:
    pairs = signed_query(fields, secret).split("&")
    random.shuffle(pairs)  # type: ignore[attr-defined]

    assert read_signed_query("&".join(pairs), [secret]) == fields


@given(parameters, secrets, secrets)
def test_another_key_does_not_fit(fields: dict[str, str], secret: str, other: str) -> None:
    assume(secret != other)
    assert read_signed_query(signed_query(fields, secret), [other]) is None
    assert read_signed_query(signed_query(fields, secret), [other, secret]) == fields


@given(parameters, parameters, secrets)
def test_a_signature_fits_its_own_fields_only(
    fields: dict[str, str], others: dict[str, str], secret: str
) -> None:
    assume(fields != others)
    digest = signed_query(fields, secret).rpartition("=")[2]
    assert read_signed_query(f"{encode_query(others)}&vnp_SecureHash={digest}", [secret]) is None


@given(st.text())
def test_any_text_is_unsigned(text: str) -> None:
    assert read_signed_query(text, ["secret"]) is None


@given(st.dictionaries(st.sampled_from(QUERY_RESPONSE), values), secrets)
def test_absent_values_keep_their_slots(fields: dict[str, str], secret: str) -> None:
    text = pipe_string(QUERY_RESPONSE, fields)
    signed = {**fields, "vnp_SecureHash": hmac_sha512(text, secret).upper()}

    assert is_signed_object(signed, QUERY_RESPONSE, [secret])
    assert not is_signed_object(signed, QUERY_RESPONSE, ["", secret + "0"])
