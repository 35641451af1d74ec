"""Casso: signed messages (v2) about every line of the collecting account, one by one."""

import json
from dataclasses import replace
from typing import Any

from typing_extensions import override

from adapters.gateways import casso_signing as signing
from adapters.gateways.casso import SIGNATURE_HEADER, TOKEN_HEADER, CassoConfig, CassoGateway
from adapters.http import Caller
from adapters.simulators.credit_services_config import Wire
from core.crypto import sha256_hex
from payments.channels import Rail
from payments.ports import Outcome, PaymentGateway, RawEvent
from tests.contracts.rigs.rig import OTHER, OTHER_ACCOUNT, REFERENCE, Traits, bodies, with_header
from tests.contracts.rigs.services import ServiceRig, header_of

KEY = "casso-contract-security-key"
ANOTHER = "of-another-webhook"


class CassoRig(ServiceRig):
    """One webhook of v2; a message of v1, which only shows a key, is not believed by it."""

    rail = Rail.CASSO
    secrets = (KEY,)
    wire = Wire.CASSO_V2
    key = KEY
    traits = Traits(
        start_calls=False,
        expired=Outcome.PENDING,
        dates_signature=True,
        notice_calls=6,
        tells_debits=True,
    )

    @override
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        return CassoGateway(CassoConfig(security_key=ANOTHER if wrong_secret else KEY), http)

    @override
    def forged(self, event: RawEvent) -> list[RawEvent]:
        body = event.body
        bill, other = (text.partition("-")[0].encode() for text in (REFERENCE, OTHER))
        time, signature = signing.read_header(header_of(event, SIGNATURE_HEADER))
        return [
            *bodies(
                event,
                [
                    body.replace(b"150000", b"950000"),
                    body.replace(b"150000", b"150000.0"),
                    body.replace(b"150000", b'"150000"'),
                    body.replace(bill, other),
                    body.replace(b'"amount"', b'"amount":1,"amount"'),
                    body.replace(b'"error":0', b'"error":1'),
                ],
            ),
            with_header(event, SIGNATURE_HEADER, f"t={int(time) + 1},v1={signature}"),
        ]

    @override
    def unsigned(self, event: RawEvent) -> list[RawEvent]:
        bare = with_header(event, SIGNATURE_HEADER, None)
        time, signature = signing.read_header(header_of(event, SIGNATURE_HEADER))
        return [
            bare,
            with_header(bare, TOKEN_HEADER, sha256_hex(KEY.encode())),
            *(
                with_header(event, SIGNATURE_HEADER, text)
                for text in (
                    "",
                    f"v1={signature}",
                    f"t=,v1={signature}",
                    f"t={time},v1=",
                    f"t={time},v1={'0' * 128}",
                )
            ),
        ]

    @override
    def foreign(self, event: RawEvent) -> list[RawEvent]:
        # A message names no subscriber: each webhook has a key of its own.
        return [_signed(event, json.loads(event.body), ANOTHER)]

    @override
    def elsewhere(self, event: RawEvent) -> RawEvent:
        whole = json.loads(event.body)
        moved = {
            "id": whole["data"]["id"] + 1,
            "accountNumber": OTHER_ACCOUNT,
            "reference": "FT1",
        }
        return _signed(event, {**whole, "data": whole["data"] | moved}, KEY)


def _signed(event: RawEvent, whole: dict[str, Any], key: str) -> RawEvent:
    time, _ = signing.read_header(header_of(event, SIGNATURE_HEADER))
    header = f"t={time},v1={signing.sign(time, whole, key)}"
    body = json.dumps(whole, ensure_ascii=False).encode()
    return with_header(replace(event, body=body), SIGNATURE_HEADER, header)
