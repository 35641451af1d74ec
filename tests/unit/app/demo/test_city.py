"""The demonstration city: loaded once, marked as what it is, and refused in production."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import inspect
from sqlmodel import Session, func, select

from adapters.gateways.bank_bins import load_bank_table
from adapters.registry import GatewayRegistry
from adapters.statements.fee_lists import read_fee_list
from app.api.keys import create_client
from app.auth.models import StaffUser
from app.demo.city import (
    FEE_LIST,
    PROVIDERS,
    STAFF,
    WARDS,
    keep_portal_keys,
    load_city,
    read_portal_keys,
    register_portal,
)
from app.demo.places import Places
from app.demo.simulators import bank_config, stage_of
from core.clock import Clock
from core.crypto import Vault, sha256_hex
from core.errors import SettingsError
from core.settings import Environment, Settings
from payments.channels import Rail
from payments.fees import COLUMNS
from payments.models import ApiClient, CollectingAccount, FeeSchedule, Office, Procedure
from payments.secrets import find_access
from reconciliation.models import NarrativeRule, ProviderContract

VAULT = Vault.from_text(Settings().encryption_keys.get_secret_value())
_TABLES = (
    Office, CollectingAccount, Procedure, FeeSchedule, ProviderContract, NarrativeRule, StaffUser,
)  # fmt: skip


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path, 8000)


def _counts(session: Session) -> dict[str, int]:
    return {
        str(inspect(table).local_table.name): session.exec(
            select(func.count()).select_from(table)
        ).one()
        for table in _TABLES
    }


def test_every_fee_of_the_list_says_that_it_is_a_demonstration() -> None:
    rows = read_fee_list(FEE_LIST)

    assert set(rows[0]) == set(COLUMNS)
    assert 40 <= len({row["procedure_code"] for row in rows}) <= 45
    assert {row["kind"] for row in rows} == {"phi", "le_phi"}
    assert all(row["demonstration"] == "yes" for row in rows)
    assert all("minh họa / demonstration" in row["legal_basis"] for row in rows)


def test_loading_the_city_twice_adds_nothing(session: Session, clock: Clock) -> None:
    load_city(session, vault=VAULT, clock=clock)
    first = _counts(session)
    load_city(session, vault=VAULT, clock=clock)

    assert _counts(session) == first
    assert first["office"] == 1 + len(WARDS)
    assert first["provider_contract"] == len(WARDS) * len(PROVIDERS)
    assert first["staff_user"] == len(STAFF)
    assert all(session.exec(select(Office.demonstration)))


def test_every_ward_collects_at_a_bank_that_exists(session: Session, clock: Clock) -> None:
    load_city(session, vault=VAULT, clock=clock)
    banks = load_bank_table().banks

    for account in session.exec(select(CollectingAccount)):
        assert banks[account.bank_bin].name == account.bank_name


def test_contracts_are_what_the_simulators_play(session: Session, clock: Clock) -> None:
    load_city(session, vault=VAULT, clock=clock)
    places = Places(Path(), 8000)
    stage, bank = stage_of(Settings(), places), bank_config()

    for contract in session.exec(select(ProviderContract)):
        fees = stage.fees[Rail(contract.provider.value)]
        payer = bank.providers[contract.provider.value]
        assert (contract.rate_bps, contract.fixed_minor) == (fees.rate_bps, fees.fixed_minor)
        assert contract.settlement_days == fees.settlement_days
        assert contract.payout_names == [payer.name]
        assert contract.payout_accounts == [payer.account]


def test_the_portal_keeps_its_keys_and_learns_of_a_moved_port(
    session: Session, places: Places, clock: Clock
) -> None:
    load_city(session, vault=VAULT, clock=clock)
    keys = register_portal(session, places, vault=VAULT, clock=clock)
    assert keys is not None
    keep_portal_keys(places, keys)
    moved = Places(places.folder, 9000)

    assert register_portal(session, moved, vault=VAULT, clock=clock) is None
    assert read_portal_keys(moved) == keys
    client = session.exec(select(ApiClient)).one()
    assert client.webhook_url == "http://127.0.0.1:9001/portal/webhooks"
    assert client.key_sha256 == sha256_hex(keys.api_key.encode())
    assert oct(places.portal_file.stat().st_mode)[-3:] == "600"


def test_a_portal_that_lost_its_keys_is_registered_anew(
    session: Session, places: Places, clock: Clock
) -> None:
    load_city(session, vault=VAULT, clock=clock)
    register_portal(session, places, vault=VAULT, clock=clock)
    keys = register_portal(session, places, vault=VAULT, clock=clock)

    assert keys is not None
    active = session.exec(select(ApiClient).where(ApiClient.active)).one()
    assert active.key_sha256 == sha256_hex(keys.api_key.encode())


def test_another_portal_is_left_alone(session: Session, places: Places, clock: Clock) -> None:
    load_city(session, vault=VAULT, clock=clock)
    root = session.exec(select(Office).where(Office.code == "22")).one()
    other, _, _ = create_client(session, "Another portal", root, vault=VAULT, clock=clock)
    register_portal(session, places, vault=VAULT, clock=clock)
    register_portal(session, places, vault=VAULT, clock=clock)

    assert other.active


def test_every_contract_has_a_gateway_here_and_none_in_production(
    session: Session, places: Places, clock: Clock
) -> None:
    load_city(session, vault=VAULT, clock=clock)
    development = places.settings(Settings(environment=Environment.DEVELOPMENT))
    production = development.model_copy(update={"environment": Environment.PRODUCTION})
    lookup = partial(find_access, session, vault=VAULT)

    for ward in WARDS:
        for rail, contract in ward.contracts.items():
            here = GatewayRegistry(development, clock, lookup).get(rail, contract.merchant_code)
            assert here.rail is rail
            with pytest.raises(SettingsError, match="for tests"):
                GatewayRegistry(production, clock, lookup).get(rail, contract.merchant_code)


def test_there_is_no_demonstration_in_production() -> None:
    settings = Settings.model_construct(environment=Environment.PRODUCTION, var_dir=Path())

    with pytest.raises(SettingsError, match="production"):
        Places.of(settings, 8000)
