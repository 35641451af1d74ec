"""Where the outside is wired: which adapter serves which port, from the settings alone."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from adapters.gateways.stripe import API_URL as STRIPE_API_URL
from adapters.gateways.stripe import StripeConfig, StripeGateway
from adapters.gateways.vietqr import VietQRGateway
from adapters.gateways.vnpay import VNPayConfig, VNPayGateway
from adapters.http import create_client
from adapters.notifications.mail import MailSender
from adapters.notifications.webhook import WebhookSender
from adapters.sources.folder import FolderSource
from core.clock import Clock
from core.errors import SettingsError
from core.outbox import MessageKind
from core.settings import DEVELOPMENT_MARK, Environment, Settings
from payments.channels import Channel
from payments.errors import ChannelNotOfferedError
from payments.ports import PaymentGateway
from reconciliation.ports import StatementSource


@dataclass(frozen=True, slots=True)
class MerchantSecrets:
    """What is needed to speak as one merchant to one channel; never printed."""

    channel: Channel
    merchant_code: str
    secrets: Mapping[str, str] = field(repr=False)


class GatewayRegistry:
    """Every configured gateway, by channel and merchant code."""

    def __init__(self, gateways: Mapping[tuple[Channel, str], PaymentGateway]) -> None:
        self._gateways = dict(gateways)
        self._transfer = VietQRGateway()

    def get(self, channel: Channel, merchant_code: str) -> PaymentGateway:
        """Return the gateway; bank transfer needs no merchant.

        Raises:
            ChannelNotOfferedError: this merchant is not configured.
        """
        if channel is Channel.BANK_TRANSFER:
            return self._transfer
        try:
            return self._gateways[channel, merchant_code]
        except KeyError:
            raise ChannelNotOfferedError(
                f"{channel} is not configured for merchant {merchant_code!r}"
            ) from None


def build_gateways(settings: Settings, clock: Clock) -> GatewayRegistry:
    """Return the gateways of the merchants file.

    Raises:
        SettingsError: the file is unusable, or holds development secrets in production.
    """
    client = create_client()
    return GatewayRegistry(
        {
            (merchant.channel, merchant.merchant_code): _gateway(settings, merchant, client, clock)
            for merchant in read_merchants(settings)
        }
    )


def read_merchants(settings: Settings) -> list[MerchantSecrets]:
    """Read ``[[merchant]]`` tables: channel, merchant_code and the channel's secrets."""
    if settings.merchants_file is None:
        return []
    try:
        document = tomllib.loads(settings.merchants_file.read_text(encoding="utf-8"))
        merchants = [_merchant(entry) for entry in document["merchant"]]
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as problem:
        raise SettingsError(f"merchants_file: {type(problem).__name__}") from problem
    if settings.environment is Environment.PRODUCTION:
        for merchant in merchants:
            if any(DEVELOPMENT_MARK in secret for secret in merchant.secrets.values()):
                raise SettingsError(f"merchants_file: {merchant.merchant_code} has a test secret")
    return merchants


def build_sources(settings: Settings) -> dict[str, StatementSource]:
    """Return where statements arrive."""
    if settings.watched_folder is None:
        return {}
    return {"folder": FolderSource(settings.watched_folder)}


def build_senders(settings: Settings, clock: Clock) -> dict[MessageKind, Any]:
    """Return who sends messages; mail only where a server is configured."""
    senders: dict[MessageKind, Any] = {
        MessageKind.WEBHOOK: WebhookSender(
            clock=clock, allow_private=settings.environment is not Environment.PRODUCTION
        )
    }
    if settings.smtp_host:
        senders[MessageKind.EMAIL] = MailSender(
            host=settings.smtp_host,
            port=settings.smtp_port,
            sender=settings.mail_from,
            base_url=settings.base_url,
            starttls=settings.environment is Environment.PRODUCTION,
        )
    return senders


def _merchant(entry: Mapping[str, Any]) -> MerchantSecrets:
    secrets = {str(k): str(v) for k, v in entry.items() if k not in {"channel", "merchant_code"}}
    return MerchantSecrets(Channel(entry["channel"]), str(entry["merchant_code"]), secrets)


def _gateway(
    settings: Settings, merchant: MerchantSecrets, client: httpx2.Client, clock: Clock
) -> PaymentGateway:
    secrets = merchant.secrets
    try:
        if merchant.channel is Channel.VNPAY:
            config = VNPayConfig(
                tmn_code=merchant.merchant_code,
                hash_secret=secrets["hash_secret"],
                previous_hash_secret=secrets.get("previous_hash_secret", ""),
                pay_url=settings.vnpay_pay_url,
                api_url=settings.vnpay_api_url,
            )
            return VNPayGateway(config, client, clock)
        if merchant.channel is Channel.STRIPE:
            stripe_config = StripeConfig(
                api_key=secrets["api_key"],
                webhook_secret=secrets["webhook_secret"],
                previous_webhook_secret=secrets.get("previous_webhook_secret", ""),
                api_url=settings.stripe_api_url or STRIPE_API_URL,
            )
            return StripeGateway(stripe_config, clock)
    except KeyError as missing:
        raise SettingsError(f"merchants_file: {merchant.merchant_code} lacks {missing}") from None
    raise SettingsError(f"merchants_file: {merchant.channel} is not supported yet")


def scratch_folder(settings: Settings) -> Path:
    """Return where files lie while they are parsed."""
    return settings.var_dir / "scratch"
