"""The city's outside on one port: providers, a bank, and the portal that hears of payments."""

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
from adapters.simulators.parties import PlayedContract, Stage
from adapters.simulators.server import create_server
from adapters.simulators.settlement import FeeContract
from adapters.simulators.store import Store
from adapters.simulators.web import RawBody
from app.demo.city import PROVIDERS, REFERENCE_PREFIX, WARDS, read_portal_keys
from app.demo.places import Places
from core.settings import Settings
from payments.channels import Rail
from payments.ports import MerchantAccess

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
        stage_of(settings, places),
        played_contracts(places),
        bank=bank_config(),
        environment=settings.environment,
    )
    app.mount("/portal", create_portal(places))
    return app


def stage_of(settings: Settings, places: Places) -> Stage:
    """Return what the city's simulators share."""
    fees = {
        Rail(p.channel.value): FeeContract(p.rate_bps, p.fixed_minor, p.settlement_days)
        for p in PROVIDERS
    }
    return Stage(
        clock=settings.clock,
        state_dir=places.simulators_folder,
        url=places.simulators,
        faults=FaultPlan(seed=SEED),
        fees=fees,
    )


def played_contracts(places: Places) -> list[PlayedContract]:
    """Return what the providers know of the city's contracts."""
    return [
        PlayedContract(
            access=MerchantAccess(rail, made.merchant_code, REFERENCE_PREFIX, {}, made.secrets),
            account=ward.account_number,
            notice_url=f"{places.pages}/channels/{rail}/{made.merchant_code}/notice",
            return_url=f"{places.pages}/payments/return",
        )
        for ward in WARDS
        for rail, made in ward.contracts.items()
    ]


def bank_config() -> BankSimulatorConfig:
    """Return what the bank knows of the city."""
    return BankSimulatorConfig(
        accounts=tuple(
            CollectingAccount(ward.account_number, ward.bank.bin, ward.holder, ward.opening_balance)
            for ward in WARDS
        ),
        providers={
            p.channel.value: ProviderIdentity(p.payout_name, p.payout_account) for p in PROVIDERS
        },
        faults=FaultPlan(seed=SEED),
        noise_per_mille=_NOISE,
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
