"""Ferry, the rail of ``docs/rails/new-rail.md``: the rig that its guide puts among the others.

It can be imported only where the guide has been followed, so nothing here imports it.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from starlette.types import ASGIApp
from typing_extensions import override

from adapters.gateways import ferry_signing as signing
from adapters.gateways.ferry import FerryConfig, FerryGateway
from adapters.http import Caller
from adapters.simulators import ferry
from adapters.simulators.parties import PlayedContract, Stage
from payments.channels import Rail
from payments.ports import MerchantAccess, Outcome, PaymentGateway, RawEvent
from tests.contracts.rigs.rig import (
    ACCOUNT,
    OTHER,
    REFERENCE,
    RedirectRig,
    Traits,
    bodies,
    transferred,
    with_header,
)

SHOP = "SHOP1"
SECRET = "ferry-contract-secret"
SMALL = "the guide's provider is as small as can be: "


class FerryRig(RedirectRig):
    """One shop; the money is on the account, so the bank's lines are the truth."""

    rail = Rail.FERRY
    merchant = SHOP
    secrets = (SECRET,)
    traits = Traits(turned_back=Outcome.PENDING, page_life=timedelta(hours=1))
    deeds: ClassVar[Mapping[str, str]] = {}
    not_applicable: ClassVar[Mapping[str, str]] = {
        "plain_form": SMALL + "it has no page for a person",
        "paying_twice": SMALL + "it has no page for a person",
        "expiry": SMALL + "it ends no order by itself",
        **dict.fromkeys(
            ("double_notice", "late_notice", "notice_after_expiry", "lost_notice",
             "repeated_until_taken", "given_up", "another_amount", "provider_down"),
            SMALL + "it sends a message once and plays no faults",
        ),
        "killed_provider": SMALL + "it forgets all when it ends",
        "another_currency": "an order of Ferry names no currency: it pays in VND only",
    }  # fmt: skip

    @override
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        secret = "of-another-shop" if wrong_secret else SECRET
        return FerryGateway(FerryConfig(SHOP, f"{base}/sim/ferry", secret), http)

    @override
    def open(self) -> Mapping[str, ASGIApp]:
        access = MerchantAccess(self.rail, SHOP, "MC", {}, {"secret": SECRET})
        contract = PlayedContract(access, ACCOUNT, self.site.notice_url(self.rail))
        site = self.site
        stage = Stage(site.provider_clock, site.state_dir, f"{site.base}/sim", bank=site.bank)
        app = ferry.create_app([contract], stage)
        self.simulator = app.state.simulator
        return {"ferry": app}

    @override
    def refunded(self, merchant_reference: str) -> int:
        return 0  # Ferry takes no refunds

    @override
    def collected(self, bill_reference: str) -> int:
        return transferred(self.site, bill_reference)

    @override
    def forged(self, event: RawEvent) -> list[RawEvent]:
        changes = ((b"150000", b"950000"), (REFERENCE.encode(), OTHER.encode()), (b"paid", b"PAID"))
        return bodies(event, [event.body.replace(*change) for change in changes])

    @override
    def unsigned(self, event: RawEvent) -> list[RawEvent]:
        return [with_header(event, signing.HEADER, text) for text in (None, "", "0" * 64, "\ud800")]

    @override
    def foreign(self, event: RawEvent) -> list[RawEvent]:
        other = json.dumps(json.loads(event.body) | {"shop": "SHOP2"}).encode()
        return [
            with_header(one, signing.HEADER, signing.sign(one.body, secret))
            for one, secret in (
                (bodies(event, [other])[0], SECRET),
                (bodies(event, [other])[0], "of-another-shop"),
                (event, "of-another-shop"),
            )
        ]
