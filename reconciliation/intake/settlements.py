"""Settlement reports: whose they are, and their lines, whole."""

from typing import Final

from sqlmodel import Session, col, select

from core.actors import Permission
from core.clock import Clock
from core.crypto import Vault
from payments.channels import Channel
from payments.models import Bill, CollectingAccount, Payment
from reconciliation.intake.files import (
    Delivery,
    ImportReport,
    as_json,
    known_file,
    require_scope,
    store_file,
)
from reconciliation.models import (
    EvidenceFile,
    FileKind,
    Settlement,
    SettlementLine,
)
from reconciliation.ports import (
    Outcome,
    ParsedSettlement,
    Problem,
)

_KEY_BATCH: Final = 500


def import_settlement(
    session: Session,
    parsed: ParsedSettlement,
    delivery: Delivery,
    *,
    vault: Vault,
    clock: Clock,
    account: CollectingAccount | None = None,
) -> ImportReport:
    """Store a parsed settlement report, in the caller's one transaction.

    Without ``account`` it is the one whose payments the lines name, if all agree. The same bytes
    again change nothing, except that a file which was held or refused is looked at anew.

    Raises:
        PermissionDeniedError: it is of an account outside the offices of who brought it.
    """
    delivery.actor.require(Permission.IMPORT_STATEMENTS)
    if (known := known_file(session, parsed.sha256)) is not None:
        return known
    problems = list(parsed.problems)
    outcome = parsed.outcome
    account = account or _account_of_settlement(session, parsed)
    require_scope(session, [account] if account else [], delivery.actor)
    if outcome is Outcome.OK and account is None:
        outcome = Outcome.HELD
        problems.append(
            Problem("S003", "report", "its lines do not tell which collecting account is paid")
        )
    if outcome is Outcome.OK and account is not None:
        place = (account.id, Channel(parsed.provider), parsed.report_id)
        if _settlement_exists(session, *place):
            outcome = Outcome.HELD
            problems.append(
                Problem("S020", "report", "another version of this report is stored already")
            )
    report = ImportReport("", parsed.file, outcome, problems=problems)
    file = store_file(
        session, (FileKind.SETTLEMENT, parsed.file, parsed.format), report, delivery, vault, clock
    )
    if outcome is Outcome.OK and account is not None:
        _store_settlement(session, parsed, account, file, clock=clock)
        report.lines_added = len(parsed.lines)
        file.report = as_json(report)
    return report


def _store_settlement(
    session: Session,
    parsed: ParsedSettlement,
    account: CollectingAccount,
    file: EvidenceFile,
    *,
    clock: Clock,
) -> None:
    provider = Channel(parsed.provider)
    settlement = Settlement(
        file_id=file.id,
        account_id=account.id,
        provider=provider,
        report_id=parsed.report_id,
        line_count=len(parsed.lines),
        created_at=clock(),
    )
    session.add(settlement)
    session.flush()
    session.add_all(
        SettlementLine(
            settlement_id=settlement.id,
            account_id=account.id,
            provider=provider,
            report_id=parsed.report_id,
            position=line.position,
            kind=line.kind,
            provider_txn_id=line.provider_txn_id,
            bill_reference=line.bill_reference,
            gross_minor=line.gross.amount_minor,
            fee_minor=line.fee.amount_minor,
            net_minor=line.net.amount_minor,
            currency=line.gross.currency.value,
            occurred_at=line.occurred_at,
            payout_id=line.payout_id,
            payout_date=line.payout_date,
        )
        for line in parsed.lines
    )
    session.flush()


def _account_of_settlement(session: Session, parsed: ParsedSettlement) -> CollectingAccount | None:
    ids = [line.provider_txn_id for line in parsed.lines if line.provider_txn_id]
    references = [line.bill_reference for line in parsed.lines if line.bill_reference]
    accounts: set[str] = set()
    for start in range(0, max(len(ids), len(references)), _KEY_BATCH):
        part = slice(start, start + _KEY_BATCH)
        accounts |= set(
            session.exec(
                select(Payment.account_id)
                .where(Payment.channel == Channel(parsed.provider))
                .where(col(Payment.provider_txn_id).in_(ids[part]))
            )
        )
        accounts |= set(
            session.exec(
                select(Payment.account_id)
                .join(Bill, col(Bill.id) == col(Payment.bill_id))
                .where(col(Bill.bill_reference).in_(references[part]))
            )
        )
    return session.get(CollectingAccount, accounts.pop()) if len(accounts) == 1 else None


def _settlement_exists(
    session: Session, account_id: str, provider: Channel, report_id: str
) -> bool:
    return (
        session.exec(
            select(Settlement.id)
            .where(Settlement.account_id == account_id, Settlement.provider == provider)
            .where(Settlement.report_id == report_id)
        ).first()
        is not None
    )
