"""VNPay: a signed address opens the order, IPN calls by GET, refunds that take two days."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar
from urllib.parse import parse_qsl

from starlette.types import ASGIApp
from typing_extensions import override

from adapters.gateways import vnpay_signing as signing
from adapters.gateways.vnpay import VNPayConfig, VNPayGateway
from adapters.http import Caller
from adapters.simulators import vnpay_web
from adapters.simulators.vnpay_config import PAID, VNPaySimulatorConfig, VNPayTerminal
from core.errors import NotFoundError
from payments.channels import Rail
from payments.ports import Outcome, PaymentGateway, RawEvent
from tests.contracts.rigs.rig import ACCOUNT, OTHER, REFERENCE, RedirectRig, Traits

SECRET = "vnpay-contract-secret"
TMN = "DOISOAT1"


class VNPayRig(RedirectRig):
    """One terminal; VNPay's own words for another terminal are signed with the same functions."""

    rail = Rail.VNPAY
    merchant = TMN
    secrets = (SECRET,)
    traits = Traits(
        start_calls=False,
        declined=Outcome.FAILED,
        # querydr has no reason field, so it can only say that an order failed.
        turned_back=Outcome.FAILED,
        expired=Outcome.FAILED,
        notice_calls=10,
        refund_at_once=Outcome.PENDING,
        refund_days=2,
        same_refund_known=False,
        late_refund_known=False,
        late_refund_sent=False,
        fees=3_300,
    )
    not_applicable: ClassVar[Mapping[str, str]] = {
        "another_currency": "an IPN names no currency: VNPay pays in VND only",
    }

    @override
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        provider = f"{base}/sim/vnpay"
        config = VNPayConfig(
            tmn_code=TMN,
            hash_secret="of-another-terminal" if wrong_secret else SECRET,
            pay_url=f"{provider}/paymentv2/vpcpay.html",
            api_url=f"{provider}/merchant_webapi/api/transaction",
        )
        return VNPayGateway(config, http)

    @override
    def open(self) -> Mapping[str, ASGIApp]:
        terminal = VNPayTerminal(TMN, SECRET, self.site.notice_url(self.rail), ACCOUNT)
        app = vnpay_web.create_app(
            clock=self.site.provider_clock,
            state_path=self.site.state_dir / "vnpay.sqlite",
            config=VNPaySimulatorConfig((terminal,)),
            payout_sink=self.site.bank.receive_payout,
        )
        self.simulator = app.state.simulator
        return {"vnpay": app}

    @override
    def collected(self, bill_reference: str) -> int:
        with self.simulator.store.transaction() as records:
            return sum(
                int(order["paid_amount"]) // 100
                for order in records.every("order")
                if order["txn_ref"].startswith(bill_reference) and order["status"] == PAID
            )

    @override
    def refunded(self, merchant_reference: str) -> int:
        try:
            refunds = self.simulator.order(TMN, merchant_reference)["refunds"]
        except NotFoundError:
            return 0
        return sum(refund["amount"] for refund in refunds) // 100

    @override
    def forged(self, event: RawEvent) -> list[RawEvent]:
        query = event.query_string
        changed = [
            query.replace("=15000000&", "=1500000000&"),
            query.replace("vnp_ResponseCode=00", "vnp_ResponseCode=24"),
            query.replace(REFERENCE, OTHER),
            query + "&vnp_Amount=1",
        ]
        assert query not in changed
        return [replace(event, query_string=text) for text in changed]

    @override
    def unsigned(self, event: RawEvent) -> list[RawEvent]:
        plain = event.query_string.partition("&vnp_SecureHash")[0]
        texts = (plain, f"{plain}&vnp_SecureHash=", f"{plain}&vnp_SecureHash=" + "0" * 128)
        return [replace(event, query_string=text) for text in texts]

    @override
    def foreign(self, event: RawEvent) -> list[RawEvent]:
        fields = dict(parse_qsl(event.query_string))
        del fields[signing.HASH_FIELD]
        other = {**fields, "vnp_TmnCode": "ANOTHER1"}
        signed = (
            signing.signed_query(other, SECRET),
            signing.signed_query(other, "of-another-terminal"),
            signing.signed_query(fields, "of-another-terminal"),
        )
        return [replace(event, query_string=text) for text in signed]
