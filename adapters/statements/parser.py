"""Files in, what they say out: the adapters behind the two parser ports of reconciliation."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO, Final

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
from adapters.statements.tables.drafting import Answers
from adapters.statements.tables.profile import TableProfile, table_profiles
from adapters.statements.tables.proposal import ENCODINGS, best_table, propose
from adapters.statements.tables.source import open_rows
from adapters.statements.tables.walk import choose_profile, walk_table
from reconciliation.errors import LayoutUnknownError
from reconciliation.ports import (
    LayoutProposal,
    Outcome,
    ParsedFile,
    ParsedLine,
    ParsedSettlement,
    ParsedSettlementLine,
    ParsedStatement,
    Problem,
)

_CONTENT_ERRORS: Final = (ValueError, ArithmeticError, LookupError, MemoryError, RecursionError)
"""What hostile content can end in that no reader foresaw: a refusal, never a crash."""


class StatementFileParser:
    """Reads bank statements of every supported format; implements ``StatementParser``."""

    def __init__(
        self, *, limits: Limits | None = None, profiles: Iterable[TableProfile] | None = None
    ) -> None:
        """Read within ``limits``, tables by ``profiles`` (default: those that ship)."""
        self._limits = limits or Limits()
        chosen = table_profiles() if profiles is None else profiles
        self._profiles = {profile.name: profile for profile in chosen}

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
        if profile is not None and profile not in self._profiles:
            raise LayoutUnknownError(f"no table profile is called {profile!r}")
        named = self._profiles[profile] if profile else None
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
            if refusal.problem.code == Code.NO_PROFILE_FITS:
                parsed.proposal = self._propose(source, kind, head, Answers())
            raise
        parsed.format = f"table:{profile.name}"
        self._collect(parsed, walk_table(rows, profile, self._limits))

    def propose(self, path: Path, answers: Answers) -> LayoutProposal | None:
        """Propose a layout for a table; None where no table with dates and amounts is found.

        Raises:
            StatementRefusedError: the file is no table at all, hostile or damaged.
            OSError: the file cannot be opened.
        """
        with path.open("rb") as source:
            head = source.read(HEAD_BYTES)
            return self._propose(source, sniff(head), head, answers)

    def _propose(
        self, source: BinaryIO, kind: Kind, head: bytes, answers: Answers
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
        """The rows of a table and the profile they are read by."""
        candidates = [named] if named else list(self._profiles.values())
        encodings = [profile.encoding for profile in candidates]
        delimiter = named.delimiter if named else ""
        refusal: ContentRefusedError | None = None
        for rows in open_rows(source, kind, head, encodings, self._limits, delimiter=delimiter):
            try:
                first = list(islice(rows, self._limits.header_within_rows))
                profile = choose_profile(first, candidates, named=named is not None)
            except ContentRefusedError as error:
                refusal = refusal or error
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
