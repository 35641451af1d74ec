"""What SePay and Casso share: the bank tells them of every line, and they tell us over HTTP."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from starlette.types import ASGIApp
from typing_extensions import override

from adapters.simulators import credit_services_web
from adapters.simulators.bank import BankLine
from adapters.simulators.credit_services import CreditServices
from adapters.simulators.credit_services_config import CreditServicesConfig, Subscription, Wire
from adapters.simulators.faults import Fault, force_faults
from payments.ports import RawEvent
from tests.contracts.rigs.inbox import bill_of
from tests.contracts.rigs.rig import ACCOUNT, TransferRig

NOBODY_REFUSES = (
    "the payer's own bank decides before anything leaves it: a refused transfer is not booked, so"
    " that the service has nothing to tell of"
)


class ServiceRig(TransferRig):
    """One webhook of a service for the collecting account; the code is made by VietQR."""

    merchant = "contract"
    wire: ClassVar[Wire]
    key: ClassVar[str]
    services: CreditServices
    not_applicable: ClassVar[Mapping[str, str]] = {
        "decline": NOBODY_REFUSES,
        "try_again": NOBODY_REFUSES,
        "turning_back": NOBODY_REFUSES,
        "expiry": (
            "the service knows no attempts: what is transferred after our expiry is told like any"
            " other, which 'notice after expiry' shows"
        ),
        "another_currency": "its messages name no currency: it watches accounts in VND only",
    }

    @override
    def open(self) -> Mapping[str, ASGIApp]:
        told = Subscription(
            self.merchant, self.wire, ACCOUNT, self.site.notice_url(self.rail), self.key
        )
        app = credit_services_web.create_app(
            clock=self.site.provider_clock,
            state_path=self.site.state_dir / f"{self.rail}.sqlite",
            config=CreditServicesConfig((told,)),
        )
        self.services = app.state.simulator
        return {self.rail.value: app}

    @override
    def hear(self, line: BankLine) -> None:
        self.services.announce(line)

    @override
    def deliver_due(self, now: datetime) -> int:
        return self.services.deliver_due(now)

    @override
    def force(self, reference: str, *faults: Fault) -> None:
        super().force(reference, *faults)  # what befalls the transfer
        with self.services.store.transaction() as records:  # what befalls the message about it
            force_faults(records, bill_of(reference), faults)

    @override
    def close(self) -> None:
        self.services.close()


def header_of(event: RawEvent, name: str) -> str:
    """Return a header, whatever the case of its name."""
    return next(value for key, value in event.headers.items() if key.lower() == name)
