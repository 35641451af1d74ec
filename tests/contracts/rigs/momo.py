"""MoMo: an order opened by a call, signed IPNs without a sending time, refunds as orders."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from starlette.types import ASGIApp
from typing_extensions import override

from adapters.gateways import momo_codes as codes
from adapters.gateways import momo_signing as signing
from adapters.gateways.momo import MoMoGateway
from adapters.gateways.momo_config import MoMoConfig
from adapters.http import Caller
from adapters.simulators import momo_web
from adapters.simulators.momo_config import MoMoPartner, MoMoSimulatorConfig
from payments.channels import Rail
from payments.ports import Outcome, PaymentGateway, RawEvent
from tests.contracts.rigs.rig import ACCOUNT, OTHER, REFERENCE, RedirectRig, Traits, bodies

PARTNER = "MOMODOISOAT"
ACCESS = "momo-contract-access"
SECRET = "momo-contract-secret"


class MoMoRig(RedirectRig):
    """One partner; held payments are played with a second gateway of the same partner."""

    rail = Rail.MOMO
    merchant = PARTNER
    secrets = (ACCESS, SECRET)
    traits = Traits(
        # That an IPN tells of an expired link is not published, so none is sent.
        tells_expiry=None,
        page_life=timedelta(hours=2),
        notice_calls=10,
        refund_at_once=Outcome.SUCCEEDED,
        refund_days=4,
        holds=True,
        fees=4_500,
    )
    not_applicable: ClassVar[Mapping[str, str]] = {
        "another_currency": "an IPN names no currency: MoMo pays in VND only",
    }

    @override
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        return MoMoGateway(
            self._config(base, "of-another-partner" if wrong_secret else SECRET), http
        )

    def _config(self, base: str, secret: str) -> MoMoConfig:
        return MoMoConfig(
            partner_code=PARTNER,
            access_key=ACCESS,
            secret_key=secret,
            api_url=f"{base}/sim/momo",
        )

    @override
    def two_steps(self) -> PaymentGateway:
        config = replace(self._config(self.site.base, SECRET), auto_capture=False)
        return MoMoGateway(config, self.site.http)

    @override
    def open(self) -> Mapping[str, ASGIApp]:
        partner = MoMoPartner(PARTNER, ACCESS, SECRET, ACCOUNT)
        app = momo_web.create_app(
            clock=self.site.provider_clock,
            state_path=self.site.state_dir / "momo.sqlite",
            config=MoMoSimulatorConfig((partner,), self.site.provider_url(self.rail)),
            payout_sink=self.site.bank.receive_payout,
        )
        self.simulator = app.state.simulator
        return {"momo": app}

    @override
    def collected(self, bill_reference: str) -> int:
        with self.simulator.store.transaction() as records:
            return sum(
                int(order["paid_amount"])
                for order in records.every("order")
                if order["order_id"].startswith(bill_reference) and order["code"] == codes.SUCCESS
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
                body.replace(b'"resultCode": 0', b'"resultCode": 1006'),
                body.replace(b"150000", b"150000.0"),
                body.replace(b"{", b'{"amount": 950000, ', 1),
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
        mine = json.loads(event.body)
        other = {**mine, "partnerCode": "MOMOANOTHER"}
        return bodies(
            event,
            [
                _signed(other, ACCESS, SECRET),
                _signed(other, "another-access", "of-another-partner"),
                _signed(mine, "another-access", "of-another-partner"),
                _signed(mine, ACCESS, "of-another-partner"),
            ],
        )


def _signed(fields: dict[str, Any], access_key: str, secret_key: str) -> bytes:
    values = {name: str(value) for name, value in fields.items()}
    signature = signing.sign(signing.RESULT, values, access_key=access_key, secret_key=secret_key)
    return json.dumps({**fields, "signature": signature}).encode()
