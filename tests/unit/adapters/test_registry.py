"""The wiring: which adapter serves whom, from the settings alone, and what is refused."""

from pathlib import Path

import pytest

from adapters.registry import (
    build_gateways,
    build_senders,
    build_sources,
    read_merchants,
    scratch_folder,
)
from core.errors import SettingsError
from core.outbox import MessageKind
from core.settings import Settings
from payments.channels import Channel
from payments.errors import ChannelNotOfferedError
from tests.support.clock import FrozenClock

VNPAY = '[[merchant]]\nchannel = "vnpay"\nmerchant_code = "TMN1"\nhash_secret = "s3cret"\n'
STRIPE = (
    '[[merchant]]\nchannel = "stripe"\nmerchant_code = "acct_1"\napi_key = "sk"\n'
    'webhook_secret = "whsec"\n'
)
PRODUCTION = {
    "environment": "production", "base_url": "https://fees.example",
    "encryption_keys": "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
}  # fmt: skip


def settings_of(tmp_path: Path, merchants: str | None = None, **more: object) -> Settings:
    if merchants is not None:
        path = tmp_path / "merchants.toml"
        path.write_text(merchants, encoding="utf-8")
        more |= {"merchants_file": path}
    urls = {
        "vnpay_pay_url": "https://vnpay.example/pay",
        "vnpay_api_url": "https://vnpay.example/a",
    }
    return Settings(var_dir=tmp_path / "var", **urls | more)  # type: ignore[arg-type]


def test_each_merchant_has_its_gateway_and_transfers_need_none(tmp_path: Path) -> None:
    registry = build_gateways(settings_of(tmp_path, VNPAY + STRIPE), FrozenClock())
    assert registry.get(Channel.VNPAY, "TMN1").channel is Channel.VNPAY
    assert registry.get(Channel.STRIPE, "acct_1").channel is Channel.STRIPE
    assert registry.get(Channel.BANK_TRANSFER, "").channel is Channel.BANK_TRANSFER
    for place in ((Channel.VNPAY, "TMN2"), (Channel.STRIPE, "TMN1"), (Channel.MOMO, "TMN1")):
        with pytest.raises(ChannelNotOfferedError):
            registry.get(*place)


def test_without_a_merchants_file_there_are_only_transfers(tmp_path: Path) -> None:
    registry = build_gateways(settings_of(tmp_path), FrozenClock())
    assert registry.get(Channel.BANK_TRANSFER, "").channel is Channel.BANK_TRANSFER
    with pytest.raises(ChannelNotOfferedError):
        registry.get(Channel.VNPAY, "TMN1")


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "",
        "[merchant]\nchannel = 'vnpay'",
        '[[merchant]]\nchannel = "cash"\nmerchant_code = "x"',
        '[[merchant]]\nchannel = "vnpay"',
        '[[merchant]]\nchannel = "vnpay"\nmerchant_code = "TMN1"',
        '[[merchant]]\nchannel = "stripe"\nmerchant_code = "acct_1"\napi_key = "sk"',
        '[[merchant]]\nchannel = "momo"\nmerchant_code = "x"\nkey = "y"',
    ],
)
def test_an_unusable_merchants_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="merchants_file"):
        build_gateways(settings_of(tmp_path, text), FrozenClock())


def test_a_merchants_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="merchants_file"):
        read_merchants(settings_of(tmp_path, merchants_file=tmp_path / "none.toml"))


def test_a_test_secret_is_refused_in_production(tmp_path: Path) -> None:
    text = VNPAY.replace("s3cret", "development-only-secret")
    build_gateways(settings_of(tmp_path, text), FrozenClock())
    with pytest.raises(SettingsError, match="TMN1") as refusal:
        build_gateways(settings_of(tmp_path, text, **PRODUCTION), FrozenClock())
    assert "development-only" not in refusal.value.detail


def test_secrets_are_never_printed(tmp_path: Path) -> None:
    (merchant,) = read_merchants(settings_of(tmp_path, VNPAY))
    assert "s3cret" not in repr(merchant)
    assert merchant.secrets == {"hash_secret": "s3cret"}


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
