"""Why an item is not matched, in one sentence; kept as a code and parameters until it is said.

The code is the mismatch type, with a variant after a dot where one sentence does not fit all.
Another language needs another table of the same codes and parameters.
"""

from collections.abc import Mapping
from typing import Final

from reconciliation.matching.model import CURRENCY

ENGLISH: Final[Mapping[str, str]] = {
    "not_settled": (
        "We recorded {amount} as received on {day}, but {grace} days later no statement or "
        "report shows it."
    ),
    "refund_missing": (
        "We recorded that {amount} was sent back on {day}, but {grace} days later no statement "
        "or report shows it."
    ),
    "timing_difference": (
        "{amount} recorded on {day} has not appeared yet; it is still within the {grace} days "
        "of grace."
    ),
    "timing_difference.payout": (
        "The provider says that it pays {payout} on {day}; the money has not come and is not "
        "overdue yet."
    ),
    "payout_missing": (
        "The provider says that it paid {payout} on {day}, but {grace} days later no credit has "
        "come."
    ),
    "status_mismatch": "Money arrived for a payment that we hold as {status}.",
    "status_mismatch.settled": "The provider settled a payment that we hold as {status}.",
    "status_mismatch.sent": "Money left for a refund that we hold as {status}.",
    "amount_mismatch": "The reference agrees, but {actual} came where {expected} was recorded.",
    "amount_mismatch.id": (
        "The identifier agrees, but the provider settled {actual} where {expected} was recorded."
    ),
    "amount_mismatch.currency": "The money is in {currency}, not in {expected_currency}.",
    "fee_mismatch": "The provider deducted a fee of {actual}; the contract says {expected}.",
    "fee_mismatch.net": "The report's net amount {actual} is not gross less fee, {expected}.",
    "fee_mismatch.terms": "The contracts do not say which fee {provider} may deduct.",
    "unrecorded_receipt": "{amount} came, and no recorded payment explains it.",
    "unrecorded_receipt.unknown_bill": (
        "{amount} came for bill {reference}, which is not among the recorded payments."
    ),
    "unrecorded_receipt.candidates": (
        "{amount} came without a usable reference; name or amount resemble the related "
        "payments, which is no proof."
    ),
    "unrecorded_receipt.damaged": (
        "{amount} came with a damaged reference that may mean the related payment, but the "
        "amount does not agree."
    ),
    "unrecorded_receipt.other_channel": (
        "{amount} came as a bank transfer for a bill of which only payments by another channel "
        "are recorded."
    ),
    "unrecorded_receipt.report": (
        "The provider reports a payment of {amount} that is not recorded here."
    ),
    "unrecorded_receipt.payout": (
        "{amount} came from {provider}, but fits no payout that the provider reported."
    ),
    "unrecorded_refund": "The provider gave back {amount} that is not recorded as a refund here.",
    "chargeback": "The payer's bank took {amount} back through the provider.",
    "duplicate_payment": "{amount} came again for a payment that {settled_by} settles already.",
    "duplicate_line": "This line repeats {original}: it is equal in everything but its number.",
    "payout_mismatch": (
        "The bank credited {actual}, but the settlement lines of {payout} add up to {expected}."
    ),
    "reversal": "The bank took this receipt of {amount} back with line {other}.",
    "reversal.debit": "The bank took {amount} back that had come with line {other}.",
    "ambiguous": "More than one reading is possible; the related items are the candidates.",
    "ambiguous.payment": (
        "Money that may belong to this payment came, but more than one reading is possible."
    ),
    "not_a_fee": "The statement calls this {name}; no recorded movement explains it.",
    "unrecorded_debit": "{amount} left the account, and nothing recorded explains it.",
}


def sentence(code: str, parameters: Mapping[str, str], table: Mapping[str, str] = ENGLISH) -> str:
    """The reason in the language of the table; sums are grouped by thousands.

    Raises:
        KeyError: the table lacks the code or a parameter; a programming error.
    """
    said = dict(parameters)
    for name in _SUMS & said.keys():
        said[name] = _said(said[name])
    return table[code].format_map(said)


_SUMS: Final = frozenset({"amount", "expected", "actual"})


def _said(value: str) -> str:
    if value.removeprefix("-").isdigit():
        return f"{int(value):,} {CURRENCY}"
    return value
