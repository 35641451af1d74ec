"""Keys by which a file, a statement and a line are known again when they arrive once more.

Three questions, three answers. *The same bytes?* the file's SHA-256. *The same statement?* its
:func:`statement_key`, and then its :func:`statement_digest`: an equal digest is a copy, another
one a corrected version that a person has to see. *The same line?* its :class:`LineIdentity`:
what the line says, and the how-manieth line saying so it is. Lines of one file are never merged,
so two genuine twins stay two; a re-exported twin gets the number it had and adds nothing.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from reconciliation.ports import (
    LineStatus,
    ParsedDetail,
    ParsedFile,
    ParsedLine,
    ParsedSettlement,
    ParsedStatement,
)

NO_REFERENCE: Final = frozenset({"", "NONREF", "NOTPROVIDED", "NOTAVAILABLE", "NA", "0"})
"""What banks write where they have no reference; never an identity."""


@dataclass(frozen=True, slots=True)
class LineIdentity:
    """Who a line is: ``content`` (hash of what it says) and ``occurrence`` (1, 2, … of it).

    ``key`` joins both and is what a UNIQUE constraint per account holds.
    """

    content: str
    occurrence: int

    @property
    def key(self) -> str:
        """The line key, 64 hex digits."""
        return _digest("line", self.content, str(self.occurrence))


def again(key: str, generation: int) -> str:
    """A key for what says the same once more after an import was taken back."""
    return _digest("again", key, str(generation))


def file_sha256(content: bytes) -> str:
    """The identity of a file: SHA-256 of its bytes, in hex."""
    return hashlib.sha256(content).hexdigest()


def normalise_account(account: str) -> str:
    """An account number or IBAN as it is compared: upper case, without blanks, dots, hyphens."""
    folded = unicodedata.normalize("NFKC", account).upper()
    return "".join(c for c in folded if not c.isspace() and c not in ".-")


def normalise_text(text: str) -> str:
    """A narrative as it is compared: letters without diacritics and digits, upper case, no gaps.

    Exports of one line differ in line breaks, blanks and diacritics; nothing else is dropped
    that could tell two lines apart but punctuation.
    """
    folded = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(c for c in folded.upper() if c.isalnum())


def statement_kind(file_format: str) -> str:
    """The kind of a format, the same for all its versions: ``camt.053.001.08`` is ``camt.053``.

    So is ``table:abc@2`` the kind ``table:abc``: a layout that is mended reads the same tables.
    """
    parts = file_format.split(".")
    return ".".join(parts[:2]) if parts[0] == "camt" else file_format.partition("@")[0]


def statement_key(statement: ParsedStatement, *, kind: str) -> str:
    """The identity of a statement, 64 hex digits.

    Account, currency, kind (:func:`statement_kind`), number, period, balances and page; not the
    message id, the time of creation or the file name, which change with every export. Numbers
    start again each year, which the period tells apart.
    """
    return _digest(
        "statement",
        *_place(statement, kind),
        _day(statement.from_date),
        _day(statement.to_date),
        _plain(statement.opening_balance),
        _plain(statement.closing_balance),
    )


def statement_place(statement: ParsedStatement, *, kind: str) -> str | None:
    """Where a numbered statement stands in its account's series, whatever its balances say.

    Two statements of one place that differ in :func:`statement_key` or :func:`statement_digest`
    are versions of each other. None where the bank gives no number or no date.
    """
    day = statement.to_date or statement.from_date
    if not statement.number or day is None:
        return None
    return _digest("place", *_place(statement, kind), str(day.year))


def statement_digest(statement: ParsedStatement) -> str:
    """What a statement says: a hash over its lines, whatever their order, and its balances."""
    return _digest(
        "entries",
        _plain(statement.opening_balance),
        _plain(statement.closing_balance),
        *sorted(_whole_line(line) for line in statement.lines),
    )


def line_identities(
    statement: ParsedStatement,
    *,
    counted: Counter[tuple[date | None, str]] | None = None,
    reference_is_unique: bool = False,
) -> list[LineIdentity]:
    """The identities of a statement's lines, in their order.

    Occurrences are counted within account and booking date. ``counted`` goes on from lines that
    stand *before* these and are not repeated here (an earlier page of the same statement); it is
    updated. Where the account's bank guarantees unique references
    (``reference_is_unique``), a line whose reference stands once in the statement is known by it
    alone, so that another wording is no other line; all others by all that they say.
    """
    numbers: Counter[tuple[date | None, str]] = Counter() if counted is None else counted
    once = _references_used_once(statement.lines) if reference_is_unique else frozenset[str]()
    identities = []
    for line in statement.lines:
        content = line_content(line, account=statement.account, by_reference=once)
        numbers[line.booking_date, content] += 1
        identities.append(LineIdentity(content, numbers[line.booking_date, content]))
    return identities


def file_line_identities(
    parsed: ParsedFile, *, reference_is_unique: Mapping[str, bool] | None = None
) -> list[list[LineIdentity]]:
    """The identities of all lines of a file, statement by statement.

    One count runs through the whole file: a twin on the next page or in the next statement of
    the same file is another line. ``reference_is_unique`` is looked up by normalised account.
    """
    unique = reference_is_unique or {}
    counted: Counter[tuple[date | None, str]] = Counter()
    return [
        line_identities(
            statement,
            counted=counted,
            reference_is_unique=unique.get(normalise_account(statement.account), False),
        )
        for statement in parsed.statements
    ]


def line_content(
    line: ParsedLine, *, account: str, by_reference: frozenset[str] = frozenset()
) -> str:
    """Hash of what a line says; ``by_reference`` are bank references that identify by themselves.

    A pending line and the booking that follows it are different lines: one is news, one money.
    """
    money = (normalise_account(account), _plain(line.amount), line.currency)
    booked = "money" if line.status is LineStatus.BOOKED else line.status.value
    if line.bank_reference in by_reference:
        return _digest("reference", *money, booked, line.bank_reference)
    return _digest(
        "content",
        *money,
        booked,
        _day(line.booking_date),
        _day(line.value_date),
        "reversal" if line.reversal else "",
        normalise_text(line.narrative),
        normalise_text(line.reference),
        normalise_text(line.bank_reference),
        normalise_account(line.counterparty_account),
    )


def settlement_line_identities(parsed: ParsedSettlement) -> list[LineIdentity]:
    """The identities of a settlement report's lines, in their order.

    The report id is part of it: a line that comes again in another report is stored again, and
    matching names it a duplicate.
    """
    numbers: Counter[str] = Counter()
    identities = []
    for line in parsed.lines:
        content = _digest(
            "settlement",
            parsed.provider,
            parsed.report_id,
            line.kind,
            line.provider_txn_id,
            line.bill_reference,
            *(str(money) for money in (line.gross, line.fee, line.net)),
            line.occurred_at,
            line.payout_id,
            line.payout_date.isoformat(),
        )
        numbers[content] += 1
        identities.append(LineIdentity(content, numbers[content]))
    return identities


def _references_used_once(lines: Sequence[ParsedLine]) -> frozenset[str]:
    seen = Counter(line.bank_reference for line in lines)
    return frozenset(
        reference
        for reference, times in seen.items()
        if times == 1 and normalise_text(reference) not in NO_REFERENCE
    )


def _place(statement: ParsedStatement, kind: str) -> tuple[str, ...]:
    account = normalise_account(statement.account)
    return (account, statement.currency, kind, statement.number, str(statement.page))


def _whole_line(line: ParsedLine) -> str:
    return _digest(
        line_content(line, account=""),
        line.counterparty_name,
        *(_whole_detail(detail) for detail in line.details),
    )


def _whole_detail(detail: ParsedDetail) -> str:
    return _digest(
        _plain(detail.amount),
        detail.currency,
        normalise_text(detail.narrative),
        detail.reference,
        detail.bank_reference,
        detail.counterparty_name,
        detail.counterparty_account,
    )


def _plain(amount: Decimal | None) -> str:
    """An amount whose text is the same however many zeros it was written with."""
    if amount is None:
        return ""
    return format(amount.normalize(), "f") if amount else "0"


def _day(day: date | None) -> str:
    return day.isoformat() if day else ""


def _digest(*fields: str) -> str:
    return hashlib.sha256(_joined(fields)).hexdigest()


def _joined(fields: Iterable[str]) -> bytes:
    """Fields with their lengths before them, so that no two lists of fields read the same."""
    return b"".join(b"%d:%s" % (len(raw), raw) for raw in (f.encode() for f in fields))
