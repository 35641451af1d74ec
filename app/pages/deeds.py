"""What people did, in words: the acts of the audit trail and the facts that they left."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from app.i18n import Words
from app.i18n import marked as m
from app.pages import labels
from core.audit import AuditEvent
from payments.states import BillStatus, RefundStatus, RemittanceStatus

_DEEDS: Final[Mapping[str, str]] = {
    "issue_bill": m("Issued the bill"),
    "cancel_bill": m("Cancelled the bill"),
    "exempt_bill": m("Exempted the bill"),
    "request_refund": m("Asked for the refund"),
    "name_beneficiary": m("Said where the transfer goes"),
    "approve_refund": m("Approved the refund"),
    "reject_refund": m("Turned the refund down"),
    "order_refund": m("Ordered the bank to send it"),
    "record_refusal": m("Recorded that it was not carried out"),
    "prepare_payment_order": m("Made the payment order"),
    "fetch_payment_order": m("Fetched the payment order"),
    "prepare_remittance": m("Proposed the remittance"),
    "approve_remittance": m("Approved the remittance"),
    "reject_remittance": m("Turned the remittance down"),
    "order_remittance": m("Made the payment order"),
    "fetch_remittance_order": m("Fetched the payment order"),
    "record_refused_remittance": m("Recorded that the bank did not send it"),
    "prepare_close": m("Prepared the close of the day"),
    "close_day": m("Signed the close of the day"),
    "withdraw_close": m("Withdrew the close of the day"),
    "propose_resolution": m("Proposed how to resolve it"),
    "approve_resolution": m("Approved the proposal"),
    "reject_resolution": m("Turned the proposal down"),
    "comment_mismatch": m("Remarked"),
    "draw_rechecks": m("Drew the sample of matches"),
    "answer_recheck": m("Judged a match blindly"),
    "assign_mismatch": m("Gave it to somebody"),
}
_FACTS: Final[Mapping[str, str]] = {
    "amount_minor": m("Amount"),
    "status": m("State"),
    "evidence": m("Evidence"),
    "waived_lines": m("Fees waived"),
    "payment_order": m("Payment order"),
    "bill_reference": m("Bill code"),
    "reference": m("Reference"),
    "sha256": m("SHA-256"),
}
_STATES: Final = {"bill": BillStatus, "refund": RefundStatus, "remittance": RemittanceStatus}


def deed(event: AuditEvent, words: Words) -> str:
    """Return what was done; an act that only administrators see keeps its name in the records."""
    known = _DEEDS.get(event.action)
    return words.say(known) if known else event.action


def facts(event: AuditEvent, words: Words) -> Iterator[tuple[str, str]]:
    """Yield what the act left, as (name, value); what was before stands before an arrow."""
    before, after = event.before or {}, event.after or {}
    for key, value in after.items():
        text = _text(event, key, value, words)
        if key in before and before[key] != value:
            text = f"{_text(event, key, before[key], words)} → {text}"
        if text:
            yield words.say(_FACTS[key]) if key in _FACTS else key, text


def _text(event: AuditEvent, key: str, value: Any, words: Words) -> str:
    if key.endswith("_minor") and isinstance(value, int):
        return words.minor(value)
    if key == "status" and event.subject_kind in _STATES:
        return words.say(labels.name(_STATES[event.subject_kind](value)))
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return "" if value is None else str(value)
