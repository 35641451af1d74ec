"""The receipt on paper: a PDF that reads the same everywhere, with a code that leads back to it."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import segno
import typst

from app.i18n import Language, Words
from app.pages.receipts import ReceiptText
from app.pages.rendering import ASSETS, TEMPLATES

FONTS: Final = ASSETS / "fonts"
_SOURCE: Final = TEMPLATES / "receipt.typ"
_LATIN, _HAN, MONO = "DejaVu Sans", "Noto Sans SC", "DejaVu Sans Mono"


def faces(language: Language) -> tuple[str, ...]:
    """Return the families that a receipt is set in, the first that has a letter is taken.

    Punctuation that Latin and Chinese share is Chinese on a Chinese receipt. Names of people from
    China stand on receipts of every language, so the Chinese face is always among them.
    """
    return (_HAN, _LATIN) if language is Language.CHINESE else (_LATIN, _HAN)


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """What stands on a receipt; ``address`` is where it can be checked."""

    text: ReceiptText
    demonstration: bool
    address: str
    city: str


def receipt_pdf(facts: ReceiptFacts, words: Words) -> bytes:
    """Return the receipt as PDF, tagged for screen readers, in the reader's language."""
    return render_typst(_SOURCE, receipt_data(facts, words))


def receipt_data(facts: ReceiptFacts, words: Words) -> dict[str, Any]:
    """Return the texts of a receipt; the template only places them."""
    say = words.say
    return asdict(facts.text) | {
        "language": words.language.value,
        "faces": faces(words.language),
        "mono": (MONO, _HAN),
        "city": facts.city,
        "title": say("Receipt"),
        "fee": say("Fee"),
        "amount_name": say("Amount"),
        "words_name": say("Amount in words"),
        "void": say("VOID") if facts.text.voided else "",
        "demonstration": say("Demonstration: no legal document") if facts.demonstration else "",
        "check": say("Check this receipt: scan the code or open its address."),
        "address": facts.address,
        "qr": _svg(facts.address),
    }


def render_typst(source: Path, data: dict[str, Any]) -> bytes:
    """Return a template filled with data; data never becomes part of its source."""
    pdf = typst.compile(
        source,
        font_paths=_fonts(),
        sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
        format="pdf",
    )
    assert isinstance(pdf, bytes)  # noqa: S101 - one document, not a list of pages
    return pdf


@cache
def _fonts() -> Any:
    """The faces, looked through once for each process: the Chinese ones are large."""
    return typst.Fonts(include_system_fonts=False, font_paths=[FONTS] if FONTS.exists() else [])


def _svg(text: str) -> str:
    image = BytesIO()
    segno.make(text, error="m", micro=False).save(image, kind="svg", border=0)
    return image.getvalue().decode()
