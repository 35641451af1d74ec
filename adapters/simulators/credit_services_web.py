"""The web face of SePay and Casso as played here: only the control API, for they only call out."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from adapters.simulators.credit_services import CreditServices
from adapters.simulators.credit_services_config import CreditServicesConfig, Subscription, Wire
from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.web import install_errors
from core.clock import Clock


class NewSubscription(BaseModel):
    """A webhook as somebody sets it up at a service."""

    name: str
    wire: Wire
    account: str
    url: str
    key: str
    as_form: bool = False


class ForcedFaults(BaseModel):
    """What befalls the messages about one bill reference; ``drawn_as`` names it for sizes."""

    reference: str
    faults: list[Fault]
    drawn_as: str = ""


def create_app(*, clock: Clock, state_path: Path, config: CreditServicesConfig) -> FastAPI:
    """Return both services as an application; ``app.state.simulator`` is their inside."""
    services = CreditServices(clock=clock, state_path=state_path, config=config)
    app = FastAPI(title="Credit services simulator", docs_url=None, redoc_url=None)
    app.state.simulator = services
    install_errors(app)
    _add_control(app, services)
    return app


def _add_control(app: FastAPI, services: CreditServices) -> None:
    @app.post("/_control/tick")
    def tick() -> dict[str, int]:
        return {"calls": services.deliver_due(services.clock())}

    @app.get("/_control/subscriptions")
    def subscriptions() -> Any:
        return [_shown(one) for one in services.subscriptions()]

    @app.post("/_control/subscriptions")
    def subscribe(wanted: NewSubscription) -> Any:
        subscription = Subscription(**wanted.model_dump())
        services.subscribe(subscription)
        return _shown(subscription)

    @app.get("/_control/subscriptions/{name}/notices")
    def notices(name: str) -> Any:
        return services.notices(name)

    @app.post("/_control/faults")
    def force(wanted: ForcedFaults) -> dict[str, str]:
        with services.store.transaction() as records:
            force_faults(records, wanted.reference, wanted.faults, drawn_as=wanted.drawn_as)
        return {"reference": wanted.reference}


def _shown(subscription: Subscription) -> dict[str, object]:
    """Return a subscription without its key."""
    return {
        "name": subscription.name,
        "wire": subscription.wire.value,
        "account": subscription.account,
        "url": subscription.url,
        "as_form": subscription.as_form,
    }
