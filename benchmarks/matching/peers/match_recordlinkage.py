"""recordlinkage: blocked pairs, compared field by field, a weighted score, mutual best."""

import sys
import warnings
from pathlib import Path

import pandas as pd
import recordlinkage

from benchmarks.matching.peers.evidence import Problem, mutual_best, problems, write

WEIGHTS = {"id": 3.0, "reference": 3.0, "dossier": 2.0, "amount": 1.0, "date": 0.5, "name": 0.5}
THRESHOLD = 4.0
"""A reference that is nearly the same, the amount, and the date or the name."""


def main() -> None:
    """Match every layer of a data set."""
    warnings.simplefilter("ignore")
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    write(out, [(problem, _pairs(problem)) for problem in problems(data)])


def _pairs(problem: Problem) -> pd.DataFrame:
    left, right = problem.left.set_index("key"), problem.right.set_index("key")
    for table in (left, right):
        table["day"] = pd.to_datetime(table["date"])
        table["head"] = table["reference"].str[:7]
        table["tail"] = table["reference"].str[-6:]
    indexer = recordlinkage.Index()
    for block in (["id"], ["reference"], ["dossier"], ["amount", "date"], ["amount", "head"],
                  ["amount", "tail"]):  # fmt: skip
        if left[block].notna().all(axis=1).any() and right[block].notna().all(axis=1).any():
            indexer.block(block)
    candidates = indexer.index(left.dropna(how="all", axis=1), right.dropna(how="all", axis=1))
    compare = recordlinkage.Compare()
    compare.exact("id", "id", label="id")
    compare.string("reference", "reference", method="levenshtein", threshold=0.8, label="reference")
    compare.exact("dossier", "dossier", label="dossier")
    compare.exact("amount", "amount", label="amount")
    compare.date("day", "day", label="date")
    compare.string("name", "name", method="jarowinkler", threshold=0.9, label="name")
    features = compare.compute(candidates, left, right)
    score = sum(features[name] * weight for name, weight in WEIGHTS.items())
    pairs = pd.DataFrame(
        {"left": features.index.get_level_values(0), "right": features.index.get_level_values(1),
         "score": score.to_numpy(), "amount": features["amount"].to_numpy()}
    )  # fmt: skip
    return mutual_best(pairs[(pairs["score"] >= THRESHOLD) & (pairs["amount"] == 1)])


if __name__ == "__main__":
    main()
