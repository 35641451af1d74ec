"""Which rig stands for which rail; every rail has one."""

from collections.abc import Mapping
from typing import Final

from payments.channels import Rail
from tests.contracts.rigs.casso import CassoRig
from tests.contracts.rigs.momo import MoMoRig
from tests.contracts.rigs.national_portal import NationalPortalRig
from tests.contracts.rigs.payos import PayOSRig
from tests.contracts.rigs.rig import Rig
from tests.contracts.rigs.sepay import SePayRig
from tests.contracts.rigs.stripe import StripeRig
from tests.contracts.rigs.vietqr import VietQRRig
from tests.contracts.rigs.vnpay import VNPayRig
from tests.contracts.rigs.zalopay import ZaloPayRig

RAILS: Final = tuple(rail.value for rail in Rail)

RIGS: Final[Mapping[str, type[Rig]]] = {
    Rail.VIETQR: VietQRRig,
    Rail.PAYOS: PayOSRig,
    Rail.SEPAY: SePayRig,
    Rail.CASSO: CassoRig,
    Rail.VNPAY: VNPayRig,
    Rail.MOMO: MoMoRig,
    Rail.ZALOPAY: ZaloPayRig,
    Rail.STRIPE: StripeRig,
    Rail.NATIONAL_PORTAL: NationalPortalRig,
}
"""A rail that is not here fails: ``test_every_rail_has_a_rig`` and every one of its cells."""
