"""Taking in evidence: a statement or settlement file is stored once, whole, or not at all.

The raw bytes are kept encrypted whatever becomes of the file. Of a refused or held one nothing
else is stored, so nothing of it can be matched.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import and_, or_
from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.crypto import Vault
from core.errors import MoneyFormatError
from core.ids import new_id
from core.money import Currency, Money
from payments.channels import Channel
from payments.ledger import chart, posting
from payments.ledger.models import MoneyEvent
from payments.models import Bill, CollectingAccount, Payment
from reconciliation import identity
from reconciliation.models import (
    EvidenceFile,
    FileKind,
    Settlement,
    SettlementLine,
    Statement,
    StatementLine,
)
from reconciliation.ports import (
    LineStatus,
    Outcome,
    ParsedFile,
    ParsedLine,
    ParsedSettlement,
    ParsedStatement,
    Problem,
)

_KEY_BATCH: Final = 500


@dataclass(slots=True)
class ImportReport:
    """What became of a file: how many lines are new, how many were known already."""

    file_id: str
    name: str
    outcome: Outcome
    known_file: bool = False
    lines_added: int = 0
    lines_known: int = 0
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file as it arrived: its bytes, where from, and who brought it."""

    content: bytes
    source: str
    actor: Actor


def import_statement(
    session: Session, parsed: ParsedFile, delivery: Delivery, *, vault: Vault, clock: Clock
) -> ImportReport:
    """Store a parsed statement file and post its lines, in the caller's one transaction.

    The same bytes again change nothing. Lines that were stored before (overlapping exports) are
    known by what they say and which twin they are; two identical lines of one file stay two.
    """
    delivery.actor.require(Permission.IMPORT_STATEMENTS)
    if (known := _known_file(session, parsed.sha256)) is not None:
        return known
    problems = list(parsed.problems)
    outcome = parsed.outcome
    accounts: list[CollectingAccount] = []
    if outcome is Outcome.OK:
        accounts, found = _accounts_of(session, parsed.statements)
        problems += found
        outcome = Outcome.REFUSED if found else outcome
    if outcome is Outcome.OK and (
        found := _not_money(parsed) or _corrections(session, parsed, accounts)
    ):
        problems += found
        outcome = Outcome.HELD
    report = ImportReport("", parsed.file, outcome, problems=problems)
    file = _store_file(
        session, (FileKind.STATEMENT, parsed.file, parsed.format), report, delivery, vault, clock
    )
    if outcome is Outcome.OK:
        _store_statements(session, parsed, accounts, file, report, clock=clock)
        file.report = _as_json(report)
    return report


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

    Without ``account`` it is the one whose payments the lines name, if all agree.
    """
    delivery.actor.require(Permission.IMPORT_STATEMENTS)
    if (known := _known_file(session, parsed.sha256)) is not None:
        return known
    problems = list(parsed.problems)
    outcome = parsed.outcome
    account = account or _account_of_settlement(session, parsed)
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
    file = _store_file(
        session, (FileKind.SETTLEMENT, parsed.file, parsed.format), report, delivery, vault, clock
    )
    if outcome is Outcome.OK and account is not None:
        _store_settlement(session, parsed, account, file, clock=clock)
        report.lines_added = len(parsed.lines)
        file.report = _as_json(report)
    return report


def raw_file(file: EvidenceFile, *, vault: Vault) -> bytes:
    """Return the bytes of a stored file as they came."""
    return vault.decrypt(file.sealed, place=f"evidence_file.sealed.{file.id}")


def _known_file(session: Session, sha256: str) -> ImportReport | None:
    file = session.exec(select(EvidenceFile).where(EvidenceFile.sha256 == sha256)).first()
    if file is None:
        return None
    stored = dict(file.report)
    problems = [Problem(**problem) for problem in stored.get("problems", [])]
    return ImportReport(
        file.id,
        file.name,
        file.outcome,
        known_file=True,
        lines_known=stored.get("lines_added", 0) + stored.get("lines_known", 0),
        problems=problems,
    )


def _accounts_of(
    session: Session, statements: Sequence[ParsedStatement]
) -> tuple[list[CollectingAccount], list[Problem]]:
    ours = {
        identity.normalise_account(account.account_number): account
        for account in session.exec(select(CollectingAccount))
    }
    found, problems = [], []
    for number, statement in enumerate(statements, start=1):
        account = ours.get(identity.normalise_account(statement.account))
        if account is None:
            where = f"statement {number}"
            problems.append(
                Problem("S003", where, f"account {statement.account!r} is not known here")
            )
        else:
            found.append(account)
    return found, problems


def _corrections(
    session: Session, parsed: ParsedFile, accounts: Sequence[CollectingAccount]
) -> list[Problem]:
    kind = identity.statement_kind(parsed.format)
    text = "another version of a statement that is stored already"
    return [
        Problem("S021", f"statement {number}", text)
        for number, (statement, account) in enumerate(
            zip(parsed.statements, accounts, strict=True), start=1
        )
        if _is_correction(session, statement, account, kind)
    ]


def _is_correction(
    session: Session, statement: ParsedStatement, account: CollectingAccount, kind: str
) -> bool:
    """Whether a stored statement has this one's key or place in the series, but says else."""
    key, digest = identity.statement_key(statement, kind=kind), identity.statement_digest(statement)
    known = session.exec(select(Statement).where(Statement.statement_key == key)).first()
    if known is not None:
        return known.digest != digest
    place = identity.statement_place(statement, kind=kind)
    if place is None:
        return False
    same_number = session.exec(
        select(Statement, EvidenceFile.format)
        .join(EvidenceFile, col(EvidenceFile.id) == col(Statement.file_id))
        .where(Statement.account_id == account.id, Statement.number == statement.number)
    )
    return any(
        identity.statement_place(_stated(row, account), kind=identity.statement_kind(name)) == place
        for row, name in same_number
    )


def _stated(row: Statement, account: CollectingAccount) -> ParsedStatement:
    """The head of a stored statement, as it was read."""
    return ParsedStatement(
        account=account.account_number,
        currency=row.currency,
        number=row.number,
        page=row.page,
        from_date=row.from_date,
        to_date=row.to_date,
    )


def _not_money(parsed: ParsedFile) -> list[Problem]:
    """Name balances and booked lines that the books cannot take: no whole amount, or no day."""
    problems = []
    for number, statement in enumerate(parsed.statements, start=1):
        where = f"statement {number}"
        amounts = [
            (where, statement.opening_balance, statement.currency),
            (where, statement.closing_balance, statement.currency),
        ] + [
            (line.position, line.amount, line.currency)
            for line in statement.lines
            if line.status is LineStatus.BOOKED
        ]
        problems += [
            Problem("S022", line.position, "a booked line without a date")
            for line in statement.lines
            if line.status is LineStatus.BOOKED and not (line.booking_date or line.value_date)
        ]
        for place, amount, currency in amounts:
            if (problem := _problem_with(amount, currency)) is not None:
                problems.append(Problem("S022", place, problem))
    return problems


def _problem_with(amount: Decimal | None, currency: str) -> str | None:
    if currency not in set(Currency):
        return f"currency {currency!r} is not collected here"
    try:
        _minor(amount, currency)
    except MoneyFormatError as problem:
        return problem.detail
    return None


def _store_file(
    session: Session,
    what: tuple[FileKind, str, str],
    report: ImportReport,
    delivery: Delivery,
    vault: Vault,
    clock: Clock,
) -> EvidenceFile:
    report.file_id = new_id("fil")
    kind, name, file_format = what
    file = EvidenceFile(
        id=report.file_id,
        sha256=identity.file_sha256(delivery.content),
        kind=kind,
        name=name,
        format=file_format,
        outcome=report.outcome,
        report=_as_json(report),
        sealed=vault.encrypt(delivery.content, place=f"evidence_file.sealed.{report.file_id}"),
        size=len(delivery.content),
        source=delivery.source,
        imported_by=delivery.actor.id,
        received_at=clock(),
    )
    session.add(file)
    session.flush()
    record_audit(
        session,
        delivery.actor,
        f"import_{kind}",
        ("evidence_file", file.id),
        clock=clock,
        after={"outcome": report.outcome.value, "sha256": file.sha256},
    )
    return file


def _store_statements(
    session: Session,
    parsed: ParsedFile,
    accounts: Sequence[CollectingAccount],
    file: EvidenceFile,
    report: ImportReport,
    *,
    clock: Clock,
) -> None:
    kind = identity.statement_kind(parsed.format)
    identities = identity.file_line_identities(parsed)
    for statement, account, keys in zip(parsed.statements, accounts, identities, strict=True):
        row = _statement_row(session, statement, account, file, kind, clock=clock)
        booked = [
            (line, key.key)
            for line, key in zip(statement.lines, keys, strict=True)
            if line.status is LineStatus.BOOKED and line.amount
        ]
        if row is None:
            report.lines_known += len(booked)
            continue
        known = _known_keys(session, [key for _, key in booked])
        for line, key in booked:
            if key in known:
                report.lines_known += 1
                continue
            _store_line(session, line, key, row, account, clock=clock)
            report.lines_added += 1
        if (gap := _gap_before(session, row)) is not None:
            report.problems.append(gap)


def _statement_row(
    session: Session,
    statement: ParsedStatement,
    account: CollectingAccount,
    file: EvidenceFile,
    kind: str,
    *,
    clock: Clock,
) -> Statement | None:
    key = identity.statement_key(statement, kind=kind)
    if session.exec(select(Statement).where(Statement.statement_key == key)).first():
        return None
    row = Statement(
        file_id=file.id,
        account_id=account.id,
        statement_key=key,
        digest=identity.statement_digest(statement),
        number=statement.number,
        page=statement.page,
        from_date=statement.from_date,
        to_date=statement.to_date,
        currency=statement.currency,
        opening_minor=_minor(statement.opening_balance, statement.currency),
        closing_minor=_minor(statement.closing_balance, statement.currency),
        balance_check=statement.balance_check,
        line_count=len(statement.lines),
        created_at=clock(),
    )
    session.add(row)
    session.flush()
    return row


def _store_line(
    session: Session,
    line: ParsedLine,
    key: str,
    statement: Statement,
    account: CollectingAccount,
    *,
    clock: Clock,
) -> None:
    amount = Money.parse(format(line.amount, "f"), Currency(line.currency))
    booked = line.booking_date or line.value_date
    assert booked is not None  # noqa: S101 - such a file was held
    row = StatementLine(
        statement_id=statement.id,
        account_id=account.id,
        line_key=key,
        position=line.position,
        booking_date=booked,
        value_date=line.value_date or booked,
        amount_minor=amount.amount_minor,
        currency=amount.currency.value,
        narrative=line.narrative,
        counterparty_name=line.counterparty_name,
        counterparty_account=line.counterparty_account,
        bank_ref=line.bank_reference,
        reversal=line.reversal,
    )
    session.add(row)
    session.flush()
    bank = chart.bank(account.account_number)
    credit = amount.amount_minor > 0
    posting.post_entry(
        session,
        posting.Cause(
            event=MoneyEvent.STATEMENT_LINE,
            key=f"statement_line:{row.id}",
            account_id=account.id,
            description=row.bank_ref,
        ),
        [
            posting.Leg(bank, chart.SUSPENSE, amount)
            if credit
            else posting.Leg(chart.SUSPENSE, bank, -amount)
        ],
        clock=clock,
        on=row.booking_date,
    )


def _gap_before(session: Session, row: Statement) -> Problem | None:
    """Name the break if this statement does not open where the one before it closed."""
    if row.opening_minor is None or row.from_date is None:
        return None
    earlier_page = and_(
        col(Statement.number) == row.number,
        col(Statement.from_date) == row.from_date,
        col(Statement.page) < row.page,
    )
    before = session.exec(
        select(Statement)
        .where(Statement.account_id == row.account_id, Statement.id != row.id)
        .where(or_(col(Statement.to_date) < row.from_date, earlier_page))
        .order_by(col(Statement.to_date).desc(), col(Statement.page).desc())
    ).first()
    if before is None or before.closing_minor in {None, row.opening_minor}:
        return None
    return Problem(
        "S023",
        f"statement {row.number}",
        f"it opens with {row.opening_minor}, the one before it closed with {before.closing_minor}:"
        " a statement in between is missing",
    )


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


def _known_keys(session: Session, keys: Sequence[str]) -> set[str]:
    known: set[str] = set()
    for start in range(0, len(keys), _KEY_BATCH):
        batch = keys[start : start + _KEY_BATCH]
        known |= set(
            session.exec(
                select(StatementLine.line_key).where(col(StatementLine.line_key).in_(batch))
            )
        )
    return known


def _minor(amount: Decimal | None, currency: str) -> int | None:
    if amount is None:
        return None
    return Money.parse(format(amount, "f"), Currency(currency)).amount_minor


def _as_json(report: ImportReport) -> dict[str, Any]:
    return asdict(report) | {"outcome": report.outcome.value}
