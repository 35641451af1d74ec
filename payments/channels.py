"""How money reaches an account, and whose protocol is spoken on the way.

A *channel* is the way of the money: it decides what proves a payment (a provider's settlement
report, or the bank statement itself) and bears the name used in every file and in the books. A
*rail* is a party with a protocol. Several rails may lead over one channel: a payOS link and a
credit notice of SePay are both about a plain transfer to the collecting account.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Channel(StrEnum):
    """The way of the money. A provider's settlement report carries the same name."""

    BANK_TRANSFER = "bank_transfer"
    VNPAY = "vnpay"
    MOMO = "momo"
    ZALOPAY = "zalopay"
    STRIPE = "stripe"


class Rail(StrEnum):
    """A party whose protocol is spoken; a merchant code names our contract with it."""

    VIETQR = "vietqr"
    PAYOS = "payos"
    SEPAY = "sepay"
    CASSO = "casso"
    VNPAY = "vnpay"
    MOMO = "momo"
    ZALOPAY = "zalopay"
    STRIPE = "stripe"
    NATIONAL_PORTAL = "national_portal"

    @property
    def channel(self) -> Channel:
        """The way of the money that is paid over this rail."""
        return _CHANNELS.get(self, Channel.BANK_TRANSFER)


_CHANNELS: Final[Mapping[Rail, Channel]] = {
    Rail.VNPAY: Channel.VNPAY,
    Rail.MOMO: Channel.MOMO,
    Rail.ZALOPAY: Channel.ZALOPAY,
    Rail.STRIPE: Channel.STRIPE,
}
"""Rails that pay out net, by report; all others bring the payer's own transfer to the account."""
