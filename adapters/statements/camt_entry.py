"""One entry (``Ntry``) of a camt message with its transaction details."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Final

from lxml import etree

from adapters.statements.amounts import is_currency, plain_amount
from adapters.statements.dates import iso_date
from adapters.statements.problems import Code, ContentRefusedError
from reconciliation.ports import LineStatus, ParsedDetail, ParsedLine, Problem

Element = etree._Element  # noqa: SLF001 - lxml gives its element type no public name
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


@dataclass(frozen=True, slots=True)
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


def first_text(element: Element, prefix: str, *paths: str) -> str:
    """The text at the first of these paths of direct children that has any, stripped."""
    for path in paths:
        node: Element | None = element
        for name in path.split("/"):
            node = node.find(prefix + name) if node is not None else None
        if node is not None and node.text and (text := node.text.strip()):
            return text
    return ""


def texts_at(element: Element, prefix: str, path: str) -> list[str]:
    """All texts at a path of direct children, in document order."""
    found = element.findall("/".join(prefix + name for name in path.split("/")))
    return [node.text.strip() for node in found if node.text and node.text.strip()]


def stated_amount(element: Element, prefix: str, path: str) -> tuple[str, str]:
    """The amount text and currency code at a path; both empty where it is not there."""
    node = element.find("/".join(prefix + name for name in path.split("/")))
    if node is None:
        return "", ""
    return (node.text or "").strip(), (node.get("Ccy") or "").strip()


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


def read_detail(element: Element, prefix: str, where: str) -> RawDetail:
    """Read a ``TxDtls``; its amount is the transaction's own, never the instructed one.

    Raises:
        ContentRefusedError: it states an amount that is not one.
    """
    text, currency = stated_amount(element, prefix, "Amt")
    if not text:
        text, currency = stated_amount(element, prefix, "AmtDtls/TxAmt/Amt")
    refs = element.find(prefix + "Refs")
    reference = bank_reference = ""
    if refs is not None:
        reference = _given(first_text(refs, prefix, "EndToEndId")) or first_text(
            refs, prefix, "TxId", "InstrId", "PmtInfId"
        )
        bank_reference = _given(first_text(refs, prefix, "AcctSvcrRef"))
    return RawDetail(
        amount=read_amount(text, currency, where) if text else None,
        currency=currency,
        sign=SIGNS.get(first_text(element, prefix, "CdtDbtInd")),
        texts=tuple(_texts(element, prefix)),
        reference=_given(reference) or first_text(element, prefix, "RmtInf/Strd/CdtrRefInf/Ref"),
        bank_reference=bank_reference,
        debtor=_party(element, prefix, "Dbtr"),
        creditor=_party(element, prefix, "Cdtr"),
    )


@dataclass(frozen=True, slots=True)
class EntryContext:
    """What an entry takes from around it: where it stands, and the statement's own account."""

    prefix: str
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
    prefix = context.prefix
    text, stated = stated_amount(element, prefix, "Amt")
    currency = stated or context.currency
    unsigned = read_amount(text, currency, context.position)
    sign = _direction(element, context, unsigned)
    status = first_text(element, prefix, "Sts", "Sts/Cd", "Sts/Prtry")
    read = ReadEntry(
        line=ParsedLine(
            position=context.position,
            booking_date=None,
            value_date=None,
            amount=unsigned * sign,
            currency=currency,
            status=_STATUSES.get(status or "BOOK", LineStatus.INFORMATION),
            reversal=_is_true(first_text(element, prefix, "RvslInd")),
        ),
        status_stated=bool(status),
    )
    _add_dates(read, element, prefix)
    _add_texts(read, element, raw, context, sign)
    _add_details(read, element, raw, context, sign)
    return read


def _direction(element: Element, context: EntryContext, unsigned: Decimal) -> int:
    indicator = first_text(element, context.prefix, "CdtDbtInd")
    if indicator in SIGNS:
        return SIGNS[indicator]
    if not unsigned:
        return 1
    message = f"{indicator[:10]!r} says neither credit nor debit"
    raise ContentRefusedError(Code.DIRECTION, context.position, message)


def _add_dates(read: ReadEntry, element: Element, prefix: str) -> None:
    days: dict[str, date | None] = {}
    for name in ("BookgDt", "ValDt"):
        text = first_text(element, prefix, f"{name}/Dt", f"{name}/DtTm")
        days[name] = iso_date(text) if text else None
        if text and days[name] is None:
            message = f"{text[:40]!r} is not a date"
            read.problems.append(Problem(Code.DATE, f"{read.line.position}/{name}", message))
    read.line = replace(read.line, booking_date=days["BookgDt"], value_date=days["ValDt"])
    if read.line.status is LineStatus.BOOKED and not any(days.values()) and not read.problems:
        message = "a booked entry has neither a booking nor a value date"
        read.problems.append(Problem(Code.DATE, read.line.position, message))


def _add_texts(
    read: ReadEntry, element: Element, raw: list[RawDetail], context: EntryContext, sign: int
) -> None:
    """Narrative, references and counterparty; a batch's are its parts', not the entry's."""
    prefix = context.prefix
    single = raw[0] if len(raw) == 1 else None
    texts = [*(single.texts if single else ()), *texts_at(element, prefix, "AddtlNtryInf")]
    bank_reference = _given(first_text(element, prefix, "AcctSvcrRef"))
    party = _counterparty(single, sign, read.line, context.account) if single else Party()
    reference = (single.reference if single else "") or _given(
        first_text(element, prefix, "NtryRef", "NtryDtls/Btch/PmtInfId")
    )
    read.line = replace(
        read.line,
        narrative=_joined(texts),
        reference=reference,
        bank_reference=bank_reference or (single.bank_reference if single else ""),
        counterparty_name=party.name,
        counterparty_account=party.account,
    )


def _add_details(
    read: ReadEntry, element: Element, raw: list[RawDetail], context: EntryContext, sign: int
) -> None:
    """The parts with their own signs, and what they leave over as a part named residual."""
    parts = [_signed(detail, sign, read.line, context.account) for detail in raw]
    amounts = [p.amount for p in parts if p.amount is not None and p.currency == read.line.currency]
    residual = read.line.amount - sum(amounts, Decimal(0))
    if len(amounts) < len(parts) or not parts:
        residual = Decimal(0)
    if residual:
        name = _residual_name(element, context.prefix, residual)
        parts.append(ParsedDetail(residual, read.line.currency, narrative=name, residual=True))
        message = f"the details leave {residual} {read.line.currency} of the entry unexplained"
        read.problems.append(Problem(Code.RESIDUAL, read.line.position, message))
    if len(parts) > 1:
        read.line = replace(read.line, details=tuple(parts))


def _residual_name(element: Element, prefix: str, residual: Decimal) -> str:
    paths = ("Chrgs/TtlChrgsAndTaxAmt", "Chrgs/Amt", "Chrgs/Rcrd/Amt")
    stated = [stated_amount(element, prefix, path) for path in paths]
    charges = {plain_amount(text, currency) for text, currency in stated if text}
    return "charges" if abs(residual) in charges else "residual"


def _signed(detail: RawDetail, sign: int, line: ParsedLine, account: str) -> ParsedDetail:
    own_sign = detail.sign if detail.sign is not None else sign
    party = _counterparty(detail, own_sign, line, account)
    return ParsedDetail(
        amount=None if detail.amount is None else detail.amount * own_sign,
        currency=detail.currency,
        narrative=_joined(detail.texts),
        reference=detail.reference,
        bank_reference=detail.bank_reference,
        counterparty_name=party.name,
        counterparty_account=party.account,
    )


def _counterparty(detail: RawDetail, sign: int, line: ParsedLine, account: str) -> Party:
    """The other side: who paid a credit, who got a debit; a reversal keeps the roles it undoes."""
    incoming = (sign > 0) is not line.reversal
    other, own = (detail.debtor, detail.creditor) if incoming else (detail.creditor, detail.debtor)
    if other.account and other.account == account:
        return own
    if not other and own.account and own.account != account:
        return own
    return other


def _party(element: Element, prefix: str, role: str) -> Party:
    parties = element.find(prefix + "RltdPties")
    if parties is None:
        return Party()
    names = (f"{role}/Nm", f"{role}/Pty/Nm", f"{role}/Agt/FinInstnId/Nm", f"Ultmt{role}/Nm")
    ids = (f"{role}Acct/Id/IBAN", f"{role}Acct/Id/Othr/Id", f"{role}Acct/Id/PrtryAcct/Id")
    return Party(
        first_text(parties, prefix, *names, f"Ultmt{role}/Pty/Nm"),
        first_text(parties, prefix, *ids, f"{role}Acct/Id/BBAN"),
    )


def _texts(element: Element, prefix: str) -> Iterator[str]:
    yield from texts_at(element, prefix, "RmtInf/Ustrd")
    yield from texts_at(element, prefix, "RmtInf/Strd/CdtrRefInf/Ref")
    yield from texts_at(element, prefix, "RmtInf/Strd/AddtlRmtInf")
    yield from texts_at(element, prefix, "AddtlTxInf")


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
