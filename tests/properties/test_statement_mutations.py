"""Damaged files: whatever is flipped, cut or repeated, no crash, and no amount is invented."""

import io
import random
import re
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.statements.parser import SettlementFileParser, StatementFileParser
from reconciliation.ports import Outcome, ParsedFile, ParsedSettlement

GOLDEN = Path(__file__).parents[1] / "golden"
STATEMENTS = [
    *sorted(GOLDEN.glob("camt053/*.xml")),
    *sorted(GOLDEN.glob("mt940/*.sta")),
    *sorted(GOLDEN.glob("*/*.csv")),
]
WORKBOOKS = sorted(GOLDEN.glob("bidv/*.xlsx"))
SETTLEMENTS = sorted(GOLDEN.glob("settlements/*.csv"))
TOKENS = [
    *(b"NaN", b"Infinity", b"1E+5", b"-1", b"1,5", b"999999999999999999999", b"0", b"\x00"),
    *(b"<!DOCTYPE a>", b"&a;", b"<Ntry>", b"</Stmt>", b"CRDT", b"DBIT", b";", b'"', b"\n", b"\xff"),
]
Mutation = Callable[[random.Random, bytes], bytes]


def flip(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]


def cut(rng: random.Random, content: bytes) -> bytes:
    return content[: rng.randrange(len(content))]


def remove(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + content[at + rng.randrange(1, 60) :]


def repeat(rng: random.Random, content: bytes) -> bytes:
    at, size = rng.randrange(len(content)), rng.randrange(1, 400)
    return content[:at] + content[at : at + size] * rng.randrange(2, 5) + content[at + size :]


def insert(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + rng.choice(TOKENS) + content[at:]


def replace_a_number(rng: random.Random, content: bytes) -> bytes:
    numbers = list(re.finditer(rb"\d+", content))
    if not numbers:
        return content
    chosen = rng.choice(numbers)
    return content[: chosen.start()] + rng.choice(TOKENS) + content[chosen.end() :]


MUTATIONS: list[Mutation] = [flip, cut, remove, repeat, insert, replace_a_number]


def mutated(rng: random.Random, content: bytes) -> bytes:
    for _ in range(rng.randrange(1, 4)):
        content = rng.choice(MUTATIONS)(rng, content) or b"x"
    return content


def digits(amount: Decimal) -> str:
    """The significant digits of an amount, which must stand somewhere in the file."""
    return f"{abs(amount):f}".replace(".", "").strip("0")


def check_statement(parsed: ParsedFile, content: bytes) -> None:
    lines = [line for statement in parsed.statements for line in statement.lines]
    if parsed.outcome is Outcome.REFUSED:
        assert not parsed.statements
        assert len(parsed.problems) == 1
        return
    text = b"".join(re.findall(rb"[\d;,\t<>\n]", content.replace(b"\x00", b"")))
    printed = re.sub(rb"(?<=\d)[,](?=\d{3})", b"", text).replace(b",", b"")
    for line in lines:
        assert line.amount.is_finite()
        assert digits(line.amount).encode() in printed
    for statement in parsed.statements:
        booked = sum((x.amount for x in statement.lines if x.status == "booked"), Decimal(0))
        opening, closing = statement.opening_balance, statement.closing_balance
        if parsed.outcome is Outcome.OK and opening is not None and closing is not None:
            assert opening + booked == closing


def check_settlement(parsed: ParsedSettlement) -> None:
    if parsed.outcome is Outcome.REFUSED:
        assert not parsed.lines
    if parsed.outcome is Outcome.OK:
        assert all(line.gross - line.fee == line.net for line in parsed.lines)


def run(folder: Path, *, seed: int, rounds: int) -> dict[Outcome, int]:
    rng = random.Random(seed)
    file, seen = folder / "file", dict.fromkeys(Outcome, 0)
    statements, settlements = StatementFileParser(), SettlementFileParser()
    for _ in range(rounds):
        source = rng.choice([*STATEMENTS, *SETTLEMENTS])
        content = mutated(rng, source.read_bytes())
        file.write_bytes(content)
        if source in SETTLEMENTS:
            report = settlements.parse(file, provider=source.name.partition(".")[0])
            check_settlement(report)
            seen[report.outcome] += 1
        else:
            parsed = statements.parse(file)
            check_statement(parsed, content)
            seen[parsed.outcome] += 1
    return seen


def test_five_hundred_mutations_are_answered(tmp_path: Path) -> None:
    seen = run(tmp_path, seed=20260302, rounds=500)

    assert all(seen[outcome] > 10 for outcome in Outcome), seen


def with_mutated_parts(rng: random.Random, workbook: bytes) -> bytes:
    """A sound package whose sheet or texts are damaged."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            is_content = "sheet1" in name or "sharedStrings" in name
            new.writestr(name, mutated(rng, part) if is_content else part)
    return buffer.getvalue()


@pytest.mark.parametrize("damage", [mutated, with_mutated_parts])
def test_mutated_workbooks_are_answered(tmp_path: Path, damage: Mutation) -> None:
    rng = random.Random(7)
    file = tmp_path / "file"
    for _ in range(30):
        file.write_bytes(damage(rng, rng.choice(WORKBOOKS).read_bytes()))
        parsed = StatementFileParser().parse(file)
        for statement in parsed.statements:
            booked = sum((x.amount for x in statement.lines), Decimal(0))
            opening, closing = statement.opening_balance, statement.closing_balance
            if parsed.outcome is Outcome.OK and opening is not None and closing is not None:
                assert opening + booked == closing


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_two_thousand_mutations_of_each_seed_are_answered(tmp_path: Path, seed: int) -> None:
    assert sum(run(tmp_path, seed=seed, rounds=2000).values()) == 2000
