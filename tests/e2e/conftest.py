"""A running installation and a real browser for the tests of whole ways through it."""

import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.e2e.people import Citizen, Staff
from tests.support.databases import PostgresDatabases
from tests.support.live import Live, installation
from tests.support.postgres import PostgresMissingError

ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
PATIENCE_MS = 15_000


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Return an installation on SQLite that the tests of a module share."""
    with installation(tmp_path_factory.mktemp("live")) as live:
        yield live


@pytest.fixture
def live_on_postgres(
    tmp_path_factory: pytest.TempPathFactory, postgres_databases: PostgresDatabases
) -> Iterator[Live]:
    """Return an installation of its own on the real PostgreSQL of the tests."""
    try:
        lent = postgres_databases.copy(empty=True)
        engine = lent.__enter__()
    except PostgresMissingError as missing:
        pytest.skip(str(missing))
    url = engine.url.render_as_string(hide_password=False)
    try:
        with installation(tmp_path_factory.mktemp("live"), database_url=url) as live:
            yield live
    finally:
        lent.__exit__(None, None, None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return the system's Chromium, reaching nothing but this machine."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("Chromium is not installed (Debian: apt-get install chromium)")
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Return what opens pages in a visit of their own; no script of any may fail."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def opened(*, language: str = "en", phone: bool = False, **options: Any) -> Page:
        context = browser.new_context(
            locale="en-GB" if language == "en" else "vi-VN",
            viewport=PHONE if phone else DESKTOP,
            **options,
        )
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: _note_refusal(said.text, problems))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


def _note_refusal(text: str, problems: list[str]) -> None:
    if "Content Security Policy" in text:
        problems.append(text)


@pytest.fixture
def citizen(live: Live, open_page: Callable[..., Page]) -> Callable[..., Citizen]:
    """Return what lets a citizen visit, each in a browser of their own."""
    return lambda **how: Citizen(open_page(**how), live, how.get("language", "en"))


@pytest.fixture
def staff(live: Live, open_page: Callable[..., Page]) -> Callable[..., Staff]:
    """Return what lets somebody of the staff sign in, by the role of the demonstration."""

    def sign_in(role: str, **how: Any) -> Staff:
        person = Staff(open_page(**how), live, how.get("language", "en"))
        person.sign_in(role)
        return person

    return sign_in
