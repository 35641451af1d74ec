"""Messages of SePay and Casso about bank lines, in their wire formats and proved as theirs are."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from adapters.gateways import casso_signing, sepay
from adapters.simulators.credit_services_config import Subscription, Wire
from adapters.simulators.store import Record
from core.clock import VIETNAM

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def render(subscription: Subscription, transfers: Sequence[Record]) -> Record:
    """Return what a subscription is told of transfers: a list in Casso's v1, else one."""
    if subscription.wire is Wire.CASSO_V1:
        return {"error": 0, "data": [_casso_v1(one) for one in transfers]}
    (transfer,) = transfers
    if subscription.wire is Wire.CASSO_V2:
        return {"error": 0, "data": _casso_v2(transfer)}
    return _sepay(transfer)


def request(subscription: Subscription, told: Record, now: datetime) -> tuple[bytes, Record]:
    """Return body and headers of one call; a repetition is signed anew, with its own time."""
    content = _content(subscription, told)
    media_type = "application/x-www-form-urlencoded" if subscription.as_form else "application/json"
    proof = _PROOFS[subscription.wire](subscription, told, content, now - _EPOCH)
    return content, {"Content-Type": media_type, **proof}


def _content(subscription: Subscription, told: Record) -> bytes:
    if subscription.as_form:
        return urlencode({name: "" if v is None else v for name, v in told.items()}).encode()
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _sepay(transfer: Record) -> Record:
    return {
        "id": transfer["id"],
        "gateway": transfer["bank_name"],
        "transactionDate": _wall_clock(transfer),
        "accountNumber": transfer["account"],
        "code": None,
        "content": transfer["narrative"],
        "transferType": "in" if transfer["amount"] > 0 else "out",
        "transferAmount": abs(transfer["amount"]),
        "accumulated": transfer["balance"],
        "subAccount": None,
        "referenceCode": transfer["bank_ref"],
        "description": "",
    }


def _casso_v1(transfer: Record) -> Record:
    return {
        "id": transfer["id"],
        "tid": transfer["bank_ref"],
        "description": transfer["narrative"],
        "amount": transfer["amount"],
        "cusum_balance": transfer["balance"],
        "when": _wall_clock(transfer),
        "bank_sub_acc_id": transfer["account"],
    }


def _casso_v2(transfer: Record) -> Record:
    return {
        "id": transfer["id"],
        "reference": transfer["bank_ref"],
        "description": transfer["narrative"],
        "amount": transfer["amount"],
        "runningBalance": transfer["balance"],
        "transactionDateTime": _wall_clock(transfer),
        "accountNumber": transfer["account"],
        "bankName": transfer["bank_name"],
        "bankAbbreviation": transfer["bank_abbreviation"],
        "virtualAccountNumber": "",
        "virtualAccountName": "",
        "counterAccountName": transfer["counterparty_name"],
        "counterAccountNumber": transfer["counterparty_account"],
        "counterAccountBankId": "",
        "counterAccountBankName": "",
    }


def _wall_clock(transfer: Record) -> str:
    booked_at = datetime.fromisoformat(transfer["booked_at"])
    return f"{booked_at.astimezone(VIETNAM):%Y-%m-%d %H:%M:%S}"


def _sepay_hmac(
    subscription: Subscription, told: Record, content: bytes, at: timedelta
) -> dict[str, str]:
    del told
    timestamp = str(at // timedelta(seconds=1))
    return {
        "X-SePay-Timestamp": timestamp,
        "X-SePay-Signature": sepay.sign(timestamp, content, subscription.key),
    }


def _sepay_api_key(
    subscription: Subscription, told: Record, content: bytes, at: timedelta
) -> dict[str, str]:
    del told, content, at
    return {"Authorization": sepay.authorization(subscription.key)}


def _casso_token(
    subscription: Subscription, told: Record, content: bytes, at: timedelta
) -> dict[str, str]:
    del told, content, at
    return {"secure-token": subscription.key}


def _casso_signature(
    subscription: Subscription, told: Record, content: bytes, at: timedelta
) -> dict[str, str]:
    del content
    time = str(at // timedelta(milliseconds=1))
    return {
        "X-Casso-Signature": f"t={time},v1={casso_signing.sign(time, told, subscription.key)}",
    }


_PROOFS: Final[
    Mapping[Wire, Callable[[Subscription, Record, bytes, timedelta], dict[str, str]]]
] = {
    Wire.SEPAY_HMAC: _sepay_hmac,
    Wire.SEPAY_API_KEY: _sepay_api_key,
    Wire.CASSO_V1: _casso_token,
    Wire.CASSO_V2: _casso_signature,
}
