"""Every page in Vietnamese and English, the citizen's in French and Chinese too: without a gap."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from jinja2 import Environment

from app.i18n import (
    CITIZEN_LANGUAGES,
    LOCALES,
    PAGE_LANGUAGES,
    Language,
    Words,
    choose_language,
    offered_languages,
)
from app.locales.catalogues import gather_for, is_translated, read_catalogue
from app.pages.deeds import deed
from core.audit import AuditEvent
from core.clock import utc_now
from core.db import transaction
from tests.factories import a_bill
from tests.web.conftest import Site

TEMPLATES = Path(__file__).parents[2] / "app" / "templates"
PLACES = re.compile(r"%\((\w+)\)s|\{(\w+)\}")
SHOWN_ATTRIBUTES = ("alt", "title", "aria-label", "placeholder")
OWN_NAME = {"doisoat", "csv"}


def _catalogue(language: Language) -> Catalog:
    path = LOCALES / language.value / "LC_MESSAGES" / "messages.po"
    return read_catalogue(path, language)


@pytest.mark.parametrize("language", list(Language))
def test_every_message_is_translated_and_none_is_left_over(language: Language) -> None:
    catalogue = _catalogue(language)
    present = {message.id for message in catalogue if message.id}
    wanted = {message.id for message in gather_for(language) if message.id}
    assert present == wanted, "run python -m app.locales"
    assert [m.id for m in catalogue if m.id and not is_translated(m)] == []


@pytest.mark.parametrize("language", CITIZEN_LANGUAGES)
def test_translations_keep_every_place_of_their_message(language: Language) -> None:
    for message in _catalogue(language):
        one = message.id if isinstance(message.id, str) else message.id[-1]
        said = message.string if isinstance(message.string, str) else message.string[-1]
        if message.id:
            assert sorted(PLACES.findall(one)) == sorted(PLACES.findall(said)), one


@pytest.mark.parametrize(
    ("language", "alike"),
    [
        (Language.VIETNAMESE, {"VNPay", "SHA-256", "Menu"}),
        (Language.FRENCH, {"VNPay", "Dossier", "Pages", "Total"}),
        (Language.CHINESE, {"VNPay"}),
    ],
)
def test_a_language_says_something_else_than_english_but_for_names(
    language: Language, alike: set[str]
) -> None:
    said = _catalogue(language)
    same = {m.id for m in said if m.id and isinstance(m.id, str) and m.id == m.string}
    assert same <= alike


def test_french_sets_its_high_punctuation_off_by_a_space_that_does_not_break() -> None:
    said = [str(m.string) for m in _catalogue(Language.FRENCH) if m.id]
    assert [text for text in said if re.search(r"(?<!\u00a0)[;?!:](?!//)", text)] == []


def test_chinese_is_punctuated_as_chinese() -> None:
    said = [str(m.string) for m in _catalogue(Language.CHINESE) if m.id]
    assert [text for text in said if re.search(r"[\u4e00-\u9fff][,;:?!]", text)] == []


class _Shown(HTMLParser):
    """Collects what a template shows besides what Jinja fills in."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.texts += [value or "" for name, value in attrs if name in SHOWN_ATTRIBUTES]


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_templates_hold_no_text_of_their_own(path: Path) -> None:
    tokens = Environment(autoescape=True).lex(path.read_text(encoding="utf-8"))
    shown = _Shown()
    shown.feed("".join(value if kind == "data" else "\ufffc" for _, kind, value in tokens))
    words = {word for text in shown.texts for word in re.findall(r"[^\W\d_]{2,}", text)}
    assert words <= OWN_NAME, sorted(words)


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: f"{path.parent.name}-{path.name}"
)
def test_component_texts_are_translated(path: Path) -> None:
    literal = re.compile(r"'(?:text|titleText|summaryText|landmarkLabel)':\s*['\"]")
    assert not literal.search(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("asked", "remembered", "accepted", "expected"),
    [
        (None, None, "", "vi"),
        (None, None, "fr-FR,fr;q=0.9", "vi"),
        (None, None, "en-GB,en;q=0.9,vi;q=0.8", "en"),
        (None, None, "vi;q=0.3,en;q=0.8", "en"),
        (None, None, "en;q=0, vi;q=0.1", "vi"),
        (None, None, "en;q=broken", "vi"),
        (None, "en", "vi", "en"),
        ("vi", "en", "en", "vi"),
        ("xx", None, "en", "en"),
    ],
)
def test_the_language_asked_for_wins_then_the_remembered_then_the_accepted(
    asked: str | None, remembered: str | None, accepted: str, expected: str
) -> None:
    assert choose_language(asked, remembered, accepted) == expected


@pytest.mark.parametrize(
    ("path", "offered"),
    [
        ("/", CITIZEN_LANGUAGES),
        ("/receipts/x", CITIZEN_LANGUAGES),
        ("/staffing", CITIZEN_LANGUAGES),
        ("/staff", PAGE_LANGUAGES),
        ("/staff/sign-in", PAGE_LANGUAGES),
    ],
)
def test_the_citizens_door_opens_in_four_languages(
    path: str, offered: tuple[Language, ...]
) -> None:
    assert offered_languages(path) == offered
    expected = "fr" if Language.FRENCH in offered else "vi"
    assert choose_language(None, None, "fr-FR,fr;q=0.9", offered) == expected
    assert choose_language("zh", "vi", "en", offered) == ("zh" if len(offered) > 2 else "vi")


@pytest.mark.parametrize(
    ("language", "title"),
    [("fr", "Trouver mon avis de paiement"), ("zh", "查找缴费单"), ("vi", "Tìm khoản thu")],
)
def test_the_start_page_speaks_the_readers_language(site: Site, language: str, title: str) -> None:
    answer = site.visitor(f"{language};q=0.9, en;q=0.5").get("/")
    assert f'<html lang="{language}"' in answer.text
    assert answer.headers["content-language"] == language
    assert title in answer.text
    assert answer.text.count("hreflang=") == 3


def test_staff_pages_stay_in_two_languages_and_forget_nothing(site: Site) -> None:
    client = site.signed_in("officer1", "zh-CN")
    client.get("/?lang=zh")
    page = client.get("/staff").text
    assert '<html lang="vi"' in page
    assert page.count("hreflang=") == 1
    assert '<html lang="zh"' in client.get("/").text


def test_an_address_of_nothing_says_so_in_french_and_chinese(site: Site) -> None:
    assert "Introuvable" in site.visitor("fr").get("/nowhere").text
    assert "未找到" in site.visitor("zh").get("/nowhere").text
    assert "该网址无对应缴款" in site.visitor("zh").get("/payments/none").text


def test_a_language_asked_for_is_remembered(site: Site) -> None:
    client = site.visitor("vi")
    assert 'lang="vi"' in client.get("/").text
    assert 'lang="en"' in client.get("/?lang=en").text
    assert "Find my bill" in client.get("/").text


def test_the_link_to_the_other_language_leads_to_the_same_page(site: Site) -> None:
    page = site.visitor("vi").get("/find?code=MC1").text
    assert 'href="/find?code=MC1&amp;lang=en"' in page


def test_a_bill_is_in_the_readers_language_with_its_way_of_writing_money(site: Site) -> None:
    with transaction(site.engine) as session:
        reference = a_bill(session, site.city, clock=site.clock).bill_reference
    vietnamese = site.visitor("vi").get(f"/bills/{reference}").text
    english = site.visitor("en").get(f"/bills/{reference}").text
    assert "Đăng ký khai sinh" in vietnamese
    assert "83.000\xa0₫" in vietnamese
    assert "07/11/2026" in vietnamese
    assert "Registration of a birth" in english
    assert "VND\xa083,000" in english
    assert "7 November 2026" in english
    french = site.visitor("fr").get(f"/bills/{reference}").text
    chinese = site.visitor("zh").get(f"/bills/{reference}").text
    assert "83\N{NARROW NO-BREAK SPACE}000\xa0VND" in french
    assert "7 novembre 2026" in french
    assert "83,000越南盾" in chinese
    assert "2026年11月7日" in chinese
    for page in (french, chinese):
        assert "Civil status charge (Lệ phí hộ tịch)" in page
        assert "Registration of a birth" in page


def test_words_count_in_both_languages() -> None:
    forms = "%(number)s entry", "%(number)s entries"
    assert Words(Language.ENGLISH).count(*forms, 1) == "1 entry"
    assert Words(Language.ENGLISH).count(*forms, 2000) == "2,000 entries"
    assert Words(Language.VIETNAMESE).count(*forms, 2000) == "2.000 mục"


def test_templates_say_every_text_by_the_function_that_translations_are_found_by() -> None:
    """``words.say`` of a template is read by nobody who collects what is to be translated."""
    pages = sorted(TEMPLATES.rglob("*.html"))
    assert pages
    literal = re.compile(r"words\.say\(\s*['\"]")
    assert [path.name for path in pages if literal.search(path.read_text(encoding="utf-8"))] == []


_ACT = re.compile(r'"([a-z]+_(?:bill|refund|resolution|mismatch|refusal|beneficiary|order))"')


def test_every_act_of_people_on_bills_refunds_and_mismatches_is_said_in_words() -> None:
    root = TEMPLATES.parents[1]
    files = [root / "payments/billing.py", root / "reconciliation/mismatches.py"]
    files += [f for f in (root / "payments/refunds").glob("*.py") if f.name != "__init__.py"]
    acts = {act for file in files for act in _ACT.findall(file.read_text(encoding="utf-8"))}
    acts.discard("payment_order")  # the kind of a subject
    assert len(acts) > 8
    words = Words(Language.ENGLISH)
    assert [act for act in sorted(acts) if deed(_act(act), words) == act] == []


def _act(action: str) -> AuditEvent:
    return AuditEvent(
        at=utc_now(), actor_id="a", actor_role="officer", action=action,
        subject_kind="refund", subject_id="r",
    )  # fmt: skip
