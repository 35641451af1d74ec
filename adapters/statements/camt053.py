"""ISO 20022 account statements and reports (camt.053, 052, 054), walked entry by entry.

Versions 01 to 14 differ in names and places that are all covered here. Elements are found as
direct children in the document's own namespace, never anywhere below, so that an instructed
amount or an extension is not taken for money. Source: ISO 20022, camt.05x.001 definitions.
"""

from collections.abc import Iterator

from lxml import etree

from adapters.statements.camt_entry import (
    EntryContext,
    RawDetail,
    read_detail,
    read_entry,
)
from adapters.statements.camt_message import XML_SAFETY, Message, doctype_refused, refuse_syntax
from adapters.statements.camt_statement import (
    Page,
    PagedStatement,
    StatementReading,
    finish,
    prove,
    read_page,
)
from adapters.statements.camt_texts import Element, Names
from adapters.statements.events import Event
from adapters.statements.limits import ByteSource, Limits, MeteredReader
from adapters.statements.problems import Code, ContentRefusedError


def walk_camt(source: ByteSource, message: Message, limits: Limits) -> Iterator[Event]:
    """Read a document to its end; memory does not grow with the number of entries.

    Nothing that was yielded may be used before the walk has ended: damage shows where it is,
    and balances over several pages are proved (and set on the statements) at the end.

    Raises:
        ContentRefusedError: hostile, damaged, too large, or with an amount that is not one.
    """
    metered = MeteredReader(source, limits)
    watched = ("Document", "GrpHdr", "Ntry", "TxDtls")
    tags = [message.prefix + name for name in watched] + [message.statement]
    try:
        context = etree.iterparse(metered, events=("start", "end"), tag=tags, **XML_SAFETY)
        yield from _Walk(message, metered, limits).events(context)
    except etree.XMLSyntaxError as error:
        refuse_syntax(error)


class _Walk:
    """One pass over one document."""

    def __init__(self, message: Message, metered: MeteredReader, limits: Limits) -> None:
        self._message = message
        self._names = Names(message.prefix)
        self._entry, self._detail, self._details = (
            message.prefix + name for name in ("Ntry", "TxDtls", "NtryDtls")
        )
        self._inside = frozenset({self._entry, self._detail})
        self._limits = limits
        self._metered = metered
        self._page: Page | None = None
        self._reading: StatementReading | None = None
        self._raw: list[RawDetail] = []
        self._entries = 0
        self._done: list[PagedStatement] = []

    def events(self, context: Iterator[tuple[str, Element]]) -> Iterator[Event]:
        """Turn parser events into ours."""
        statement, header = self._message.statement, self._message.prefix + "GrpHdr"
        for kind, element in context:
            if kind == "start":
                if element.tag not in self._inside:  # the root, and statements: a few
                    _refuse_doctype(element)
                continue
            tag = element.tag
            if tag == self._detail:
                self._take_detail(element)
            elif tag == self._entry and _parent(element) == statement:
                yield from self._take_entry(element)
            elif tag == statement and _parent(element) == self._message.container:
                yield from self._close(element)
            elif tag == header and _parent(element) == self._message.container:
                self._page = self._message_page(element)
        yield from self._end()

    def _message_page(self, header: Element) -> Page | None:
        """The page of a message that has several; one that is the only page says nothing."""
        page = read_page(header.find(self._message.prefix + "MsgPgntn"), self._names)
        return None if page == Page(number=1, is_last=True) else page

    def _current(self) -> StatementReading:
        if self._reading is None:
            where = f"{self._message.statement.rpartition('}')[2]}[{len(self._done) + 1}]"
            self._reading = StatementReading(self._names, where, self._page)
            self._entries = 0
        return self._reading

    def _take_detail(self, element: Element) -> None:
        parent = element.getparent()
        if parent is None or parent.tag != self._details or _parent(parent) != self._entry:
            return
        where = f"Ntry[{self._entries + 1}]/TxDtls[{len(self._raw) + 1}]"
        self._raw.append(read_detail(element, self._names, where))
        if len(self._raw) > self._limits.details:
            raise ContentRefusedError(Code.LIMIT_EXCEEDED, where, "one entry has too many parts")
        element.clear()
        self._metered.progress()

    def _take_entry(self, element: Element) -> Iterator[Event]:
        reading = self._current()
        self._entries += 1
        parent = element.getparent()
        self._take_siblings(reading, parent, until=element)
        context = EntryContext(
            self._names,
            f"Ntry[{self._entries}]",
            reading.account,
            reading.account_currency,
        )
        read = read_entry(element, self._raw, context)
        self._raw = []
        reading.count(read.line, status_stated=read.status_stated)
        yield read.line
        yield from read.problems
        element.clear()
        self._metered.progress()

    def _take_siblings(
        self, reading: StatementReading, parent: Element | None, *, until: Element
    ) -> None:
        """Read what stands before an entry and let go of it."""
        while parent is not None and len(parent) and parent[0] is not until:
            reading.take(parent[0])
            del parent[0]

    def _close(self, element: Element) -> Iterator[Event]:
        reading = self._current()
        for child in element:
            reading.take(child)
        paged = finish(reading)
        self._done.append(paged)
        if len(self._done) > self._limits.statements:
            raise ContentRefusedError(Code.LIMIT_EXCEEDED, reading.where, "too many statements")
        self._reading = None
        yield paged.statement
        element.clear()
        self._metered.progress()

    def _end(self) -> Iterator[Event]:
        if not self._done:
            message = "the document holds no statement"
            raise ContentRefusedError(Code.NO_STATEMENT, self._message.format, message)
        for paged in self._done:
            yield from paged.reading.problems
        yield from prove(self._done, books=self._message.is_statement)


def _parent(element: Element) -> str:
    parent = element.getparent()
    return "" if parent is None else str(parent.tag)


def _refuse_doctype(element: Element) -> None:
    """Once more while walking: the first look saw the beginning of the file only."""
    if element.getparent() is None:
        info = element.getroottree().docinfo
        if info.internalDTD is not None:
            raise doctype_refused()
