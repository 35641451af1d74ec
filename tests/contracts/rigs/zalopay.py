"""ZaloPay: dated order ids, callbacks for collected money only, refunds that are asked about."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from starlette.types import ASGIApp
from typing_extensions import override

from adapters.gateways import zalopay_signing as signing
from adapters.gateways.zalopay import ZaloPayConfig, ZaloPayGateway
from adapters.http import Caller
from adapters.simulators import zalopay_web
from adapters.simulators.zalopay_config import PAID, ZaloPayApplication, ZaloPaySimulatorConfig
from payments.channels import Rail
from payments.ports import Outcome, PaymentGateway, RawEvent
from tests.contracts.rigs.rig import ACCOUNT, OTHER, REFERENCE, RedirectRig, Traits, bodies

APP_ID = "2553"
KEY1 = "zalopay-contract-key-one"
KEY2 = "zalopay-contract-key-two"


class ZaloPayRig(RedirectRig):
    """One application. Its two keys are two secrets: one signs our calls, one its callbacks."""

    rail = Rail.ZALOPAY
    merchant = APP_ID
    secrets = (KEY1, KEY2)
    traits = Traits(
        same_start_known=False,
        declined=Outcome.PENDING,
        tells_decline=None,
        tells_expiry=None,
        tries_again=True,
        notice_calls=4,
        refund_at_once=Outcome.PENDING,
        refund_days=4,
        late_refund_sent=False,
        fees=3_600,
    )
    not_applicable: ClassVar[Mapping[str, str]] = {
        "another_currency": "a callback names no currency: ZaloPay pays in VND only",
    }

    @override
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        config = ZaloPayConfig(
            app_id=APP_ID,
            key1="of-another-app" if wrong_secret else KEY1,
            key2=KEY2,
            api_url=f"{base}/sim/zalopay",
        )
        return ZaloPayGateway(config, http)

    @override
    def open(self) -> Mapping[str, ASGIApp]:
        ours = ZaloPayApplication(APP_ID, KEY1, KEY2, ACCOUNT)
        app = zalopay_web.create_app(
            clock=self.site.provider_clock,
            state_path=self.site.state_dir / "zalopay.sqlite",
            config=ZaloPaySimulatorConfig((ours,), self.site.provider_url(self.rail)),
            payout_sink=self.site.bank.receive_payout,
        )
        self.simulator = app.state.simulator
        return {"zalopay": app}

    @override
    def collected(self, bill_reference: str) -> int:
        with self.simulator.store.transaction() as records:
            return sum(
                int(order["paid_amount"])
                for order in records.every("order")
                if order["merchant_reference"].startswith(bill_reference) and order["state"] == PAID
            )

    @override
    def slow_refunds(self) -> None:
        self.simulator.config = replace(self.simulator.config, refund_delay=timedelta(days=3))

    @override
    def forged(self, event: RawEvent) -> list[RawEvent]:
        body = event.body
        return bodies(
            event,
            [
                body.replace(b"150000", b"950000"),
                body.replace(REFERENCE.encode(), OTHER.encode()),
                _envelope(json.loads(event.body)["data"] + " ", json.loads(event.body)["mac"]),
            ],
        )

    @override
    def unsigned(self, event: RawEvent) -> list[RawEvent]:
        fields = json.loads(event.body)
        plain = {name: value for name, value in fields.items() if name != "mac"}
        changed = [plain, *({**plain, "mac": text} for text in ("", "0" * 64, None, 0))]
        return bodies(event, [json.dumps(fields).encode() for fields in changed])

    @override
    def foreign(self, event: RawEvent) -> list[RawEvent]:
        text = str(json.loads(event.body)["data"])
        other = json.dumps({**json.loads(text), "app_id": 2554})
        return bodies(
            event,
            [
                _signed(other, KEY2),
                _signed(other, "of-another-app"),
                _signed(text, "of-another-app"),
                _signed(text, KEY1),
            ],
        )


def _envelope(data: str, mac: Any) -> bytes:
    return json.dumps({"data": data, "mac": mac, "type": 1}).encode()


def _signed(data: str, key: str) -> bytes:
    return _envelope(data, signing.hmac_sha256(data, key))
