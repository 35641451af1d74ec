"""How little an open credit and an open bill have in common, in points, and the best pairs of all.

Points are whole numbers from 0, everything agrees, to 100, nothing does:

    amount      0 if equal, else 20 to 40 by the share of the difference in the larger of the two
    reference   0 to 30: how far the narrative is from bearing the bill's symbols or dossier code
    name        0 to 20: how far the payer's name is from the sender's, or from the narrative
    days        0 to 10: one for each day between the credit and the day the bill was issued or due

They rank; they prove nothing. What proves something was matched before anything is suggested.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from rapidfuzz import fuzz, process

from payments.references import fold
from reconciliation.suggesting.assignment import FORBIDDEN, Ints, assign

ALONE: Final = 55
"""From so many points on, a credit and a bill are no suggestion."""
NEAREST: Final = 20
"""As many bills of each credit take part, the nearest."""
MOST_LINES: Final = 200
MOST_BILLS: Final = 1_000
_REFERENCE, _NAME, _DAYS, _AMOUNT = 30, 20, 10, 20
_NOISE: Final = 60
"""Texts that have nothing to do with each other resemble each other by so many per cent."""
_CODE: Final = 10


@dataclass(frozen=True, slots=True)
class OpenLine:
    """A credit that nothing explains; minor units."""

    line_id: str
    amount_minor: int
    day: date
    narrative: str
    sender: str


@dataclass(frozen=True, slots=True)
class OpenBill:
    """A bill on which something is owed; minor units of what is."""

    bill_reference: str
    dossier_code: str
    owed_minor: int
    issued: date
    due: date
    payer: str


@dataclass(frozen=True, slots=True)
class Points:
    """What separates a credit from a bill; less is nearer."""

    amount: int
    reference: int
    name: int
    days: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.amount + self.reference + self.name + self.days


@dataclass(frozen=True, slots=True)
class Suggestion:
    """The bill that fits a credit best, when every credit and bill is used once.

    ``gap`` is how many points everything together loses at least with another choice for this
    credit; 0 says that another choice is as good.
    """

    line_id: str
    bill_reference: str
    points: Points
    gap: int


def suggest(lines: Sequence[OpenLine], bills: Sequence[OpenBill]) -> list[Suggestion]:
    """Suggest at most one bill for each credit, and each bill at most once, the nearest first.

    The pairs of all credits together have the fewest points there can be among the ``NEAREST``
    bills of each credit. The order of lines and bills changes nothing but which of equals is taken.

    Raises:
        ValueError: there are more than ``MOST_LINES`` lines or ``MOST_BILLS`` bills.
    """
    if len(lines) > MOST_LINES or len(bills) > MOST_BILLS:
        raise ValueError(f"{len(lines)} lines and {len(bills)} bills are too many")
    if not lines or not bills:
        return []
    lines = sorted(lines, key=lambda line: line.line_id)
    bills = sorted(bills, key=lambda bill: bill.bill_reference)
    measures = _measure(lines, bills)
    costs = _nearest(np.sum(measures, axis=0))
    found: list[Suggestion] = []
    for rows, columns in _blocks(costs):
        block = assign(costs[np.ix_(rows, columns)], ALONE)
        for row, got in zip(rows, block, strict=True):
            if got.column is not None:
                column = columns[got.column]
                points = Points(*(int(measure[row, column]) for measure in measures))
                line_id, bill = lines[row].line_id, bills[column].bill_reference
                found.append(Suggestion(line_id, bill, points, got.gap or 0))
    return sorted(found, key=lambda one: (one.points.total, -one.gap, one.line_id))


def _measure(lines: Sequence[OpenLine], bills: Sequence[OpenBill]) -> tuple[Ints, ...]:
    """Points of each kind, in the order of ``Points``: a matrix each, lines by bills."""
    return (
        _amounts(lines, bills),
        _references(lines, bills),
        _names(lines, bills),
        _days(lines, bills),
    )


def _amounts(lines: Sequence[OpenLine], bills: Sequence[OpenBill]) -> Ints:
    came = np.asarray([line.amount_minor for line in lines], dtype=np.int64)[:, None]
    owed = np.asarray([bill.owed_minor for bill in bills], dtype=np.int64)[None, :]
    share = -(-_AMOUNT * np.abs(came - owed) // np.maximum(came, owed))
    return _ints(np.where(came == owed, 0, _AMOUNT + share))


def _references(lines: Sequence[OpenLine], bills: Sequence[OpenBill]) -> Ints:
    texts = [_compact(line.narrative) for line in lines]
    codes = [_compact(bill.bill_reference)[-_CODE:] for bill in bills]
    dossiers = [_compact(bill.dossier_code) for bill in bills]
    alike = np.maximum(
        process.cdist(texts, codes, scorer=fuzz.partial_ratio, score_cutoff=_NOISE),
        process.cdist(texts, dossiers, scorer=fuzz.partial_ratio, score_cutoff=_NOISE),
    )
    long_enough = np.asarray([len(text) >= _CODE for text in texts])[:, None]
    return _falling(np.where(long_enough, alike, 0), _REFERENCE)


def _names(lines: Sequence[OpenLine], bills: Sequence[OpenBill]) -> Ints:
    payers = [_words(bill.payer) for bill in bills]
    senders = [_words(line.sender) for line in lines]
    texts = [_words(line.narrative) for line in lines]
    alike = np.maximum(
        process.cdist(senders, payers, scorer=fuzz.token_sort_ratio, score_cutoff=_NOISE),
        process.cdist(texts, payers, scorer=fuzz.partial_ratio, score_cutoff=_NOISE),
    )
    named = np.asarray([bool(payer) for payer in payers])[None, :]
    return _falling(np.where(named, alike, 0), _NAME)


def _days(lines: Sequence[OpenLine], bills: Sequence[OpenBill]) -> Ints:
    came = np.asarray([line.day.toordinal() for line in lines], dtype=np.int64)[:, None]
    from_ = np.asarray([bill.issued.toordinal() for bill in bills], dtype=np.int64)[None, :]
    until = np.asarray([bill.due.toordinal() for bill in bills], dtype=np.int64)[None, :]
    apart = np.maximum(np.maximum(from_ - came, came - until), 0)
    return _ints(np.minimum(apart, _DAYS))


def _falling(alike: np.ndarray, most: int) -> Ints:
    """From per cent of likeness to points: all of them up to ``_NOISE``, none at a hundred."""
    share = np.rint(np.maximum(alike, _NOISE)).astype(np.int64)
    return _ints(most * (100 - share) // (100 - _NOISE))


def _ints(values: np.ndarray) -> Ints:
    return np.asarray(values, dtype=np.int64)


def _nearest(costs: Ints) -> Ints:
    """Forbid what is no suggestion, and all but the nearest of each line."""
    few = min(NEAREST, costs.shape[1])
    nearest = np.argsort(costs, axis=1, kind="stable")[:, :few]
    kept = np.zeros(costs.shape, dtype=bool)
    np.put_along_axis(kept, nearest, values=True, axis=1)
    return _ints(np.where(kept & (costs < ALONE), costs, FORBIDDEN))


def _blocks(costs: Ints) -> Iterable[tuple[list[int], list[int]]]:
    """Lines and bills that are joined by possible pairs, block by block."""
    pairs = np.argwhere(costs < FORBIDDEN).tolist()
    columns_of, rows_of = defaultdict[int, list[int]](list), defaultdict[int, list[int]](list)
    for row, column in pairs:
        columns_of[row].append(column)
        rows_of[column].append(row)
    seen: set[int] = set()
    for first in sorted(columns_of):
        if first in seen:
            continue
        rows, columns, ahead = {first}, set[int](), [first]
        while ahead:
            for column in set(columns_of[ahead.pop()]) - columns:
                columns.add(column)
                new = set(rows_of[column]) - rows
                rows |= new
                ahead += new
        seen |= rows
        yield sorted(rows), sorted(columns)


def _compact(text: str) -> str:
    return "".join(symbol for symbol in fold(text) if symbol.isalnum())


def _words(text: str) -> str:
    return " ".join(fold(text).split())
