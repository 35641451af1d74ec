"""The wiring: which adapter serves whom, from the settings alone, and what is refused."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from adapters.registry import GatewayRegistry, build_senders, build_sources, scratch_folder
from core.errors import SettingsError
from core.outbox import MessageKind
from core.settings import Settings
from payments.channels import Rail
from payments.errors import ChannelNotOfferedError
from payments.ports import MerchantAccess
from tests.support.clock import FrozenClock

PRODUCTION = {
    "environment": "production", "base_url": "https://fees.example",
    "encryption_keys": "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
}  # fmt: skip
SECRETS = {
    Rail.VNPAY: {"hash_secret": "s3cret"},
    Rail.STRIPE: {"api_key": "sk", "webhook_secret": "whsec"},
    Rail.MOMO: {"access_key": "a", "secret_key": "k"},
    Rail.ZALOPAY: {"key1": "1", "key2": "2"},
    Rail.SEPAY: {"api_key": "k"},
    Rail.CASSO: {"security_key": "k"},
    Rail.PAYOS: {"api_key": "a", "checksum_key": "c"},
    Rail.NATIONAL_PORTAL: {"secret": "s"},
}
CODES = {Rail.ZALOPAY: "2553"}


def settings_of(tmp_path: Path, **more: object) -> Settings:
    endpoints = {"vnpay.pay": "https://vnpay.example/pay", "vnpay.api": "https://vnpay.example/a",
                 "national_portal.init": "https://portal.example/i",
                 "national_portal.query": "https://portal.example/q"}  # fmt: skip
    given = {"endpoints": endpoints} | more
    return Settings(var_dir=tmp_path / "var", **given)  # type: ignore[arg-type]


@dataclass
class Contracts:
    """Contracts as the database would tell them; a test changes them under way."""

    secrets: dict[Rail, dict[str, str]] = field(default_factory=lambda: dict(SECRETS))
    previous: dict[str, str] = field(default_factory=dict)

    def __call__(self, rail: Rail, merchant_code: str) -> MerchantAccess | None:
        if rail not in self.secrets or merchant_code == "unknown":
            return None
        return MerchantAccess(rail, merchant_code, "MC", {}, self.secrets[rail], self.previous)


def registry_of(settings: Settings, contracts: Contracts | None = None) -> GatewayRegistry:
    return GatewayRegistry(settings, FrozenClock(), contracts or Contracts())


@pytest.mark.parametrize("rail", [rail for rail in Rail if rail is not Rail.VIETQR])
def test_each_contract_has_its_gateway(tmp_path: Path, rail: Rail) -> None:
    gateway = registry_of(settings_of(tmp_path)).get(rail, CODES.get(rail, "TMN1"))

    assert gateway.rail is rail
    assert gateway.capabilities.notices


def test_transfers_need_no_contract(tmp_path: Path) -> None:
    assert registry_of(settings_of(tmp_path)).get(Rail.VIETQR, "").rail is Rail.VIETQR


def test_without_a_contract_a_rail_is_not_offered(tmp_path: Path) -> None:
    with pytest.raises(ChannelNotOfferedError):
        registry_of(settings_of(tmp_path)).get(Rail.VNPAY, "unknown")


def test_a_gateway_is_made_once_and_again_when_its_secrets_change(tmp_path: Path) -> None:
    contracts = Contracts()
    registry = registry_of(settings_of(tmp_path), contracts)
    first = registry.get(Rail.VNPAY, "TMN1")
    assert registry.get(Rail.VNPAY, "TMN1") is first

    contracts.secrets[Rail.VNPAY] = {"hash_secret": "new"}
    contracts.previous = {"hash_secret": "s3cret"}
    assert registry.get(Rail.VNPAY, "TMN1") is not first


@pytest.mark.parametrize("rail", [rail for rail in Rail if rail is not Rail.VIETQR])
def test_a_missing_secret_is_named(tmp_path: Path, rail: Rail) -> None:
    contracts = Contracts({rail: {}})
    with pytest.raises(SettingsError, match=f"{rail} .* lacks the secret"):
        registry_of(settings_of(tmp_path), contracts).get(rail, CODES.get(rail, "TMN1"))


def test_a_missing_address_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"vnpay\.pay"):
        registry_of(settings_of(tmp_path, endpoints={})).get(Rail.VNPAY, "TMN1")


def test_a_test_secret_is_refused_in_production(tmp_path: Path) -> None:
    contracts = Contracts({Rail.VNPAY: {"hash_secret": "development-only-secret"}})
    registry_of(settings_of(tmp_path), contracts).get(Rail.VNPAY, "TMN1")
    with pytest.raises(SettingsError, match="TMN1") as refusal:
        registry_of(settings_of(tmp_path, **PRODUCTION), contracts).get(Rail.VNPAY, "TMN1")
    assert "development-only" not in refusal.value.detail


def test_secrets_are_never_printed() -> None:
    access = Contracts()(Rail.VNPAY, "TMN1")
    assert "s3cret" not in repr(access)


def test_mail_is_sent_only_where_a_server_is_configured(tmp_path: Path) -> None:
    assert set(build_senders(settings_of(tmp_path), FrozenClock())) == {MessageKind.WEBHOOK}
    with_mail = settings_of(tmp_path, smtp_host="127.0.0.1")
    assert set(build_senders(with_mail, FrozenClock())) == set(MessageKind)


def test_a_folder_is_watched_only_where_one_is_configured(tmp_path: Path) -> None:
    assert build_sources(settings_of(tmp_path)) == {}
    sources = build_sources(settings_of(tmp_path, watched_folder=tmp_path))
    assert [list(source.fetch()) for source in sources.values()] == [[]]


def test_files_are_parsed_under_the_var_folder(tmp_path: Path) -> None:
    assert scratch_folder(settings_of(tmp_path)) == tmp_path / "var" / "scratch"
