"""splink: Fellegi-Sunter weights learned from the data, probability ≥ 0.99, ties dropped."""

import logging
import sys
import warnings
from pathlib import Path

import pandas as pd
import splink.comparison_level_library as cll
import splink.comparison_library as cl
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from benchmarks.matching.peers.evidence import Problem, problems, write

THRESHOLD = 0.99
SEED = 1
BLOCKS = {
    "id": block_on("id"),
    "reference": block_on("reference"),
    "dossier": block_on("dossier"),
    "date": block_on("amount", "date"),
    "head": block_on("amount", "substr(reference, 1, 7)"),
    "tail": block_on("amount", "substr(reference, -6)"),
}


def main() -> None:
    """Match every layer of a data set."""
    warnings.simplefilter("ignore")
    logging.getLogger("splink").setLevel(logging.ERROR)
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    write(out, [(problem, _pairs(problem)) for problem in problems(data)])


def _pairs(problem: Problem) -> pd.DataFrame:
    said = [
        name
        for name in ("id", "reference", "dossier", "name")
        if problem.left[name].notna().any() and problem.right[name].notna().any()
    ]
    api = DuckDBAPI()
    tables = [
        api.register(table.astype({"amount": "int64"}), dataset_display_name=side)
        for side, table in (("a_left", problem.left), ("b_right", problem.right))
    ]
    linker = Linker(tables, _settings(said))
    sure = [BLOCKS[name] for name in ("id", "reference") if name in said]
    linker.training.estimate_probability_two_random_records_match(sure, recall=0.8)
    linker.training.estimate_u_using_random_sampling(max_pairs=2_000_000, seed=SEED)
    for name in ("date", *(["reference"] if "reference" in said else ["id"])):
        linker.training.estimate_parameters_using_expectation_maximisation(BLOCKS[name])
    predicted = linker.inference.predict(threshold_match_probability=THRESHOLD)
    clusters = linker.clustering.cluster_using_single_best_links(
        predicted, duplicate_free_datasets=["a_left", "b_right"],
        threshold_match_probability=THRESHOLD, ties_method="drop",
    ).as_pandas_dataframe()  # fmt: skip
    left = clusters[clusters["source_dataset"] == "a_left"]
    right = clusters[clusters["source_dataset"] == "b_right"]
    both = left.merge(right, on="cluster_id", suffixes=("_left", "_right"))
    return pd.DataFrame({"left": both["key_left"], "right": both["key_right"]})


def _settings(said: list[str]) -> SettingsCreator:
    comparisons = {
        "id": cl.ExactMatch("id"),
        "reference": cl.LevenshteinAtThresholds("reference", [1, 2]),
        "dossier": cl.ExactMatch("dossier"),
        "name": cl.JaroWinklerAtThresholds("name", [0.9]),
    }
    days = cl.CustomComparison(
        output_column_name="date",
        comparison_levels=[
            cll.NullLevel("date"),
            cll.ExactMatchLevel("date"),
            cll.AbsoluteDateDifferenceLevel(
                "date", input_is_string=True, threshold=3, metric="day"
            ),
            cll.AbsoluteDateDifferenceLevel(
                "date", input_is_string=True, threshold=7, metric="day"
            ),
            cll.ElseLevel(),
        ],
    )
    blocks = [name for name in ("id", "reference", "dossier") if name in said] + ["date"]
    blocks += ["head", "tail"] if "reference" in said else []
    return SettingsCreator(
        link_type="link_only",
        unique_id_column_name="key",
        comparisons=[*(comparisons[name] for name in said), cl.ExactMatch("amount"), days],
        blocking_rules_to_generate_predictions=[BLOCKS[name] for name in blocks],
    )


if __name__ == "__main__":
    main()
