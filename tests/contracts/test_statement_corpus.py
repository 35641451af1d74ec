"""Statements that others wrote: read as an independent scanner found them, or refused."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.statements.parser import StatementFileParser
from reconciliation.ports import Outcome, ParsedFile
from reconciliation.statement_json import booked_totals
from tests.support.statement_corpus import MISSING, CorpusFile, corpus_files

ROOT = Path(__file__).parents[2]
FILES = corpus_files()
CAMT = [f for f in FILES if f.format in ("camt052", "camt053", "camt054")]
SWIFT = [f for f in FILES if f.format in ("mt940", "mt942")]
HOSTILE = [f for f in FILES if f.hostile]
SECONDS = 2.0
MEASURED = """
import re, resource, sys
from pathlib import Path
from adapters.statements.parser import StatementFileParser
parsed = StatementFileParser().parse(Path(sys.argv[1]))
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)
print(parsed.outcome, sum(u.ru_utime + u.ru_stime for u in used), max(int(peak), used[1].ru_maxrss))
"""
"""A program of its own, because a process counts the memory of the one that started it."""

needs_corpus = pytest.mark.skipif(not FILES, reason=MISSING)


def read(file: CorpusFile) -> ParsedFile:
    return StatementFileParser().parse(file.path)


def money(parsed: ParsedFile) -> tuple[int, Decimal, Decimal]:
    lines = [line for statement in parsed.statements for line in statement.lines]
    _, credit, debit = booked_totals(lines)
    return len(lines), credit, debit


@needs_corpus
@pytest.mark.parametrize("file", CAMT, ids=str)
def test_camt_money_is_what_the_witness_found(file: CorpusFile) -> None:
    witness = file.witness
    parsed = read(file)

    if parsed.outcome is Outcome.REFUSED:
        hostile = file.hostile
        assert hostile or witness.get("unparseable") or not witness.get("statements")
        return
    assert money(parsed) == (
        witness["entries"],
        Decimal(witness["credit"]),
        Decimal(witness["debit"]),
    )
    if witness["statements_not_balanced"]:
        assert parsed.outcome is Outcome.HELD
    proved = [s for s in parsed.statements if s.balance_check == "ok"]
    assert len(proved) == witness["statements_balanced"]


@needs_corpus
@pytest.mark.parametrize("file", [f for f in CAMT if f.expected], ids=str)
def test_camt_facts_stated_by_their_sources_hold(file: CorpusFile) -> None:
    expected, parsed = file.expected, read(file)
    lines = [line for statement in parsed.statements for line in statement.lines]

    if expected.get("entries"):
        minor, currency, _ = expected["entries"][-1]
        read_minor = {(int(abs(x.amount) * 100), x.currency) for x in lines}
        assert (abs(int(minor)), currency) in read_minor
    for role in ("opening", "closing"):
        if expected.get(role) is not None:
            assert getattr(parsed.statements[0], f"{role}_balance") == Decimal(expected[role])
    if "booking_date" in expected:
        assert str(lines[0].booking_date) == expected["booking_date"]
    if "currency" in expected:
        assert {x.currency for x in lines} == {expected["currency"]}


@needs_corpus
@pytest.mark.parametrize("file", SWIFT, ids=str)
def test_swift_money_is_what_the_witness_found(file: CorpusFile) -> None:
    witness, parsed = file.witness, read(file)

    if parsed.outcome is Outcome.REFUSED:
        assert not witness.get("blocks"), parsed.problems
        return
    assert money(parsed) == (
        witness["transactions"],
        Decimal(witness["credit"]),
        Decimal(witness["debit"]),
    )
    if witness["blocks_not_balanced"]:
        assert parsed.outcome is Outcome.HELD
    proved = [s for s in parsed.statements if s.balance_check == "ok"]
    assert len(proved) == witness["blocks_balanced"] or parsed.outcome is Outcome.HELD


@needs_corpus
@pytest.mark.parametrize("file", [f for f in SWIFT if f.expected], ids=str)
def test_swift_facts_stated_by_their_sources_hold(file: CorpusFile) -> None:
    expected, parsed = file.expected, read(file)
    first = parsed.statements[0]

    if "opening_statement_1" in expected:
        assert first.opening_balance == Decimal(expected["opening_statement_1"])
    if "first_amount" in expected:
        amounts = [line.amount for s in parsed.statements for line in s.lines]
        assert Decimal(expected["first_amount"]) in amounts
        assert first.currency == expected["currency"]
    if "booking_dates" in expected:
        days = [str(line.booking_date) for s in parsed.statements for line in s.lines]
        assert days == expected["booking_dates"]


@needs_corpus
@pytest.mark.parametrize("file", HOSTILE, ids=str)
def test_hostile_files_are_answered_quickly_and_in_little_memory(file: CorpusFile) -> None:
    command = [sys.executable, "-c", MEASURED, str(file.path)]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, check=True, text=True)
    outcome, seconds, kibibytes = done.stdout.split()

    assert float(seconds) < SECONDS
    assert int(kibibytes) < 200 * 1024
    wanted = file.wanted
    if wanted.startswith("reject or hold"):
        assert outcome in ("refused", "held")
    elif wanted.startswith("reject") and ", or" not in wanted and "IBAN" not in file.note:
        assert outcome == "refused"


@needs_corpus
@pytest.mark.parametrize("file", FILES, ids=str)
def test_no_file_of_the_corpus_is_more_than_one_answer(file: CorpusFile) -> None:
    parsed = read(file)

    if parsed.outcome is Outcome.REFUSED:
        assert parsed.statements == []
        assert len(parsed.problems) == 1
    else:
        assert parsed.statements
    assert all(p.code.startswith("S") and p.where and p.message for p in parsed.problems)
