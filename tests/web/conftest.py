"""A whole application on a small city, driven over HTTP without a socket."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from adapters.gateways.vietqr import VietQRGateway
from adapters.registry import open_source
from adapters.statements.parser import SettlementFileParser, StatementFileParser
from app.auth.models import StaffUser
from app.main import create_app
from core.actors import Role
from core.db import transaction
from core.settings import Settings
from payments.channels import Rail
from payments.errors import GatewayUnavailableError
from payments.ports import StartedPayment, StartRequest
from scheduler.context import JobContext
from scheduler.wiring import SavedLayouts
from tests.factories import PASSWORD, VAULT, City, a_city, a_user, quick_passwords
from tests.support.clock import FrozenClock

BASE = "http://127.0.0.1:8000"
ROLES = {
    "officer": Role.OFFICER,
    "approver": Role.APPROVER,
    "auditor": Role.AUDITOR,
    "admin": Role.ADMIN,
}


@dataclass
class ScriptedGateway:
    """A redirect channel that says what the test tells it to; counts how often it was asked."""

    unavailable: bool = False
    started: list[StartRequest] = field(default_factory=list)

    def start(self, request: StartRequest) -> StartedPayment:
        self.started.append(request)
        if self.unavailable:
            raise GatewayUnavailableError("no answer")
        return StartedPayment(redirect_url="http://127.0.0.1:9999/pay")


@dataclass
class ScriptedGateways:
    redirect: ScriptedGateway = field(default_factory=ScriptedGateway)

    def get(self, rail: Rail, merchant_code: str) -> ScriptedGateway | VietQRGateway:
        del merchant_code
        return VietQRGateway() if rail is Rail.VIETQR else self.redirect


@dataclass
class Site:
    """An application with its city, its clock and one account of staff for each role."""

    app: FastAPI
    engine: Engine
    city: City
    clock: FrozenClock
    session_clock: FrozenClock
    gateways: ScriptedGateways
    users: dict[str, StaffUser]

    def visitor(self, language: str = "en") -> TestClient:
        """Return a browser that nobody is signed in with."""
        return TestClient(
            self.app,
            base_url=BASE,
            headers={"accept-language": language, "accept": "text/html"},
            follow_redirects=False,
        )

    def signed_in(self, username: str, language: str = "en") -> TestClient:
        """Return a browser that this person is signed in with."""
        client = self.visitor(language)
        answer = client.post("/staff/sign-in", data={"username": username, "password": PASSWORD})
        assert answer.status_code == 303, answer.text
        return client


def build_site(engine: Engine, folder: Path, **given: object) -> Site:
    """Return a site on a migrated, empty database; settings may be given by name."""
    clock, session_clock, gateways = FrozenClock(), FrozenClock(), ScriptedGateways()
    settings = Settings(base_url=str(given.pop("base_url", BASE)), var_dir=folder, **given)
    context = JobContext(
        engine=engine, clock=clock, vault=VAULT, gateways=gateways,
        statements=StatementFileParser(saved=SavedLayouts(engine)),
        settlements=SettlementFileParser(), sources={}, open_source=open_source,
        senders={}, scratch=folder / "scratch", exports=folder / "exports",
        checkpoint_file=folder / "checkpoint", log_origin="books.example/log",
    )  # fmt: skip
    with transaction(engine) as session:
        city = a_city(session)
        users = {
            name: a_user(session, name, role, office=city.province, clock=clock)
            for name, role in ROLES.items()
        }
        for number, commune in enumerate(city.communes, start=1):
            name = f"officer{number}"
            users[name] = a_user(session, name, Role.OFFICER, office=commune, clock=clock)
    app = create_app(settings, context, passwords=quick_passwords(), session_clock=session_clock)
    return Site(app, engine, city, clock, session_clock, gateways, users)


@pytest.fixture
def make_site(sqlite_engine: Engine, tmp_path: Path) -> Callable[..., Site]:
    """Return what makes a site on SQLite."""
    return partial(build_site, sqlite_engine, tmp_path)


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """Return a site on SQLite with the settings of development."""
    return make_site()


@pytest.fixture
def site_on_each(engine: Engine, tmp_path: Path) -> Site:
    """Return a site once on SQLite and once on PostgreSQL."""
    return build_site(engine, tmp_path)
