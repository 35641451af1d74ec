"""Makes the context of a process from the settings."""

from adapters.registry import build_gateways, build_senders, build_sources, scratch_folder
from adapters.statements.parser import SettlementFileParser, StatementFileParser
from core.crypto import Vault
from core.db import make_engine
from core.settings import Settings
from scheduler.context import JobContext


def make_context(settings: Settings) -> JobContext:
    """Open the database and wire the adapters.

    Raises:
        SettingsError: the settings do not allow it.
    """
    clock = settings.clock
    return JobContext(
        engine=make_engine(settings.database),
        clock=clock,
        vault=Vault.from_text(settings.encryption_keys.get_secret_value()),
        gateways=build_gateways(settings, clock),
        statements=StatementFileParser(),
        settlements=SettlementFileParser(),
        sources=build_sources(settings),
        senders=build_senders(settings, clock),
        scratch=scratch_folder(settings),
    )
