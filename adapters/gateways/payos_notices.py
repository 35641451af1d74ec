"""What payOS's messages and answers become: transfers to the account, and states of a link."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from adapters.gateways.base import NOT_FOUND
from adapters.gateways.payos_references import reference_of
from adapters.gateways.payos_signing import NumberText
from core.clock import VIETNAM
from core.money import Money
from payments.ports import BankCredit, GatewayNotice, NoticeKind, Outcome, PaymentQuery

SUCCESS: Final = "00"
WEBHOOK: Final = (
    "orderCode",
    "amount",
    "description",
    "accountNumber",
    "reference",
    "transactionDateTime",
    "currency",
    "paymentLinkId",
    "code",
    "desc",
    "counterAccountBankId",
    "counterAccountBankName",
    "counterAccountName",
    "counterAccountNumber",
    "virtualAccountName",
    "virtualAccountNumber",
)
"""The fields that payOS documents of a webhook's ``data``."""

_ENDS: Final[Mapping[str, Outcome]] = {
    "EXPIRED": Outcome.EXPIRED,
    "CANCELLED": Outcome.CANCELLED,
    "FAILED": Outcome.FAILED,
}
"""States in which nobody can pay on the page any more."""

_LINK_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_REFERENCE: Final = re.compile(r"\S(?:.{0,98}\S)?")
_BIN: Final = re.compile(r"[0-9]{6}")
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})?"
)


def json_object(body: bytes) -> dict[str, Any]:
    """Return a JSON object; numbers that are not whole are kept as they were written.

    Raises:
        ValueError: it is not one, or a name stands twice: two readers would see two values.
    """
    try:
        read = json.loads(
            body,
            parse_float=NumberText,
            parse_constant=_refuse_constant,
            object_pairs_hook=_without_doubles,
        )
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    if not isinstance(read, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - callers look for one kind of error
    return read


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name stands twice")
    return names


def _refuse_constant(name: str) -> str:
    raise ValueError(f"{name} is not a number")


def text(fields: Mapping[str, Any], name: str) -> str:
    """Return a field that is a text; one that is not there or null is empty.

    Raises:
        ValueError: it is something else, or holds what no database stores as text.
    """
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or isinstance(value, NumberText) or "\x00" in value:
        raise ValueError(f"{name} is not a text")
    value.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
    return value


def whole(fields: Mapping[str, Any], name: str) -> int:
    """Return a field that is a whole number of at least 0.

    Raises:
        ValueError: it is not; a text of digits is none.
    """
    value = fields.get(name)
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is not a whole number")
    return value


def link_id(fields: Mapping[str, Any], name: str) -> str:
    """Return the id of a payment link.

    Raises:
        ValueError: there is none.
    """
    found = text(fields, name)
    if not _LINK_ID.fullmatch(found):
        raise ValueError(f"{name} names no link")
    return found


def is_link_id(found: str | None) -> bool:
    """Whether a text can stand in an address as the id of a link."""
    return found is not None and _LINK_ID.fullmatch(found) is not None


def credit_of(transfer: Mapping[str, Any], *, link: str, merchant_reference: str) -> BankCredit:
    """Return a transfer as a webhook or the list of a link tells it, with the same key.

    With a virtual account in the message the account number is left open: payOS does not say
    whether it is that of the account behind it.

    Raises:
        ValueError: the transfer lacks its reference, amount or time.
        MoneyFormatError: the amount is beyond any fee.
    """
    reference = text(transfer, "reference")
    amount = whole(transfer, "amount")
    if not _REFERENCE.fullmatch(reference) or amount == 0:
        raise ValueError("a transfer without reference or money")
    bank = text(transfer, "counterAccountBankId")
    virtual = text(transfer, "virtualAccountNumber")
    return BankCredit(
        credit_key=f"{link}:{reference}",
        account_number="" if virtual else text(transfer, "accountNumber"),
        amount=Money(amount),
        narrative=text(transfer, "description"),
        bank_ref=reference,
        booked_at=_instant(text(transfer, "transactionDateTime")),
        merchant_reference=merchant_reference,
        virtual_account=virtual,
        counterparty_name=text(transfer, "counterAccountName"),
        counterparty_account=text(transfer, "counterAccountNumber"),
        counterparty_bank_bin=bank if _BIN.fullmatch(bank) else "",
    )


def _instant(written: str) -> datetime:
    if not _TIME.fullmatch(written):
        raise ValueError(f"transactionDateTime {written[:30]!r} is no time")
    moment = datetime.fromisoformat(written)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=VIETNAM)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("transactionDateTime is beyond any calendar") from error


def webhook_notice(data: Mapping[str, Any], prefix: str, *, received_at: datetime) -> GatewayNotice:
    """Return what a webhook tells: one transfer, or nothing about money.

    The order may be nobody's here: payOS tries a webhook address with a dummy one.

    Raises:
        ValueError: it lacks what it must have.
        MoneyFormatError: the amount is beyond any fee.
    """
    link = link_id(data, "paymentLinkId")
    code = text(data, "code")
    merchant_reference = reference_of(whole(data, "orderCode"), prefix)
    if not code or text(data, "currency") not in {"VND", ""}:
        raise ValueError("neither a code nor money in VND")
    if code != SUCCESS:
        return GatewayNotice(
            event_key=f"{link}:{text(data, 'reference')}:{code}",
            kind=NoticeKind.OTHER,
            merchant_reference=merchant_reference,
            outcome=Outcome.PENDING,
            amount=None,
            occurred_at=received_at,
            provider_reference=link,
            reason_code=code,
        )
    credit = credit_of(data, link=link, merchant_reference=merchant_reference)
    return GatewayNotice(
        event_key=credit.credit_key,
        kind=NoticeKind.CREDIT,
        merchant_reference=merchant_reference,
        outcome=Outcome.SUCCEEDED,
        amount=None,
        occurred_at=credit.booked_at,
        provider_reference=link,
        reason_code=code,
        credits=(credit,),
    )


def link_notice(query: PaymentQuery, data: Mapping[str, Any]) -> GatewayNotice:
    """Return what payOS says of a link: its transfers, and whether it has ended unpaid.

    Paid or not is told by the transfers alone. A link that has ended with money on it is PENDING.

    Raises:
        ValueError: it lacks what it must have, or two transfers bear one reference.
        MoneyFormatError: an amount is beyond any fee.
    """
    link, status = link_id(data, "id"), text(data, "status")
    credits_ = _credits(data.get("transactions"), link, query.merchant_reference)
    paid = whole(data, "amountPaid")
    untouched = paid == 0 and not credits_
    return GatewayNotice(
        event_key=f"{link}:{status}:{paid}",
        kind=NoticeKind.PAYMENT,
        merchant_reference=query.merchant_reference,
        outcome=_ENDS.get(status, Outcome.PENDING) if untouched else Outcome.PENDING,
        amount=None,
        occurred_at=query.asked_at,
        provider_reference=link,
        reason_code=status,
        credits=credits_,
    )


def _credits(listed: Any, link: str, merchant_reference: str) -> tuple[BankCredit, ...]:
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError("transactions is not a list of transfers")
    told: dict[str, BankCredit] = {}
    for one in listed:
        credit = credit_of(one, link=link, merchant_reference=merchant_reference)
        if told.setdefault(credit.credit_key, credit) != credit:
            raise ValueError("two transfers of one link bear one reference")
    return tuple(told.values())


def unknown_link(query: PaymentQuery, *, grace: timedelta) -> GatewayNotice:
    """Return that payOS knows no such link: expired once none can be opened any more."""
    expired = query.expires_at is not None and query.asked_at > query.expires_at + grace
    return GatewayNotice(
        event_key=f"{query.merchant_reference}:{NOT_FOUND}:{expired}",
        kind=NoticeKind.PAYMENT,
        merchant_reference=query.merchant_reference,
        outcome=Outcome.EXPIRED if expired else Outcome.PENDING,
        amount=None,
        occurred_at=query.asked_at,
        reason_code=NOT_FOUND,
    )
