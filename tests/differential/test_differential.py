"""The product's statement readers beside other people's: every disagreement has its reason.

``make statement-differential`` runs it; the others live in an environment of their own. What
differs of a file, and why, stands in ``reasons.json``: a disagreement without a reason fails, and
so does a reason for what no longer differs.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.differential.comparison import PYTHON, READERS, Pair, answers, disagreements, pairs
from tests.differential.report import REPORT
from tests.support.statement_corpus import CORPUS, MISSING, corpus_files

HERE = Path(__file__).parent
REASONS: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (HERE / "reasons.json").read_text(encoding="utf-8")
)
NO_PEERS = "the other readers are not installed: make statement-differential does it"


def corpus_of(config: pytest.Config) -> Path:
    return Path(config.getoption("statement_corpus", default=None) or CORPUS)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "pair" in metafunc.fixturenames:
        files = corpus_files(corpus_of(metafunc.config))
        metafunc.parametrize("pair", pairs(files) if files else [None], ids=str)


@pytest.mark.slow
def test_every_disagreement_has_its_reason(
    pair: Pair | None, request: pytest.FixtureRequest
) -> None:
    if pair is None:
        pytest.skip(MISSING)
    if not PYTHON.exists():
        pytest.skip(NO_PEERS)
    version, said = answers(pair.library, corpus_files(corpus_of(request.config)))
    found = disagreements(pair, said[str(pair.file.path)])
    known = REASONS.get(pair.file.name, {}).get(pair.library, {"differs": [], "reason": ""})
    REPORT.note(pair, version, found, known["reason"])

    assert sorted(found) == sorted(known["differs"]), found


def test_every_reason_is_a_sentence_about_a_file_and_a_library() -> None:
    for file, by_library in REASONS.items():
        assert by_library.keys() <= READERS.keys(), file
        for known in by_library.values():
            assert known["differs"], file
            assert re.fullmatch(r"\S+( \S+){5,}\.", known["reason"]), file


def test_every_reason_is_about_a_file_that_is_compared() -> None:
    files = corpus_files()
    if not files:
        pytest.skip(MISSING)
    compared = {(pair.file.name, pair.library) for pair in pairs(files)}
    explained = {(file, library) for file, known in REASONS.items() for library in known}

    assert explained <= compared
