"""The city's outside on one port: VNPay, Stripe, a bank, and the portal that hears of payments."""

import hmac
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from adapters.notifications.webhook import sign
from adapters.simulators.bank import (
    BankSimulatorConfig,
    CollectingAccount,
    Noise,
    ProviderIdentity,
)
from adapters.simulators.faults import FaultPlan
from adapters.simulators.server import ServerConfig, create_server
from adapters.simulators.settlement import FeeContract
from adapters.simulators.store import Store
from adapters.simulators.stripe import StripeAccount, StripeSimulatorConfig
from adapters.simulators.vnpay import VNPaySimulatorConfig, VNPayTerminal
from adapters.simulators.web import RawBody
from app.demo.city import PROVIDERS, WARDS, read_portal_keys
from app.demo.places import Places
from core.settings import Settings
from payments.channels import Channel

SEED: Final = 22
"""What happens to whom follows from this number and from names, never from chance."""

_NOISE: Final = {
    Noise.PREFIXED: 300,
    Noise.LOWER_CASE: 80,
    Noise.SPLIT: 50,
    Noise.ONE_WRONG: 25,
    Noise.CUT: 25,
}
"""How many in a thousand narratives suffer on their way; references survive each of these."""

_HEARD: Final = "heard"


def create_simulators(settings: Settings, places: Places) -> FastAPI:
    """Return everything outside the house as one application.

    Raises:
        SettingsError: the environment is not for simulators.
    """
    app = create_server(
        clock=settings.clock,
        state_dir=places.simulators_folder,
        config=server_config(places),
        environment=settings.environment,
    )
    app.mount("/portal", create_portal(places))
    return app


def server_config(places: Places) -> ServerConfig:
    """Return what VNPay, Stripe and the bank know of the city."""
    faults = FaultPlan(seed=SEED)
    fees = {p.channel: FeeContract(p.rate_bps, p.fixed_minor, p.settlement_days) for p in PROVIDERS}
    return ServerConfig(
        vnpay=VNPaySimulatorConfig(
            terminals=tuple(
                VNPayTerminal(
                    tmn_code=ward.terminal,
                    hash_secret=ward.secret("vnpay"),
                    ipn_url=_notice_url(places, Channel.VNPAY, ward.terminal),
                    payout_account=ward.account_number,
                )
                for ward in WARDS
            ),
            faults=faults,
            fees=fees[Channel.VNPAY],
        ),
        stripe=StripeSimulatorConfig(
            accounts=tuple(
                StripeAccount(
                    account_id=ward.stripe_account,
                    api_key=ward.secret("stripe"),
                    webhook_url=_notice_url(places, Channel.STRIPE, ward.stripe_account),
                    webhook_secret=ward.secret("stripe-webhook"),
                    payout_account=ward.account_number,
                )
                for ward in WARDS
            ),
            public_url=f"{places.simulators}/stripe",
            faults=faults,
            fees=fees[Channel.STRIPE],
        ),
        bank=BankSimulatorConfig(
            accounts=tuple(
                CollectingAccount(
                    ward.account_number, ward.bank.bin, ward.holder, ward.opening_balance
                )
                for ward in WARDS
            ),
            providers={
                p.channel.value: ProviderIdentity(p.payout_name, p.payout_account)
                for p in PROVIDERS
            },
            faults=faults,
            noise_per_mille=_NOISE,
        ),
    )


def create_portal(places: Places) -> FastAPI:
    """Return the portal's ear: it believes only webhooks that are signed with its secret."""
    app = FastAPI(title="Portal simulator", docs_url=None, redoc_url=None)
    store = Store(places.simulators_folder / "portal.sqlite")

    @app.post("/webhooks")
    def hear(request: Request, body: RawBody) -> JSONResponse:
        message_id = request.headers.get("webhook-id", "")
        seconds = request.headers.get("webhook-timestamp", "")
        signature = request.headers.get("webhook-signature", "")
        expected = sign(message_id, seconds, body, read_portal_keys(places).webhook_secret)
        if not hmac.compare_digest(signature, expected):
            return JSONResponse({"heard": False}, status_code=401)
        with store.transaction() as records:
            records.put(_HEARD, message_id, {"at": seconds})
        return JSONResponse({"heard": True})

    @app.get("/_control/heard")
    def count() -> Any:
        with store.transaction() as records:
            return {"count": len(records.every(_HEARD))}

    return app


def _notice_url(places: Places, channel: Channel, merchant_code: str) -> str:
    return f"{places.pages}/channels/{channel}/{merchant_code}/notice"
