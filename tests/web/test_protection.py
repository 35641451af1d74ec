"""Cross-site requests, headers, sizes and failures, as a browser meets them."""

import re
from collections.abc import Callable

import pytest
from sqlmodel import select

from app.auth.models import StaffSession
from app.errors import PROBLEM
from core.db import reading, transaction
from payments.ledger.log.kept import keep
from payments.models import Payment
from scheduler.schedule import get_job, run_now
from tests.factories import a_bill
from tests.web.conftest import Site

INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", re.IGNORECASE
)


def _a_bill_reference(site: Site) -> str:
    with transaction(site.engine) as session:
        return a_bill(session, site.city, clock=site.clock).bill_reference


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin"}, 303),
        ({"origin": "http://127.0.0.1:8000"}, 303),
        ({}, 303),
    ],
)
def test_a_change_from_another_site_is_refused_and_changes_nothing(
    site: Site, headers: dict[str, str], status: int
) -> None:
    path = f"/bills/{_a_bill_reference(site)}/payments"
    answer = site.visitor().post(path, data={"rail": "vnpay"}, headers=headers)
    assert answer.status_code == status
    with reading(site.engine) as session:
        assert len(session.exec(select(Payment)).all()) == (1 if status == 303 else 0)
    if status == 403:
        assert "A006" in answer.text


def test_a_signed_in_officer_cannot_be_signed_out_from_another_site(site: Site) -> None:
    client = site.signed_in("officer")
    client.post("/staff/sign-out", headers={"sec-fetch-site": "cross-site"})
    with reading(site.engine) as session:
        assert session.exec(select(StaffSession)).all()
    assert client.get("/staff").status_code == 200


def test_every_answer_bears_the_protecting_headers(site: Site) -> None:
    client = site.visitor()
    for path in ("/", "/nope", "/staff/sign-in", "/healthz", "/staff", "/api/nothing"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert headers["x-request-id"].startswith("req_")
        assert "strict-transport-security" not in headers


def test_https_turns_on_hsts_and_binds_the_cookie_to_the_host(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(base_url="https://localhost")
    client = site.visitor()
    client.base_url = "https://localhost"
    answer = client.post(
        "/staff/sign-in", data={"username": "officer", "password": "a long enough password"}
    )
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-doisoat=")
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "max-age=63072000" in answer.headers["strict-transport-security"]


def test_pages_hold_no_inline_script_or_style(site: Site) -> None:
    reference = _a_bill_reference(site)
    officer = site.signed_in("officer")
    auditor = site.signed_in("auditor")
    for path in ("/", f"/bills/{reference}", "/staff/sign-in", "/nope"):
        assert not INLINE.search(site.visitor().get(path).text), path
    for path in ("/staff", "/staff/mismatches", "/staff/statements", "/staff/jobs"):
        assert not INLINE.search(officer.get(path).text), path
    for path in ("/staff/search?text=MC", "/staff/ledger", "/staff/export"):
        assert not INLINE.search(auditor.get(path).text), path


def test_a_body_beyond_the_limit_is_refused(site: Site) -> None:
    answer = site.visitor().post("/staff/sign-in", content=b"x" * (1024 * 1024 + 1))
    assert answer.status_code == 413
    assert "C009" in answer.text


def test_a_body_that_lies_about_its_length_is_refused_too(site: Site) -> None:
    def pieces() -> object:
        for _ in range(20):
            yield b"password=" + b"x" * 100_000

    answer = site.visitor().post(
        "/staff/sign-in",
        content=pieces(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 413


def test_an_unexpected_failure_is_a_page_with_its_number_and_all_headers(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("payments.queries.find_bills", broken)
    answer = site.visitor().get("/find?code=MC0000000000")
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in answer.text
    assert "secret detail" not in answer.text
    assert "content-security-policy" in answer.headers


def test_a_missing_page_is_a_page_for_people_and_a_problem_for_programs(site: Site) -> None:
    client = site.visitor()
    page = client.get("/nope")
    assert page.status_code == 404
    assert "C004" in page.text
    assert page.headers["content-type"].startswith("text/html")
    problem = client.get("/nope", headers={"accept": "application/json"})
    assert problem.headers["content-type"] == PROBLEM
    assert problem.json()["status"] == 404


def test_health_says_whether_the_database_answers(site: Site) -> None:
    assert site.visitor().get("/healthz").json() == {"status": "ok", "log": "ok"}


def test_health_says_that_the_log_of_the_books_could_not_be_signed(site: Site) -> None:
    context, job = site.app.state.context, get_job("publish_log")
    keep(context.checkpoint_file, "damaged")
    run_now(context, job, requested_by="test")
    assert site.visitor().get("/healthz").json() == {"status": "ok", "log": "P072"}
    context.checkpoint_file.unlink()
    site.clock.advance(minutes=1)
    run_now(context, job, requested_by="test")
    assert site.visitor().get("/healthz").json() == {"status": "ok", "log": "ok"}
