"""Which bank an identification number (BIN) of a VietQR code belongs to, as dated data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

SHIPPED_BINS: Final = Path(__file__).parent / "data" / "bank_bins.json"


@dataclass(frozen=True, slots=True)
class Bank:
    """A member of the transfer network; a ``receive_only`` bank's own app cannot pay by QR."""

    bin: str
    name: str
    receive_only: bool


@dataclass(frozen=True, slots=True)
class BankTable:
    """The members by BIN as of a day; ``source`` says where the list comes from."""

    as_of: date
    source: str
    banks: Mapping[str, Bank]


@cache
def load_bank_table(path: Path = SHIPPED_BINS) -> BankTable:
    """Read a table of banks (JSON: as_of, source, banks of bin, name, receive_only)."""
    table = json.loads(path.read_text(encoding="utf-8"))
    banks = {row["bin"]: Bank(**row) for row in table["banks"]}
    return BankTable(date.fromisoformat(table["as_of"]), table["source"], banks)
