"""Filters and parts of long lists, as they stand in addresses."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import urlencode

from fastapi import Request

from payments.queries import Page

Kind = TypeVar("Kind", bound=StrEnum)


def chosen(kind: type[Kind], text: str) -> Kind | None:
    """Return the chosen member of ``kind``; None for any, also where the text is none of them."""
    return kind(text) if text in set(kind) else None


def address_of(request: Request) -> Callable[[int], str]:
    """Return what gives the address of another part of the list that the request shows."""
    kept = [
        (k, v) for k, v in request.query_params.multi_items() if k not in {"page", "lang"} and v
    ]
    path = request.url.path

    def address(number: int) -> str:
        return f"{path}?{urlencode([*kept, ('page', str(number))])}"

    return address


def page_items(page: Page[Any], address: Callable[[int], str]) -> list[dict[str, Any]]:
    """Return the numbers of a pagination: first, last, and those around the present one."""
    near = {1, page.pages, *range(page.number - 1, page.number + 2)}
    items: list[dict[str, Any]] = []
    before = 0
    for number in sorted(one for one in near if 1 <= one <= page.pages):
        if number > before + 1:
            items.append({"ellipsis": True})
        items.append(
            {"number": str(number), "href": address(number), "current": number == page.number}
        )
        before = number
    return items
