"""One entry (``Ntry``) of a camt message with its transaction details."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final

from adapters.statements.amounts import is_currency, plain_amount
from adapters.statements.camt_texts import Element, Names, Texts
from adapters.statements.dates import iso_date
from adapters.statements.problems import Code, ContentRefusedError
from reconciliation.ports import LineStatus, ParsedDetail, ParsedLine, Problem

SIGNS: Final = {"CRDT": 1, "DBIT": -1}
_STATUSES: Final = {"BOOK": LineStatus.BOOKED, "PDNG": LineStatus.PENDING}
_NOT_GIVEN: Final = frozenset({"NOTPROVIDED", "NONREF", "NOTAVAILABLE"})
_MAX_NARRATIVE: Final = 10_000


@dataclass(frozen=True, slots=True)
class Party:
    """A name and an account, as far as they are stated."""

    name: str = ""
    account: str = ""

    def __bool__(self) -> bool:
        return bool(self.name or self.account)


@dataclass(slots=True)
class RawDetail:
    """A ``TxDtls`` as written; what its sign and counterparty are, its entry decides."""

    amount: Decimal | None
    currency: str
    sign: int | None
    texts: tuple[str, ...]
    reference: str
    bank_reference: str
    debtor: Party
    creditor: Party


@dataclass(slots=True)
class ReadEntry:
    """An entry and what was found wrong with it; ``status_stated`` is False without a ``Sts``."""

    line: ParsedLine
    status_stated: bool
    problems: list[Problem] = field(default_factory=list)


def read_amount(text: str, currency: str, where: str) -> Decimal:
    """An amount that must be one.

    Raises:
        ContentRefusedError: it is not a plain amount of a currency.
    """
    if not is_currency(currency):
        message = f"{currency[:10]!r} is not a currency"
        raise ContentRefusedError(Code.CURRENCY, where, message)
    amount = plain_amount(text, currency)
    if amount is None:
        message = f"{text[:40]!r} is not an amount of {currency}"
        raise ContentRefusedError(Code.AMOUNT, where, message)
    return amount


def read_detail(element: Element, names: Names, where: str) -> RawDetail:
    """Read a ``TxDtls``; its amount is the transaction's own, never the instructed one.

    Raises:
        ContentRefusedError: it states an amount that is not one.
    """
    texts = Texts(element, names)
    text, currency = texts.amount("Amt")
    if not text:
        text, currency = texts.amount("AmtDtls/TxAmt/Amt")
    reference = _given(texts.first("Refs/EndToEndId")) or texts.first(
        "Refs/TxId", "Refs/InstrId", "Refs/PmtInfId"
    )
    return RawDetail(
        amount=read_amount(text, currency, where) if text else None,
        currency=currency,
        sign=SIGNS.get(texts.first("CdtDbtInd")),
        texts=tuple(_narratives(texts)),
        reference=_given(reference) or texts.first("RmtInf/Strd/CdtrRefInf/Ref"),
        bank_reference=_given(texts.first("Refs/AcctSvcrRef")),
        debtor=_party(texts, "Dbtr"),
        creditor=_party(texts, "Cdtr"),
    )


@dataclass(slots=True)
class EntryContext:
    """What an entry takes from around it: where it stands, and the statement's own account."""

    names: Names
    position: str
    account: str
    currency: str


def read_entry(element: Element, raw: list[RawDetail], context: EntryContext) -> ReadEntry:
    """Read a ``Ntry`` whose ``TxDtls`` have been read already.

    The sign is that of ``CdtDbtInd`` alone: ``RvslInd`` says that the entry undoes another, not
    that its direction is to be turned round (ISO 20022, ReversalIndicator).

    Raises:
        ContentRefusedError: its amount, currency or direction is not plainly stated.
    """
    texts = Texts(element, context.names)
    position = context.position
    text, stated = texts.amount("Amt")
    currency = stated or context.currency
    unsigned = read_amount(text, currency, position)
    sign = _direction(texts, position, unsigned)
    status = texts.first("Sts", "Sts/Cd", "Sts/Prtry")
    reversal = _is_true(texts.first("RvslInd"))
    problems: list[Problem] = []
    booked_on = _day(texts, _BOOKED, position, problems)
    valued_on = _day(texts, _VALUED, position, problems)
    entry = _Entry(unsigned * sign, currency, sign, reversal, context.account)
    # Narrative, references and counterparty of a batch are its parts', not the entry's.
    single = raw[0] if len(raw) == 1 else None
    party = _counterparty(single, sign, entry) if single else _NOBODY
    line = ParsedLine(
        position=position,
        booking_date=booked_on,
        value_date=valued_on,
        amount=entry.amount,
        currency=currency,
        status=_STATUSES.get(status or "BOOK", LineStatus.INFORMATION),
        reversal=reversal,
        narrative=_joined([*(single.texts if single else ()), *texts.every("AddtlNtryInf")]),
        reference=(single.reference if single else "")
        or _given(texts.first("NtryRef", "NtryDtls/Btch/PmtInfId")),
        bank_reference=_given(texts.first("AcctSvcrRef"))
        or (single.bank_reference if single else ""),
        counterparty_name=party.name,
        counterparty_account=party.account,
        details=_details(texts, raw, entry, position, problems),
    )
    if line.status is LineStatus.BOOKED and not (booked_on or valued_on or problems):
        message = "a booked entry has neither a booking nor a value date"
        problems.append(Problem(Code.DATE, position, message))
    return ReadEntry(line, status_stated=bool(status), problems=problems)


@dataclass(slots=True)
class _Entry:
    """What the parts of an entry take from it."""

    amount: Decimal
    currency: str
    sign: int
    reversal: bool
    account: str


def _direction(texts: Texts, position: str, unsigned: Decimal) -> int:
    indicator = texts.first("CdtDbtInd")
    if indicator in SIGNS:
        return SIGNS[indicator]
    if not unsigned:
        return 1
    message = f"{indicator[:10]!r} says neither credit nor debit"
    raise ContentRefusedError(Code.DIRECTION, position, message)


_BOOKED: Final = ("BookgDt/Dt", "BookgDt/DtTm")
_VALUED: Final = ("ValDt/Dt", "ValDt/DtTm")


def _day(
    texts: Texts, paths: tuple[str, str], position: str, problems: list[Problem]
) -> date | None:
    text = texts.first(*paths)
    day = iso_date(text) if text else None
    if text and day is None:
        where = f"{position}/{paths[0].partition('/')[0]}"
        problems.append(Problem(Code.DATE, where, f"{text[:40]!r} is not a date"))
    return day


def _details(
    texts: Texts, raw: list[RawDetail], entry: _Entry, position: str, problems: list[Problem]
) -> tuple[ParsedDetail, ...]:
    """The parts with their own signs, and what they leave over as a part named residual."""
    if not raw or (len(raw) == 1 and _is_whole(raw[0], entry)):
        return ()
    parts = [_signed(detail, entry) for detail in raw]
    amounts = [p.amount for p in parts if p.amount is not None and p.currency == entry.currency]
    residual = entry.amount - sum(amounts, Decimal(0))
    if len(amounts) < len(parts):
        residual = Decimal(0)
    if residual:
        name = _residual_name(texts, residual)
        parts.append(ParsedDetail(residual, entry.currency, narrative=name, residual=True))
        message = f"the details leave {residual} {entry.currency} of the entry unexplained"
        problems.append(Problem(Code.RESIDUAL, position, message))
    return tuple(parts) if len(parts) > 1 else ()


def _is_whole(detail: RawDetail, entry: _Entry) -> bool:
    """Whether an entry's one part says the same amount as the entry itself."""
    same = detail.amount == abs(entry.amount) and detail.currency == entry.currency
    return same and detail.sign in (None, entry.sign)


def _residual_name(texts: Texts, residual: Decimal) -> str:
    paths = ("Chrgs/TtlChrgsAndTaxAmt", "Chrgs/Amt", "Chrgs/Rcrd/Amt")
    stated = [texts.amount(path) for path in paths]
    charges = {plain_amount(text, currency) for text, currency in stated if text}
    return "charges" if abs(residual) in charges else "residual"


def _signed(detail: RawDetail, entry: _Entry) -> ParsedDetail:
    own_sign = detail.sign if detail.sign is not None else entry.sign
    party = _counterparty(detail, own_sign, entry)
    return ParsedDetail(
        amount=None if detail.amount is None else detail.amount * own_sign,
        currency=detail.currency,
        narrative=_joined(detail.texts),
        reference=detail.reference,
        bank_reference=detail.bank_reference,
        counterparty_name=party.name,
        counterparty_account=party.account,
    )


def _counterparty(detail: RawDetail, sign: int, entry: _Entry) -> Party:
    """The other side: who paid a credit, who got a debit; a reversal keeps the roles it undoes."""
    incoming = (sign > 0) is not entry.reversal
    other, own = (detail.debtor, detail.creditor) if incoming else (detail.creditor, detail.debtor)
    if other.account and other.account == entry.account:
        return own
    if not other and own.account and own.account != entry.account:
        return own
    return other


def _party(texts: Texts, role: str) -> Party:
    names, accounts = _PARTY_PATHS[role]
    name, account = texts.first(*names), texts.first(*accounts)
    return Party(name, account) if name or account else _NOBODY


_PARTY_PATHS: Final = {
    role: (
        (
            f"RltdPties/{role}/Nm",
            f"RltdPties/{role}/Pty/Nm",
            f"RltdPties/{role}/Agt/FinInstnId/Nm",
            f"RltdPties/Ultmt{role}/Nm",
            f"RltdPties/Ultmt{role}/Pty/Nm",
        ),
        (
            f"RltdPties/{role}Acct/Id/IBAN",
            f"RltdPties/{role}Acct/Id/Othr/Id",
            f"RltdPties/{role}Acct/Id/PrtryAcct/Id",
            f"RltdPties/{role}Acct/Id/BBAN",
        ),
    )
    for role in ("Dbtr", "Cdtr")
}
"""Where a party's name and account may stand, the best first."""
_NOBODY: Final = Party()


def _narratives(texts: Texts) -> Iterator[str]:
    yield from texts.every("RmtInf/Ustrd")
    yield from texts.every("RmtInf/Strd/CdtrRefInf/Ref")
    yield from texts.every("RmtInf/Strd/AddtlRmtInf")
    yield from texts.every("AddtlTxInf")


def _joined(texts: list[str] | tuple[str, ...]) -> str:
    """All texts once, in their order: what one repeats of another is said already."""
    said = ""
    for text in texts:
        if text not in said:
            said = f"{said} {text}" if said else text
        if len(said) > _MAX_NARRATIVE:
            return said[:_MAX_NARRATIVE]
    return said


def _given(reference: str) -> str:
    return "" if reference.upper() in _NOT_GIVEN else reference


def _is_true(text: str) -> bool:
    return text in {"true", "1"}
