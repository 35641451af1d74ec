"""The rows of the database in the shape of the matcher's files, for one collecting account."""

from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, select

from payments.channels import Channel
from payments.models import Bill, CollectingAccount, Office, Payment, Refund, Remittance
from payments.states import PaymentStatus, RefundStatus, RemittanceStatus
from reconciliation.matching.model import (
    Contracts,
    MatchInputs,
    NarrativeTerms,
    ProviderTerms,
)
from reconciliation.models import (
    Match,
    MatchItem,
    NarrativeRule,
    ProviderContract,
    SettlementLine,
    StatementLine,
    is_counted,
)
from reconciliation.states import ItemKind

_WORDS = {
    PaymentStatus.CREATED: "pending",
    PaymentStatus.PENDING: "pending",
    PaymentStatus.SUCCEEDED: "succeeded",
    PaymentStatus.FAILED: "failed",
    PaymentStatus.EXPIRED: "expired",
    PaymentStatus.CANCELLED: "cancelled",
}
_REFUND_WORDS = {
    RefundStatus.SUBMITTED: "pending",
    RefundStatus.SUCCEEDED: "succeeded",
    RefundStatus.FAILED: "failed",
}

Row = dict[str, Any]


def read_inputs(
    session: Session,
    account: CollectingAccount,
    *,
    as_of: date,
    decided_payments: frozenset[str] = frozenset(),
    decided_lines: frozenset[str] = frozenset(),
) -> MatchInputs:
    """Return everything of an account that a run compares.

    What people have decided about transfers is left out on both sides, so that the rest is
    compared as if it had never been open.
    """
    return MatchInputs.from_rows(
        payments=[
            row
            for row in payment_rows(session, account)
            if row["payment_id"] not in decided_payments
        ],
        settlements=settlement_rows(session, account),
        bank=[row for row in bank_rows(session, account) if row["line_id"] not in decided_lines],
        contracts=read_contracts(session, account, as_of=as_of),
    )


def read_contracts(session: Session, account: CollectingAccount, *, as_of: date) -> Contracts:
    """Return the terms of an account as the matcher reads them."""
    providers = session.exec(
        select(ProviderContract).where(ProviderContract.account_id == account.id)
    )
    rules = session.exec(
        select(NarrativeRule)
        .where(NarrativeRule.account_id == account.id)
        .order_by(col(NarrativeRule.position))
    )
    return Contracts(
        as_of=as_of,
        account=account.account_number,
        reference_prefix=account.reference_prefix,
        grace_days=account.grace_days,
        narrative_rules=tuple(
            NarrativeTerms.model_validate(
                {"pattern": rule.pattern, "side": rule.side, "type": rule.type, "name": rule.name}
            )
            for rule in rules
        ),
        providers={
            terms.provider.value: ProviderTerms(
                rate_bps=terms.rate_bps,
                fixed=terms.fixed_minor,
                rounding=terms.rounding,
                settlement_days=terms.settlement_days,
                payout_accounts=tuple(terms.payout_accounts),
                payout_names=tuple(terms.payout_names),
            )
            for terms in sorted(providers, key=lambda terms: terms.provider)
        },
    )


def payment_rows(session: Session, account: CollectingAccount) -> list[Row]:
    """Return payments, sent refunds and remittances as rows of ``payments.csv``.

    What only a match of ours says is not an input of the next run: such a payment is shown as it
    was before. Otherwise the result would depend on the order in which the evidence arrived.
    """
    by_match = _collected_by_match(session, account)
    found = session.exec(
        select(Payment, Bill, Office.code)
        .join(Bill, col(Bill.id) == col(Payment.bill_id))
        .join(Office, col(Office.id) == col(Bill.office_id))
        .where(Payment.account_id == account.id)
        .order_by(col(Payment.id))
    ).all()
    rows = [
        _payment_row(payment, bill, office)
        | (_before_match(payment) if payment.id in by_match else {})
        for payment, bill, office in found
    ]
    refunds = session.exec(
        select(Refund, Payment, Bill, Office.code)
        .join(Payment, col(Payment.id) == col(Refund.payment_id))
        .join(Bill, col(Bill.id) == col(Payment.bill_id))
        .join(Office, col(Office.id) == col(Bill.office_id))
        .where(Refund.account_id == account.id)
        .where(col(Refund.status).in_(list(_REFUND_WORDS)))
        .order_by(col(Refund.id))
    ).all()
    rows += [
        _refund_row(refund, payment, bill, office) for refund, payment, bill, office in refunds
    ]
    remittances = session.exec(
        select(Remittance)
        .where(Remittance.account_id == account.id)
        .where(col(Remittance.instructed_at).is_not(None))
        .order_by(col(Remittance.id))
    )
    return rows + [_remittance_row(remittance) for remittance in remittances]


def settlement_rows(session: Session, account: CollectingAccount) -> list[Row]:
    """Return settlement lines as rows of ``settlements.csv``."""
    lines = session.exec(
        select(SettlementLine)
        .where(SettlementLine.account_id == account.id)
        .order_by(col(SettlementLine.id))
    )
    return [
        {
            "line_id": line.id,
            "provider": line.provider.value,
            "report_id": line.report_id,
            "kind": line.kind,
            "provider_txn_id": line.provider_txn_id,
            "bill_reference": line.bill_reference,
            "gross": line.gross_minor,
            "fee": line.fee_minor,
            "net": line.net_minor,
            "currency": line.currency,
            "occurred_at": line.occurred_at,
            "payout_id": line.payout_id,
            "payout_date": line.payout_date,
        }
        for line in lines
    ]


def bank_rows(session: Session, account: CollectingAccount) -> list[Row]:
    """Return booked statement lines as rows of ``bank.csv``."""
    lines = session.exec(
        select(StatementLine)
        .where(StatementLine.account_id == account.id, is_counted(col(StatementLine.statement_id)))
        .order_by(col(StatementLine.id))
    )
    return [
        {
            "line_id": line.id,
            "account": account.account_number,
            "booking_date": line.booking_date,
            "value_date": line.value_date,
            "amount": line.amount_minor,
            "currency": line.currency,
            "narrative": line.narrative,
            "counterparty_name": line.counterparty_name,
            "counterparty_account": line.counterparty_account,
            "bank_ref": line.bank_ref,
        }
        for line in lines
    ]


def _collected_by_match(session: Session, account: CollectingAccount) -> frozenset[str]:
    return frozenset(
        session.exec(
            select(MatchItem.item_id)
            .join(Match, col(Match.id) == col(MatchItem.match_id))
            .where(Match.account_id == account.id, MatchItem.item_kind == ItemKind.PAYMENT)
            .where(col(MatchItem.active), col(MatchItem.collected))
        )
    )


def _before_match(payment: Payment) -> Row:
    """What a transfer was before a match of ours: asked for, and told of by nobody."""
    return {
        "status": "pending",
        "paid_at": payment.created_at,
        "amount": payment.amount_minor,
        "provider_txn_id": None,
    }


def _compared_minor(payment: Payment) -> int:
    """What the evidence has to agree with: what was asked, or what a notice told of a transfer.

    A provider that collects another amount than was asked is a mismatch. A payer who transfers
    another amount is not the bank's mistake: notice and statement line are one receipt.
    """
    if payment.channel is Channel.BANK_TRANSFER and _is_told(payment):
        return payment.collected_minor or payment.amount_minor
    return payment.amount_minor


def _is_told(payment: Payment) -> bool:
    """Whether what stands beside the payment was said by a channel; a reversed transfer is open."""
    succeeded = payment.status is PaymentStatus.SUCCEEDED
    return succeeded or payment.channel is not Channel.BANK_TRANSFER


def _payment_row(payment: Payment, bill: Bill, office_code: str) -> Row:
    return {
        "payment_id": payment.id,
        "bill_reference": bill.bill_reference,
        "kind": "payment",
        "channel": payment.channel.value,
        "provider_txn_id": payment.provider_txn_id if _is_told(payment) else None,
        "amount": _compared_minor(payment),
        "currency": payment.currency.value,
        "status": _word(payment),
        "paid_at": _paid_at(payment),
        "payer_name": bill.payer_name,
        "dossier_code": bill.dossier_code,
        "office_code": office_code,
    }


def _word(payment: Payment) -> str:
    """The status as the matcher knows it; what a bank took back is open again there.

    A provider's report still lists the collection beside its chargeback, so for providers the
    payment stays succeeded there.
    """
    if payment.status is PaymentStatus.REVERSED:
        return "pending" if payment.channel is Channel.BANK_TRANSFER else "succeeded"
    return _WORDS[payment.status]


def _paid_at(payment: Payment) -> datetime:
    """When it was paid as far as we were told, and what was taken back was not."""
    if payment.paid_at is None or _word(payment) == "pending":
        return payment.created_at
    return payment.paid_at


def _refund_row(refund: Refund, payment: Payment, bill: Bill, office_code: str) -> Row:
    """A refund as the matcher sees it; one that the bank was ordered to send is due from then on.

    Like a remittance: its debit proves it, and is missed where none comes. That a match of ours
    has proved it does not change the row.
    """
    ordered = refund.channel is Channel.BANK_TRANSFER and refund.status is not RefundStatus.FAILED
    return {
        "payment_id": refund.id,
        "bill_reference": bill.bill_reference,
        "kind": "refund",
        "parent_payment_id": payment.id,
        "channel": refund.channel.value,
        "provider_txn_id": refund.provider_txn_id,
        "amount": refund.amount_minor,
        "currency": refund.currency.value,
        "status": "succeeded" if ordered else _REFUND_WORDS[refund.status],
        "paid_at": refund.submitted_at if ordered else refund.settled_at or refund.submitted_at,
        "payer_name": bill.payer_name,
        "dossier_code": bill.dossier_code,
        "office_code": office_code,
    }


def _remittance_row(remittance: Remittance) -> Row:
    return {
        "payment_id": remittance.id,
        "bill_reference": remittance.reference,
        "kind": "remittance",
        "channel": Channel.BANK_TRANSFER.value,
        "amount": remittance.amount_minor,
        "currency": remittance.currency.value,
        "status": "failed" if remittance.status is RemittanceStatus.REFUSED else "succeeded",
        "paid_at": remittance.instructed_at,
    }
