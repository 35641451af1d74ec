"""Bank transfers by VietQR (NAPAS 247): the payload builder, the strict parser, the gateway."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from typing_extensions import override

from adapters.gateways.bank_bins import BankTable, load_bank_table
from adapters.gateways.base import GatewayBase
from adapters.gateways.emvco import decode_fields, encode_fields, open_sealed, seal
from core.money import Currency, Money
from payments.channels import Rail
from payments.errors import GatewayRefusedError, MalformedNoticeError, QRPayloadError
from payments.ports import (
    Capabilities,
    CheckResult,
    GatewayNotice,
    NoticeAnswer,
    NoticeResult,
    RawEvent,
    StartedPayment,
    StartRequest,
)

MAX_PURPOSE: Final = 25
"""Longest purpose of transfer in a code; banks cut what is longer."""

MAX_ACCOUNT: Final = 19

_NAPAS: Final = "A000000727"
_TO_ACCOUNT: Final = "QRIBFTTA"
_TO_CARD: Final = "QRIBFTTC"
_STATIC: Final = "11"
_DYNAMIC: Final = "12"
_VND_NUMERIC: Final = "704"
_BIN: Final = re.compile(r"[0-9]{6}")
_ACCOUNT: Final = re.compile(rf"[0-9A-Za-z]{{1,{MAX_ACCOUNT}}}")
_AMOUNT: Final = re.compile(r"[1-9][0-9]{0,12}")
_PURPOSE: Final = re.compile(rf"[A-Z0-9 ]{{1,{MAX_PURPOSE}}}")
_WORD: Final = re.compile(r"[A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """What a VietQR code asks a bank app to do.

    ``amount`` is None in an open code, which lets the payer type it. ``purpose`` is the text the
    bank puts into both statements. ``additional`` holds every field of template 62 by its tag.
    """

    bank_bin: str
    account: str
    amount: Money | None
    purpose: str
    dynamic: bool
    to_card: bool
    additional: Mapping[str, str]


def transfer_purpose(bill_reference: str, description: str) -> str:
    """Return the purpose of transfer: the bill reference once, then as many whole words as fit.

    Only ``A-Z0-9`` and blanks: banks strip or mangle all else on the way.

    Raises:
        QRPayloadError: the reference is not one token of capitals and digits, or too long.
    """
    if not _WORD.fullmatch(bill_reference) or len(bill_reference) > MAX_PURPOSE:
        raise QRPayloadError("the bill reference would not survive a transfer")
    purpose = bill_reference
    for word in _WORD.findall(description.upper()):
        if word == bill_reference:
            continue
        if len(purpose) + 1 + len(word) > MAX_PURPOSE:
            break
        purpose += f" {word}"
    return purpose


def build_vietqr(bank_bin: str, account: str, amount: Money | None, purpose: str) -> str:
    """Return the code of a transfer to an account; dynamic with an amount, static without.

    Raises:
        QRPayloadError: a part is not what the format allows (BIN of 6 digits, account of at
            most 19 letters and digits, whole VND above 0, purpose of ``A-Z0-9`` and blanks).
    """
    _require(bool(_BIN.fullmatch(bank_bin)), "the BIN is not six digits")
    _require(bool(_ACCOUNT.fullmatch(account)), "the account is not 1 to 19 letters or digits")
    _require(bool(_PURPOSE.fullmatch(purpose)), "the purpose is not plain or too long")
    beneficiary = encode_fields([("00", bank_bin), ("01", account)])
    template = encode_fields([("00", _NAPAS), ("01", beneficiary), ("02", _TO_ACCOUNT)])
    fields = [("00", "01"), ("01", _STATIC if amount is None else _DYNAMIC), ("38", template)]
    fields.append(("53", _VND_NUMERIC))
    if amount is not None:
        fields.append(("54", _amount_text(amount)))
    fields += [("58", "VN"), ("62", encode_fields([("08", purpose)]))]
    return seal(encode_fields(fields))


def parse_vietqr(payload: str) -> TransferOrder:
    """Read a VietQR transfer code; nothing that does not add up is accepted.

    Lengths and nesting are checked besides the checksum: a code with a right checksum and a
    wrong inner length would name another account. Layout: NAPAS QR format 1.5.2 as described
    publicly, on EMVCo merchant-presented mode.

    Raises:
        QRPayloadError: the text is damaged, or is another kind of QR code.
    """
    fields = open_sealed(payload.strip())
    bank_bin, account, service = _beneficiary(fields.get("38", ""))
    method = fields.get("01", _STATIC)
    _require(method in (_STATIC, _DYNAMIC), "the code is neither static nor dynamic")
    _require(fields.get("53") == _VND_NUMERIC, "the currency is not VND (704)")
    _require(fields.get("58") == "VN", "the country is not VN")
    amount = fields.get("54")
    _require(amount is None or bool(_AMOUNT.fullmatch(amount)), "the amount is not whole VND")
    additional = decode_fields(fields.get("62", ""), within="template 62")
    return TransferOrder(
        bank_bin=bank_bin,
        account=account,
        amount=None if amount is None else Money(int(amount)),
        purpose=additional.get("08", ""),
        dynamic=method == _DYNAMIC,
        to_card=service == _TO_CARD,
        additional=additional,
    )


def _beneficiary(template: str) -> tuple[str, str, str]:
    _require(bool(template), "this is not a VietQR transfer code: template 38 is absent")
    outer = decode_fields(template, within="template 38")
    _require(outer.get("00") == _NAPAS, "template 38 is not of NAPAS")
    _require(set(outer) == {"00", "01", "02"}, "template 38 holds other than 00, 01 and 02")
    inner = decode_fields(outer["01"], within="template 38.01")
    # Some generators nest the service code in 38.01; bank apps then read another account.
    _require(set(inner) == {"00", "01"}, "template 38.01 holds other than 00 and 01")
    _require(bool(_BIN.fullmatch(inner["00"])), "the BIN is not six digits")
    _require(bool(_ACCOUNT.fullmatch(inner["01"])), "the account is not letters or digits")
    _require(outer["02"] in (_TO_ACCOUNT, _TO_CARD), "the service is neither account nor card")
    return inner["00"], inner["01"], outer["02"]


def _amount_text(amount: Money) -> str:
    text = str(amount.amount_minor)
    whole = amount.currency is Currency.VND and _AMOUNT.fullmatch(text)
    _require(bool(whole), "the amount is not whole VND above 0")
    return text


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise QRPayloadError(otherwise)


class VietQRGateway(GatewayBase):
    """Transfers to the office's collecting account; the bank statement brings the answer.

    Nothing leaves the house: there is no provider, no notice, no query and no refund call.
    """

    def __init__(self, banks: BankTable | None = None) -> None:
        self._banks = banks or load_bank_table()

    @property
    def rail(self) -> Rail:
        """Transfers by the payer's bank app."""
        return Rail.VIETQR

    @property
    def capabilities(self) -> Capabilities:
        """A code to show, and nothing else."""
        return Capabilities()

    @override
    def start(self, request: StartRequest) -> StartedPayment:
        """Return the QR text; the same request gives the same text.

        Raises:
            GatewayRefusedError: the collecting account or amount does not fit a VietQR code.
        """
        if request.collecting_bank_bin not in self._banks.banks:
            raise GatewayRefusedError("the collecting bank's BIN is not in the table of banks")
        try:
            purpose = transfer_purpose(request.bill_reference, request.description)
            payload = build_vietqr(
                request.collecting_bank_bin, request.collecting_account, request.amount, purpose
            )
        except QRPayloadError as error:
            raise GatewayRefusedError(error.detail) from error
        return StartedPayment(qr_payload=payload)

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        """Refuse: no party may send notices for this rail.

        Raises:
            MalformedNoticeError: always.
        """
        raise MalformedNoticeError(f"{event.rail} has no notices")

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        """Return a plain 404 for every result: there is no address for notices."""
        del event
        return NoticeAnswer(404, f'{{"result":"{result}"}}'.encode())

    @override
    def check(self, *, at: datetime) -> CheckResult:
        """Say that nobody has to be called, and how old the table of banks is."""
        del at
        return CheckResult(
            None, f"Codes are made here; the table of banks is of {self._banks.as_of}."
        )
