"""What jobs work with: the database, the clock, and the outside as adapters bring it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy.engine import Engine

from adapters.witnesses import post_checkpoint
from core.clock import Clock
from core.crypto import Vault
from core.outbox import MessageKind, OutboxMessage
from payments.channels import Rail
from payments.ports import PaymentGateway
from reconciliation.ports import (
    SettlementParser,
    SourceAccess,
    SourceMemory,
    StatementParser,
    StatementSource,
)


class Gateways(Protocol):
    """Finds the gateway of a rail and a merchant code."""

    def get(self, rail: Rail, merchant_code: str) -> PaymentGateway:
        """Return the gateway, or raise ``ChannelNotOfferedError``."""
        ...


SourceOpener = Callable[[SourceAccess, SourceMemory], StatementSource]
"""Makes a source that is written down in the database; ``sources`` are those of the settings."""


class Sender(Protocol):
    """Sends one kind of message; raises ``DeliveryError`` when it did not arrive."""

    def send(self, message: OutboxMessage, secret: bytes | None) -> str:
        """Deliver a message and return the other side's answer."""
        ...


@dataclass(frozen=True, slots=True)
class JobContext:
    """Everything a job may use; made once for each process."""

    engine: Engine
    clock: Clock
    vault: Vault
    gateways: Gateways
    statements: StatementParser
    settlements: SettlementParser
    sources: Mapping[str, StatementSource]
    open_source: SourceOpener
    senders: Mapping[MessageKind, Sender]
    scratch: Path
    exports: Path
    checkpoint_file: Path
    log_origin: str
    export_days: int = 7
    post_checkpoint: Callable[[str, bytes], tuple[int, str]] = post_checkpoint
