"""Tables in markup that calls itself a spreadsheet: HTML in an ``.xls``, and Excel 2003 XML."""

from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, Final

from lxml import etree, html

from adapters.statements.limits import Limits
from adapters.statements.problems import Code, ContentRefusedError
from adapters.statements.rows import Cell, Row

_SS: Final = "{urn:schemas-microsoft-com:office:spreadsheet}"
_LONGEST_SPAN: Final = 64


def html_rows(source: BinaryIO, encoding: str, limits: Limits) -> Iterator[Row]:
    """Read every table of a page in the order of its rows; a spanning cell fills its place once.

    Raises:
        ContentRefusedError: too large, in another encoding, or without a table.
    """
    content = _whole(source, limits)
    try:
        content.decode(encoding)
        parser = html.HTMLParser(
            encoding=encoding.removesuffix("-sig"), no_network=True, huge_tree=False
        )
        page = html.document_fromstring(content, parser=parser)
    except UnicodeDecodeError as error:
        message = f"the page is not valid {encoding}"
        raise ContentRefusedError(Code.ENCODING, "file", message) from error
    except (etree.ParserError, etree.XMLSyntaxError) as error:
        raise ContentRefusedError(Code.DAMAGED, "file", "the page cannot be read") from error
    number = 0
    for row in page.iter("tr"):
        if row.find(".//table") is not None:
            continue  # a row that only lays out the page
        number += 1
        cells: list[Cell] = []
        for cell in row.iterchildren("td", "th"):
            text = " ".join("".join(map(str, cell.itertext())).split())
            cells += [text, *[""] * (_span(cell) - 1)]
        yield Row(f"row {number}", _bounded(cells, number, limits))
    if not number:
        raise ContentRefusedError(Code.NOT_A_STATEMENT, "file", "a page without a table")


def _span(cell: etree._Element) -> int:
    text = cell.get("colspan", "1").strip()
    return min(int(text), _LONGEST_SPAN) if text.isdecimal() and text.isascii() else 1


def spreadsheetml_rows(source: BinaryIO, limits: Limits) -> Iterator[Row]:
    """Read the first sheet of an Excel 2003 XML workbook.

    Raises:
        ContentRefusedError: too large, damaged, or with a document type.
    """
    _whole(source, limits)
    source.seek(0)
    events = etree.iterparse(
        source,
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    number = 0
    try:
        for event, element in events:
            if event == "start" and element.getparent() is None:
                _refuse_doctype(element)
            elif event == "end" and element.tag == f"{_SS}Row":
                number = _index(element, number + 1, limits.workbook_cells)
                yield Row(f"row {number}", _cells(element, number, limits))
                element.clear()
            elif event == "end" and element.tag == f"{_SS}Worksheet":
                return
    except etree.XMLSyntaxError as error:
        raise ContentRefusedError(Code.DAMAGED, f"row {number}", "the XML is damaged") from error


def _refuse_doctype(root: etree._Element) -> None:
    if root.getroottree().docinfo.internalDTD is not None:
        raise ContentRefusedError(Code.DOCTYPE, "file", "a document type is never accepted")


def _cells(row: etree._Element, number: int, limits: Limits) -> list[Cell]:
    cells: list[Cell] = []
    for cell in row.iterchildren(f"{_SS}Cell"):
        place = _index(cell, len(cells) + 1, limits.columns)
        cells += [None] * (place - 1 - len(cells))
        cells.append(_value(cell.find(f"{_SS}Data")))
    return _bounded(cells, number, limits)


def _index(element: etree._Element, follows: int, most: int) -> int:
    """The place a row or cell names for itself, or the next one."""
    text = element.get(f"{_SS}Index", "")
    if not text:
        return follows
    if not (text.isdecimal() and text.isascii()) or not follows <= int(text) <= most:
        raise ContentRefusedError(Code.LIMIT_EXCEEDED, f"index {text[:20]}", "a place too far")
    return int(text)


def _value(data: etree._Element | None) -> Cell:
    if data is None:
        return None
    text = "".join(map(str, data.itertext()))
    kind = data.get(f"{_SS}Type", "String")
    try:
        if kind == "Number":
            return float(text)
        if kind == "DateTime":
            return datetime.fromisoformat(text).date()
    except ValueError:
        return text
    return text


def _whole(source: BinaryIO, limits: Limits) -> bytes:
    source.seek(0)
    content = source.read(limits.workbook_bytes + 1)
    if len(content) > limits.workbook_bytes:
        raise ContentRefusedError(Code.LIMIT_EXCEEDED, "file", "the file is too large")
    return content


def _bounded(cells: list[Cell], number: int, limits: Limits) -> list[Cell]:
    too_long = any(isinstance(c, str) and len(c) > limits.cell_characters for c in cells)
    if too_long or len(cells) > limits.columns:
        raise ContentRefusedError(Code.LIMIT_EXCEEDED, f"row {number}", "the row is too large")
    return cells
