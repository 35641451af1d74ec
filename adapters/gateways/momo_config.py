"""What the MoMo gateway is given: one partner code, its keys, and how it collects."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class MoMoRequestType(StrEnum):
    """What MoMo's page offers the payer."""

    CAPTURE_WALLET = "captureWallet"
    PAY_WITH_ATM = "payWithATM"
    PAY_WITH_CC = "payWithCC"
    PAY_WITH_METHOD = "payWithMethod"


@dataclass(frozen=True, slots=True)
class MoMoConfig:
    """One partner at MoMo.

    The previous keys still verify while a rotation lasts. Without ``auto_capture`` a payment is
    held until it is confirmed. MoMo closes a link by its own rule; ``page_lifetime`` bounds it
    when a query names no expiry, and after ``grace`` more an attempt that MoMo does not know
    counts as expired.
    """

    partner_code: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    previous_access_key: str = field(default="", repr=False)
    previous_secret_key: str = field(default="", repr=False)
    api_url: str = "https://payment.momo.vn"
    request_type: MoMoRequestType = MoMoRequestType.CAPTURE_WALLET
    auto_capture: bool = True
    store_id: str = ""
    store_name: str = ""
    page_lifetime: timedelta = timedelta(hours=24)
    grace: timedelta = timedelta(hours=1)

    @property
    def verifying_keys(self) -> tuple[tuple[str, str], ...]:
        """The pairs of access and secret key that MoMo may sign with just now."""
        previous_access = self.previous_access_key or self.access_key
        return (
            (self.access_key, self.secret_key),
            (self.access_key, self.previous_secret_key),
            (previous_access, self.previous_secret_key),
        )
