"""The JSON objects that inspection and import print of parsed files."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any, Final

from reconciliation.ports import (
    LayoutProposal,
    LineStatus,
    ParsedDetail,
    ParsedFile,
    ParsedLine,
    ParsedSettlement,
    ParsedSettlementLine,
    ParsedStatement,
    Problem,
)

PREVIEW_LINES: Final = 10
"""Lines of a proposal's preview; its counts and sums are of all that were looked at."""


def statement_file_json(parsed: ParsedFile) -> dict[str, Any]:
    """A statement file as the object of ``doisoat statement inspect --json``.

    Amounts are decimal strings as written (null where not stated), days ``YYYY-MM-DD``. A table
    of unknown layout has its ``proposal`` beside the rest.
    """
    proposal = parsed.proposal
    return {
        "file": parsed.file,
        "sha256": parsed.sha256,
        "format": parsed.format,
        "outcome": parsed.outcome.value,
        "statements": [_statement(statement) for statement in parsed.statements],
        "problems": [_problem(problem) for problem in parsed.problems],
    } | ({} if proposal is None else {"proposal": proposal_json(proposal)})


def proposal_json(proposal: LayoutProposal) -> dict[str, Any]:
    """A proposed layout: the profile as it would be saved, what is open, and a preview by it."""
    previews = []
    for statement in proposal.statements:
        preview = _statement(statement)
        preview["lines"] = preview["lines"][:PREVIEW_LINES]
        previews.append(preview)
    return {
        "profile": proposal.profile,
        "header": proposal.header,
        "questions": [
            {"about": one.about, "message": one.message, "choices": list(one.choices)}
            for one in proposal.questions
        ],
        "assumptions": proposal.assumptions,
        "proof": proposal.proof,
        "preview": previews,
        "problems": [_problem(problem) for problem in proposal.problems[:PREVIEW_LINES]],
    }


def settlement_file_json(parsed: ParsedSettlement) -> dict[str, Any]:
    """A settlement report as a JSON object; amounts are decimal strings of major units."""
    return {
        "file": parsed.file,
        "sha256": parsed.sha256,
        "format": parsed.format,
        "provider": parsed.provider,
        "report_id": parsed.report_id,
        "outcome": parsed.outcome.value,
        "line_count": len(parsed.lines),
        "lines": [_settlement_line(line) for line in parsed.lines],
        "problems": [_problem(problem) for problem in parsed.problems],
    }


def booked_totals(lines: Iterable[ParsedLine]) -> tuple[int, Decimal, Decimal]:
    """Number of booked lines, sum of credits, sum of debits as a positive amount."""
    count, credit, debit = 0, Decimal(0), Decimal(0)
    for line in lines:
        if line.status is LineStatus.BOOKED:
            count += 1
            credit += max(line.amount, Decimal(0))
            debit -= min(line.amount, Decimal(0))
    return count, credit, debit


def _statement(statement: ParsedStatement) -> dict[str, Any]:
    count, credit, debit = booked_totals(statement.lines)
    return {
        "account": statement.account,
        "currency": statement.currency,
        "number": statement.number,
        "page": statement.page,
        "from": _day(statement.from_date),
        "to": _day(statement.to_date),
        "opening_balance": _decimal(statement.opening_balance),
        "closing_balance": _decimal(statement.closing_balance),
        "balance_check": statement.balance_check.value,
        "line_count": count,
        "credit_total": _decimal(credit),
        "debit_total": _decimal(debit),
        "lines": [_line(line) for line in statement.lines],
    }


def _line(line: ParsedLine) -> dict[str, Any]:
    return {
        "position": line.position,
        "booking_date": _day(line.booking_date),
        "value_date": _day(line.value_date),
        "amount": _decimal(line.amount),
        "currency": line.currency,
        "status": line.status.value,
        "reversal": line.reversal,
        "narrative": line.narrative,
        "reference": line.reference,
        "bank_reference": line.bank_reference,
        "counterparty_name": line.counterparty_name,
        "counterparty_account": line.counterparty_account,
        "details": [_detail(detail) for detail in line.details],
    }


def _detail(detail: ParsedDetail) -> dict[str, Any]:
    return {
        "amount": _decimal(detail.amount),
        "currency": detail.currency,
        "narrative": detail.narrative,
        "reference": detail.reference,
        "bank_reference": detail.bank_reference,
        "counterparty_name": detail.counterparty_name,
        "counterparty_account": detail.counterparty_account,
        "residual": detail.residual,
    }


def _settlement_line(line: ParsedSettlementLine) -> dict[str, Any]:
    return {
        "position": line.position,
        "kind": line.kind,
        "provider_txn_id": line.provider_txn_id,
        "bill_reference": line.bill_reference,
        "currency": line.gross.currency.value,
        "gross": line.gross.decimal,
        "fee": line.fee.decimal,
        "net": line.net.decimal,
        "occurred_at": line.occurred_at,
        "payout_id": line.payout_id,
        "payout_date": line.payout_date.isoformat(),
    }


def _problem(problem: Problem) -> dict[str, str]:
    return {"code": str(problem.code), "where": problem.where, "message": problem.message}


def _decimal(amount: Decimal | None) -> str | None:
    return None if amount is None else format(amount, "f")


def _day(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
