"""The least a matcher can cost: read the inputs, one hash join for each layer, write the pairs.

Run as ``python -m benchmarks.matching.floor DATA OUT``. It understands nothing: providers' lines
are joined by id, payouts by id against the number of a bank line, transfers by the statement's
number as if it were their reference. So nothing is taken out of any text, nothing is checked, and
what it writes is right only by accident: it is a price, not a matcher.
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

_OPTIONS = pacsv.ParseOptions(newlines_in_values=True)


def main() -> None:
    """Read, join, write."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    payments, lines, bank = (
        pacsv.read_csv(data / f"{name}.csv", parse_options=_OPTIONS, convert_options=_texts(name))
        for name in ("payments", "settlements", "bank")
    )
    sums = lines.group_by("payout_id").aggregate([("net", "sum")])
    mine, others = (
        one.filter(pc.not_equal(one["provider_txn_id"], "")) for one in (payments, lines)
    )
    pairs = [
        mine.join(others, "provider_txn_id", "provider_txn_id", "left outer",
                      right_suffix="_line").select(["payment_id", "line_id", "amount"]),
        lines.join(sums, "payout_id", "payout_id", "left outer")
        .select(["line_id", "payout_id", "net_sum"]),
        payments.join(bank, "bill_reference", "bank_ref", "left outer", right_suffix="_bank")
        .select(["payment_id", "line_id", "amount"]),
    ]  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    whole = pa.concat_tables([one.rename_columns(["left", "right", "amount"]) for one in pairs])
    pacsv.write_csv(whole, out / "pairs.csv")


def _texts(name: str) -> pacsv.ConvertOptions:
    """Identifiers are text, whatever they look like."""
    numbers = {"amount", "gross", "fee", "net"}
    named = {
        "payments": ("payment_id", "bill_reference", "parent_payment_id", "provider_txn_id",
                     "dossier_code", "office_code", "paid_at", "amount"),
        "settlements": ("line_id", "provider_txn_id", "bill_reference", "payout_id", "occurred_at",
                        "gross", "fee", "net"),
        "bank": ("line_id", "account", "counterparty_account", "bank_ref", "narrative", "amount"),
    }[name]  # fmt: skip
    types = {one: pa.int64() if one in numbers else pa.string() for one in named}
    return pacsv.ConvertOptions(column_types=types)


if __name__ == "__main__":
    main()
