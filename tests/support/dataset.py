"""Loads a labelled data set in the interchange format into a database, ids unchanged."""

import csv
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session

from core.money import Currency
from payments.channels import Channel, Rail
from payments.models import (
    Bill,
    CollectingAccount,
    Office,
    OfficeKind,
    Payment,
    Refund,
    Remittance,
)
from payments.states import PaymentStatus, RefundStatus
from reconciliation.models import (
    EvidenceFile,
    FileKind,
    NarrativeRule,
    ProviderContract,
    Settlement,
    SettlementLine,
    Statement,
    StatementLine,
)
from reconciliation.ports import BalanceCheck, Outcome

_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_FAR = date(2027, 12, 31)

RAIL_OF = {"bank_transfer": Rail.VIETQR} | {
    channel.value: Rail(channel.value)
    for channel in Channel
    if channel is not Channel.BANK_TRANSFER
}
"""The rail over which a channel of the files is paid."""


def load_dataset(session: Session, folder: Path) -> tuple[CollectingAccount, date]:
    """Insert payments, settlements and bank lines of ``folder``; returns account and as_of."""
    contracts = json.loads((folder / "contracts.json").read_text(encoding="utf-8"))
    account = _account(session, contracts)
    office = Office(
        code="DATA", kind=OfficeKind.COMMUNE, name_vi="Dữ liệu", name_en="Data",
        path="/DATA/", account_id=account.id,
    )  # fmt: skip
    session.add(office)
    session.flush()
    _payments(session, folder / "payments.csv", account, office)
    _evidence(session, folder, account)
    session.flush()
    return account, date.fromisoformat(contracts["as_of"])


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _account(session: Session, contracts: dict[str, Any]) -> CollectingAccount:
    account = CollectingAccount(
        account_number=contracts["account"],
        bank_bin="970436",
        bank_name="Bank",
        account_name="DATA",
        reference_prefix=contracts["reference_prefix"],
        grace_days=contracts["grace_days"],
    )
    session.add(account)
    session.flush()
    for provider, terms in contracts["providers"].items():
        session.add(
            ProviderContract(
                account_id=account.id,
                provider=Channel(provider),
                rate_bps=terms["rate_bps"],
                fixed_minor=terms["fixed"],
                rounding=terms["rounding"],
                settlement_days=terms["settlement_days"],
                payout_accounts=terms["payout_accounts"],
                payout_names=terms["payout_names"],
            )
        )
    for position, rule in enumerate(contracts["narrative_rules"]):
        session.add(NarrativeRule(account_id=account.id, position=position, **rule))
    session.flush()
    return account


def _payments(session: Session, path: Path, account: CollectingAccount, office: Office) -> None:
    bills: dict[str, Bill] = {}
    attempts: dict[str, int] = {}
    for row in _rows(path):
        amount, when = int(row["amount"]), datetime.fromisoformat(row["paid_at"])
        if row["kind"] == "remittance":
            session.add(
                Remittance(
                    id=row["payment_id"],
                    account_id=account.id,
                    reference=row["bill_reference"],
                    amount_minor=amount,
                    parts={},
                    prepared_by="a",
                    approved_by="b",
                    created_at=when,
                    instructed_at=when,
                )
            )
        elif row["kind"] == "refund":
            session.add(
                Refund(
                    id=row["payment_id"],
                    payment_id=row["parent_payment_id"],
                    account_id=account.id,
                    refund_reference=row["payment_id"],
                    amount_minor=amount,
                    status=RefundStatus(row["status"]),
                    channel=Channel(row["channel"]),
                    reason="data",
                    evidence="data",
                    requested_by="a",
                    approved_by="b",
                    provider_txn_id=row["provider_txn_id"] or None,
                    created_at=when,
                    submitted_at=when,
                    settled_at=when,
                )
            )
        else:
            bill = bills.get(row["bill_reference"])
            if bill is None:
                bill = _bill(row, office, amount, when)
                bills[row["bill_reference"]] = bill
                session.add(bill)
                session.flush()
            number = attempts[bill.id] = attempts.get(bill.id, 0) + 1
            succeeded = row["status"] == "succeeded"
            session.add(
                Payment(
                    id=row["payment_id"],
                    bill_id=bill.id,
                    account_id=account.id,
                    attempt=number,
                    channel=Channel(row["channel"]),
                    rail=RAIL_OF[row["channel"]],
                    merchant_reference=f"{row['bill_reference']}-{number}",
                    amount_minor=amount,
                    currency=Currency(row["currency"]),
                    status=PaymentStatus(row["status"]),
                    collected_minor=amount if succeeded else None,
                    collected_currency=row["currency"] if succeeded else "",
                    provider_txn_id=row["provider_txn_id"] or None,
                    created_at=when,
                    status_at=when,
                    expires_at=when,
                    paid_at=when if succeeded else None,
                )
            )
            if succeeded:
                bill.received_minor += amount
    session.flush()


def _bill(row: dict[str, str], office: Office, amount: int, when: datetime) -> Bill:
    return Bill(
        bill_reference=row["bill_reference"],
        dossier_code=row["dossier_code"],
        office_id=office.id,
        title_vi="Dữ liệu",
        title_en="Data",
        amount_minor=amount,
        due_minor=amount,
        currency=Currency(row["currency"]),
        due_date=_FAR,
        expires_on=_FAR,
        payer_name=row["payer_name"],
        created_at=when,
        status_at=when,
    )


def _evidence(session: Session, folder: Path, account: CollectingAccount) -> None:
    file = EvidenceFile(
        sha256="0" * 64, kind=FileKind.STATEMENT, name=folder.name, format="data",
        outcome=Outcome.OK, report={}, sealed=b"", size=0, source="test", imported_by="test",
        received_at=_NOW,
    )  # fmt: skip
    session.add(file)
    session.flush()
    statement = Statement(
        file_id=file.id, account_id=account.id, statement_key="data", digest="", number="1",
        page=1, currency="VND", balance_check=BalanceCheck.NOT_STATED, line_count=0,
        created_at=_NOW,
    )  # fmt: skip
    settlement = Settlement(
        file_id=file.id, account_id=account.id, provider=Channel.VNPAY, report_id="data",
        line_count=0, created_at=_NOW,
    )  # fmt: skip
    session.add_all([statement, settlement])
    session.flush()
    for row in _rows(folder / "settlements.csv"):
        session.add(
            SettlementLine(
                id=row["line_id"],
                settlement_id=settlement.id,
                account_id=account.id,
                provider=Channel(row["provider"]),
                report_id=row["report_id"],
                position="",
                kind=row["kind"],
                provider_txn_id=row["provider_txn_id"],
                bill_reference=row["bill_reference"],
                gross_minor=int(row["gross"]),
                fee_minor=int(row["fee"]),
                net_minor=int(row["net"]),
                currency=row["currency"],
                occurred_at=row["occurred_at"],
                payout_id=row["payout_id"],
                payout_date=date.fromisoformat(row["payout_date"]),
            )
        )
    for row in _rows(folder / "bank.csv"):
        session.add(
            StatementLine(
                id=row["line_id"],
                statement_id=statement.id,
                account_id=account.id,
                line_key=row["line_id"],
                position="",
                booking_date=date.fromisoformat(row["booking_date"]),
                value_date=date.fromisoformat(row["value_date"]),
                amount_minor=int(row["amount"]),
                currency=row["currency"],
                narrative=row["narrative"],
                counterparty_name=row["counterparty_name"],
                counterparty_account=row["counterparty_account"],
                bank_ref=row["bank_ref"],
            )
        )
