"""Bank statements: whose they are, whether they were corrected, which lines are new."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from sqlmodel import Session, col, select

from core.actors import Permission
from core.clock import Clock
from core.crypto import Vault
from core.errors import MoneyFormatError
from core.money import Currency, Money
from payments.models import CollectingAccount
from reconciliation import identity
from reconciliation.continuity import QUARTER, GapKind, chains_of
from reconciliation.intake.files import (
    Delivery,
    ImportReport,
    as_json,
    known_file,
    require_scope,
    store_file,
)
from reconciliation.intake.lines import free_statement_key, late_problems, store_lines
from reconciliation.models import (
    EvidenceFile,
    FileKind,
    Statement,
)
from reconciliation.ports import (
    LineStatus,
    Outcome,
    ParsedFile,
    ParsedStatement,
    Problem,
)

_NEWS: Final = frozenset({"camt.052", "camt.054", "mt942"})
"""Kinds that tell early, and in other words, what the day's statement books."""
_GAP_CODES: Final = {GapKind.BALANCE: "S023", GapKind.NUMBER: "S025", GapKind.DAYS: "S026"}


def import_statement(
    session: Session, parsed: ParsedFile, delivery: Delivery, *, vault: Vault, clock: Clock
) -> ImportReport:
    """Store a parsed statement file and post its lines, in the caller's one transaction.

    The same bytes again change nothing, except that a file which was held or refused is looked
    at anew: what kept it may have been mended. Lines that were stored before (overlapping
    exports) are known by what they say and which twin they are; two identical lines of one file
    stay two, and so do those of statements that continue each other. Of an interim report or a
    notice the file alone is kept: its lines come again in the statement, and are money once.

    Raises:
        PermissionDeniedError: it is of an account outside the offices of who brought it.
    """
    delivery.actor.require(Permission.IMPORT_STATEMENTS)
    if (known := known_file(session, parsed.sha256)) is not None:
        return known
    problems = list(parsed.problems)
    outcome = parsed.outcome
    accounts: list[CollectingAccount] = []
    if outcome is Outcome.OK:
        accounts, found = _accounts_of(session, parsed.statements)
        require_scope(session, accounts, delivery.actor)
        problems += found
        outcome = Outcome.REFUSED if found else outcome
    if outcome is Outcome.OK and (
        found := _not_money(parsed) or _corrections(session, parsed, accounts)
    ):
        problems += found
        outcome = Outcome.HELD
    is_news = identity.statement_kind(parsed.format) in _NEWS
    if outcome is Outcome.OK and is_news:
        problems.append(Problem("S024", "file", "nothing is booked from it: the statement books"))
    report = ImportReport("", parsed.file, outcome, problems=problems)
    file = store_file(
        session, (FileKind.STATEMENT, parsed.file, parsed.format), report, delivery, vault, clock
    )
    if outcome is Outcome.OK and not is_news:
        _store_statements(session, parsed, accounts, file, report, clock=clock)
        file.report = as_json(report)
    return report


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
    problems, digests = [], dict[str, str]()
    pairs = zip(parsed.statements, accounts, strict=True)
    for number, (statement, account) in enumerate(pairs, start=1):
        where, digest = f"statement {number}", identity.statement_digest(statement)
        beside = digests.setdefault(identity.statement_key(statement, kind=kind), digest)
        if beside != digest:
            text = "another version of a statement that stands before it in the file"
            problems.append(Problem("S021", where, text))
        elif _is_correction(session, statement, account, kind):
            text = "another version of a statement that is stored already"
            problems.append(Problem("S021", where, text))
    return problems


def _is_correction(
    session: Session, statement: ParsedStatement, account: CollectingAccount, kind: str
) -> bool:
    """Whether a stored statement has this one's key or place in the series, but says else."""
    key, digest = identity.statement_key(statement, kind=kind), identity.statement_digest(statement)
    known = session.exec(
        select(Statement).where(Statement.statement_key == key, col(Statement.undone_at).is_(None))
    ).first()
    if known is not None:
        return known.digest != digest
    place = identity.statement_place(statement, kind=kind)
    if place is None:
        return False
    same_number = session.exec(
        select(Statement, EvidenceFile.format)
        .join(EvidenceFile, col(EvidenceFile.id) == col(Statement.file_id))
        .where(Statement.account_id == account.id, Statement.number == statement.number)
        .where(col(Statement.undone_at).is_(None))
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
        continues = _continues_another(session, statement, account)
        row = _statement_row(session, statement, account, file, kind, clock=clock)
        booked = [
            (line, key)
            for line, key in zip(statement.lines, keys, strict=True)
            if line.status is LineStatus.BOOKED and line.amount
        ]
        if row is None:
            report.lines_known += len(booked)
            continue
        stored = store_lines(session, booked, row, account, continues=continues, clock=clock)
        report.lines_added += stored.added
        report.lines_known += len(booked) - stored.added
        report.problems += late_problems(row, stored.late)
        report.problems += _gaps_beside(session, row, account)


def _continues_another(
    session: Session, statement: ParsedStatement, account: CollectingAccount
) -> bool:
    """Whether a stored statement of the same days closes where this one opens.

    Its lines then come after those, and an equal one is a twin. An export that repeats lines
    opens where the stored one opened.
    """
    opening = _minor(statement.opening_balance, statement.currency)
    if opening is None or statement.from_date is None:
        return False
    stored = session.exec(
        select(Statement)
        .where(Statement.account_id == account.id, col(Statement.undone_at).is_(None))
        .where(col(Statement.to_date) >= statement.from_date)
    ).all()
    before = any(row.closing_minor == opening for row in stored)
    return before and not any(row.opening_minor == opening for row in stored)


def _statement_row(
    session: Session,
    statement: ParsedStatement,
    account: CollectingAccount,
    file: EvidenceFile,
    kind: str,
    *,
    clock: Clock,
) -> Statement | None:
    key = free_statement_key(session, identity.statement_key(statement, kind=kind))
    if key is None:
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


def _gaps_beside(session: Session, row: Statement, account: CollectingAccount) -> list[Problem]:
    """Name what is missing before or after a statement that was just stored."""
    since = None if row.from_date is None else row.from_date - QUARTER
    gaps = [gap for chain in chains_of(session, account, since=since) for gap in chain.gaps]
    return [
        Problem(_GAP_CODES[gap.kind], f"statement {gap.before.number}", gap.text)
        for gap in gaps
        if row.id in (gap.after.id, gap.before.id)
    ]


def _minor(amount: Decimal | None, currency: str) -> int | None:
    if amount is None:
        return None
    return Money.parse(format(amount, "f"), Currency(currency)).amount_minor
