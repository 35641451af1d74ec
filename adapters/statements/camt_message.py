"""Which ISO 20022 message an XML document is, told from its first bytes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

from adapters.statements.problems import Code, ContentRefusedError

XML_SAFETY: Final[dict[str, Any]] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "huge_tree": False,
    "remove_comments": True,
    "remove_pis": True,
}
"""No entity is expanded, nothing is fetched, and libxml2's own limits stay on."""

_CONTAINERS: Final = {
    "BkToCstmrAcctRpt": ("camt.052", "Rpt"),
    "BkToCstmrStmt": ("camt.053", "Stmt"),
    "BkToCstmrDbtCdtNtfctn": ("camt.054", "Ntfctn"),
}
_DEFINITION: Final = re.compile(r"(camt\.05[234])\.001\.(\d\d)")
_VERSIONS: Final = range(1, 15)


@dataclass(frozen=True, slots=True)
class Message:
    """A bank-to-customer message: ``format`` (``camt.053.001.08``) and how its parts are called.

    ``container`` and ``statement`` are tags as lxml gives them, ``prefix`` is ``{namespace}``
    or empty.
    """

    format: str
    container: str
    statement: str
    prefix: str

    @property
    def is_statement(self) -> bool:
        """Whether it is a camt.053, the only one that books."""
        return self.format.startswith("camt.053")


def recognise(head: bytes) -> Message:
    """Tell the message from the root element and its first child.

    Raises:
        ContentRefusedError: a DOCTYPE, damaged XML, or another document, which is named.
    """
    root, container = _first_tags(head)
    if _local(root) != "Document":
        raise _other(root)
    name = re.sub(r"V\d\d$", "", _local(container))
    if name not in _CONTAINERS:
        raise _other(container)
    family, statement = _CONTAINERS[name]
    prefix = container[: container.index("}") + 1] if container.startswith("{") else ""
    return Message(_format(family, prefix), container, prefix + statement, prefix)


def _first_tags(head: bytes) -> tuple[str, str]:
    parser = etree.XMLPullParser(events=("start",), **XML_SAFETY)
    tags: list[str] = []
    damage: etree.XMLSyntaxError | None = None
    try:
        parser.feed(head)
    except etree.XMLSyntaxError as error:
        damage = error  # what stands before it still tells what the document is
    events: Iterator[tuple[str, etree._Element]] = parser.read_events()  # type: ignore[assignment]
    for _, element in events:
        info = element.getroottree().docinfo
        if info.internalDTD is not None:
            raise doctype_refused()
        tags.append(str(element.tag))
        if len(tags) == 2:  # noqa: PLR2004 - the root and its first child
            return tags[0], tags[1]
    if tags and _local(tags[0]) != "Document":
        raise _other(tags[0])
    if b"<!DOCTYPE" in head:
        raise doctype_refused()
    if damage is not None:
        refuse_syntax(damage)
    raise ContentRefusedError(Code.DAMAGED, "start of file", "the XML has no readable beginning")


def refuse_syntax(error: etree.XMLSyntaxError) -> None:
    """Turn a syntax error into a refusal that names the line.

    Raises:
        ContentRefusedError: always.
    """
    where = f"line {error.lineno}" if error.lineno else "file"
    raise ContentRefusedError(Code.DAMAGED, where, "the XML is damaged or cut off") from error


def doctype_refused() -> ContentRefusedError:
    """The refusal of any document that brings a document type, whatever it defines."""
    return ContentRefusedError(Code.DOCTYPE, "DOCTYPE", "a document type is never accepted")


def _format(family: str, prefix: str) -> str:
    found = _DEFINITION.search(prefix)
    if found is None:
        return family
    if found.group(1) != family:
        message = f"the document calls itself {found.group(1)} but holds a {family}"
        raise ContentRefusedError(Code.NOT_A_STATEMENT, "Document", message)
    if int(found.group(2)) not in _VERSIONS:
        message = f"version {found.group(2)} of {family} is not known here"
        raise ContentRefusedError(Code.FORMAT_NOT_SUPPORTED, "Document", message)
    return f"{family}.001.{found.group(2)}"


def _other(tag: str) -> ContentRefusedError:
    message = f"an XML document {_local(tag)[:40]!r} is no bank statement"
    return ContentRefusedError(Code.NOT_A_STATEMENT, "root element", message)


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
