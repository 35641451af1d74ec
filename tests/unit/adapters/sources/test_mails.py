"""Mails are hostile until the opposite is known: nothing of one crashes us or is dropped."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.sources.mails import files_of, is_from, sender_of


@pytest.mark.parametrize(
    ("header", "sender"),
    [
        (b"From: a@bank.example", "a@bank.example"),
        (b"From: Bank <A@Bank.Example>", "a@bank.example"),
        (b"From: =?utf-8?Q?Ng=C3=A2n_h=C3=A0ng?= <a@bank.example>", "a@bank.example"),
        (b"From: =?utf-8?Q?x?=\r\n <a@bank.example>", "a@bank.example"),
        (b'From: "a@bank.example" <e@evil.example>', "e@evil.example"),
        (b"From: a@bank.example\r\nFrom: e@evil.example", ""),
        (b"From: a@bank.example, e@evil.example", ""),
        (b"From: a@bank.example)e@evil.example", ""),
        (b"From: e@evil.example(<a@bank.example>", ""),
        (b"To: a@bank.example", ""),
        (b"", ""),
        (b"From: \xff\xfe", ""),
    ],
)
def test_a_sender_is_one_address_or_none(header: bytes, sender: str) -> None:
    assert sender_of(header + b"\r\n\r\n") == sender


def test_a_domain_is_not_its_beginning_nor_its_end() -> None:
    wanted = ("@Bank.example", "x@other.example")
    assert is_from("a@bank.example", wanted)
    assert is_from("x@other.example", wanted)
    for other in ("a@my.bank.example", "a@bank.example.evil.example", "y@other.example", ""):
        assert not is_from(other, wanted)


@given(st.binary(max_size=400))
def test_any_bytes_are_taken_apart_or_kept_whole(raw: bytes) -> None:
    for name, content in files_of(raw):
        assert name
        assert isinstance(content, bytes)


@given(st.text(max_size=60), st.binary(max_size=80))
def test_any_name_of_a_file_is_one_without_a_path(name: str, content: bytes) -> None:
    head = f'Content-Disposition: attachment; filename="{name}"'.encode(errors="replace")
    found = files_of(b"Content-Type: application/xml\r\n" + head + b"\r\n\r\n" + content)
    assert all("/" not in one and "\\" not in one for one, _ in found)
