"""The national portal: a page of the portal, signed results, money straight to the account."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from starlette.types import ASGIApp
from typing_extensions import override

from adapters.gateways import national_portal_signing as signing
from adapters.gateways.national_portal import NationalPortalConfig, NationalPortalGateway
from adapters.http import Caller
from adapters.simulators import national_portal_web
from adapters.simulators.national_portal_config import (
    PAID,
    UNKNOWN_REFERENCE,
    NationalPortalPartner,
    NationalPortalSimulatorConfig,
)
from payments.channels import Rail
from payments.ports import Outcome, PaymentGateway, RawEvent
from tests.contracts.rigs.inbox import bill_of
from tests.contracts.rigs.rig import OTHER, REFERENCE, RedirectRig, Traits, bodies

PARTNER = "DOISOAT"
SECRET = "portal-contract-secret"
TOKEN = "portal-contract-token"


class NationalPortalRig(RedirectRig):
    """One partner. A result other than paid is never believed: the list of codes is not public."""

    rail = Rail.NATIONAL_PORTAL
    merchant = PARTNER
    secrets = (SECRET, TOKEN)
    traits = Traits(
        declined=Outcome.FAILED,
        turned_back=Outcome.FAILED,
        expired=Outcome.FAILED,
        tells_decline=Outcome.PENDING,
        tells_expiry=Outcome.PENDING,
        page_life=timedelta(hours=1),
        notice_calls=5,
    )

    @override
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        config = NationalPortalConfig(
            partner_code=PARTNER,
            secret="of-another-partner" if wrong_secret else SECRET,
            init_url=f"{base}/sim/national_portal/init",
            query_url=f"{base}/sim/national_portal/query",
            bearer_token=TOKEN,
            not_found_codes=frozenset({UNKNOWN_REFERENCE}),
        )
        return NationalPortalGateway(config, http)

    @override
    def open(self) -> Mapping[str, ASGIApp]:
        partner = NationalPortalPartner(
            PARTNER,
            SECRET,
            result_url=self.site.notice_url(self.rail),
            return_url=f"{self.site.base}/return",
            bearer_token=TOKEN,
        )
        app = national_portal_web.create_app(
            clock=self.site.provider_clock,
            state_path=self.site.state_dir / "national_portal.sqlite",
            config=NationalPortalSimulatorConfig((partner,), self.site.provider_url(self.rail)),
            transfer_sink=self.site.bank.book,
        )
        self.simulator = app.state.simulator
        return {"national_portal": app}

    @override
    def collected(self, bill_reference: str) -> int:
        with self.simulator.store.transaction() as records:
            return sum(
                int(order["paid_amount"])
                for order in records.every("order")
                if order["reference"].startswith(bill_reference) and order["status"] == PAID
            )

    @override
    def forged(self, event: RawEvent) -> list[RawEvent]:
        body = event.body
        return bodies(
            event,
            [
                body.replace(b"150000", b"950000"),
                body.replace(bill_of(REFERENCE).encode(), bill_of(OTHER).encode()),
                body.replace(b'"MaLoi": "00"', b'"MaLoi": "11"'),
                body.replace(b"{", b'{"SoTien": "950000", ', 1),
            ],
        )

    @override
    def unsigned(self, event: RawEvent) -> list[RawEvent]:
        fields = json.loads(event.body)
        plain = {name: value for name, value in fields.items() if name != "MaXacThuc"}
        changed = [plain, *({**plain, "MaXacThuc": text} for text in ("", "0" * 64, None, 0))]
        return bodies(event, [json.dumps(fields).encode() for fields in changed])

    @override
    def foreign(self, event: RawEvent) -> list[RawEvent]:
        mine = json.loads(event.body)
        other = {**mine, "MaDoiTac": "ANOTHER"}
        return bodies(
            event,
            [
                _signed(other, SECRET),
                _signed(other, "of-another-partner"),
                _signed(mine, "of-another-partner"),
            ],
        )

    @override
    def in_dollars(self, event: RawEvent) -> RawEvent:
        fields = {**json.loads(event.body), "MaTienTe": "USD"}
        return bodies(event, [_signed(fields, SECRET)])[0]


def _signed(fields: dict[str, Any], secret: str) -> bytes:
    signature = signing.digest(signing.RESULT, fields, secret)
    return json.dumps({**fields, "MaXacThuc": signature}).encode()
