"""reconcile-py: amount and date are gates, two texts are graded; what it calls ambiguous is left.

It grades two texts. They are the reference and the name for transfers, the id and the reference for
providers' lines, the id and the name for payouts. It compares everything with everything; so that
it ends, it is called for the records of one amount at a time, which its gate demands anyway, and
once more for what is left, where it looks for parts that add up.
"""

import sys
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pandas as pd
from reconcile import FieldRule, ReconcileConfig, Record, reconcile

from benchmarks.matching.peers.evidence import Problem, problems, write

TEXTS = {"direct": ("reference", "name"), "provider": ("id", "reference"), "payout": ("id", "name")}
CONFIG = ReconcileConfig(
    rules=(
        FieldRule(field="amount", role="gate"),
        FieldRule(field="date", role="gate", day_tol=7),
        FieldRule(field="reference", role="grade", weight=3),
        FieldRule(field="counterparty", role="grade", weight=1),
    ),
    threshold=0.6,
    ambiguity_epsilon=0.05,
)


def main() -> None:
    """Match every layer of a data set."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    write(out, [(problem, _pairs(problem)) for problem in problems(data)])


def _pairs(problem: Problem) -> pd.DataFrame:
    left, right = _by_amount(problem, problem.left), _by_amount(problem, problem.right)
    found, rest_left, rest_right = [], [], []
    for amount in sorted({*left, *right}):
        result = reconcile(left.get(amount, []), right.get(amount, []), CONFIG)
        found += [match for match in result.matches if not match.ambiguous]
        rest_left += result.left_residuals
        rest_right += result.right_residuals
    found += [m for m in reconcile(rest_left, rest_right, CONFIG).matches if not m.ambiguous]
    pairs = [
        (str(number), left_id, right_id)
        for number, match in enumerate(found)
        for left_id in match.left_ids
        for right_id in match.right_ids
    ]
    return pd.DataFrame(pairs, columns=["match", "left", "right"])


def _by_amount(problem: Problem, table: pd.DataFrame) -> dict[int, list[Record]]:
    first, second = TEXTS[problem.layer]
    grouped: dict[int, list[Record]] = defaultdict(list)
    rows = zip(table["key"], table["amount"], table["date"], table[first], table[second],
               strict=True)  # fmt: skip
    for key, amount, day, one, two in rows:
        texts = [text if isinstance(text, str) else None for text in (one, two)]
        record = Record(Decimal(amount), date.fromisoformat(day), *texts, key)
        grouped[amount].append(record)
    return grouped


if __name__ == "__main__":
    main()
