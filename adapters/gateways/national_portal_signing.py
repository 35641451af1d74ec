"""EXPERIMENTAL. The Payment Platform's ``MaXacThuc``: plain SHA-256 over values and the secret.

The values of a message are joined by ``|`` in a fixed order with the shared secret as last
element. It is no HMAC, and the orders were read in a third party's program, not in an official
text; no published digest exists to prove them.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

SIGNATURE_FIELD: Final = "MaXacThuc"
SEPARATOR: Final = "|"

INIT: Final = (
    "LoaiBanTin",
    "PhienBan",
    "MaDoiTac",
    "MaThamChieu",
    "SoTien",
    "LoaiHinhThanhToan",
    "MaKenhThanhToan",
    "MaThietBi",
    "NgonNgu",
    "MaTienTe",
    "MaNganHang",
    "ThongTinGiaoDich",
    "ThoiGianGD",
    "Ip",
)
QUERY: Final = ("LoaiBanTin", "PhienBan", "MaDoiTac", "MaThamChieu", "ThoiGianGD")
"""A receipt is asked for with the same order."""

RESULT: Final = (
    "LoaiBanTin",
    "MaLoi",
    "MaDoiTac",
    "MaThamChieu",
    "SoTien",
    "MaTienTe",
    "MaGiaoDich",
    "MaNganHang",
    "ThoiGianGD",
    "ThongTinGiaoDich",
)
RESULT_ANSWER: Final = ("MaLoi", "MoTaLoi", "MaDoiTac", "MaThamChieu", "ThoiGianGD")
"""Our own reading: the order in which the fields of the answer are listed."""


def signed_text(order: Sequence[str], values: Mapping[str, str], secret: str) -> str:
    """Return what is hashed; an absent value keeps its empty slot.

    Raises:
        ValueError: a value holds the separator. Two messages would then have one digest, as
            ``a|b`` and ``c`` reads like ``a`` and ``b|c``.
    """
    texts = [values.get(name, "") for name in order]
    if any(SEPARATOR in text for text in texts):
        raise ValueError(f"a signed value holds {SEPARATOR!r}")
    return SEPARATOR.join([*texts, secret])


def digest(order: Sequence[str], values: Mapping[str, str], secret: str) -> str:
    """Return the lower-case hex SHA-256 of the values and the secret.

    Raises:
        ValueError: a value holds the separator.
    """
    return hashlib.sha256(signed_text(order, values, secret).encode()).hexdigest()


def is_signed(order: Sequence[str], values: Mapping[str, str], secrets: Iterable[str]) -> bool:
    """Whether ``MaXacThuc`` fits the values under one of ``secrets``; empty keys sign nothing."""
    try:
        # A lone surrogate from a JSON escape is no UTF-8: nobody signed that (UnicodeError).
        claimed = values.get(SIGNATURE_FIELD, "").lower().encode()
        digests = [digest(order, values, secret).encode() for secret in secrets if secret]
    except ValueError:
        return False
    # No early exit: the time must not tell which key was nearly right.
    return any([hmac.compare_digest(claimed, one) for one in digests])  # noqa: C419
