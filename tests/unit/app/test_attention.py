"""Forged messages do not fill the database; an authentic channel is never slowed down."""

import pytest

from app.api.attention import MOST_REFUSED, WINDOW_SECONDS, Attention, NotHeardError


class Seconds:
    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def refuse(heed: Attention, times: int, address: str = "203.0.113.9") -> None:
    for _ in range(times):
        heed.ask(address)
        heed.tell(address, refused=True)


def test_an_address_is_not_heard_after_too_many_refusals_within_a_minute() -> None:
    now = Seconds()
    heed = Attention(now)
    refuse(heed, MOST_REFUSED)

    with pytest.raises(NotHeardError):
        heed.ask("203.0.113.9")
    heed.ask("203.0.113.10")

    now.at += WINDOW_SECONDS
    heed.ask("203.0.113.9")


def test_refusals_that_are_far_apart_do_not_add_up() -> None:
    now = Seconds()
    heed = Attention(now)
    for _ in range(3):
        refuse(heed, MOST_REFUSED - 1)
        now.at += WINDOW_SECONDS
    heed.ask("203.0.113.9")


def test_an_accepted_message_clears_its_address() -> None:
    heed = Attention(Seconds())
    for _ in range(5):
        refuse(heed, MOST_REFUSED - 1)
        heed.tell("203.0.113.9", refused=False)
    heed.ask("203.0.113.9")


def test_what_is_remembered_is_bounded() -> None:
    heed = Attention(Seconds())
    for number in range(10_500):
        heed.tell(f"a{number}", refused=True)
    assert len(heed._refused) == 10_000
