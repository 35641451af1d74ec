"""Large statements made under a seed by the tests' own writers: the same bytes each time."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from adapters.simulators.statement_files import (
    PrintedLine,
    PrintedStatement,
    write_bank_csv,
    write_bank_spreadsheet,
    write_camt053,
)
from core.money import Currency, Money
from tests.support.writers.mt940 import write_mt940

SEED: Final = 20260302
ACCOUNT: Final = "112000000001"
FIRST_DAY: Final = date(2026, 3, 2)
LINES_A_DAY: Final = 400
MEGABYTE: Final = 1_000_000
_NAMES: Final = ("NGUYEN VAN AN", "TRAN THI BINH", "LE HOANG CUONG", "PHAM THU DUNG", "VU DUC EM")
_PURPOSES: Final = (
    "nop le phi ho tich", "nop phi ban sao", "chuyen tien", "nop le phi cu tru", "thanh toan phi",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Large:
    """A large file: where it is, its size, and the lines and the net money it holds."""

    path: Path
    lines: int
    net: int

    @property
    def megabytes(self) -> float:
        """Its size in millions of bytes."""
        return self.path.stat().st_size / MEGABYTE


def lines_of(count: int, *, with_parties: bool) -> Iterator[PrintedLine]:
    """So many movements of dong, nine of ten of them credits, each with a reference of its own."""
    rng = random.Random(SEED)
    for number in range(count):
        amount = rng.randrange(5, 900) * 1000
        is_credit = rng.random() < 0.9
        reference = f"MC{rng.randrange(10**10):010d}"
        name, payer = rng.choice(_NAMES), f"19{rng.randrange(10**10):010d}"
        yield PrintedLine(
            FIRST_DAY + timedelta(days=number // LINES_A_DAY),
            Money(amount if is_credit else -amount, Currency.VND),
            f"{reference} {rng.choice(_PURPOSES)} {number:07d}",
            reference=reference if with_parties else "",
            bank_reference=f"FT{number:010d}",
            counterparty_name=name if with_parties else "",
            counterparty_account=payer if with_parties else "",
        )


def days_of(count: int) -> Iterator[PrintedStatement]:
    """The lines as the statements of days that continue each other."""
    lines = list(lines_of(count, with_parties=True))
    opening = Money(1_000_000_000, Currency.VND)
    for number, start in enumerate(range(0, count, LINES_A_DAY), start=1):
        some = lines[start : start + LINES_A_DAY]
        day = some[0].booking_date
        statement = PrintedStatement(ACCOUNT, str(number), day, day, opening, some)
        opening = statement.final_balance
        yield statement


def one_statement(count: int, *, account: str = ACCOUNT) -> PrintedStatement:
    """All the lines in one statement, as the banks' tables have them."""
    lines = list(lines_of(count, with_parties=False))
    opening = Money(1_000_000_000, Currency.VND)
    return PrintedStatement(account, "1", FIRST_DAY, lines[-1].booking_date, opening, lines)


def _camt(count: int) -> bytes:
    created = datetime(2026, 3, 3, tzinfo=UTC)
    return write_camt053(days_of(count), message_id="BENCHMARK", created_at=created)


def _mt940(count: int) -> bytes:
    return b"".join(write_mt940(statement) for statement in days_of(count))


def _csv(count: int) -> bytes:
    return write_bank_csv(one_statement(count))


def _xlsx(count: int) -> bytes:
    return write_bank_spreadsheet(one_statement(count))


WRITERS: Final[dict[str, Callable[[int], bytes]]] = {
    "camt.053": _camt,
    "mt940": _mt940,
    "csv": _csv,
    "xlsx": _xlsx,
}
_SAMPLE: Final = 2_000


def of_size(kind: str, folder: Path, megabytes: float) -> Large:
    """A file of about so many megabytes."""
    sample = len(WRITERS[kind](_SAMPLE))
    return of_lines(kind, folder, round(megabytes * MEGABYTE * _SAMPLE / sample))


def of_lines(kind: str, folder: Path, count: int) -> Large:
    """A file of so many lines."""
    path = folder / f"{kind}-{count}"
    path.write_bytes(WRITERS[kind](count))
    net = sum(line.amount.amount_minor for line in lines_of(count, with_parties=True))
    return Large(path, count, net)


def part_of(whole: Large, kind: str, share: int) -> Large:
    """The same kind of file with a share of the lines, to see how memory grows."""
    return of_lines(kind, whole.path.parent, whole.lines // share)


def csv_for_import(folder: Path, count: int, *, account: str, salt: str = "") -> Path:
    """A CSV file to be imported; with ``salt`` the same lines in other bytes."""
    statement = one_statement(count, account=account)
    content = write_bank_csv(statement)
    if salt:
        mark, row = content.split(b"\r\n", 1)
        content = mark + salt.encode() + b"\r\n" + row
    path = folder / f"import-{count}{salt.strip()}.csv"
    path.write_bytes(content)
    return path
