"""Files in, what they say out: the adapters behind the two parser ports of reconciliation."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from adapters.statements.camt053 import walk_camt
from adapters.statements.camt_message import recognise
from adapters.statements.events import Event
from adapters.statements.limits import Limits
from adapters.statements.mt940 import walk_mt940
from adapters.statements.problems import Code, ContentRefusedError, outcome_of
from adapters.statements.rows import UTF8, Row, is_utf8, text_encodings
from adapters.statements.settlement_map import SettlementMap, settlement_maps
from adapters.statements.settlements import walk_settlement
from adapters.statements.sniff import HEAD_BYTES, Kind, sniff
from adapters.statements.tables.profile import TableProfile, profile_from, table_profiles
from adapters.statements.tables.proposal import ENCODINGS, best_table, propose
from adapters.statements.tables.source import open_rows
from adapters.statements.tables.walk import choose_profile, walk_table
from reconciliation.errors import LayoutInvalidError, LayoutUnknownError
from reconciliation.ports import (
    LayoutAnswers,
    LayoutProposal,
    Outcome,
    ParsedFile,
    ParsedLine,
    ParsedSettlement,
    ParsedSettlementLine,
    ParsedStatement,
    Problem,
)

_UNKNOWN_LAYOUT: Final = frozenset({Code.NO_PROFILE_FITS, Code.ENCODING})
"""A table that no profile reads, or that is in the encoding of none."""
_CONTENT_ERRORS: Final = (ValueError, ArithmeticError, LookupError, MemoryError, RecursionError)
"""What hostile content can end in that no reader foresaw: a refusal, never a crash."""


class StatementFileParser:
    """Reads bank statements of every supported format; implements ``StatementParser``."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        saved: Callable[[], Iterable[Mapping[str, Any]]] = tuple,
    ) -> None:
        """Read within ``limits``, tables by the profiles that ship, else by ``saved`` ones.

        ``saved`` is asked for each table that no shipped profile fits: what an office saves
        counts at once.
        """
        self._limits = limits or Limits()
        self._saved = saved

    def parse(self, path: Path, *, profile: str | None = None) -> ParsedFile:
        """Read a file whole; never raises for what the file contains.

        Args:
            path: the file; only its content decides what it is.
            profile: the table profile to read it by; without one a table is recognised by the
                marks of exactly one profile.

        Raises:
            LayoutUnknownError: no profile has this name.
            OSError: the file cannot be opened.
        """
        return self._parse(path, None if profile is None else self._find(profile))

    def parse_by(self, path: Path, profile: Mapping[str, Any]) -> ParsedFile:
        """Read a table by a profile that is saved nowhere.

        Raises:
            LayoutInvalidError: it is no profile.
            OSError: the file cannot be opened.
        """
        return self._parse(path, profile_from(profile, where="profile"))

    def _find(self, name: str) -> TableProfile:
        for profile in chain(table_profiles(), self._saved_profiles()):
            if name in (profile.name, profile.label):
                return profile
        raise LayoutUnknownError(f"no table profile is called {name!r}")

    def _saved_profiles(self) -> list[TableProfile]:
        return [profile_from(data, where=str(data.get("name"))) for data in self._saved()]

    def _parse(self, path: Path, named: TableProfile | None) -> ParsedFile:
        with path.open("rb") as source:
            parsed = ParsedFile(path.name, _sha256(source), "unknown", Outcome.REFUSED)
            refusal = _reading(partial(self._read, source, parsed, named))
        if refusal is not None:
            parsed.outcome, parsed.statements, parsed.problems = Outcome.REFUSED, [], [refusal]
        return parsed

    def _read(self, source: BinaryIO, parsed: ParsedFile, named: TableProfile | None) -> None:
        source.seek(0)
        head = source.read(HEAD_BYTES)
        kind = sniff(head)
        parsed.format = kind.value
        if kind is Kind.XML:
            message = recognise(head)
            parsed.format = message.format
            source.seek(0)
            self._collect(parsed, walk_camt(source, message, self._limits))
            return
        if kind in (Kind.MT940, Kind.MT942):
            self._collect(parsed, walk_mt940(source, head, self._limits))
            return
        try:
            rows, profile = self._table(source, kind, head, named)
        except ContentRefusedError as refusal:
            if refusal.problem.code not in _UNKNOWN_LAYOUT:
                raise
            with suppress(LayoutInvalidError):  # headers that no profile could hold
                parsed.proposal = self._propose(source, kind, head, LayoutAnswers())
            if parsed.proposal is None:
                raise
            text = "a table of a layout that is not known here: see the proposal"
            raise ContentRefusedError(Code.NO_PROFILE_FITS, "table", text) from refusal
        parsed.format = f"table:{profile.label}"
        self._collect(parsed, walk_table(rows, profile, self._limits))

    def propose(self, path: Path, answers: LayoutAnswers) -> LayoutProposal | None:
        """Propose a layout for a table; None where no table with dates and amounts is found.

        Raises:
            StatementRefusedError: the file is no table at all, hostile or damaged.
            LayoutInvalidError: an answer is none that a profile could hold.
            OSError: the file cannot be opened.
        """
        with path.open("rb") as source:
            head = source.read(HEAD_BYTES)
            return self._propose(source, sniff(head), head, answers)

    def _propose(
        self, source: BinaryIO, kind: Kind, head: bytes, answers: LayoutAnswers
    ) -> LayoutProposal | None:
        source.seek(0)
        encodings = text_encodings(head, is_utf8=is_utf8(source), others=ENCODINGS)
        variants = (
            (encoding, rows)
            for encoding in (encodings if kind in (Kind.TEXT, Kind.HTML) else [UTF8])
            for rows in open_rows(source, kind, head, [encoding], self._limits)
        )
        best = best_table(variants)
        return propose(best[1], best[0], answers, self._limits) if best else None

    def _table(
        self, source: BinaryIO, kind: Kind, head: bytes, named: TableProfile | None
    ) -> tuple[Iterator[Row], TableProfile]:
        """The rows of a table and the profile they are read by: named, shipped, else saved."""
        if named is not None:
            return self._fitting(source, kind, head, [named], named=True)
        try:
            return self._fitting(source, kind, head, table_profiles())
        except ContentRefusedError as refusal:
            saved = self._saved_profiles() if refusal.problem.code in _UNKNOWN_LAYOUT else []
            if not saved:
                raise
        return self._fitting(source, kind, head, saved)

    def _fitting(
        self,
        source: BinaryIO,
        kind: Kind,
        head: bytes,
        candidates: Sequence[TableProfile],
        *,
        named: bool = False,
    ) -> tuple[Iterator[Row], TableProfile]:
        encodings = [profile.encoding for profile in candidates]
        delimiter = candidates[0].delimiter if named else ""
        refusal: ContentRefusedError | None = None
        for rows in open_rows(source, kind, head, encodings, self._limits, delimiter=delimiter):
            try:
                first = list(islice(rows, self._limits.header_within_rows))
                profile = choose_profile(first, candidates, named=named)
            except ContentRefusedError as error:
                if refusal is None or error.problem.code != Code.ENCODING:
                    refusal = error
                continue
            return chain(first, rows), profile
        raise refusal or ContentRefusedError(Code.ENCODING, "file", "the encoding is not known")

    def _collect(self, parsed: ParsedFile, events: Iterable[Event]) -> None:
        lines: list[ParsedLine] = []
        problems: list[Problem] = []
        for event in events:
            if isinstance(event, ParsedLine):
                lines.append(event)
            elif isinstance(event, ParsedStatement):
                event.lines, lines = lines, []
                parsed.statements.append(event)
            else:
                _note(problems, event, self._limits)
        parsed.outcome = outcome_of(problems)
        parsed.problems = _shortened(problems, self._limits.problems)


class SettlementFileParser:
    """Reads providers' settlement reports; implements ``SettlementParser``."""

    def __init__(
        self, *, limits: Limits | None = None, maps: Iterable[SettlementMap] | None = None
    ) -> None:
        """Read within ``limits``, reports by ``maps`` (default: those that ship)."""
        self._limits = limits or Limits()
        chosen = settlement_maps() if maps is None else maps
        self._maps = {layout.provider: layout for layout in chosen}

    def parse(self, path: Path, *, provider: str) -> ParsedSettlement:
        """Read a report whole; never raises for what the file contains.

        Raises:
            LayoutUnknownError: there is no map for this provider.
            OSError: the file cannot be opened.
        """
        if provider not in self._maps:
            raise LayoutUnknownError(f"no settlement map is called {provider!r}")
        layout = self._maps[provider]
        with path.open("rb") as source:
            sha256 = _sha256(source)
            parsed = ParsedSettlement(path.name, sha256, "unknown", provider, "", Outcome.REFUSED)
            refusal = _reading(partial(self._read, source, parsed, layout))
        if refusal is not None:
            parsed.outcome, parsed.lines, parsed.problems = Outcome.REFUSED, [], [refusal]
        parsed.report_id = parsed.report_id or f"sha256-{sha256[:16]}"
        return parsed

    def _read(self, source: BinaryIO, parsed: ParsedSettlement, layout: SettlementMap) -> None:
        source.seek(0)
        head = source.read(HEAD_BYTES)
        kind = sniff(head)
        parsed.format = kind.value
        opened = open_rows(source, kind, head, [layout.encoding], self._limits)
        rows = next(iter(opened), None)
        if rows is None:
            raise ContentRefusedError(Code.ENCODING, "file", "the encoding is not known")
        parsed.format = f"settlement:{layout.name}"
        problems: list[Problem] = []
        for event in walk_settlement(rows, layout, self._limits):
            if isinstance(event, ParsedSettlementLine):
                parsed.lines.append(event)
            elif isinstance(event, Problem):
                _note(problems, event, self._limits)
            else:
                parsed.report_id = event
        parsed.outcome = outcome_of(problems)
        parsed.problems = _shortened(problems, self._limits.problems)


def _note(problems: list[Problem], problem: Problem, limits: Limits) -> None:
    """Keep a problem; a file that is nothing but problems is no statement."""
    problems.append(problem)
    if len(problems) > limits.unreadable_rows:
        message = f"more than {limits.unreadable_rows} problems; the first: {problems[0].message}"
        raise ContentRefusedError(Code.LIMIT_EXCEEDED, problems[0].where, message)


def _shortened(problems: list[Problem], most: int) -> list[Problem]:
    """As many problems as a person reads, and how many more there were."""
    if len(problems) <= most:
        return problems
    more = f"and {len(problems) - most} more problems"
    return [*problems[:most], Problem(Code.ROW_UNCLEAR, "file", more)]


def _reading(read: Callable[[], None]) -> Problem | None:
    """Run a reader; None, or the reason why the file is refused."""
    try:
        read()
    except ContentRefusedError as error:
        return error.problem
    except _CONTENT_ERRORS as error:
        message = f"the file cannot be read ({type(error).__name__})"
        return Problem(Code.UNREADABLE, "file", message)
    return None


def _sha256(source: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(1024 * 1024):
        digest.update(chunk)
    return digest.hexdigest()
