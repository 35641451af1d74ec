"""payOS: a page with a code, transfers straight to the account, webhooks that tell of them."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from starlette.types import ASGIApp
from typing_extensions import override

from adapters.gateways import payos_signing as signing
from adapters.gateways.payos import PayOSConfig, PayOSGateway
from adapters.http import Caller
from adapters.simulators import payos_web
from adapters.simulators.payos_config import PayOSChannel, PayOSSimulatorConfig
from payments.channels import Rail
from payments.ports import Outcome, PaymentGateway, RawEvent
from tests.contracts.rigs.rig import (
    ACCOUNT,
    BANK_BIN,
    HOLDER,
    OTHER_ACCOUNT,
    RedirectRig,
    Traits,
    bodies,
    transferred,
)

CLIENT = "payos-contract-client"
KEY = "payos-contract-api-key"
CHECKSUM = "payos-contract-checksum-key"


class PayOSRig(RedirectRig):
    """One channel whose purposes of transfer are cut to nine characters, as payOS may do."""

    rail = Rail.PAYOS
    merchant = CLIENT
    secrets = (KEY, CHECKSUM)
    traits = Traits(
        same_start_known=False,
        declined=Outcome.PENDING,
        tells_decline=None,
        tells_expiry=None,
        tries_again=True,
        notice_calls=10,
    )

    deeds: ClassVar[Mapping[str, str]] = {
        "decline": "insufficient",
        "rest": "pay",
        "kept": "saved_code",
    }

    @override
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        config = PayOSConfig(
            client_id=CLIENT,
            api_key="of-another-channel" if wrong_secret else KEY,
            checksum_key="of-another-channel" if wrong_secret else CHECKSUM,
            reference_prefix="MC",
            api_url=f"{base}/sim/payos",
        )
        return PayOSGateway(config, http)

    @override
    def open(self) -> Mapping[str, ASGIApp]:
        channel = PayOSChannel(
            CLIENT,
            KEY,
            CHECKSUM,
            ACCOUNT,
            BANK_BIN,
            HOLDER,
            webhook_url=self.site.notice_url(self.rail),
        )
        app = payos_web.create_app(
            clock=self.site.provider_clock,
            state_path=self.site.state_dir / "payos.sqlite",
            config=PayOSSimulatorConfig((channel,), self.site.provider_url(self.rail)),
            transfer_sink=lambda entry: self.site.bank.book(entry).bank_ref,
        )
        self.simulator = app.state.simulator
        return {"payos": app}

    @override
    def collected(self, bill_reference: str) -> int:
        with self.simulator.store.transaction() as records:
            links = records.every("link")
        # The money goes past payOS: what it believes to be paid must lie on the account.
        assert sum(link["amount_paid"] for link in links) == transferred(self.site, "")
        return sum(
            int(link["amount_paid"])
            for link in links
            if link["reference"].startswith(bill_reference)
        )

    @override
    def forged(self, event: RawEvent) -> list[RawEvent]:
        body = event.body
        code = str(json.loads(body)["data"]["orderCode"]).encode()
        return bodies(
            event,
            [
                body.replace(b"150000", b"950000"),
                body.replace(code, code[:-1] + b"9"),
                body.replace(b'"orderCode"', b'"orderCode": 1, "orderCode"'),
                body.replace(b'"currency": "VND"', b'"currency": "USD"'),
                body.replace(b"150000", b"150000.0"),
                _read_otherwise(body),
            ],
        )

    @override
    def unsigned(self, event: RawEvent) -> list[RawEvent]:
        fields = json.loads(event.body)
        plain = {name: value for name, value in fields.items() if name != "signature"}
        changed = [plain, *({**plain, "signature": text} for text in ("", "0" * 64, None, 0))]
        return bodies(event, [json.dumps(fields).encode() for fields in changed])

    @override
    def foreign(self, event: RawEvent) -> list[RawEvent]:
        # A webhook names no channel: each has a checksum key of its own.
        data = json.loads(event.body)["data"]
        return bodies(event, [_signed(data, "of-another-channel")])

    @override
    def elsewhere(self, event: RawEvent) -> RawEvent:
        moved = {"accountNumber": OTHER_ACCOUNT, "reference": "FT1"}
        return bodies(event, [_signed(json.loads(event.body)["data"] | moved, CHECKSUM)])[0]

    @override
    def in_dollars(self, event: RawEvent) -> RawEvent:
        data = {**json.loads(event.body)["data"], "currency": "USD"}
        return bodies(event, [_signed(data, CHECKSUM)])[0]


def _read_otherwise(body: bytes) -> bytes:
    """Return another message of the same signed text: values are joined unencoded."""
    whole = json.loads(body)
    data = dict(whole["data"])
    number = data.pop("counterAccountNumber")
    data["counterAccountName"] += f"&counterAccountNumber={number}"
    assert signing.data_string(data) == signing.data_string(whole["data"])
    return json.dumps({**whole, "data": data}).encode()


def _signed(data: dict[str, Any], key: str) -> bytes:
    whole = {"code": "00", "desc": "success", "success": True, "data": data}
    return json.dumps({**whole, "signature": signing.sign_data(data, key)}).encode()
