"""All simulators in one process on one port: ``/vnpay``, ``/stripe``, ``/bank``, ``/_control``."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from adapters.simulators import bank_web, refuse_outside_development, stripe_web, vnpay_web
from adapters.simulators.bank import BankSimulator, BankSimulatorConfig
from adapters.simulators.stripe import StripeSimulator
from adapters.simulators.stripe_config import StripeSimulatorConfig
from adapters.simulators.vnpay import VNPaySimulator
from adapters.simulators.vnpay_config import VNPaySimulatorConfig
from core.clock import Clock
from core.errors import SettingsError

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """What each party knows; ``tick_seconds`` (real ones) lets time work by itself."""

    vnpay: VNPaySimulatorConfig
    stripe: StripeSimulatorConfig
    bank: BankSimulatorConfig
    tick_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Parties:
    """The insides of a running server, for tests and for writing statement files."""

    vnpay: VNPaySimulator
    stripe: StripeSimulator
    bank: BankSimulator
    clock: Clock

    def deliver_due(self) -> dict[str, int]:
        """Do what time brings, notices before payouts; return the calls made by provider."""
        now = self.clock()
        return {"vnpay": self.vnpay.deliver_due(now), "stripe": self.stripe.deliver_due(now)}

    def close(self) -> None:
        """Close every connection and file."""
        for party in (self.vnpay, self.stripe, self.bank):
            party.close()


def create_server(
    *, clock: Clock, state_dir: Path, config: ServerConfig, environment: str
) -> FastAPI:
    """Return all simulators as one application; ``app.state.parties`` is its inside.

    Providers pay their net sums into the bank's accounts. State is in ``state_dir``.

    Raises:
        SettingsError: the environment is not for simulators, or a payout account is unknown.
    """
    refuse_outside_development(environment)
    _check_payout_accounts(config)
    bank_app = bank_web.create_app(
        clock=clock, state_path=state_dir / "bank.sqlite", config=config.bank
    )
    bank: BankSimulator = bank_app.state.simulator
    vnpay_app = vnpay_web.create_app(
        clock=clock,
        state_path=state_dir / "vnpay.sqlite",
        config=config.vnpay,
        payout_sink=bank.receive_payout,
    )
    stripe_app = stripe_web.create_app(
        clock=clock,
        state_path=state_dir / "stripe.sqlite",
        config=config.stripe,
        payout_sink=bank.receive_payout,
    )
    parties = Parties(vnpay_app.state.simulator, stripe_app.state.simulator, bank, clock)
    app = FastAPI(title="Simulators", lifespan=_ticking(parties, config.tick_seconds))
    app.state.parties = parties
    for path, part in (("/vnpay", vnpay_app), ("/stripe", stripe_app), ("/bank", bank_app)):
        app.mount(path, part)
    _add_control(app, parties)
    return app


def _add_control(app: FastAPI, parties: Parties) -> None:
    @app.post("/_control/tick")
    def tick() -> dict[str, int]:
        return parties.deliver_due()

    @app.get("/_control/health")
    def health() -> dict[str, str]:
        return {"now": parties.clock().isoformat()}


def _check_payout_accounts(config: ServerConfig) -> None:
    known = {account.number for account in config.bank.accounts}
    wanted = {terminal.payout_account for terminal in config.vnpay.terminals}
    wanted |= {account.payout_account for account in config.stripe.accounts}
    if not wanted <= known:
        raise SettingsError(f"payout accounts unknown to the bank: {sorted(wanted - known)}")


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
