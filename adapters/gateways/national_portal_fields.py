"""EXPERIMENTAL. The Payment Platform's fields: references, times, amounts, JSON, receipt data."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from core.clock import VIETNAM
from core.money import Currency, Money
from payments.errors import GatewayRefusedError
from payments.ports import Dossier, StartRequest

VERSION: Final = "1.0.6"
CURRENCY: Final = "VND"

MAX_NAME: Final = 250
"""Longest ``TenTTHC``."""

MAX_TRANSACTION_ID: Final = 100

_DATE: Final = "%Y%m%d%H%M%S"
_TIME: Final = re.compile(r"[0-9]{14}")
_AMOUNT: Final = re.compile(r"[1-9][0-9]{0,14}")
_OURS: Final = re.compile(r"([A-Z0-9]+)-([1-9][0-9]*)")
_THEIRS: Final = re.compile(r"([A-Z0-9]+)U([1-9][0-9]*)")
_ADMINISTRATIVE_FEE: Final = "2"


def reference_for_portal(merchant_reference: str) -> str:
    """Return our reference in letters and digits alone: ``MC…-2`` becomes ``MC…U2``.

    Neither the symbols of a bill reference nor an attempt number hold a U, so the last U parts
    them even where the prefix has one.

    Raises:
        GatewayRefusedError: it is not a bill reference and an attempt number.
    """
    parts = _OURS.fullmatch(merchant_reference)
    if parts is None:
        raise GatewayRefusedError("the merchant reference is not a bill reference and an attempt")
    return f"{parts[1]}U{parts[2]}"


def reference_from_portal(text: str) -> str:
    """Return our reference of a ``MaThamChieu``.

    Raises:
        ValueError: it is none that :func:`reference_for_portal` makes.
    """
    parts = _THEIRS.fullmatch(text)
    if parts is None:
        raise ValueError(f"MaThamChieu {text[:40]!r} is none of ours")
    return f"{parts[1]}-{parts[2]}"


def format_time(instant: datetime) -> str:
    """Return ``yyyyMMddHHmmss`` in Vietnam time, hours from 00 to 23."""
    return instant.astimezone(VIETNAM).strftime(_DATE)


def parse_time(text: str) -> datetime | None:
    """Read such a time; None where it is not one.

    What the portal writes in messages to us is not certain, so an odd time is no reason to
    refuse the news of money.
    """
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.strptime(text, _DATE).replace(tzinfo=VIETNAM)
    except ValueError:
        return None


def amount_text(amount: Money) -> str:
    """Return whole VND as digits.

    Raises:
        GatewayRefusedError: not whole VND above 0.
    """
    text = str(amount.amount_minor)
    if amount.currency is not Currency.VND or not _AMOUNT.fullmatch(text):
        raise GatewayRefusedError("the portal collects whole VND above 0")
    return text


def parse_amount(text: str) -> Money:
    """Read digits as VND.

    Raises:
        ValueError: anything else.
    """
    if not _AMOUNT.fullmatch(text):
        raise ValueError(f"SoTien {text[:20]!r} is not whole VND above 0")
    return Money(int(text))


def transaction_id(values: Mapping[str, str]) -> str:
    """Return ``MaGiaoDich``, empty where there is none.

    Raises:
        ValueError: it could not be kept: too long, or with other than printable characters.
    """
    text = values.get("MaGiaoDich", "")
    if len(text) > MAX_TRANSACTION_ID or not text.isprintable():
        raise ValueError("MaGiaoDich is too long or not printable")
    return text


def read_object(content: bytes | str) -> dict[str, Any]:
    """Read a JSON object; numbers stay the exact text they came as.

    Raises:
        ValueError: it is not one, or a name stands twice in it.
    """
    try:
        value = json.loads(
            content,
            parse_int=str,
            parse_float=str,
            parse_constant=_no_constant,
            object_pairs_hook=_without_doubles,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - one error for what is unreadable
    return value


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the plain values as texts, null as empty.

    Lists, objects and booleans are left out: no signed field is one.
    """
    plain = {name: "" if value is None else value for name, value in values.items()}
    return {name: value for name, value in plain.items() if isinstance(value, str)}


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a name stands twice")
    return values


def _no_constant(text: str) -> str:
    raise ValueError(f"{text} is not JSON")


def payment_text(request: StartRequest) -> str:
    """Return ``ThongTinGiaoDich``: the bill reference first, because banks cut the end."""
    if request.dossier is None:
        return f"{request.bill_reference} THANH TOAN PHI LE PHI"
    return f"{request.bill_reference} THANH TOAN HO SO {request.dossier.dossier_code}"


def receipt_data(request: StartRequest, kinds: Mapping[str, str]) -> dict[str, Any]:
    """Return ``ThongTinBienLai``: where the money goes, and what it is for as far as is known.

    ``kinds`` gives the portal's ``LoaiPhiLePhi`` for ``phi`` and ``le_phi``.

    Raises:
        GatewayRefusedError: the fees do not add up to what is asked: receipts would be issued
            for another sum than was paid.
    """
    account = {
        "TKThuHuong": request.collecting_account,
        "MaNHThuHuong": request.collecting_bank_bin,
        "TenTKThuHuong": request.collecting_account_name,
        "NoiDungThanhToan": payment_text(request),
    }
    if request.dossier is None:
        return {"MaDichVu": _ADMINISTRATIVE_FEE, **account}
    if sum(fee.amount.amount_minor for fee in request.dossier.fees) != request.amount.amount_minor:
        raise GatewayRefusedError("the dossier's fees do not add up to the amount asked")
    return {"MaDichVu": _ADMINISTRATIVE_FEE, **_dossier_data(request.dossier, kinds), **account}


def _dossier_data(dossier: Dossier, kinds: Mapping[str, str]) -> dict[str, Any]:
    return {
        "MaDVC": f"{dossier.procedure_code}.01",
        "TenDVC": dossier.procedure_name[:MAX_NAME],
        "MaTTHC": dossier.procedure_code,
        "TenTTHC": dossier.procedure_name[:MAX_NAME],
        "MaDonVi": dossier.office_code,
        "TenDonVi": dossier.office_name,
        "MaHoSo": dossier.dossier_code,
        "HoTenNguoiNop": dossier.payer_name,
        # Known to the portal from the dossier; not ours to keep or to send.
        "SoCMNDNguoiNop": "",
        "DiaChiNguoiNop": "",
        "HuyenNguoiNop": "",
        "TinhNguoiNop": "",
        "PhiLePhi": [
            {
                "LoaiPhiLePhi": kinds[fee.kind],
                "MaPhiLePhi": fee.code,
                "TenPhiLePhi": fee.name,
                "SoTien": amount_text(fee.amount),
            }
            for fee in dossier.fees
        ],
        "DSKhoanNop": [
            {"NoiDung": fee.name, "SoTien": amount_text(fee.amount)} for fee in dossier.fees
        ],
    }
