"""SePay: tells of money on a collecting account, proved by a signature or by a key it shows."""

import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

from adapters.gateways.base import GatewayBase
from adapters.gateways.credit_fields import (
    amount_of,
    check_age,
    check_length,
    credit_notice,
    identity_of,
    instant_of,
    json_object,
    lower_names,
    shows_one_of,
    text_of,
    without_doubles,
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

SIGNATURE_HEADER: Final = "x-sepay-signature"
TIMESTAMP_HEADER: Final = "x-sepay-timestamp"
KEY_HEADER: Final = "authorization"
MONEY_OUT: Final = "money_out"
"""``reason_code`` of a message about money that left the account."""

_FORM: Final = "application/x-www-form-urlencoded"
_SECONDS: Final = re.compile(r"[0-9]{1,11}")
_MOST_FIELDS: Final = 100
_ANSWER_STATUS: Final[Mapping[NoticeResult, int]] = {
    NoticeResult.INVALID_SIGNATURE: HTTPStatus.UNAUTHORIZED,
    NoticeResult.MALFORMED: HTTPStatus.BAD_REQUEST,
    NoticeResult.FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class SePayConfig:
    """One webhook at SePay: the keys that are set decide what is believed.

    With ``hmac_secret`` signed messages are, with ``api_key`` those that show the key. The
    previous keys still verify while a rotation lasts.
    """

    api_key: str = field(default="", repr=False)
    previous_api_key: str = field(default="", repr=False)
    hmac_secret: str = field(default="", repr=False)
    previous_hmac_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if not self.api_key and not self.hmac_secret:
            raise SettingsError("SePay needs an api_key or an hmac_secret")

    @property
    def api_keys(self) -> tuple[str, ...]:
        """The keys that SePay may show just now."""
        return tuple(key for key in (self.api_key, self.previous_api_key) if key)

    @property
    def hmac_secrets(self) -> tuple[str, ...]:
        """The secrets that SePay may sign with just now."""
        return tuple(key for key in (self.hmac_secret, self.previous_hmac_secret) if key)


def authorization(api_key: str) -> str:
    """Return the header by which SePay shows a key."""
    return f"Apikey {api_key}"


def sign(timestamp: str, body: bytes, secret: str) -> str:
    """Return the signature header: HMAC-SHA256 over timestamp, a point, and the body as sent."""
    text = timestamp.encode() + b"." + body
    return f"sha256={hmac.new(secret.encode(), text, 'sha256').hexdigest()}"


def is_signed(signature: str, timestamp: str, body: bytes, secrets: Iterable[str]) -> bool:
    """Whether a signature header fits timestamp and body under one of ``secrets``."""
    claimed = signature.lower().encode("utf-8", "surrogatepass")
    digests = [sign(timestamp, body, secret).encode() for secret in secrets if secret]
    # No early exit: the time must not tell which key was nearly right.
    return any([hmac.compare_digest(claimed, one) for one in digests])  # noqa: C419


class SePayGateway(GatewayBase):
    """SePay for one collecting account."""

    def __init__(self, config: SePayConfig, http: Caller) -> None:
        del http  # SePay only calls us
        self._config = config

    @property
    def rail(self) -> Rail:
        """SePay."""
        return Rail.SEPAY

    @property
    def capabilities(self) -> Capabilities:
        """Tells of credits and nothing else."""
        return Capabilities(starts=False, notices=True, credits=True)

    def verify_notice(self, event: RawEvent) -> GatewayNotice:
        """Authenticate a message; money out is no credit and moves nothing here.

        A key that is shown does not bind the message to a time: one that is repeated has the same
        ``credit_key`` and changes nothing.

        Raises:
            InvalidSignatureError: neither signed nor with a key of ours, too old, or too early.
            MalformedNoticeError: authentic, but without what a transfer must have.
        """
        check_length(event.body)
        self._authenticate(event)
        try:
            told = _credits(_fields(event))
        except (ValueError, MoneyFormatError) as error:
            raise MalformedNoticeError(f"not a usable transfer: {error}"[:200]) from error
        at = event.received_at
        return credit_notice("sepay", told, otherwise=MONEY_OUT, at=at, body=event.body)

    def answer(self, event: RawEvent, result: NoticeResult) -> NoticeAnswer:
        """Return the one answer that SePay takes as received, else a status that has it retried.

        A transfer that names no bill of ours is stored and decided: a repetition says no more.
        """
        del event
        status = _ANSWER_STATUS.get(result, HTTPStatus.OK)
        return NoticeAnswer(status, json.dumps({"success": status == HTTPStatus.OK}).encode())

    def _authenticate(self, event: RawEvent) -> None:
        """Believe a message by what it shows; of several proofs none may be wrong."""
        headers, proofs = lower_names(event.headers), []
        if self._config.hmac_secrets and SIGNATURE_HEADER in headers:
            timestamp = headers.get(TIMESTAMP_HEADER, "")
            if not _SECONDS.fullmatch(timestamp):
                raise InvalidSignatureError("the notice does not say when it was signed")
            signature, secrets = headers[SIGNATURE_HEADER], self._config.hmac_secrets
            proofs.append(is_signed(signature, timestamp, event.body, secrets))
        if self._config.api_keys and KEY_HEADER in headers:
            shown = map(authorization, self._config.api_keys)
            proofs.append(shows_one_of(headers[KEY_HEADER], shown))
        if not proofs or not all(proofs):
            raise InvalidSignatureError("no signature and no key of ours")
        if self._config.hmac_secrets and SIGNATURE_HEADER in headers:
            check_age(timedelta(seconds=int(headers[TIMESTAMP_HEADER])), event.received_at)


def _fields(event: RawEvent) -> dict[str, Any]:
    media_type = lower_names(event.headers).get("content-type", "").partition(";")[0]
    if media_type.strip().lower() != _FORM:
        return json_object(event.body)
    pairs = parse_qsl(
        event.body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
    )
    return without_doubles(pairs)


def _credits(fields: Mapping[str, Any]) -> list[BankCredit]:
    """Return the transfer, or nothing where money went out; direction is judged first."""
    direction = text_of(fields, "transferType").lower()
    if direction not in {"in", "out"}:
        raise ValueError(f"transferType {direction[:20]!r} is neither in nor out")
    return [_credit(fields)] if direction == "in" else []


def _credit(fields: Mapping[str, Any]) -> BankCredit:
    amount = amount_of(fields, "transferAmount")
    if amount.amount_minor <= 0:
        raise ValueError("a transfer in has an amount above 0")
    account = text_of(fields, "accountNumber")
    if not account:
        raise ValueError("the transfer names no account")
    return BankCredit(
        credit_key=identity_of(fields),
        account_number=account,
        amount=amount,
        narrative=text_of(fields, "content") or text_of(fields, "description"),
        bank_ref=text_of(fields, "referenceCode"),
        booked_at=instant_of(fields, "transactionDate"),
        virtual_account=text_of(fields, "subAccount"),
    )
