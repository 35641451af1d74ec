"""Stripe: a Checkout Session opened by a call, signed and dated webhooks, refunds done at once."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from starlette.types import ASGIApp
from typing_extensions import override

from adapters.gateways.stripe import StripeConfig, StripeGateway
from adapters.http import Caller
from adapters.simulators import stripe_web
from adapters.simulators.stripe_config import (
    StripeAccount,
    StripeSimulatorConfig,
    signature_header,
)
from payments.channels import Rail
from payments.ports import Outcome, PaymentGateway, RawEvent
from tests.contracts.rigs.rig import (
    ACCOUNT,
    OTHER,
    REFERENCE,
    RedirectRig,
    Traits,
    bodies,
    with_header,
)

ACCT = "acct_demo"
KEY = "sk_test_contract"
WHSEC = "whsec_contract"
SIGNATURE = "stripe-signature"


class StripeRig(RedirectRig):
    """One account; a declined card leaves the page open for another one."""

    rail = Rail.STRIPE
    merchant = ACCT
    secrets = (KEY, WHSEC)
    traits = Traits(
        declined=Outcome.PENDING,
        turned_back=Outcome.PENDING,
        tells_decline=None,
        tries_again=True,
        dates_signature=True,
        notice_calls=11,
        refund_at_once=Outcome.SUCCEEDED,
        refund_days=4,
        fees=31_200,
    )

    @override
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        config = StripeConfig(
            api_key="sk_test_another" if wrong_secret else KEY,
            webhook_secret="whsec_another" if wrong_secret else WHSEC,
            api_url=f"{base}/sim/stripe",
        )
        return StripeGateway(config, http)

    @override
    def open(self) -> Mapping[str, ASGIApp]:
        account = StripeAccount(ACCT, KEY, self.site.notice_url(self.rail), WHSEC, ACCOUNT)
        app = stripe_web.create_app(
            clock=self.site.provider_clock,
            state_path=self.site.state_dir / "stripe.sqlite",
            config=StripeSimulatorConfig((account,), self.site.provider_url(self.rail)),
            payout_sink=self.site.bank.receive_payout,
        )
        self.simulator = app.state.simulator
        return {"stripe": app}

    def _made(self, kind: str, reference: str) -> list[dict[str, Any]]:
        with self.simulator.store.transaction() as records:
            return [
                record
                for record in records.labelled(kind, ACCT)
                if record["metadata"].get("merchant_reference", "").startswith(reference)
            ]

    @override
    def collected(self, bill_reference: str) -> int:
        return sum(charge["amount"] for charge in self._made("charge", bill_reference))

    @override
    def refunded(self, merchant_reference: str) -> int:
        return sum(refund["amount"] for refund in self._made("refund", merchant_reference))

    @override
    def slow_refunds(self) -> None:
        self.simulator.config = replace(self.simulator.config, refund_delay=timedelta(days=3))

    @override
    def forged(self, event: RawEvent) -> list[RawEvent]:
        body = event.body
        return [
            *bodies(
                event,
                [
                    body.replace(b"150000", b"950000"),
                    body.replace(REFERENCE.encode(), OTHER.encode()),
                    body + b" ",
                ],
            ),
            with_header(event, SIGNATURE, event.headers[SIGNATURE].replace("t=1", "t=2")),
        ]

    @override
    def unsigned(self, event: RawEvent) -> list[RawEvent]:
        dated = event.headers[SIGNATURE].partition(",")[0]
        texts = (None, "", dated, f"{dated},v1=", f"{dated},v1=" + "0" * 64, "é")
        return [with_header(event, SIGNATURE, text) for text in texts]

    def _signed(self, event: RawEvent, payload: object, secret: str) -> RawEvent:
        text = json.dumps(payload, sort_keys=True)
        header = signature_header(text, secret, event.received_at)
        return with_header(replace(event, body=text.encode()), SIGNATURE, header)

    @override
    def foreign(self, event: RawEvent) -> list[RawEvent]:
        # An account's events bear no account: each has a secret of its own.
        return [self._signed(event, json.loads(event.body), "whsec_of_another_account")]

    @override
    def in_dollars(self, event: RawEvent) -> RawEvent:
        payload = json.loads(event.body)
        payload["data"]["object"]["currency"] = "usd"
        return self._signed(event, payload, WHSEC)
