"""datacompy: joins on the id, then on the reference of what is left; equal rows are matches."""

import sys
from pathlib import Path

import pandas as pd
from datacompy import PandasCompare

from benchmarks.matching.peers.evidence import Problem, problems, write


def main() -> None:
    """Match every layer of a data set."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    write(out, [(problem, _pairs(problem)) for problem in problems(data)])


def _pairs(problem: Problem) -> pd.DataFrame:
    left, right = problem.left, problem.right
    found = []
    for column in ("id", "reference", "dossier"):
        columns = ["key", column, "amount"]
        mine = left.loc[left[column].notna(), columns].copy()
        theirs = right.loc[right[column].notna(), columns].copy()
        if mine.empty or theirs.empty:
            continue
        compared = PandasCompare(mine, theirs, join_columns=[column])
        rows = compared.intersect_rows
        equal = rows[rows["amount_match"]]
        pairs = pd.DataFrame({"left": equal["key_df1"], "right": equal["key_df2"]})
        found.append(pairs)
        left = left[~left["key"].isin(pairs["left"])]
        right = right[~right["key"].isin(pairs["right"])]
    return pd.concat(found).drop_duplicates("left").drop_duplicates("right")


if __name__ == "__main__":
    main()
