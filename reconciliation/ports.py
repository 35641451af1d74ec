"""What reconciliation asks of the outside: statements read exactly, and where they come from.

The shapes below are what ``doisoat statement inspect --json`` prints. Amounts are decimals with
the sign of the account holder: money in is positive. Nothing here is rounded or guessed.
"""

from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from core.money import Money


class Outcome(StrEnum):
    """What became of a file.

    ``ok``: everything read and, where balances are stated, they add up. ``held``: readable, but
    a person has to look first; nothing of it is matched. ``refused``: not a statement, hostile,
    damaged or of unknown layout; only the raw bytes are kept.
    """

    OK = "ok"
    HELD = "held"
    REFUSED = "refused"


class BalanceCheck(StrEnum):
    """Whether opening balance + booked lines = closing balance."""

    OK = "ok"
    FAILED = "failed"
    NOT_STATED = "not_stated"


class LineStatus(StrEnum):
    """Only booked lines are money; the others are news about money."""

    BOOKED = "booked"
    PENDING = "pending"
    INFORMATION = "information"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a file: stable code (``S…``), position, one sentence."""

    code: str
    where: str
    message: str


@dataclass(frozen=True, slots=True)
class ParsedDetail:
    """A part of a batch entry; never counted beside the entry it belongs to.

    ``residual`` marks what the parts leave unexplained (charges, mostly): an entry with a
    residual is not matched without a person.
    """

    amount: Decimal | None
    currency: str
    narrative: str = ""
    reference: str = ""
    bank_reference: str = ""
    counterparty_name: str = ""
    counterparty_account: str = ""
    residual: bool = False


@dataclass(frozen=True, slots=True)
class ParsedLine:
    """One entry of a statement; ``position`` points into the file (``Ntry[1]``, ``row 7``)."""

    position: str
    booking_date: date | None
    value_date: date | None
    amount: Decimal
    currency: str
    status: LineStatus = LineStatus.BOOKED
    reversal: bool = False
    narrative: str = ""
    reference: str = ""
    bank_reference: str = ""
    counterparty_name: str = ""
    counterparty_account: str = ""
    details: tuple[ParsedDetail, ...] = ()


@dataclass(slots=True)
class ParsedStatement:
    """One statement (one account, one page) of a file, its lines in the file's order."""

    account: str
    currency: str
    number: str = ""
    page: int = 1
    from_date: date | None = None
    to_date: date | None = None
    opening_balance: Decimal | None = None
    closing_balance: Decimal | None = None
    balance_check: BalanceCheck = BalanceCheck.NOT_STATED
    lines: list[ParsedLine] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class LayoutAnswers:
    """What a person has said about a table; empty for nothing.

    ``date_order`` is ``dmy``, ``mdy`` or ``ymd``, ``decimal_mark`` ``.`` or ``,``; ``money_in``
    says whether unsigned amounts come ``in`` or go ``out``, or which column comes in.
    """

    name: str = ""
    title: str = ""
    account: str = ""
    currency: str = ""
    date_order: str = ""
    decimal_mark: str = ""
    money_in: str = ""


@dataclass(frozen=True, slots=True)
class LayoutQuestion:
    """What a table does not tell and a person has to: ``about`` names the answer's option."""

    about: str
    message: str
    choices: tuple[str, ...] = ()


@dataclass(slots=True)
class LayoutProposal:
    """How a table of unknown layout would be read, for a person to look at and save.

    ``profile`` is the layout as data; with ``questions`` open it cannot be saved. ``proof`` says
    what shows that it reads right: ``running_balance``, ``opening_and_closing`` or ``none``.
    ``statements`` and ``problems`` are what reading by it gives.
    """

    profile: dict[str, Any]
    header: str
    questions: list[LayoutQuestion]
    assumptions: list[str]
    proof: str
    statements: list[ParsedStatement]
    problems: list[Problem]


@dataclass(slots=True)
class ParsedFile:
    """Everything read from one statement file, and whether it may be used.

    A table of unknown layout is refused with a ``proposal`` of how it could be read.
    """

    file: str
    sha256: str
    format: str
    outcome: Outcome
    statements: list[ParsedStatement] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    proposal: LayoutProposal | None = None


@dataclass(frozen=True, slots=True)
class ParsedSettlementLine:
    """One line of a provider's settlement report; ``gross`` and ``net`` negative for money back.

    ``kind`` is payment, refund or chargeback; ``occurred_at`` is RFC 3339 with offset.
    """

    position: str
    kind: str
    provider_txn_id: str
    bill_reference: str
    gross: Money
    fee: Money
    net: Money
    occurred_at: str
    payout_id: str
    payout_date: date


@dataclass(slots=True)
class ParsedSettlement:
    """Everything read from one settlement report, and whether it may be used."""

    file: str
    sha256: str
    format: str
    provider: str
    report_id: str
    outcome: Outcome
    lines: list[ParsedSettlementLine] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


class StatementParser(Protocol):
    """Reads bank statement files of every supported format."""

    def propose(self, path: Path, answers: LayoutAnswers) -> LayoutProposal | None:
        """Propose a layout for a table, or None where no dates and amounts are found in it."""
        ...

    def parse(self, path: Path, *, profile: str | None = None) -> ParsedFile:
        """Read a file whole; never raises for what the file contains."""
        ...


class SettlementParser(Protocol):
    """Reads settlement reports of one provider after another."""

    def parse(self, path: Path, *, provider: str) -> ParsedSettlement:
        """Read a report whole; never raises for what the file contains."""
        ...


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file a source has delivered, kept there until it is stored here.

    ``name`` may tell what the file is (``vnpay/report.csv``). ``key`` is what its source knows it
    by: the name, unless two files of a source may bear the same.
    """

    name: str
    content: bytes
    key: str = ""

    def __post_init__(self) -> None:
        """A file without a key is known by its name."""
        object.__setattr__(self, "key", self.key or self.name)


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """A file as it lies at a source; ``left`` says why it is not taken, empty if it would be."""

    name: str
    size: int
    left: str = ""


class StatementSource(Protocol):
    """A place where statement files arrive."""

    def look(self) -> Iterable[WaitingFile]:
        """List what lies there and has not been taken, and change nothing."""
        ...

    def fetch(self) -> Generator[FetchedFile, None, None]:
        """Yield what has arrived whole and has not been taken yet; close it to stop early."""
        ...

    def taken(self, keys: Iterable[str]) -> None:
        """Mark files as stored here; the source keeps or archives them, never loses them."""
        ...


class SourceKind(StrEnum):
    """What a source beside the watched folder speaks."""

    SFTP = "sftp"
    IMAP = "imap"
    S3 = "s3"


@dataclass(frozen=True, slots=True)
class SourceAccess:
    """What is needed to fetch from a source; names in ``config`` are those of its kind."""

    name: str
    kind: SourceKind
    config: Mapping[str, str]
    secrets: Mapping[str, str] = field(repr=False)


class SourceMemory(Protocol):
    """Marks of files that were taken where nothing may be moved; a set of texts is one."""

    def __contains__(self, mark: object, /) -> bool:
        """Whether the file of this mark was taken."""
        ...

    def add(self, mark: str, /) -> None:
        """Remember that it was."""
        ...
