"""A whole installation for tests: application, scheduler and simulators as processes of their own.

It is the demonstration's city without its play: a test lets people act by HTTP or by a browser,
moves the business clock, and waits until the scheduler has done all that is due.
"""

import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
from sqlmodel import select

from app.demo.calls import Caller
from app.demo.city import (
    WARDS,
    Ward,
    keep_portal_keys,
    load_city,
    procedure_codes,
    read_portal_keys,
    register_portal,
)
from app.demo.deliveries import deliver_settlements, deliver_statements
from app.demo.places import HOST, Places
from app.demo.processes import STOP_SECONDS, Child
from core.calendar import WorkingCalendar
from core.clock import at_vietnam_time, business_day, move_clock
from core.db import make_engine, reading, transaction
from core.migrations import migrate
from core.settings import Settings
from payments.models import Bill, Payment
from scheduler.context import JobContext
from scheduler.schedule import is_caught_up
from scheduler.wiring import make_context

FIRST_DAY = date(2026, 11, 2)
"""A Monday on which nothing is closed."""

CATCH_UP_SECONDS = 60.0
LOOK_SECONDS = 0.03
BEAT_SECONDS = 0.1
DUE_DAYS = 10


@dataclass(slots=True)
class Parts:
    """The processes of an installation. One that ends by itself is a failure of the test."""

    logs: Path
    variables: Mapping[str, str]
    _children: list[Child] = field(default_factory=list)

    def start(self, name: str, *arguments: str) -> None:
        """Start a command of doisoat that ends with this process, in whatever way it ends."""
        variables = [f"DOISOAT_{name.upper()}={value}" for name, value in self.variables.items()]
        command = ["env", *variables, sys.executable, "-m", "app.demo.child", *arguments]
        child = Child(name, command, self.logs / f"{name}.log")
        child.start()
        self._children.append(child)

    def check(self) -> None:
        """Hold that all are running."""
        for child in self._children:
            assert child.is_alive, f"{child.name} has ended: {child.last_words()}"

    def stop(self) -> None:
        """Stop all, the last started first; afterwards none is left."""
        children = self._children[::-1]
        for child in children:
            child.stop()
        for child in children:
            child.end(STOP_SECONDS)


@dataclass(slots=True)
class Live:
    """A running installation and those who act on it from outside."""

    settings: Settings
    places: Places
    context: JobContext
    parts: Parts
    caller: Caller
    delivered_to: date = FIRST_DAY - timedelta(days=1)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _periods: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def today(self) -> date:
        """The business day."""
        return business_day(self.settings.clock())

    def move_to(self, instant: datetime) -> None:
        """Move the clock, let time work on the simulators, and wait for the scheduler."""
        move_clock(self.settings.clock_file, instant)
        self.settle()

    def settle(self) -> None:
        """Let the simulators send what is due and wait until the scheduler has caught up.

        Raises:
            TimeoutError: it does not; the logs are in ``places.logs``.
        """
        self.caller.post(f"{self.places.simulators}/_control/tick")
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while not is_caught_up(self.context):
            self.parts.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the jobs do not end: see {self.places.logs}")
            time.sleep(LOOK_SECONDS)

    def next_morning(self) -> date:
        """Go to the next working day; banks and providers deliver all that happened until then.

        Returns the last day that the statements are of.
        """
        day = WorkingCalendar.from_csv().working_day_after(self.today)
        self.move_to(at_vietnam_time(day, 7, 1))
        first, last = self.delivered_to + timedelta(days=1), day - timedelta(days=1)
        number = next(self._periods)
        deliver_statements(self.places, self.caller, first=first, last=last, number=number)
        for back in range((last - first).days + 1):
            session_day = first + timedelta(days=back)
            deliver_settlements(self.places, self.caller, session_day=session_day)
        self.delivered_to = last
        self.move_to(at_vietnam_time(day, 7, 31))
        self.move_to(at_vietnam_time(day, 9, 31))
        return last

    def post_bill(
        self, *, ward: Ward = WARDS[0], key: str = "", **changed: object
    ) -> httpx2.Response:
        """Ask for a bill as the one-stop portal does; ``changed`` replaces fields of the request.

        A field set to None is left out.
        """
        number = next(self._numbers)
        body: dict[str, object] = {
            "dossier_code": f"H49.22-{self.today:%y%m%d}-{number:04d}",
            "office_code": ward.code,
            "procedure_code": procedure_codes()[0],
            "due_date": (self.today + timedelta(days=DUE_DAYS)).isoformat(),
            "payer_name": "Nguyễn Thị Ánh Tuyết",
        } | changed
        sent = {name: value for name, value in body.items() if value is not None}
        headers = self.portal_headers(key or f"bill-{number}")
        return self.caller.send("POST", f"{self.places.pages}/api/v1/bills", json=sent,
                                headers=headers)  # fmt: skip

    def portal_headers(self, key: str) -> Mapping[str, str]:
        """Return the headers by which the portal is known."""
        api_key = read_portal_keys(self.places).api_key
        return {"Authorization": f"Bearer {api_key}", "Idempotency-Key": key}

    def issue(self, *, ward: Ward = WARDS[0]) -> str:
        """Issue a bill of an office and return its reference."""
        answer = self.post_bill(ward=ward)
        assert answer.status_code == 201, answer.text
        reference: str = answer.json()["bill_reference"]
        return reference

    def bill(self, reference: str) -> Bill:
        """Return a bill as the database has it."""
        with reading(self.context.engine) as session:
            return session.exec(select(Bill).where(Bill.bill_reference == reference)).one()

    def attempts(self, reference: str) -> list[Payment]:
        """Return the attempts to pay a bill, in their order."""
        bill_id = self.bill(reference).id
        with reading(self.context.engine) as session:
            query = select(Payment).where(Payment.bill_id == bill_id)
            return list(session.exec(query.order_by(Payment.attempt)))  # type: ignore[arg-type]

    def lines_of(self, ward: Ward, day: date) -> list[dict[str, Any]]:
        """Return what the ward's bank booked on a day."""
        url = f"{self.places.simulators}/bank/_control/lines/{ward.account_number}/{day}"
        lines: list[dict[str, Any]] = self.caller.get(url)["lines"]
        return lines


@contextmanager
def installation(folder: Path, *, database_url: str = "") -> Iterator[Live]:
    """Start an installation on ports of its own; afterwards nothing of it is left running."""
    own = Settings(var_dir=folder, database_url=database_url)
    places = Places.of(own, _two_free_ports())
    settings = places.settings(own)
    for needed in (places.inbox, places.logs, places.simulators_folder):
        needed.mkdir(parents=True)
    move_clock(settings.clock_file, at_vietnam_time(FIRST_DAY, 9))
    variables = places.overrides() | {"var_dir": str(folder), "database_url": database_url}
    parts = Parts(places.logs, variables)
    caller = Caller(parts.check)
    with ExitStack() as opened:
        opened.callback(caller.close)
        opened.callback(parts.stop)
        port = str(places.port)
        parts.start("simulators", "simulators", "--port", port)
        parts.start("app", "serve", "--port", port)
        context = opened.enter_context(_open_city(settings, places))
        parts.start("scheduler", "scheduler", "--beat", str(BEAT_SECONDS))
        for address in (f"{places.pages}/healthz", f"{places.simulators}/_control/health"):
            caller.get(address)
        live = Live(settings, places, context, parts, caller)
        live.settle()
        yield live


@contextmanager
def _open_city(settings: Settings, places: Places) -> Iterator[JobContext]:
    engine = make_engine(settings.database)
    migrate(engine)
    engine.dispose()
    context = make_context(settings)
    with transaction(context.engine) as session:
        load_city(session, vault=context.vault, clock=context.clock)
        keys = register_portal(session, places, vault=context.vault, clock=context.clock)
    assert keys is not None
    keep_portal_keys(places, keys)
    yield context
    context.engine.dispose()


def _two_free_ports() -> int:
    """Return a free port whose next one is free as well: the simulators listen there."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind((HOST, 0))
            port: int = first.getsockname()[1]
            try:
                second.bind((HOST, port + 1))
            except (OSError, OverflowError):
                continue
            return port
