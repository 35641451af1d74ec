"""Which simulator plays which rail, and what each is told of the contracts that it plays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fastapi import FastAPI

from adapters.simulators import (
    credit_services_web,
    momo_web,
    national_portal_web,
    payos_web,
    stripe_web,
    vnpay_web,
    zalopay_web,
)
from adapters.simulators.bank import BankSimulator, Entry
from adapters.simulators.credit_services_config import (
    CreditServicesConfig,
    Subscription,
    Wire,
)
from adapters.simulators.faults import FaultPlan
from adapters.simulators.momo_config import DEMONSTRATION_FEES as MOMO_FEES
from adapters.simulators.momo_config import MoMoPartner, MoMoSimulatorConfig
from adapters.simulators.national_portal_config import (
    NationalPortalPartner,
    NationalPortalSimulatorConfig,
)
from adapters.simulators.payos_config import PayOSChannel, PayOSSimulatorConfig
from adapters.simulators.settlement import FeeContract, Payout
from adapters.simulators.stripe_config import DEMONSTRATION_FEES as STRIPE_FEES
from adapters.simulators.stripe_config import StripeAccount, StripeSimulatorConfig
from adapters.simulators.vnpay_config import DEMONSTRATION_FEES as VNPAY_FEES
from adapters.simulators.vnpay_config import VNPaySimulatorConfig, VNPayTerminal
from adapters.simulators.zalopay_config import DEMONSTRATION_FEES as ZALOPAY_FEES
from adapters.simulators.zalopay_config import ZaloPayApplication, ZaloPaySimulatorConfig
from core.clock import Clock
from core.errors import SettingsError
from payments.channels import Rail
from payments.ports import MerchantAccess


@dataclass(frozen=True, slots=True)
class PlayedContract:
    """One of our contracts as its provider knows it.

    ``account`` is the collecting account that its money reaches; ``notice_url`` is where its
    messages go; ``return_url`` is where payers are sent back by a provider that has one address
    for all.
    """

    access: MerchantAccess
    account: str
    notice_url: str
    return_url: str = ""
    bank_bin: str = ""
    account_name: str = ""

    @property
    def code(self) -> str:
        """The merchant code."""
        return self.access.merchant_code

    def secret(self, name: str) -> str:
        """Return a secret.

        Raises:
            SettingsError: it is not stored.
        """
        if name not in self.access.secrets:
            raise SettingsError(f"{self.access.rail} {self.code} lacks the secret {name}")
        return self.access.secrets[name]


@dataclass(frozen=True, slots=True)
class Stage:
    """What every simulator of one process shares; ``url`` is where the process is reached.

    Faults strike by ``faults``, the others behave; providers that pay out keep ``fees``.
    """

    clock: Clock
    state_dir: Path
    url: str
    faults: FaultPlan = field(default_factory=FaultPlan)
    fees: Mapping[Rail, FeeContract] = field(default_factory=dict)
    slow_seconds: float = 3.0
    bank: BankSimulator | None = None

    @property
    def payout_sink(self) -> Callable[[Payout], None] | None:
        """Where net sums are paid to, if there is a bank."""
        return None if self.bank is None else self.bank.receive_payout

    @property
    def transfer_sink(self) -> Callable[[Entry], str] | None:
        """Where payers' transfers are booked, if there is a bank; returns its reference."""
        bank = self.bank
        return None if bank is None else lambda entry: bank.book(entry).bank_ref

    def state_path(self, rail: Rail) -> Path:
        """Return the file that a rail's simulator remembers in."""
        return self.state_dir / f"{rail}.sqlite"

    def url_of(self, rail: Rail) -> str:
        """Return where a rail's simulator is reached."""
        return f"{self.url}/{rail}"


Play = Callable[[Sequence[PlayedContract], Stage], FastAPI]


def _vnpay(contracts: Sequence[PlayedContract], stage: Stage) -> FastAPI:
    config = VNPaySimulatorConfig(
        tuple(
            VNPayTerminal(one.code, one.secret("hash_secret"), one.notice_url, one.account)
            for one in contracts
        ),
        faults=stage.faults,
        fees=stage.fees.get(Rail.VNPAY, VNPAY_FEES),
        slow_seconds=stage.slow_seconds,
    )
    return vnpay_web.create_app(
        clock=stage.clock,
        state_path=stage.state_path(Rail.VNPAY),
        config=config,
        payout_sink=stage.payout_sink,
    )


def _momo(contracts: Sequence[PlayedContract], stage: Stage) -> FastAPI:
    config = MoMoSimulatorConfig(
        tuple(
            MoMoPartner(one.code, one.secret("access_key"), one.secret("secret_key"), one.account)
            for one in contracts
        ),
        stage.url_of(Rail.MOMO),
        faults=stage.faults,
        fees=stage.fees.get(Rail.MOMO, MOMO_FEES),
        slow_seconds=stage.slow_seconds,
    )
    return momo_web.create_app(
        clock=stage.clock,
        state_path=stage.state_path(Rail.MOMO),
        config=config,
        payout_sink=stage.payout_sink,
    )


def _stripe(contracts: Sequence[PlayedContract], stage: Stage) -> FastAPI:
    config = StripeSimulatorConfig(
        tuple(
            StripeAccount(
                one.code,
                one.secret("api_key"),
                one.notice_url,
                one.secret("webhook_secret"),
                one.account,
            )
            for one in contracts
        ),
        stage.url_of(Rail.STRIPE),
        faults=stage.faults,
        fees=stage.fees.get(Rail.STRIPE, STRIPE_FEES),
        slow_seconds=stage.slow_seconds,
    )
    return stripe_web.create_app(
        clock=stage.clock,
        state_path=stage.state_path(Rail.STRIPE),
        config=config,
        payout_sink=stage.payout_sink,
    )


def _zalopay(contracts: Sequence[PlayedContract], stage: Stage) -> FastAPI:
    config = ZaloPaySimulatorConfig(
        tuple(
            ZaloPayApplication(
                one.code, one.secret("key1"), one.secret("key2"), one.account, one.notice_url
            )
            for one in contracts
        ),
        stage.url_of(Rail.ZALOPAY),
        faults=stage.faults,
        fees=stage.fees.get(Rail.ZALOPAY, ZALOPAY_FEES),
        slow_seconds=stage.slow_seconds,
    )
    return zalopay_web.create_app(
        clock=stage.clock,
        state_path=stage.state_path(Rail.ZALOPAY),
        config=config,
        payout_sink=stage.payout_sink,
    )


def _payos(contracts: Sequence[PlayedContract], stage: Stage) -> FastAPI:
    config = PayOSSimulatorConfig(
        tuple(
            PayOSChannel(
                one.code,
                one.secret("api_key"),
                one.secret("checksum_key"),
                one.account,
                one.bank_bin,
                one.account_name,
                one.notice_url,
                reference_prefix=one.access.reference_prefix,
            )
            for one in contracts
        ),
        stage.url_of(Rail.PAYOS),
        faults=stage.faults,
        slow_seconds=stage.slow_seconds,
    )
    return payos_web.create_app(
        clock=stage.clock,
        state_path=stage.state_path(Rail.PAYOS),
        config=config,
        transfer_sink=stage.transfer_sink,
    )


def _national_portal(contracts: Sequence[PlayedContract], stage: Stage) -> FastAPI:
    config = NationalPortalSimulatorConfig(
        tuple(
            NationalPortalPartner(one.code, one.secret("secret"), one.notice_url, one.return_url)
            for one in contracts
        ),
        stage.url_of(Rail.NATIONAL_PORTAL),
        faults=stage.faults,
        slow_seconds=stage.slow_seconds,
    )
    return national_portal_web.create_app(
        clock=stage.clock,
        state_path=stage.state_path(Rail.NATIONAL_PORTAL),
        config=config,
        transfer_sink=stage.transfer_sink,
    )


def _sepay(contracts: Sequence[PlayedContract], stage: Stage) -> FastAPI:
    return _services(Rail.SEPAY, contracts, stage, (Wire.SEPAY_HMAC, "hmac_secret"),
                     (Wire.SEPAY_API_KEY, "api_key"))  # fmt: skip


def _casso(contracts: Sequence[PlayedContract], stage: Stage) -> FastAPI:
    return _services(Rail.CASSO, contracts, stage, (Wire.CASSO_V2, "security_key"),
                     (Wire.CASSO_V1, "secure_token"))  # fmt: skip


def _services(
    rail: Rail, contracts: Sequence[PlayedContract], stage: Stage, *ways: tuple[Wire, str]
) -> FastAPI:
    """Play a service that tells of credits, proving itself in the first way with a secret."""
    subscriptions = []
    for one in contracts:
        wire, name = next((w for w in ways if w[1] in one.access.secrets), ways[0])
        subscriptions.append(
            Subscription(one.code, wire, one.account, one.notice_url, one.secret(name))
        )
    return credit_services_web.create_app(
        clock=stage.clock,
        state_path=stage.state_path(rail),
        config=CreditServicesConfig(tuple(subscriptions), faults=stage.faults),
    )


PLAYERS: Final[Mapping[Rail, Play]] = {
    Rail.VNPAY: _vnpay,
    Rail.MOMO: _momo,
    Rail.STRIPE: _stripe,
    Rail.ZALOPAY: _zalopay,
    Rail.PAYOS: _payos,
    Rail.NATIONAL_PORTAL: _national_portal,
    Rail.SEPAY: _sepay,
    Rail.CASSO: _casso,
}
"""How each rail is played; a further rail is one entry here and one in ``ENDPOINTS``."""

TOLD_BY_THE_BANK: Final = frozenset({Rail.SEPAY, Rail.CASSO})
"""Services that hear of every line from the bank and tell us."""

ENDPOINTS: Final[Mapping[Rail, Mapping[str, str]]] = {
    Rail.VNPAY: {
        "vnpay.pay": "/paymentv2/vpcpay.html",
        "vnpay.api": "/merchant_webapi/api/transaction",
    },
    Rail.MOMO: {"momo.api": ""},
    Rail.STRIPE: {"stripe.api": ""},
    Rail.ZALOPAY: {"zalopay.api": ""},
    Rail.PAYOS: {"payos.api": ""},
    Rail.NATIONAL_PORTAL: {
        "national_portal.init": "/init",
        "national_portal.query": "/query",
        "national_portal.receipt": "/receipt",
    },
}
"""The settings that lead a rail to its simulator, and where they point below its address."""


def endpoints_of(rails: Sequence[Rail], url: str) -> dict[str, str]:
    """Return the ``endpoints`` setting that leads these rails to simulators at ``url``."""
    return {
        name: f"{url}/{rail}{path}"
        for rail in rails
        for name, path in ENDPOINTS.get(rail, {}).items()
    }
