"""The receipt on paper says, word for word and in its order, what the golden texts hold."""

from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from app.i18n import Language, Words
from app.pages.receipt_pdf import FONTS, receipt_pdf
from tests.support.receipts import CASES, a_view, facts_of

GOLDEN = Path(__file__).parent / "receipts"
pytestmark = pytest.mark.skipif(
    not FONTS.exists(), reason="the page assets are not built: make assets"
)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("language", list(Language))
def test_the_paper_says_what_its_golden_text_says(language: Language, case: str) -> None:
    words = Words(language)
    pdf = PdfReader(BytesIO(receipt_pdf(facts_of(a_view(case), words), words)))
    assert len(pdf.pages) == 1
    golden = (GOLDEN / f"{case}.{language.value}.txt").read_text(encoding="utf-8")
    assert pdf.pages[0].extract_text().strip() == golden.strip()


@pytest.mark.parametrize("language", list(Language))
def test_the_paper_is_tagged_and_tells_its_language(language: Language) -> None:
    words = Words(language)
    root = PdfReader(BytesIO(receipt_pdf(facts_of(a_view("standing"), words), words))).root_object
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"].split("-")[0] == language.value
