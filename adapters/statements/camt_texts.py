"""The texts below an XML element, gathered in one pass and found by their path."""

from collections import defaultdict
from typing import Final

from lxml import etree

Element = etree._Element  # noqa: SLF001 - lxml gives its element type no public name
CURRENCY: Final = "@Ccy"
"""Behind a path: the currency attribute of the amount that stands there."""
_MOST_NAMES: Final = 2_000


class Names(dict[object, str]):
    """Local names by tag, of the document's own namespace; any other tag has none."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix

    def __missing__(self, tag: object) -> str:
        own = isinstance(tag, str) and tag.startswith(self._prefix)
        name = str(tag)[len(self._prefix) :] if own else ""
        if "{" in name:  # in a document without a namespace, one that has another
            name = ""
        if len(self) < _MOST_NAMES:
            self[tag] = name
        return name


class Texts:
    """What stands below an element: the first text at each path, and all of them.

    Paths are of direct children in the document's own namespace (``RmtInf/Ustrd``), so that an
    instructed amount or an extension is never taken for something of the element itself.
    """

    __slots__ = ("_all", "_first")

    def __init__(self, element: Element, names: Names) -> None:
        self._first: dict[str, str] = {}
        self._all: dict[str, list[str]] = defaultdict(list)
        self._gather(element, "", names)

    def _gather(self, element: Element, path: str, names: Names) -> None:
        first = self._first
        for child in element:
            name = names[child.tag]
            if not name:
                continue
            place = path + name
            if len(child):
                self._gather(child, place + "/", names)
            text = child.text
            if text is None or not (text := text.strip()):
                continue
            if place in first:
                self._all[place].append(text)
                continue
            first[place] = text
            if name[-3:] == "Amt" and (currency := child.get("Ccy")):
                first[place + CURRENCY] = currency.strip()

    def first(self, *paths: str) -> str:
        """The text at the first of these paths that has any, stripped; empty if none has."""
        for path in paths:
            if text := self._first.get(path):
                return text
        return ""

    def every(self, path: str) -> list[str]:
        """All texts at a path, in the order of the document."""
        first = self._first.get(path)
        return [] if first is None else [first, *self._all.get(path, ())]

    def amount(self, path: str) -> tuple[str, str]:
        """The amount text and currency code at a path; empty where it is not there."""
        return self._first.get(path, ""), self._first.get(path + CURRENCY, "")
