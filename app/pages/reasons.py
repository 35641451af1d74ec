"""Why an item is not matched, said in the reader's language from the code that was stored."""

from collections.abc import Mapping
from datetime import date
from typing import Final

from app.i18n import Words
from app.pages import labels
from payments.states import PaymentStatus, RefundStatus
from reconciliation.matching.reasons import ENGLISH
from reconciliation.models import Mismatch

_SUMS: Final = frozenset({"amount", "expected", "actual"})


def reason_of(mismatch: Mismatch, words: Words) -> str:
    """Return the reason sentence; the stored English one where its code is not known here."""
    sentence = ENGLISH.get(mismatch.reason_code)
    if sentence is None:
        return mismatch.reason
    parameters = {name: _said(name, value, words) for name, value in mismatch.reason_params.items()}
    try:
        return words.say(sentence).format_map(parameters)
    except (KeyError, ValueError, IndexError):
        return mismatch.reason


def sum_or_text(text: str, words: Words) -> str:
    """Return what was expected or actual: as money where it is a whole number, else as it is."""
    return _said("amount", text, words)


def _said(name: str, value: str, words: Words) -> str:
    if name in _SUMS and value.removeprefix("-").isdigit():
        return words.minor(int(value))
    if name == "day":
        return _day(value, words)
    if name == "status":
        return words.say(_status_name(value)).lower()
    return value


def _day(value: str, words: Words) -> str:
    try:
        return words.day(date.fromisoformat(value))
    except ValueError:
        return value


def _status_name(value: str) -> str:
    kinds: Mapping[str, type[PaymentStatus | RefundStatus]] = {
        **dict.fromkeys(RefundStatus, RefundStatus),
        **dict.fromkeys(PaymentStatus, PaymentStatus),
    }
    return labels.name(kinds[value](value)) if value in kinds else value
