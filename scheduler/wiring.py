"""Makes the context of a process from the settings."""

import logging
import time
from typing import Any, Final

from sqlalchemy.engine import Engine

from adapters.registry import (
    GatewayRegistry,
    build_senders,
    build_sources,
    exports_folder,
    open_source,
    scratch_folder,
)
from adapters.statements.parser import SettlementFileParser, StatementFileParser
from core.crypto import Vault
from core.db import make_engine, reading, transaction
from core.settings import Settings
from payments.channels import Rail
from payments.exchanges import record_exchange
from payments.ports import GatewayCall, MerchantAccess
from payments.secrets import find_access
from reconciliation.layouts import list_layouts
from scheduler.context import JobContext

ACCESS_SECONDS: Final = 5.0
"""How long a process goes on with secrets that another process may have rotated meanwhile."""

_logger = logging.getLogger(__name__)


def make_context(settings: Settings) -> JobContext:
    """Open the database and wire the adapters.

    Raises:
        SettingsError: the settings do not allow it.
    """
    clock = settings.clock
    engine = make_engine(settings.database)
    vault = Vault.from_text(settings.encryption_keys.get_secret_value())
    return JobContext(
        engine=engine,
        clock=clock,
        vault=vault,
        gateways=GatewayRegistry(
            settings,
            clock,
            AccessLookup(engine, vault),
            record=ExchangeKeeper(engine),
        ),
        statements=StatementFileParser(saved=SavedLayouts(engine)),
        settlements=SettlementFileParser(),
        sources=build_sources(settings),
        open_source=open_source,
        senders=build_senders(settings, clock),
        scratch=scratch_folder(settings),
        exports=exports_folder(settings),
        checkpoint_file=settings.checkpoint_file,
        log_origin=settings.log_name,
        export_days=settings.export_days,
    )


class SavedLayouts:
    """Reads the layouts that offices have saved, each time anew: they are asked for rarely."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self) -> list[dict[str, Any]]:
        """Return the profiles in use."""
        with reading(self._engine) as session:
            return [dict(layout.profile) for layout in list_layouts(session)]


class AccessLookup:
    """Reads a merchant's access from the database, at most every few seconds of real time."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self._engine = engine
        self._vault = vault
        self._read: dict[tuple[Rail, str], tuple[float, MerchantAccess]] = {}

    def __call__(self, rail: Rail, merchant_code: str) -> MerchantAccess | None:
        """Return the access, or None where there is no such merchant (which is not remembered)."""
        now = time.monotonic()
        known = self._read.get((rail, merchant_code))
        if known is not None and now - known[0] < ACCESS_SECONDS:
            return known[1]
        with reading(self._engine) as session:
            access = find_access(session, rail, merchant_code, vault=self._vault)
        if access is not None:
            self._read[rail, merchant_code] = (now, access)
        return access


class ExchangeKeeper:
    """Keeps each call to a provider in a transaction of its own; none is open during a call."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, call: GatewayCall) -> None:
        """Keep one; a call must not fail because its record could not be written."""
        try:
            with transaction(self._engine) as session:
                record_exchange(session, call)
        except Exception:
            _logger.exception("exchange not kept", extra={"rail": call.rail})
