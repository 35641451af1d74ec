"""What ``doisoat explain`` prints of a handful of decisions, word for word."""

from pathlib import Path

import pytest

from reconciliation.matching.model import VERSION
from tests.support.explained import explain, options, write_result

DATA = Path(__file__).parent / "certificates"
CASES = {
    "swapped_symbols_beside_rivals": "B00000003",
    "end_cut_off_and_small_letters": "B00000006",
    "dossier_code": "B00000008",
    "parts_that_do_not_add_up": "B00000010",
    "two_attempts_and_one_line": "B00000014",
    "two_payouts_in_one_credit": "B00000024",
    "fee_and_payout_of_one_line": "S00000023",
    "a_name_and_an_amount": "B00000026",
    "nothing_came": "P00000027",
}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("explained") / "result"
    write_result(DATA, out)
    return out


@pytest.mark.parametrize("lang", ["vi", "en"])
@pytest.mark.parametrize("case", list(CASES))
def test_a_decision_is_explained_as_stated(result: Path, case: str, lang: str) -> None:
    done = explain(CASES[case], "--result", result, *options(DATA), "--lang", lang)

    assert done.exit_code == 0, done.output
    stated = (DATA / f"{case}.{lang}.txt").read_text(encoding="utf-8")
    assert done.stdout == stated.replace("VERSION", VERSION)
