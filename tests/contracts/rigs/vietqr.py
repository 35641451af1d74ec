"""VietQR: a code made here, a transfer at the payer's bank, a statement that tells of it."""

from collections.abc import Mapping
from typing import ClassVar

from starlette.types import ASGIApp
from typing_extensions import override

from adapters.gateways.vietqr import VietQRGateway
from adapters.http import Caller
from payments.channels import Rail
from payments.ports import Outcome, PaymentGateway
from tests.contracts.rigs.rig import Traits, TransferRig

NOBODY_REFUSES = (
    "the payer's own bank decides before anything leaves it: a refused transfer is not booked"
    " anywhere, and there is no provider to tell of it"
)
NEVER_EXPIRES = (
    "a code has no end at any provider: what is transferred after our expiry still arrives, which"
    " 'notice after expiry' shows"
)


class VietQRRig(TransferRig):
    """No provider at all: the statement is read where others send notices."""

    rail = Rail.VIETQR
    traits = Traits(start_calls=False, expired=Outcome.PENDING)
    not_applicable: ClassVar[Mapping[str, str]] = {
        "decline": NOBODY_REFUSES,
        "try_again": NOBODY_REFUSES,
        "turning_back": NOBODY_REFUSES,
        "expiry": NEVER_EXPIRES,
        "another_currency": "a VietQR code and the account it names are in VND only",
        "another_merchant": "no party sends messages: the account number says whose money it is",
        "provider_down": "no provider is called: codes are made here",
    }

    @override
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        return VietQRGateway()

    @override
    def open(self) -> Mapping[str, ASGIApp]:
        return {}
