"""Proposes a layout for a table nobody has seen before; what it does not tell is asked.

The header is found by the words banks print, formats by what all cells allow. Where two readings
are left, only balances that add up in one of them decide; anything else is a question to a
person, who also confirms the whole by saving it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from adapters.statements.limits import Limits
from adapters.statements.problems import Code, ContentRefusedError
from adapters.statements.rows import Row
from adapters.statements.tables.content import (
    is_date,
)
from adapters.statements.tables.drafting import (
    Draft,
    decimal_marks,
    find_currency,
    find_dates,
    find_holder,
    find_rows_that_are_no_lines,
    find_rows_without_date,
    names_and_marks,
    negative_debits,
)
from adapters.statements.tables.finding import Found, find_table
from adapters.statements.tables.profile import (
    TableProfile,
    profile_from,
)
from adapters.statements.tables.walk import walk_table
from reconciliation.ports import (
    BalanceCheck,
    LayoutAnswers,
    LayoutProposal,
    ParsedLine,
    ParsedStatement,
    Problem,
)

SAMPLE_ROWS: Final = 2_000
ENCODINGS: Final = ("cp1258", "gb18030", "cp1250", "cp1252")
"""Of texts that are neither marked nor UTF-8; the one in which most columns are named wins."""
_PROVING: Final = frozenset({Code.RUNNING_BALANCE_DIFFERS, Code.BALANCE_DIFFERS})


@dataclass(slots=True)
class _Reading:
    """What a table gives when it is read by a profile."""

    profile: TableProfile
    statements: list[ParsedStatement]
    problems: list[Problem]

    @property
    def is_proved(self) -> bool:
        checks = [statement.balance_check for statement in self.statements]
        return bool(checks) and all(check is BalanceCheck.OK for check in checks)

    @property
    def breaks(self) -> bool:
        return any(problem.code in _PROVING for problem in self.problems)


def best_table(variants: Iterable[tuple[str, Iterable[Row]]]) -> tuple[str, Found] | None:
    """The encoding in which most columns are named, and the table as it reads in it."""
    best: tuple[str, Found] | None = None
    for encoding, rows in variants:
        try:
            found = find_table(list(islice(rows, SAMPLE_ROWS)))
        except ContentRefusedError as refusal:
            if refusal.problem.code != Code.ENCODING:
                raise
            continue
        if found and (best is None or len(found.columns) > len(best[1].columns)):
            best = encoding, found
    return best


def propose(found: Found, encoding: str, answers: LayoutAnswers, limits: Limits) -> LayoutProposal:
    """Propose how to read a table, with what is open and what reading by it gives.

    Raises:
        LayoutInvalidError: an answer is none that a profile could hold.
    """
    draft = Draft(names_and_marks(found, encoding, answers))
    dated = [row for row in found.below if any(map(is_date, row.cells))]
    find_holder(found, answers, draft)
    currency = find_currency(found, answers, draft)
    find_dates(found, dated, answers, draft)
    find_rows_that_are_no_lines(found, dated, draft)
    draft.data["debit_is_negative"] = negative_debits(found)
    if found.texts:
        find_rows_without_date(found, draft)
    readings = [
        _read(found, draft.data | {"decimal_mark": mark}, limits)
        for mark in decimal_marks(found, dated, currency, answers)
    ]
    reading = _decided(readings, draft, "decimal_mark", "decimals are marked by a point or a comma")
    reading = _signs(found, reading, answers, draft, limits)
    return LayoutProposal(
        profile=reading.profile.as_data(),
        header=found.position,
        questions=draft.questions,
        assumptions=draft.assumptions,
        proof=_proof(reading),
        statements=reading.statements,
        problems=[p for p in reading.problems if p.code != Code.NO_ACCOUNT or answers.account],
    )


def _read(found: Found, data: dict[str, Any], limits: Limits) -> _Reading:
    data = data | {"balances_from_rows": "balance" in found.columns}
    profile = profile_from(data, where="proposal")
    lines: list[ParsedLine] = []
    statements: list[ParsedStatement] = []
    problems: list[Problem] = []
    header = [_header_row(found)] if found.texts else []
    for event in walk_table(iter([*found.above, *header, *found.below]), profile, limits):
        if isinstance(event, ParsedLine):
            lines.append(event)
        elif isinstance(event, ParsedStatement):
            event.lines, lines = lines, []
            statements.append(event)
        else:
            problems.append(event)
    return _Reading(profile, statements, problems)


def _header_row(found: Found) -> Row:
    return Row(found.position, list(found.texts))


def _decided(readings: Sequence[_Reading], draft: Draft, about: str, message: str) -> _Reading:
    """The one reading left, or the one that balances prove; else it is asked."""
    proved = [reading for reading in readings if reading.is_proved]
    left = proved if len(proved) == 1 else readings
    if len(left) > 1:
        draft.ask(about, message, *(str(getattr(one.profile, about)) for one in left))
    return left[0]


def _signs(
    found: Found, reading: _Reading, answers: LayoutAnswers, draft: Draft, limits: Limits
) -> _Reading:
    """Which way the money goes: as the header says, as the signs say, as the balance proves."""
    if not found.texts and "credit" in found.columns:
        return _which_column(found, reading, answers, draft, limits)
    if "amount" not in found.columns or "direction" in found.columns:
        return reading
    data = draft.data | {"decimal_mark": reading.profile.decimal_mark}
    inverse = _read(found, data | {"inverse_sign": True}, limits)
    if answers.money_in in ("in", "out"):
        return inverse if answers.money_in == "out" else reading
    if reading.is_proved or inverse.is_proved:
        return reading if reading.is_proved else inverse
    signs = {line.amount > 0 for one in reading.statements for line in one.lines if line.amount}
    if signs == {True}:
        draft.ask("money_in", "no amount has a minus: are they money in or out?", "in", "out")
    else:
        draft.assumptions.append("amounts with a minus are money out")
    return reading


def _which_column(
    found: Found, reading: _Reading, answers: LayoutAnswers, draft: Draft, limits: Limits
) -> _Reading:
    columns = dict(draft.data["columns"])
    choices = [str(columns["debit"]), str(columns["credit"])]
    if answers.money_in not in choices:
        draft.ask("money_in", "two columns of amounts without a header: which is in?", *choices)
        return reading
    if answers.money_in == choices[1]:
        return reading
    columns["debit"], columns["credit"] = columns["credit"], columns["debit"]
    mark = reading.profile.decimal_mark
    return _read(found, draft.data | {"decimal_mark": mark, "columns": columns}, limits)


def _proof(reading: _Reading) -> str:
    if not reading.is_proved:
        return "none"
    return "running_balance" if reading.profile.balances_from_rows else "opening_and_closing"
