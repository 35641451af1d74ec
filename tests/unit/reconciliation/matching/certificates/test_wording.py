"""The tables of sentences: whole, alike in every language, and said in its manner."""

import re
from collections import Counter
from pathlib import Path
from string import Formatter

import pytest

from app.cli.explain import Lang, _wording
from reconciliation.matching import reasons
from reconciliation.matching.certificates import model
from reconciliation.matching.certificates.english import ENGLISH
from reconciliation.matching.certificates.model import Finding
from reconciliation.matching.certificates.vietnamese import VIETNAMESE

SOURCES = Path(model.__file__).parent


def places(sentence: str) -> Counter[str]:
    return Counter(name for _, name, _, _ in Formatter().parse(sentence) if name)


def test_both_tables_have_the_same_codes() -> None:
    assert list(ENGLISH) == list(VIETNAMESE)


@pytest.mark.parametrize("code", list(ENGLISH))
def test_a_sentence_says_the_same_things_in_both_languages(code: str) -> None:
    assert set(places(ENGLISH[code])) == set(places(VIETNAMESE[code]))
    if not code.startswith(("kind.", "by.", "place.")):
        assert ENGLISH[code] != VIETNAMESE[code] or not re.sub(r"{\w+}|\W", "", ENGLISH[code])


def test_every_code_that_is_written_has_its_sentence() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES.glob("*.py"))
    written = set(re.findall(r'Finding(?:\.of)?\(\s*"([a-z_.]+)"', text))
    assert len(written) > 40
    assert written <= set(ENGLISH)


@pytest.mark.parametrize("code", list(reasons.ENGLISH))
def test_every_reason_is_said_in_vietnamese(code: str) -> None:
    vietnamese = _wording(Lang.VI).reasons[code]
    assert vietnamese != reasons.ENGLISH[code]
    assert set(places(vietnamese)) == set(places(reasons.ENGLISH[code]))


def test_sums_days_and_words_are_written_in_the_manner_of_the_language() -> None:
    finding = Finding.of(
        "rival.payment.amount", item="P1", amount=-1_250_000, fate="not_settled", decision="x1"
    )
    assert _wording(Lang.EN).say(finding) == (
        "Payment P1: -1,250,000 VND is another amount; flagged as not_settled in x1."
    )
    assert _wording(Lang.VI).say(finding) == (
        "Khoản thanh toán P1: -1.250.000 VND là số tiền khác; bị đánh dấu not_settled trong x1."
    )
    days = Finding.of("days.late", due="2026-03-01", grace=3, last="2026-03-04", as_of="2026-03-09")
    assert "04/03/2026" in _wording(Lang.VI).say(days)
    assert "2026-03-04" in _wording(Lang.EN).say(days)


def test_money_of_another_currency_is_not_called_dong() -> None:
    finding = Finding.of("item.amount", item="B1", kind="bank", amount=500, currency="USD")
    assert _wording(Lang.EN).say(finding) == "Bank line B1: 500 minor units of USD."
