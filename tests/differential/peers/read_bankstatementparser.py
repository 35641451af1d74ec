"""bankstatementparser: signed transactions of a file, and a summary of each statement."""

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

from answer import answer, decoded, plain, total
from bankstatementparser import create_parser


def read(path: Path) -> dict[str, Any]:
    text = decoded(path)
    kind = path.parts[-3]
    suffix = ".sta" if kind.startswith("mt") else ".xml"
    # It refuses files by their suffix, and text that is not UTF-8.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"statement{suffix}"
        copy.write_text(text, encoding="utf-8", newline="")
        parser = create_parser(copy, "camt" if kind == "camt053" else kind)
        rows = parser.parse().to_dict("records")
        summaries = parser.get_summaries()
    amounts = [Decimal(row["Amount"] if "Amount" in row else row["amount"]) for row in rows]
    return {
        "statements": [
            {
                "entries": summary["transaction_count"],
                "net": plain(summary["total_amount"]),
                "opening": plain(summary.get("opening_balance")),
                "closing": plain(summary.get("closing_balance")),
            }
            for summary in summaries
        ],
        "total": total(amounts),
    }


answer("bankstatementparser", read)
