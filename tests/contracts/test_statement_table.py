"""The table of formats × verdicts over the statement corpus: nothing wrong, nothing crashed."""

from pathlib import Path

import pytest

from tests.support.statement_corpus import CORPUS, MISSING, CorpusFile, corpus_files
from tests.support.statement_table import (
    FAILURES,
    STATEMENT_TABLE,
    Reading,
    StatementTable,
    Verdict,
    reading_of,
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "corpus_file" in metafunc.fixturenames:
        named = metafunc.config.getoption("statement_corpus", default=None)
        files = corpus_files(Path(named) if named else CORPUS)
        if named and not files:
            raise pytest.UsageError(f"there is no MANIFEST.json in {named}")
        metafunc.parametrize("corpus_file", files or [None], ids=str)


def test_no_file_is_read_wrongly_or_crashes_the_reader(corpus_file: CorpusFile | None) -> None:
    if corpus_file is None:
        pytest.skip(MISSING)
    reading = reading_of(corpus_file)
    STATEMENT_TABLE.note(reading)

    assert reading.verdict not in FAILURES, reading.reasons


def a_reading(verdict: Verdict, name: str = "mt940/x.sta", *reasons: str) -> Reading:
    return Reading(CorpusFile(name, Path(name), "mt940", hostile=False), verdict, reasons)


def test_the_table_counts_by_format_and_in_all() -> None:
    table = StatementTable()
    table.note(a_reading(Verdict.RIGHT, "a"))
    table.note(a_reading(Verdict.REFUSED, "b", "S107 file: the file holds no statement"))

    lines = table.lines()

    assert lines[1].split() == ["mt940", "2", "1", ".", ".", ".", ".", "1", ".", ".", "."]
    assert lines[2].split()[:3] == ["all", "2", "1"]
    assert "  b: S107 file: the file holds no statement" in lines
    assert table.summary() == "1 money right, 1 refused"


def test_a_statement_whose_money_is_not_what_is_stated_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(
        b":20:X\r\n:25:123\r\n:28C:1/1\r\n:60F:C240301EUR0,00\r\n"
        b":61:2403010301C5,00NTRFNONREF\r\n:62F:C240301EUR5,00\r\n-\r\n"
    )
    stated = {"transactions": 1, "credit": "5.00", "debit": "0", "opening": "0", "closing": "5.00"}
    other = stated | {"credit": "6.00"}

    def verdict(expected: dict[str, object]) -> Verdict:
        file = CorpusFile("x", path, "mt940", hostile=False, expected=expected)
        return reading_of(file).verdict

    assert verdict(stated) is Verdict.RIGHT
    assert verdict(other) is Verdict.WRONG
    assert verdict({}) is Verdict.UNPROVED
