"""Statements that others wrote: where they lie, and what is known of the money in each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from reconciliation.ports import Outcome, ParsedFile, ParsedLine
from reconciliation.statement_json import booked_totals

CORPUS: Final = Path(__file__).parents[3] / "shared" / "statements" / "corpus"
"""Beside the checkout; ``--statement-corpus`` names another one."""
MISSING: Final = "the statement corpus beside the checkout is not there"


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """A file of the corpus.

    ``expected`` is what its source's own tests state, or what it was made of; ``witness`` is what
    an independent scanner found in its bytes. ``wanted`` says what a hostile file deserves.
    """

    name: str
    path: Path
    format: str
    hostile: bool
    note: str = ""
    wanted: str = ""
    expected: dict[str, Any] = field(default_factory=dict, hash=False)
    witness: dict[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        """Its name within the corpus, which is also the name of its test."""
        return self.name

    @property
    def to_be_read(self) -> bool:
        """Whether a refusal of it has to be explained."""
        return not self.hostile or bool(self.expected)


@cache
def corpus_files(corpus: Path = CORPUS) -> tuple[CorpusFile, ...]:
    """Every file that the manifest of a corpus names, in its order; none where it is absent."""
    manifest = corpus / "MANIFEST.json"
    if not manifest.exists():
        return ()
    return tuple(
        CorpusFile(
            name=stated["file"],
            path=corpus / stated["file"],
            format=stated["format"],
            hostile="/hostile/" in stated["file"],
            note=stated["note"] or "",
            wanted=stated.get("wanted_behaviour") or "",
            expected=stated["expected"] or {},
            witness=stated["witness"] or {},
        )
        for stated in json.loads(manifest.read_text(encoding="utf-8"))["files"]
    )


@dataclass(frozen=True, slots=True)
class Money:
    """The money of a file as the reader has it: what is booked, and the outermost balances."""

    entries: int
    booked: int
    credit: Decimal
    debit: Decimal
    opening: Decimal | None
    closing: Decimal | None


def money_of(parsed: ParsedFile) -> Money:
    """Count a file over all its statements; balances are the first and the last that are stated."""
    lines = _lines(parsed)
    openings = [s.opening_balance for s in parsed.statements if s.opening_balance is not None]
    closings = [s.closing_balance for s in parsed.statements if s.closing_balance is not None]
    return Money(
        len(lines),
        *booked_totals(lines),
        openings[0] if openings else None,
        closings[-1] if closings else None,
    )


def has_facts(file: CorpusFile) -> bool:
    """Whether a file's money is known, so that it can be called right or wrong.

    Of a fragment without a statement, or with a line that the witness could not read, it is not.
    """
    witness = file.witness
    witnessed = bool(witness.get("blocks") or witness.get("statements"))
    if witness.get("unreadable"):
        return False
    return witnessed or bool(file.expected.keys() - {"statements", "currency"})


def differences(file: CorpusFile, parsed: ParsedFile) -> list[str]:
    """What the reader found otherwise than it is stated; empty if all of it is as stated.

    A balance that the reader calls unclear, and holds the file for, is not compared.
    """
    money, is_held = money_of(parsed), parsed.outcome is Outcome.HELD
    found: dict[str, Any] = {
        "entries": money.entries,
        "booked": money.booked,
        "credit": money.credit,
        "debit": money.debit,
        "opening": money.opening,
        "closing": money.closing,
    }
    said = []
    for source, facts in (("witness", _witnessed(file)), ("source", _constructed(file))):
        for name, stated in facts.items():
            unclear = is_held and found[name] is None
            if not unclear and found[name] != stated:
                said.append(f"{name} {found[name]}, the {source} says {stated}")
    return [*said, *_first_statement(file, parsed), *_sample(file, parsed)]


def _lines(parsed: ParsedFile) -> list[ParsedLine]:
    return [line for statement in parsed.statements for line in statement.lines]


def _witnessed(file: CorpusFile) -> dict[str, Any]:
    witness = file.witness
    if "credit" not in witness:
        return {}
    facts: dict[str, Any] = {"entries": witness.get("entries", witness.get("transactions"))}
    if "booked" in witness:
        facts["booked"] = witness["booked"]
    for name in ("credit", "debit", "opening", "closing"):
        if witness[name] not in (None, "None"):
            facts[name] = Decimal(witness[name])
    return facts


def _constructed(file: CorpusFile) -> dict[str, Any]:
    """What a file was made of; the entries of other sources are samples (see ``_sample``)."""
    expected = file.expected
    if "entries" in expected:
        return {}
    facts: dict[str, Any] = {}
    if "transactions" in expected:
        facts["booked"] = expected["transactions"]
    for name in ("credit", "debit", "opening", "closing"):
        if expected.get(name) is not None:
            facts[name] = Decimal(expected[name])
    return facts


def _first_statement(file: CorpusFile, parsed: ParsedFile) -> Iterator[str]:
    """Facts taken from a source's tests by script: some of its statements has so many lines."""
    expected = file.expected
    if "transactions_in_statement_1" not in expected or not parsed.statements:
        return
    opening = parsed.statements[0].opening_balance
    if expected["transactions_in_statement_1"] not in {len(s.lines) for s in parsed.statements}:
        yield f"no statement of {expected['transactions_in_statement_1']} lines"
    if opening != Decimal(expected["opening_statement_1"]):
        yield f"the opening balance {opening}, its source says {expected['opening_statement_1']}"
    if Decimal(expected["first_amount"]) not in {line.amount for line in _lines(parsed)}:
        yield f"no line of {expected['first_amount']}"


def _sample(file: CorpusFile, parsed: ParsedFile) -> Iterator[str]:
    """Entries that a source states, in minor units of a currency with two decimals."""
    read = {(abs(line.amount), line.currency) for line in _lines(parsed)}
    for minor, currency, _ in file.expected.get("entries", [])[-1:]:
        amount = abs(Decimal(minor)).scaleb(-2)
        if (amount, currency) not in read:
            yield f"no line of {amount} {currency}"
