"""What the simulators' own program plays: contracts over every rail, and the bank behind them."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from fastapi import FastAPI

from adapters.simulators.bank import BankSimulatorConfig, CollectingAccount, ProviderIdentity
from adapters.simulators.parties import PLAYERS, PlayedContract, Stage
from adapters.simulators.server import create_server
from payments.channels import Rail
from payments.ports import MerchantAccess
from tests.contracts.rigs.rig import ACCOUNT, BANK_BIN, HOLDER

_SECRETS = ("hash_secret", "api_key", "webhook_secret", "access_key", "secret_key", "key1", "key2",
            "checksum_key", "client_id", "security_key", "secret")  # fmt: skip


def all_simulators(base: str, state_dir: Path, clock: Callable[[], datetime]) -> FastAPI:
    """Return every simulator there is on one address, working by itself twenty times a second."""
    contracts = [_contract(rail, base) for rail in PLAYERS]
    bank = BankSimulatorConfig(
        (CollectingAccount(ACCOUNT, BANK_BIN, HOLDER, 1_000_000),),
        {"vnpay": ProviderIdentity("VNPAY", "1900100200300")},
    )
    stage = Stage(clock, state_dir, base)
    return create_server(stage, contracts, bank=bank, environment="test", tick_seconds=0.05)


def _contract(rail: Rail, base: str) -> PlayedContract:
    secrets = {name: f"secret-{name}-{rail}" for name in _SECRETS}
    access = MerchantAccess(rail, "1001", "MC", {}, secrets)
    return PlayedContract(
        access, ACCOUNT, f"{base}/notices/{rail}", f"{base}/return", BANK_BIN, HOLDER
    )
