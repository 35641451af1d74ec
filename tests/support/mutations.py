"""Files damaged under a seed, what must hold of the answer to any of them, and what was seen."""

import csv
import io
import random
import re
import resource
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

import xlsxwriter

from adapters.statements.parser import SettlementFileParser, StatementFileParser
from reconciliation.ports import Outcome, ParsedFile, ParsedSettlement

GOLDEN: Final = Path(__file__).parents[1] / "golden"
TOKENS: Final = [
    *(b"NaN", b"Infinity", b"1E+5", b"-1", b"1,5", b"999999999999999999999", b"0", b"\x00"),
    *(b"<!DOCTYPE a>", b"&a;", b"<Ntry>", b"</Stmt>", b"CRDT", b"DBIT", b";", b'"', b"\n", b"\xff"),
    *(b":61:", b":62F:", b":86:", b"-}", b"RC", b"1.234", b"1.234,56", b"(1)", b"1-", b"\r\n:20:X"),
]
Mutation = Callable[[random.Random, bytes], bytes]


# Damage


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


MUTATIONS: Final[list[Mutation]] = [flip, cut, remove, repeat, insert, replace_a_number]


def mutated(rng: random.Random, content: bytes) -> bytes:
    """One to three damages; never an empty file."""
    for _ in range(rng.randrange(1, 4)):
        content = rng.choice(MUTATIONS)(rng, content) or b"x"
    return content


def with_mutated_texts(rng: random.Random, xml: bytes) -> bytes:
    """Half of the time any damage, which XML seldom survives; else only what stands in elements."""
    if rng.random() < 0.5:
        return mutated(rng, xml)
    for _ in range(rng.randrange(1, 4)):
        texts = list(re.finditer(rb">([^<>]*\w[^<>]*)<", xml))
        if not texts:
            return xml
        start, end = rng.choice(texts).span(1)
        damaged = mutated(rng, xml[start:end]).translate(None, b"<>&\x00")
        xml = xml[:start] + damaged + xml[end:]
    return xml


def with_mutated_parts(rng: random.Random, workbook: bytes) -> bytes:
    """A sound package whose sheet or texts are damaged; now and then the package itself is."""
    if rng.random() < 0.2:
        return mutated(rng, workbook)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(workbook)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            is_content = "sheet1" in name or "sharedStrings" in name
            new.writestr(name, with_mutated_texts(rng, part) if is_content else part)
    return buffer.getvalue()


# What is damaged


@dataclass(frozen=True, slots=True)
class Kind:
    """Sound files of one kind, each with its name, and how they are damaged."""

    name: str
    files: tuple[tuple[str, bytes], ...]
    damage: Mutation = mutated


def kinds() -> list[Kind]:
    """Every format and every shipped profile and map, in the goldens' own files."""
    tables = {
        name: _files(f"{name}/*.csv")
        for name in ("bidv", "mb", "techcombank", "vietcombank", "vietinbank")
    }
    workbooks = _files("*/*.xlsx")
    for name in ("vietcombank", "vietinbank"):
        workbooks += tuple((f"{file} as .xlsx", _as_workbook(text)) for file, text in tables[name])
    return [
        Kind("camt", _files("camt053/*.xml"), with_mutated_texts),
        Kind("mt940", _files("mt940/[!i]*.sta")),
        Kind("mt942", _files("mt940/interim*.sta")),
        *(Kind(f"csv {name}", files) for name, files in tables.items()),
        Kind("xlsx", workbooks, with_mutated_parts),
        Kind("settlement", _files("settlements/*.csv")),
    ]


def _files(pattern: str) -> tuple[tuple[str, bytes], ...]:
    return tuple((path.name, path.read_bytes()) for path in sorted(GOLDEN.glob(pattern)))


def _as_workbook(text: bytes) -> bytes:
    """A table as a workbook whose cells are all texts, as some banks' exports are."""
    lines = text.decode("utf-8-sig").splitlines(keepends=True)
    delimiter = max(";,\t", key="".join(lines).count)
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_numbers": False}) as workbook:
        sheet = workbook.add_worksheet()
        for number, cells in enumerate(csv.reader(lines, delimiter=delimiter)):
            for column, cell in enumerate(cells):
                sheet.write_string(number, column, cell)
    return buffer.getvalue()


# What must hold


def source_text(content: bytes) -> str:
    """What is written in a file, a workbook's parts included; bytes that matter here are ASCII."""
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            parts = [package.read(n) for n in package.namelist() if n.endswith(".xml")]
        content = b"\n".join(parts)
    return content.replace(b"\x00", b"").decode("latin-1")


_RUNS: Final = (r"\d[\d.,]*", r"\d[\d.]*", r"\d[\d., ]*", r"[\d.]*\d")
"""Numbers as written, with and without what may stand between digits or between cells."""


def written_numbers(text: str) -> set[str]:
    """The significant digits of every number that stands in a text as one piece."""
    return {
        re.sub(r"\D", "", run).strip("0") for pattern in _RUNS for run in re.findall(pattern, text)
    }


def digits(amount: Decimal) -> str:
    """The significant digits of an amount, which have to be those of a number in its file."""
    return f"{abs(amount):f}".replace(".", "").strip("0")


def check_statement(parsed: ParsedFile, content: bytes) -> None:
    """No half answer, no amount that is not in the file, no balance that does not follow."""
    if parsed.outcome is Outcome.REFUSED:
        assert not parsed.statements
        assert len(parsed.problems) == 1
        return
    written = written_numbers(source_text(content))
    for amount in _amounts(parsed):
        assert amount.is_finite()
        assert digits(amount) in written, f"{amount} stands nowhere in the file"
    for statement in parsed.statements:
        booked = sum((x.amount for x in statement.lines if x.status == "booked"), Decimal(0))
        opening, closing = statement.opening_balance, statement.closing_balance
        if parsed.outcome is Outcome.OK and opening is not None and closing is not None:
            assert opening + booked == closing


def _amounts(parsed: ParsedFile) -> Iterator[Decimal]:
    """Whatever is printed as money but is not reckoned, as residuals and tables' balances are.

    Techcombank prints fees and taxes beside a debit: its lines are sums, which balances prove.
    """
    if parsed.format == "table:techcombank":
        return
    for statement in parsed.statements:
        if not parsed.format.startswith("table:"):
            yield from (b for b in (statement.opening_balance, statement.closing_balance) if b)
        for line in statement.lines:
            yield line.amount
            yield from (d.amount for d in line.details if d.amount and not d.residual)


def check_settlement(parsed: ParsedSettlement) -> None:
    """No half answer; what is said to be sound adds up."""
    if parsed.outcome is Outcome.REFUSED:
        assert not parsed.lines
    if parsed.outcome is Outcome.OK:
        assert all(line.gross - line.fee == line.net for line in parsed.lines)


# A run


@dataclass
class Fuzz:
    """What was seen in all runs so far: outcomes by kind, and the file that took most CPU time."""

    seen: Counter[tuple[str, Outcome]] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    slowest: str = ""

    def run(self, folder: Path, *, seed: int, rounds: int, seconds: float | None = None) -> None:
        """Damage so many files, each kind in turn, and check every answer.

        The file in hand stays in ``folder``. With ``seconds``, more CPU time for one file fails.
        """
        rng = random.Random(seed)
        file, turns = folder / "file", kinds()
        statements, settlements = StatementFileParser(), SettlementFileParser()
        for number in range(rounds):
            kind = turns[number % len(turns)]
            name, sound = rng.choice(kind.files)
            content = kind.damage(rng, sound)
            file.write_bytes(content)
            started = _cpu_seconds()
            if kind.name == "settlement":
                report = settlements.parse(file, provider=name.partition(".")[0])
                took, outcome = _cpu_seconds() - started, report.outcome
                check_settlement(report)
            else:
                parsed = statements.parse(file)
                took, outcome = _cpu_seconds() - started, parsed.outcome
                check_statement(parsed, content)
            self._note(kind, outcome, took, f"{name}, seed {seed}, round {number}")
            assert seconds is None or took < seconds, f"{took:.2f} s for {name}"

    def _note(self, kind: Kind, outcome: Outcome, took: float, which: str) -> None:
        self.seen[kind.name, outcome] += 1
        if took > self.slowest_seconds:
            self.slowest_seconds, self.slowest = took, which

    def lines(self) -> Iterator[str]:
        """The outcomes of each kind, how many in all, and the slowest file."""
        for kind in kinds():
            counts = [f"{self.seen[kind.name, outcome]:>7} {outcome}" for outcome in Outcome]
            yield f"{kind.name:<16}{''.join(counts)}"
        yield f"{sum(self.seen.values())} damaged files, no crash, no amount that is not written"
        yield f"slowest: {self.slowest_seconds:.3f} s of CPU time ({self.slowest})"


FUZZ: Final = Fuzz()
"""What this run of the tests has seen."""


def _cpu_seconds() -> float:
    """CPU time of this process and of those it started and waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
