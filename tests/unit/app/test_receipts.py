"""What a receipt says, and that its faces hold every letter that can stand on it."""

import struct
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from app.i18n import LOCALES, Language, Words
from app.locales.catalogues import read_catalogue
from app.pages import receipt_pdf as paper
from app.pages.receipts import ReceiptText, receipt_text
from app.spelling import amount_in_words
from core.money import Currency, Money
from payments.queries import ReceiptView
from tests.support.receipts import CASES, NOW, PAYER, a_bank_line, a_view, facts_of

EN = Words(Language.ENGLISH)
ALL = [Words(language) for language in Language]
VIETNAMESE = (
    "ĂÂĐÊÔƠƯăâđêôơưÁÀẢÃẠẤẦẨẪẬẮẰẲẴẶÉÈẺẼẸẾỀỂỄỆÍÌỈĨỊÓÒỎÕỌỐỒỔỖỘỚỜỞỠỢÚÙỦŨỤỨỪỬỮỰÝỲỶỸỴ"
    "áàảãạấầẩẫậắằẳẵặéèẻẽẹếềểễệíìỉĩịóòỏõọốồổỗộớờởỡợúùủũụứừửữựýỳỷỹỵ₫"
)
FRENCH = "ÀÂÆÇÈÉÊËÎÏÔŒÙÛÜŸàâæçèéêëîïôœùûüÿ«»’…€\u00a0\u202f"
RARE_NAMES = "镕喆堃翀昇甯㛃"
"""Letters of names that the first national set of China, GB 2312, does not hold."""

AMOUNTS = (0, 1, 7, 83_000, 1_234_567, 90_807_060_504, 10**15 - 1)
needs_fonts = pytest.mark.skipif(
    not paper.FONTS.exists(), reason="the page assets are not built: make assets"
)


def _said(view: ReceiptView, words: Words = EN, *, named: bool = True) -> ReceiptText:
    return receipt_text(view, [a_bank_line()], words, named=named)


def test_fees_say_kind_and_legal_basis_and_make_the_total() -> None:
    said = _said(a_view("standing"))
    assert [(fee.name, fee.amount) for fee in said.fees] == [
        ("Civil status charge", "VND\xa075,000"), ("Copy fee", "VND\xa08,000"),
    ]  # fmt: skip
    assert said.fees[0].basis == "State charge (lệ phí) · Legal basis: minh họa / demonstration"
    assert said.fees[1].basis.startswith("Service fee (phí) · ")
    assert said.sums == [("Total", "VND\xa083,000")]
    assert said.in_words == "Eighty-three thousand Vietnamese dong"


def test_a_part_payment_says_what_it_brought_beside_the_total() -> None:
    view = a_view("standing")
    view.receipt.amount_minor = 50_000
    assert _said(view).sums == [
        ("Total", "VND\xa083,000"), ("Received with this payment", "VND\xa050,000"),
    ]  # fmt: skip
    assert _said(view).in_words == "Fifty thousand Vietnamese dong"


def test_the_channels_charge_is_its_own_line_and_part_of_the_total() -> None:
    view = a_view("standing")
    payment = view.paid.payment
    payment.surcharge_minor, payment.amount_minor, payment.collected_minor = 1_100, 84_100, 84_100
    view.receipt.amount_minor = 84_100
    said = _said(view)
    assert (said.fees[-1].name, said.fees[-1].basis, said.fees[-1].amount) == (
        "The channel's charge", "VNPay", "VND\xa01,100",
    )  # fmt: skip
    assert said.sums == [("Total", "VND\xa084,100")]


def test_another_currency_has_no_words_and_is_told_beside_the_total() -> None:
    view = a_view("standing")
    view.receipt.amount_minor, view.receipt.currency = 500, Currency.USD
    said = _said(view)
    assert said.in_words == ""
    assert said.sums[1:] == [("Received with this payment", "USD\xa05.00")]


def test_a_waived_fee_stays_visible_and_counts_nothing() -> None:
    said = _said(a_view("reissued"))
    assert said.fees[1].basis.endswith("Waived")
    assert said.fees[1].amount == "VND\xa00"
    assert said.sums == [("Total", "VND\xa075,000")]


@pytest.mark.parametrize("words", ALL, ids=lambda words: words.language.value)
def test_void_and_new_receipts_name_each_other(words: Words) -> None:
    void, new = _said(a_view("voided"), words), _said(a_view("reissued"), words)
    assert "MC0000000000-1-R1" in void.voided
    assert new.number in void.voided
    assert void.number in new.replaces
    assert new.voided == void.replaces == ""


def test_a_payment_that_the_bank_took_back_says_so() -> None:
    view = a_view("standing")
    view.receipt.voided_at = NOW + timedelta(days=1)
    view.receipt.void_reason = "reversed"
    assert _said(view).voided.endswith("the money was taken back by the payer's bank.")


def test_the_bank_reference_is_told_when_there_is_one() -> None:
    view = a_view("standing")

    def told(*refs: str) -> str:
        lines = [a_bank_line(ref) for ref in refs]
        return dict(receipt_text(view, lines, EN, named=False).rows)["Bank reference"]

    assert told() == "Not yet on a bank statement"
    assert told("FT1") == "FT1, booked on 3 November 2026"
    assert told("") == "booked on 3 November 2026"
    assert told("FT1", "FT2").count("booked") == 2


@pytest.mark.parametrize("words", ALL, ids=lambda words: words.language.value)
def test_the_payer_is_named_only_where_told(words: Words) -> None:
    for named in (True, False):
        data = paper.receipt_data(facts_of(a_view("standing"), words, named=named), words)
        assert (PAYER in str(data)) is named


# --- Missing glyphs -------------------------------------------------------------------------

REGULAR = ("DejaVuSans.ttf", "NotoSansSC_400Regular.ttf")
BOLD = ("DejaVuSans-Bold.ttf", "NotoSansSC_700Bold.ttf")
FIXED = ("DejaVuSansMono.ttf", "NotoSansSC_400Regular.ttf")


def _all_that_can_stand_there(words: Words) -> set[str]:
    """Every message, every letter of names, every spelled amount, every receipt whole."""
    path = LOCALES / words.language.value / "LC_MESSAGES" / "messages.po"
    said = [str(message.string) for message in read_catalogue(path, words.language)]
    said += [amount_in_words(Money(one), words.language.value) for one in AMOUNTS]
    said += [words.money(Money(one)) for one in AMOUNTS]
    said += [str(paper.receipt_data(facts_of(a_view(case), words), words)) for case in CASES]
    said += [VIETNAMESE, FRENCH, RARE_NAMES, "零壹贰叁肆伍陆柒捌玖拾佰仟万亿兆越南盾整"]
    return {letter for letter in "".join(said) if letter.isprintable() or letter in FRENCH}


@needs_fonts
@pytest.mark.parametrize("faces", [REGULAR, BOLD, FIXED])
@pytest.mark.parametrize("words", ALL, ids=lambda words: words.language.value)
def test_no_letter_is_missing_from_the_faces(words: Words, faces: tuple[str, ...]) -> None:
    held = set().union(*(_letters_of(paper.FONTS / face) for face in faces))
    assert {one for one in _all_that_can_stand_there(words) if ord(one) not in held} == set()


@needs_fonts
def test_a_letter_of_no_face_would_be_found() -> None:
    assert not {ord("ก"), 0x1F600} & _letters_of(paper.FONTS / "NotoSansSC_400Regular.ttf")
    assert ord("镕") not in _letters_of(paper.FONTS / "DejaVuSans.ttf")


@needs_fonts
@pytest.mark.parametrize("words", ALL, ids=lambda words: words.language.value)
def test_everything_is_set_in_these_faces_and_can_be_read_back(words: Words) -> None:
    """A letter that none has would be set in another face, or as a box that reads as nothing."""
    letters = {one for one in _all_that_can_stand_there(words) if not one.isspace()}
    data = paper.receipt_data(facts_of(a_view("standing"), words), words)
    data["rows"] = [("", " ".join(sorted(letters)))]
    pdf = PdfReader(BytesIO(paper.render_typst(paper.TEMPLATES / "receipt.typ", data)))
    read = "".join(page.extract_text() for page in pdf.pages)
    assert letters - set(read) == set()
    faces = {
        str(font.get_object()["/BaseFont"]).partition("+")[2]
        for page in pdf.pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert faces <= {
        "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "NotoSansSC-Regular", "NotoSansSC-Bold",
    }  # fmt: skip


@needs_fonts
@pytest.mark.parametrize("words", ALL, ids=lambda words: words.language.value)
def test_a_receipt_stays_small_though_its_faces_are_large(words: Words) -> None:
    """Only the letters that are used are embedded: a phone on a bad line loads it at once."""
    assert len(paper.receipt_pdf(facts_of(a_view("voided"), words), words)) < 120_000


def _letters_of(path: Path) -> set[int]:
    """The code points of a font, from its cmap subtables of formats 4 and 12 (OpenType 1.9)."""
    data = path.read_bytes()
    tables = {
        data[at : at + 4]: struct.unpack_from(">I", data, at + 8)[0]
        for at in range(12, 12 + 16 * struct.unpack_from(">H", data, 4)[0], 16)
    }
    start = tables[b"cmap"]
    letters: set[int] = set()
    for number in range(struct.unpack_from(">H", data, start + 2)[0]):
        table = start + struct.unpack_from(">I", data, start + 4 + 8 * number + 4)[0]
        kind = struct.unpack_from(">H", data, table)[0]
        ranges = {4: _ranges_of_segments, 12: _ranges_of_groups}.get(kind)
        for first, last in ranges(data, table) if ranges else ():
            letters |= set(range(first, last + 1))
    return letters


def _ranges_of_segments(data: bytes, table: int) -> list[tuple[int, int]]:
    count = struct.unpack_from(">H", data, table + 6)[0] // 2
    ends = struct.unpack_from(f">{count}H", data, table + 14)
    starts = struct.unpack_from(f">{count}H", data, table + 16 + 2 * count)
    return list(zip(starts, ends, strict=True))


def _ranges_of_groups(data: bytes, table: int) -> list[tuple[int, int]]:
    count = struct.unpack_from(">I", data, table + 12)[0]
    return [struct.unpack_from(">II", data, table + 16 + 12 * at) for at in range(count)]
