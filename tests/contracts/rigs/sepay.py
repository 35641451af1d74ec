"""SePay: signed messages about every line of the collecting account, one by one."""

import json
from dataclasses import replace
from typing import Any

from typing_extensions import override

from adapters.gateways.sepay import (
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    SePayConfig,
    SePayGateway,
    authorization,
    sign,
)
from adapters.http import Caller
from adapters.simulators.credit_services_config import Wire
from core.crypto import sha256_hex
from payments.channels import Rail
from payments.ports import Outcome, PaymentGateway, RawEvent
from tests.contracts.rigs.rig import OTHER, OTHER_ACCOUNT, REFERENCE, Traits, bodies, with_header
from tests.contracts.rigs.services import ServiceRig, header_of

SECRET = "sepay-contract-hmac-secret"
ANOTHER = "of-another-webhook"


class SePayRig(ServiceRig):
    """One webhook that signs; a message that only shows a key is not believed by it."""

    rail = Rail.SEPAY
    secrets = (SECRET,)
    wire = Wire.SEPAY_HMAC
    key = SECRET
    traits = Traits(
        start_calls=False,
        expired=Outcome.PENDING,
        dates_signature=True,
        notice_calls=8,
        tells_debits=True,
    )

    @override
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        return SePayGateway(SePayConfig(hmac_secret=ANOTHER if wrong_secret else SECRET), http)

    @override
    def forged(self, event: RawEvent) -> list[RawEvent]:
        body = event.body
        bill, other = (text.partition("-")[0].encode() for text in (REFERENCE, OTHER))
        later = str(int(header_of(event, TIMESTAMP_HEADER)) + 1)
        return [
            *bodies(
                event,
                [
                    body.replace(b"150000", b"950000"),
                    body.replace(bill, other),
                    body.replace(b'"in"', b'"out"'),
                    body.replace(b'"transferAmount"', b'"transferAmount":1,"transferAmount"'),
                    body + b" ",
                ],
            ),
            with_header(event, TIMESTAMP_HEADER, later),
        ]

    @override
    def unsigned(self, event: RawEvent) -> list[RawEvent]:
        bare = with_header(event, SIGNATURE_HEADER, None)
        shown = sha256_hex(authorization(SECRET).encode())
        return [
            bare,
            with_header(bare, "authorization", shown),
            *(
                with_header(event, SIGNATURE_HEADER, text)
                for text in ("", "sha256=", f"sha256={'0' * 64}", "none")
            ),
            *(
                with_header(event, TIMESTAMP_HEADER, text)
                for text in (None, "", "-1", "now", "9" * 40)
            ),
        ]

    @override
    def foreign(self, event: RawEvent) -> list[RawEvent]:
        # A message names no subscriber: each webhook has a secret of its own.
        return [_signed(event, json.loads(event.body), ANOTHER)]

    @override
    def elsewhere(self, event: RawEvent) -> RawEvent:
        told = json.loads(event.body)
        moved = {"id": told["id"] + 1, "accountNumber": OTHER_ACCOUNT, "referenceCode": "FT1"}
        return _signed(event, told | moved, SECRET)


def _signed(event: RawEvent, told: dict[str, Any], secret: str) -> RawEvent:
    body = json.dumps(told, ensure_ascii=False).encode()
    signature = sign(header_of(event, TIMESTAMP_HEADER), body, secret)
    return with_header(replace(event, body=body), SIGNATURE_HEADER, signature)
