"""mt-940 with all its corrections on; it gets text, because a string it may take for a path."""

import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import mt940
from answer import answer, decoded, statement, total


def read(path: Path) -> dict[str, Any]:
    text = io.StringIO(decoded(path))
    blocks = mt940.parse_statements(text, options=mt940.Options.all())
    amounts = [
        [t.data["amount"].amount for t in block.transactions if t.data.get("amount") is not None]
        for block in blocks
    ]
    return {
        "statements": [
            statement(booked, _balance(block.data, "opening"), _balance(block.data, "closing"))
            for block, booked in zip(blocks, amounts, strict=True)
        ],
        "total": total([amount for booked in amounts for amount in booked]),
    }


def _balance(data: dict[str, Any], role: str) -> Decimal | None:
    for kind in ("final", "intermediate"):
        if (balance := data.get(f"{kind}_{role}_balance")) is not None:
            amount: Decimal = balance.amount.amount
            return amount
    return None


answer("mt-940", read)
