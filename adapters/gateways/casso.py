"""Casso: tells of money on a collecting account, by a key it shows (v1) or a signature (v2)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from adapters.gateways import casso_signing as signing
from adapters.gateways.base import GatewayBase
from adapters.gateways.credit_fields import (
    amount_of,
    as_object,
    check_age,
    check_length,
    credit_notice,
    identity_of,
    instant_of,
    json_object,
    lower_names,
    shows_one_of,
    text_of,
)
from adapters.http import Caller
from core.errors import MoneyFormatError, SettingsError
from payments.channels import Rail
from payments.errors import InvalidSignatureError, MalformedNoticeError
from payments.ports import (
    BankCredit,
    Capabilities,
    GatewayNotice,
    NoticeAnswer,
    NoticeResult,
    RawEvent,
)

SIGNATURE_HEADER: Final = "x-casso-signature"
TOKEN_HEADER: Final = "secure-token"  # noqa: S105 - a header's name
MONEY_OUT: Final = "money_out"
"""``reason_code`` of a message that tells of no money coming in."""

_TRIAL: Final = "0"
"""The id of the made-up transfer by which Casso tries an address out."""

_ANSWER_STATUS: Final[Mapping[NoticeResult, int]] = {
    NoticeResult.INVALID_SIGNATURE: HTTPStatus.UNAUTHORIZED,
    NoticeResult.MALFORMED: HTTPStatus.BAD_REQUEST,
    NoticeResult.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class CassoConfig:
    """One webhook at Casso: the keys that are set decide which of its versions is believed.

    ``secure_token`` is v1's, ``security_key`` v2's. The previous keys still verify while a
    rotation lasts.
    """

    secure_token: str = field(default="", repr=False)
    previous_secure_token: str = field(default="", repr=False)
    security_key: str = field(default="", repr=False)
    previous_security_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.secure_token and not self.security_key:
            raise SettingsError("Casso needs a secure_token or a security_key")

    @property
    def tokens(self) -> tuple[str, ...]:
        """The keys that v1 may show just now."""
        return tuple(key for key in (self.secure_token, self.previous_secure_token) if key)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that v2 may sign with just now."""
        return tuple(key for key in (self.security_key, self.previous_security_key) if key)


class CassoGateway(GatewayBase):
    """Casso for one collecting account."""

    def __init__(self, config: CassoConfig, http: Caller) -> None:
        del http  # Casso only calls us
        self._config = config

    @property
    def rail(self) -> Rail:
        """Casso."""
        return Rail.CASSO

    @property
    def capabilities(self) -> Capabilities:
        """Tells of credits and nothing else."""
        return Capabilities(starts=False, notices=True, credits=True)

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        """Authenticate a message of either version; money out is no credit.

        A message that bears a signature is v2, however else it may be proved. The key of v1 does
        not bind the message to a time: a repeated one has the same credits and changes nothing.

        Raises:
            InvalidSignatureError: neither signed nor with a key of ours, too old, or too early.
            MalformedNoticeError: authentic, but not readable as transfers; all of it is refused.
        """
        check_length(event.body)
        headers = lower_names(event.headers)
        signature = headers.get(SIGNATURE_HEADER, "")
        if signature and self._config.keys:
            body = self._signed_body(event, signature)
        else:
            self._check_token(headers)
            body = _body(event.body)
        return _notice(event, body, signed=bool(signature and self._config.keys))

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        """Return 200 for all that is stored and decided, else a status that says it was not.

        A transfer that names no bill of ours is decided: a repetition says no more.
        """
        del event
        status = _ANSWER_STATUS.get(result, HTTPStatus.OK)
        return NoticeAnswer(status, json.dumps({"success": status == HTTPStatus.OK}).encode())

    def _signed_body(self, event: RawEvent, header: str) -> dict[str, Any]:
        try:
            time, signature = signing.read_header(header)
            body = json_object(event.body)
            signed = signing.is_signed(signature, time, body, self._config.keys)
        except (ValueError, RecursionError) as error:
            raise InvalidSignatureError(f"no signed object: {error}"[:200]) from error
        if not signed:
            raise InvalidSignatureError("the signature does not fit the body")
        check_age(timedelta(milliseconds=int(time)), event.received_at)
        return body

    def _check_token(self, headers: Mapping[str, str]) -> None:
        if not shows_one_of(headers.get(TOKEN_HEADER, ""), self._config.tokens):
            raise InvalidSignatureError("no signature and no key of ours")


def _body(body: bytes) -> dict[str, Any]:
    try:
        return json_object(body)
    except ValueError as error:
        raise MalformedNoticeError(f"not a JSON object: {error}"[:200]) from error


def _notice(event: RawEvent, body: Mapping[str, Any], *, signed: bool) -> GatewayNotice:
    try:
        error_code = text_of(body, "error")
        if error_code != "0":
            told, reason = [], f"error:{error_code[:20]}"
        else:
            transfers = [as_object(body.get("data"))] if signed else _listed(body.get("data"))
            read = _signed_credit if signed else _listed_credit
            told, reason = [read(one) for one in transfers if _is_credit(one)], MONEY_OUT
    except (ValueError, MoneyFormatError) as error:
        raise MalformedNoticeError(f"not usable transfers: {error}"[:200]) from error
    return credit_notice("casso", told, otherwise=reason, at=event.received_at, body=event.body)


def _listed(data: Any) -> list[dict[str, Any]]:
    if not isinstance(data, list):
        raise ValueError("data is not a list of transfers")  # noqa: TRY004 - one kind of error
    return [as_object(one) for one in data]


def _is_credit(transfer: Mapping[str, Any]) -> bool:
    """Whether money came in; direction is judged first, other fields may then be anything."""
    return text_of(transfer, "id") != _TRIAL and amount_of(transfer, "amount").amount_minor > 0


def _listed_credit(transfer: Mapping[str, Any]) -> BankCredit:
    """Read a transfer of v1."""
    return BankCredit(
        credit_key=identity_of(transfer),
        account_number=_account(transfer, "bank_sub_acc_id"),
        amount=amount_of(transfer, "amount"),
        narrative=text_of(transfer, "description"),
        bank_ref=text_of(transfer, "tid"),
        booked_at=instant_of(transfer, "when"),
    )


def _signed_credit(transfer: Mapping[str, Any]) -> BankCredit:
    """Read a transfer of v2."""
    return BankCredit(
        credit_key=identity_of(transfer),
        account_number=_account(transfer, "accountNumber"),
        amount=amount_of(transfer, "amount"),
        narrative=text_of(transfer, "description"),
        bank_ref=text_of(transfer, "reference"),
        booked_at=instant_of(transfer, "transactionDateTime"),
        virtual_account=text_of(transfer, "virtualAccountNumber"),
        counterparty_name=text_of(transfer, "counterAccountName"),
        counterparty_account=text_of(transfer, "counterAccountNumber"),
        counterparty_bank_bin=text_of(transfer, "counterAccountBankId"),
    )


def _account(transfer: Mapping[str, Any], name: str) -> str:
    account = text_of(transfer, name)
    if not account:
        raise ValueError("the transfer names no account")
    return account
