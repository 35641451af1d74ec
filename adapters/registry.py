"""Where the outside is wired: which adapter serves which port, from the settings alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx2

from adapters.gateways.casso import CassoConfig, CassoGateway
from adapters.gateways.momo import MoMoConfig, MoMoGateway, MoMoRequestType
from adapters.gateways.national_portal import NationalPortalConfig, NationalPortalGateway
from adapters.gateways.payos import PayOSConfig, PayOSGateway
from adapters.gateways.sepay import SePayConfig, SePayGateway
from adapters.gateways.stripe import StripeConfig, StripeGateway
from adapters.gateways.vietqr import VietQRGateway
from adapters.gateways.vnpay import VNPayConfig, VNPayGateway
from adapters.gateways.zalopay import ZaloPayConfig, ZaloPayGateway
from adapters.http import Breaker, Caller, Recorder, create_client, keep_nothing
from adapters.notifications.mail import MailSender
from adapters.notifications.webhook import WebhookSender
from adapters.sources import imap, s3, sftp
from adapters.sources.folder import FolderSource
from adapters.sources.terms import Terms
from core.clock import Clock
from core.errors import SettingsError
from core.outbox import MessageKind
from core.settings import DEVELOPMENT_MARK, Environment, Settings
from payments.channels import Rail
from payments.errors import ChannelNotOfferedError
from payments.ports import MerchantAccess, PaymentGateway
from reconciliation.ports import SourceAccess, SourceKind, SourceMemory, StatementSource

MerchantLookup = Callable[[Rail, str], MerchantAccess | None]
"""Finds what is needed to speak as a merchant, as it is now: secrets may be rotated meanwhile."""

PUBLISHED_ENDPOINTS: Final[Mapping[str, str]] = {
    "stripe.api": "https://api.stripe.com",
    "momo.api": "https://payment.momo.vn",
    "zalopay.api": "https://openapi.zalopay.vn",
    "payos.api": "https://api-merchant.payos.vn",
}
"""Addresses that providers publish; the others are handed over with the contract."""

_Kind = TypeVar("_Kind", bound=StrEnum)
_TIMEOUT_SECONDS: Final = 30.0
"""MoMo asks for at least so long; it is the most for all."""


class GatewayRegistry:
    """Every gateway, made when it is first asked for and again when its access has changed."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        lookup: MerchantLookup,
        *,
        record: Recorder = keep_nothing,
        client: httpx2.Client | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._lookup = lookup
        self._record = record
        self._client = client or create_client(timeout_seconds=_TIMEOUT_SECONDS)
        self._breakers = {rail: Breaker(clock) for rail in Rail}
        self._made: dict[tuple[Rail, str], tuple[MerchantAccess, PaymentGateway]] = {}
        self._transfer = VietQRGateway()

    def get(self, rail: Rail, merchant_code: str) -> PaymentGateway:
        """Return the gateway; a plain VietQR code needs no merchant.

        Raises:
            ChannelNotOfferedError: there is no contract of this code.
            SettingsError: a secret or an address is missing, or is for tests only.
        """
        if rail is Rail.VIETQR:
            return self._transfer
        access = self._lookup(rail, merchant_code)
        if access is None:
            raise ChannelNotOfferedError(f"{rail} has no merchant {merchant_code[:40]!r} here")
        made = self._made.get((rail, merchant_code))
        if made is not None and made[0] == access:
            return made[1]
        gateway = self._make(access)
        self._made[rail, merchant_code] = (access, gateway)
        return gateway

    def _make(self, access: MerchantAccess) -> PaymentGateway:
        secrets = (*access.secrets.values(), *access.previous.values())
        if self._settings.environment is Environment.PRODUCTION and any(
            DEVELOPMENT_MARK in secret for secret in secrets
        ):
            raise SettingsError(f"{access.rail} {access.merchant_code} has a secret for tests")
        http = Caller(
            self._client,
            rail=access.rail,
            merchant_code=access.merchant_code,
            clock=self._clock,
            breaker=self._breakers[access.rail],
            record=self._record,
        )
        production = self._settings.environment is Environment.PRODUCTION
        read = Access(access, self._settings.endpoints, production=production)
        return BUILDERS[access.rail](read, http)


@dataclass(frozen=True, slots=True)
class Access:
    """A merchant's access as a builder reads it: by name, and complaining by name."""

    merchant: MerchantAccess
    endpoints: Mapping[str, str]
    production: bool = False

    @property
    def code(self) -> str:
        """The merchant code."""
        return self.merchant.merchant_code

    def secret(self, name: str) -> str:
        """Return a secret that must be there.

        Raises:
            SettingsError: it is not.
        """
        if name not in self.merchant.secrets:
            raise SettingsError(f"{self.merchant.rail} {self.code} lacks the secret {name}")
        return self.merchant.secrets[name]

    def optional(self, name: str) -> str:
        """Return a secret, or an empty text."""
        return self.merchant.secrets.get(name, "")

    def previous(self, name: str) -> str:
        """Return the secret that is being rotated out, or an empty text."""
        return self.merchant.previous.get(name, "")

    def endpoint(self, name: str) -> str:
        """Return an address of the settings, or the provider's published one.

        Raises:
            SettingsError: neither is known.
        """
        if not (found := self.endpoints.get(name) or PUBLISHED_ENDPOINTS.get(name)):
            raise SettingsError(f"endpoints: {name} is not set")
        return found

    def choice(self, name: str, kind: type[_Kind], otherwise: _Kind) -> _Kind:
        """Return a setting of the merchant that is one of several words.

        Raises:
            SettingsError: it is none of them.
        """
        try:
            return kind(self.merchant.settings.get(name, otherwise))
        except ValueError:
            words = ", ".join(kind)
            raise SettingsError(f"{self.merchant.rail} {self.code}: {name}: {words}") from None

    def flag(self, name: str, *, otherwise: bool) -> bool:
        """Return a setting of the merchant that is ``yes`` or ``no``.

        Raises:
            SettingsError: it is neither.
        """
        word = self.merchant.settings.get(name, "yes" if otherwise else "no")
        if word not in {"yes", "no"}:
            raise SettingsError(f"{self.merchant.rail} {self.code}: {name}: yes or no")
        return word == "yes"


def _vnpay(access: Access, http: Caller) -> PaymentGateway:
    config = VNPayConfig(
        tmn_code=access.code,
        hash_secret=access.secret("hash_secret"),
        previous_hash_secret=access.previous("hash_secret"),
        pay_url=access.endpoint("vnpay.pay"),
        api_url=access.endpoint("vnpay.api"),
    )
    return VNPayGateway(config, http)


def _stripe(access: Access, http: Caller) -> PaymentGateway:
    config = StripeConfig(
        api_key=access.secret("api_key"),
        webhook_secret=access.secret("webhook_secret"),
        previous_webhook_secret=access.previous("webhook_secret"),
        api_url=access.endpoint("stripe.api"),
        live=True if access.production else None,
    )
    return StripeGateway(config, http)


def _momo(access: Access, http: Caller) -> PaymentGateway:
    config = MoMoConfig(
        partner_code=access.code,
        access_key=access.secret("access_key"),
        secret_key=access.secret("secret_key"),
        previous_access_key=access.previous("access_key"),
        previous_secret_key=access.previous("secret_key"),
        api_url=access.endpoint("momo.api"),
        request_type=access.choice("request_type", MoMoRequestType, MoMoRequestType.CAPTURE_WALLET),
        auto_capture=access.flag("auto_capture", otherwise=True),
    )
    return MoMoGateway(config, http)


def _zalopay(access: Access, http: Caller) -> PaymentGateway:
    config = ZaloPayConfig(
        app_id=access.code,
        key1=access.secret("key1"),
        key2=access.secret("key2"),
        previous_key2=access.previous("key2"),
        api_url=access.endpoint("zalopay.api"),
    )
    return ZaloPayGateway(config, http)


def _payos(access: Access, http: Caller) -> PaymentGateway:
    config = PayOSConfig(
        client_id=access.code,
        api_key=access.secret("api_key"),
        checksum_key=access.secret("checksum_key"),
        previous_checksum_key=access.previous("checksum_key"),
        reference_prefix=access.merchant.reference_prefix,
        api_url=access.endpoint("payos.api"),
        description_length=25 if access.flag("long_description", otherwise=False) else 9,
    )
    return PayOSGateway(config, http)


def _sepay(access: Access, http: Caller) -> PaymentGateway:
    hmac_secret = access.optional("hmac_secret")
    config = SePayConfig(
        # Where both are stored the signature is what holds: it binds body and time.
        api_key="" if hmac_secret else access.secret("api_key"),
        previous_api_key="" if hmac_secret else access.previous("api_key"),
        hmac_secret=hmac_secret,
        previous_hmac_secret=access.previous("hmac_secret"),
    )
    return SePayGateway(config, http)


def _casso(access: Access, http: Caller) -> PaymentGateway:
    first = access.optional("secure_token")  # version 1; the key that signs is version 2's
    config = CassoConfig(
        secure_token=first,
        previous_secure_token=access.previous("secure_token"),
        security_key=access.optional("security_key") if first else access.secret("security_key"),
        previous_security_key=access.previous("security_key"),
    )
    return CassoGateway(config, http)


def _national_portal(access: Access, http: Caller) -> PaymentGateway:
    settings = access.merchant.settings
    config = NationalPortalConfig(
        partner_code=access.code,
        secret=access.secret("secret"),
        previous_secret=access.previous("secret"),
        bearer_token=access.optional("bearer_token"),
        init_url=access.endpoint("national_portal.init"),
        query_url=access.endpoint("national_portal.query"),
        receipt_url=access.endpoints.get("national_portal.receipt", ""),
        not_found_codes=frozenset(settings.get("not_found_codes", "").split()),
        callback_suffices=access.flag("callback_suffices", otherwise=True),
        phi_kind=settings.get("phi_kind", "phi"),
        le_phi_kind=settings.get("le_phi_kind", "le_phi"),
    )
    return NationalPortalGateway(config, http)


BUILDERS: Final[Mapping[Rail, Callable[[Access, Caller], PaymentGateway]]] = {
    Rail.VNPAY: _vnpay,
    Rail.MOMO: _momo,
    Rail.STRIPE: _stripe,
    Rail.ZALOPAY: _zalopay,
    Rail.PAYOS: _payos,
    Rail.SEPAY: _sepay,
    Rail.CASSO: _casso,
    Rail.NATIONAL_PORTAL: _national_portal,
}
"""How the gateway of each rail is made; a further rail is one entry."""


SOURCES: Final[Mapping[SourceKind, Callable[[Terms, SourceMemory], StatementSource]]] = {
    SourceKind.SFTP: lambda terms, memory: sftp.SftpSource(sftp.read_config(terms), memory),
    SourceKind.IMAP: lambda terms, _: imap.ImapSource(imap.read_config(terms)),
    SourceKind.S3: lambda terms, memory: s3.S3Source(s3.read_config(terms), memory),
}
"""How a source of each kind is made; a further kind is one entry."""


def open_source(access: SourceAccess, memory: SourceMemory) -> StatementSource:
    """Return a source as it is written down; it is called when it is asked for files.

    Raises:
        SourceInvalidError: what is written down is unusable; the message names the setting.
    """
    return SOURCES[access.kind](Terms(access), memory)


def build_sources(settings: Settings) -> dict[str, StatementSource]:
    """Return where statements arrive by the settings: the watched folder."""
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


def scratch_folder(settings: Settings) -> Path:
    """Return where files lie while they are parsed."""
    return settings.var_dir / "scratch"


def exports_folder(settings: Settings) -> Path:
    """Return where the packages of auditors lie; application and scheduler have to share it."""
    return settings.var_dir / "exports"
