"""The channels a bill can be paid through, by the names used in every file and table."""

from enum import StrEnum


class Channel(StrEnum):
    """A payment channel. A provider's settlement report carries the same name."""

    BANK_TRANSFER = "bank_transfer"
    VNPAY = "vnpay"
    MOMO = "momo"
    ZALOPAY = "zalopay"
    STRIPE = "stripe"
