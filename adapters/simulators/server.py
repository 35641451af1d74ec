"""Simulators in one process on one port: each at its rail's name, ``/bank``, and ``/_control``."""

import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import uvicorn
from fastapi import FastAPI

from adapters.simulators import bank_web, refuse_outside_development
from adapters.simulators.bank import BankLine, BankSimulator, BankSimulatorConfig
from adapters.simulators.credit_services import CreditServices
from adapters.simulators.parties import PLAYERS, TOLD_BY_THE_BANK, PlayedContract, Stage
from core.clock import Clock
from core.errors import SettingsError
from payments.channels import Rail

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class Parties:
    """The insides of a running server, for tests and for writing statement files."""

    providers: Mapping[Rail, Any]
    bank: BankSimulator | None
    clock: Clock

    def deliver_due(self) -> dict[str, int]:
        """Do what time brings, notices before payouts; return the calls made by provider."""
        now = self.clock()
        return {rail.value: one.deliver_due(now) for rail, one in self.providers.items()}

    def close(self) -> None:
        """Close every connection and file."""
        for provider in self.providers.values():
            provider.close()
        if self.bank is not None:
            self.bank.close()


def create_server(
    stage: Stage,
    contracts: Sequence[PlayedContract],
    *,
    bank: BankSimulatorConfig | None = None,
    environment: str,
    tick_seconds: float | None = None,
) -> FastAPI:
    """Return the simulators of these contracts as one application.

    ``app.state.parties`` is its inside. With a bank, providers pay into its accounts and it tells
    lines to the services that watch them. ``tick_seconds`` (real ones) lets time work by itself.

    Raises:
        SettingsError: the environment is not for simulators, a rail has none, a contract lacks a
            secret, or an account is unknown to the bank.
    """
    refuse_outside_development(environment)
    services: list[CreditServices] = []

    def told(line: BankLine) -> None:
        for service in services:
            service.announce(line)

    bank_app = None
    if bank is not None:
        _check_accounts(bank, contracts)
        path = stage.state_dir / "bank.sqlite"
        bank_app = bank_web.create_app(
            clock=stage.clock, state_path=path, config=bank, line_sink=told
        )
    inside: BankSimulator | None = bank_app.state.simulator if bank_app else None
    stage = replace(stage, bank=inside)
    apps = {
        rail: _play(rail, [one for one in contracts if one.access.rail is rail], stage)
        for rail in sorted({one.access.rail for one in contracts})
    }
    providers = {rail: app.state.simulator for rail, app in apps.items()}
    services += [one for rail, one in providers.items() if rail in TOLD_BY_THE_BANK]
    parties = Parties(providers, inside, stage.clock)
    server = FastAPI(title="Simulators", lifespan=_ticking(parties, tick_seconds))
    server.state.parties = parties
    for rail, app in apps.items():
        server.mount(f"/{rail}", app)
    if bank_app is not None:
        server.mount("/bank", bank_app)
    _add_control(server, parties)
    return server


def _play(rail: Rail, contracts: Sequence[PlayedContract], stage: Stage) -> FastAPI:
    if rail not in PLAYERS:
        raise SettingsError(f"{rail} has no simulator")
    return PLAYERS[rail](contracts, stage)


def _add_control(app: FastAPI, parties: Parties) -> None:
    @app.post("/_control/tick")
    def tick() -> dict[str, int]:
        return parties.deliver_due()

    @app.get("/_control/health")
    def health() -> dict[str, str]:
        return {"now": parties.clock().isoformat()}


def _check_accounts(bank: BankSimulatorConfig, contracts: Sequence[PlayedContract]) -> None:
    known = {account.number for account in bank.accounts}
    wanted = {one.account for one in contracts}
    if not wanted <= known:
        raise SettingsError(f"accounts unknown to the bank: {sorted(wanted - known)}")


def _ticking(parties: Parties, tick_seconds: float | None) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        stopped = threading.Event()
        thread = threading.Thread(target=_tick_until, args=(parties, tick_seconds, stopped))
        if tick_seconds is not None:
            thread.start()
        yield
        stopped.set()
        if tick_seconds is not None:
            thread.join()
        parties.close()

    return lifespan


def _tick_until(parties: Parties, tick_seconds: float, stopped: threading.Event) -> None:
    while not stopped.wait(tick_seconds):
        parties.deliver_due()


def run_server(app: FastAPI, *, host: str = "127.0.0.1", port: int) -> None:
    """Serve until interrupted; errors of lost answers are deliberate and not logged."""
    uvicorn.run(app, host=host, port=port, log_level="critical", access_log=False)
