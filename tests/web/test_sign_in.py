"""Signing in: throttled, revocable, and telling nothing to those who guess."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from app.auth.accounts import set_active, set_password
from app.auth.models import LoginAttempt, StaffSession, StaffUser
from app.auth.sessions import ABSOLUTE, IDLE, wait_after
from app.pages.signing_in import safe_place
from core.actors import SYSTEM
from core.crypto import sha256_hex
from core.db import reading, transaction
from tests.factories import PASSWORD, quick_passwords
from tests.web.conftest import Site


def _try(client: TestClient, username: str, password: str) -> int:
    data = {"username": username, "password": password}
    return client.post("/staff/sign-in", data=data).status_code


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(site: Site) -> None:
    client = site.visitor()
    known = client.post("/staff/sign-in", data={"username": "officer", "password": "wrong" * 4})
    unknown = client.post("/staff/sign-in", data={"username": "xyz", "password": "wrong" * 4})
    assert known.status_code == unknown.status_code == 401
    assert known.text.replace('value="officer"', 'value="xyz"') == unknown.text


def test_guessing_makes_the_account_wait_longer_and_longer(site_on_each: Site) -> None:
    site = site_on_each
    client = site.visitor()
    assert [_try(client, "officer", "wrong" * 4) for _ in range(5)] == [401] * 4 + [429]
    assert _try(client, "officer", PASSWORD) == 429, "also the right password has to wait"
    site.session_clock.advance(seconds=2)
    assert _try(client, "officer", PASSWORD) == 303


def test_guessing_many_accounts_from_one_address_is_slowed_down(site: Site) -> None:
    client = site.visitor()
    answers = [_try(client, f"name{number}", "wrong" * 4) for number in range(21)]
    assert answers == [401] * 20 + [429]


def test_the_wait_grows_to_a_quarter_of_an_hour_and_no_further() -> None:
    waits = [wait_after(failures, free=4) for failures in range(40)]
    assert waits[:4] == [timedelta(0)] * 4
    assert waits == sorted(waits)
    assert waits[-1] == timedelta(minutes=15)


def test_every_try_is_recorded_before_the_password_is_checked(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def check(password: str, stored: str | None) -> tuple[bool, None]:
        with reading(site.engine) as session:
            seen.append(len(session.exec(select(LoginAttempt)).all()))
        return False, None

    monkeypatch.setattr(site.app.state.passwords, "check", check)
    _try(site.visitor(), "officer", "wrong" * 4)
    assert seen == [1]


def test_an_unused_session_ends_and_a_used_one_ends_later(site: Site) -> None:
    client = site.signed_in("officer")
    site.session_clock.advance(seconds=IDLE.total_seconds() - 1)
    assert client.get("/staff").status_code == 200
    site.session_clock.advance(seconds=IDLE.total_seconds() - 1)
    assert client.get("/staff").status_code == 200, "the last use counts"
    site.session_clock.advance(seconds=IDLE.total_seconds() + 1)
    assert client.get("/staff").status_code == 303


def test_no_session_outlives_its_longest_time(site: Site) -> None:
    client = site.signed_in("officer")
    for _ in range(int(ABSOLUTE / timedelta(minutes=20))):
        site.session_clock.advance(minutes=20)
        client.get("/staff")
    site.session_clock.advance(minutes=20)
    assert client.get("/staff").status_code == 303


def test_a_business_clock_that_runs_away_signs_nobody_out(site: Site) -> None:
    client = site.signed_in("officer")
    site.clock.advance(days=10)
    assert client.get("/staff").status_code == 200


def test_signing_out_ends_the_session_on_the_server(site: Site) -> None:
    client = site.signed_in("officer")
    cookie = client.cookies["doisoat_session"]
    client.post("/staff/sign-out")
    thief = site.visitor()
    thief.cookies.set("doisoat_session", cookie)
    assert thief.get("/staff").status_code == 303


def test_the_secret_of_a_session_is_not_stored(site: Site) -> None:
    token = site.signed_in("officer").cookies["doisoat_session"]
    with reading(site.engine) as session:
        (row,) = session.exec(select(StaffSession)).all()
    assert row.token_sha256 == sha256_hex(token.encode()) != token


@pytest.mark.parametrize("act", ["switch off", "new password"])
def test_switching_off_or_a_new_password_ends_all_sessions(site: Site, act: str) -> None:
    client = site.signed_in("officer")
    with transaction(site.engine) as session:
        user = session.get_one(StaffUser, site.users["officer"].id)
        if act == "switch off":
            set_active(session, user, active=False, actor=SYSTEM, clock=site.clock)
        else:
            set_password(
                session, user, "another long password", passwords=quick_passwords(),
                actor=SYSTEM, clock=site.clock,
            )  # fmt: skip
    assert client.get("/staff").status_code == 303
    assert _try(site.visitor(), "officer", PASSWORD) == 401


def test_after_signing_in_one_is_led_where_one_wanted_to_go(site: Site) -> None:
    data = {"username": "officer", "password": PASSWORD, "to": "/staff/bills"}
    answer = site.visitor().post("/staff/sign-in", data=data)
    assert answer.headers["location"] == "/staff/bills"


@pytest.mark.parametrize(
    "to", ["https://evil.example", "//evil.example", "/staff/..//evil", "/staffevil", "", "/\\evil"]
)
def test_nobody_is_led_to_another_site(to: str) -> None:
    assert safe_place(to) == "/staff"


def test_the_cookie_is_for_the_server_alone(make_site: Callable[..., Site]) -> None:
    data = {"username": "officer", "password": PASSWORD}
    answer = make_site().visitor().post("/staff/sign-in", data=data)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
