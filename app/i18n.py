"""The reader's language: which one it is, its words, and how it writes money and dates."""

import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from gettext import GNUTranslations
from pathlib import Path
from typing import Final

from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from core.clock import VIETNAM
from core.money import Currency, Money

LOCALES: Final = Path(__file__).parent / "locales"
NON_BREAKING: Final = "\N{NO-BREAK SPACE}"
_SECONDS_AN_HOUR: Final = 3600
_SECONDS_A_MINUTE: Final = 60


class Language(StrEnum):
    """Languages the pages are written in; the first is the default."""

    VIETNAMESE = "vi"
    ENGLISH = "en"
    FRENCH = "fr"
    CHINESE = "zh"


PAGE_LANGUAGES: Final = (Language.VIETNAMESE, Language.ENGLISH)
"""What every page is written in, also those of staff."""

CITIZEN_LANGUAGES: Final = tuple(Language)
"""What the citizen's pages, receipts and e-mails are written in."""

_STAFF: Final = "/staff"


def offered_languages(path: str) -> tuple[Language, ...]:
    """Return the languages of the page at ``path``."""
    staff = path == _STAFF or path.startswith(f"{_STAFF}/")
    return PAGE_LANGUAGES if staff else CITIZEN_LANGUAGES


LANGUAGE_NAMES: Final[Mapping[Language, str]] = {
    Language.VIETNAMESE: "Tiếng Việt",
    Language.ENGLISH: "English",
    Language.FRENCH: "Français",
    Language.CHINESE: "简体中文",
}
"""Each language in its own words, for the link that changes to it."""

LANGUAGE_COOKIE: Final = "doisoat_language"


def marked(message: str) -> str:
    """Return ``message`` itself; the name marks it for the catalogues, to be translated later."""
    return message


@cache
def load_catalogue(language: Language) -> GNUTranslations:
    """Return a language's words, read from its committed ``.po`` file; no compiled file is needed.

    Fuzzy entries are left out: a guess is no translation.
    """
    path = LOCALES / language.value / "LC_MESSAGES" / "messages.po"
    with path.open("rb") as text:
        catalogue = read_po(text, locale=language.value)
    compiled = io.BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def choose_language(
    asked: str | None,
    remembered: str | None,
    accepted: str,
    offered: Collection[Language] = PAGE_LANGUAGES,
) -> Language:
    """Return the language for a reader: asked for by ``?lang=``, then remembered, then accepted.

    ``accepted`` is an Accept-Language header (RFC 9110, section 12.5.4); a language that is
    not ``offered`` is passed over, and Vietnamese is what remains.
    """
    for wish in (asked, remembered):
        if wish is not None and wish in offered:
            return Language(wish)
    ranked = sorted(
        (_ranked(item, position) for position, item in enumerate(accepted.split(","))), reverse=True
    )
    for quality, _, name in ranked:
        if quality > 0 and name in offered:
            return Language(name)
    return Language.VIETNAMESE


def _ranked(item: str, position: int) -> tuple[float, int, str]:
    name, _, parameters = item.partition(";")
    quality = 1.0
    if parameters.strip().startswith("q="):
        try:
            quality = float(parameters.strip()[2:])
        except ValueError:
            quality = 0.0
    return quality, -position, name.strip().split("-")[0].lower()


@dataclass(frozen=True, slots=True)
class Words:
    """What templates and pages say and how they write values, in one language."""

    language: Language

    def say(self, message: str, /, **values: object) -> str:
        """Translate ``message`` and fill in its ``%(name)s`` places; always plain text."""
        text = load_catalogue(self.language).gettext(message)
        return text % values if values else text

    def count(self, one: str, many: str, number: int, /, **values: object) -> str:
        """Translate the form that fits ``number``, which fills ``%(number)s``."""
        text = load_catalogue(self.language).ngettext(one, many, number)
        return text % {"number": self.number(number), **values}

    def pick(self, vietnamese: str, english: str) -> str:
        """Return the data's text for this reader: names of offices and fees come in two languages.

        There are no French and Chinese names; their readers are shown the English one.
        """
        return vietnamese if self.language is Language.VIETNAMESE else english or vietnamese

    def legal_name(self, vietnamese: str, english: str) -> str:
        """Return the data's text and, for French and Chinese readers, the Vietnamese one beside it.

        That one is the legal name: it can be shown to an office.
        """
        shown = self.pick(vietnamese, english)
        return (
            shown
            if self.language in PAGE_LANGUAGES or shown == vietnamese
            else (f"{shown} ({vietnamese})")
        )

    def number(self, value: int) -> str:
        """Write a whole number with this language's grouping."""
        return format_decimal(value, locale=self.language.value)

    def decimal(self, value: Decimal | None) -> str:
        """An amount of any currency with the language's marks, its decimals as they are."""
        return (
            ""
            if value is None
            else format_decimal(value, locale=self.language.value, decimal_quantization=False)
        )

    def money(self, value: Money) -> str:
        """Write an amount: ``1.234.000 ₫``, ``VND 1,234,000``, ``1,234,000越南盾``."""
        whole, _, fraction = value.decimal.partition(".")
        digits = format_decimal(abs(int(whole)), locale=self.language.value)
        if fraction:
            digits += (
                "." if self.language in {Language.ENGLISH, Language.CHINESE} else ","
            ) + fraction
        sign = "\N{MINUS SIGN}" if value.amount_minor < 0 else ""
        if self.language is Language.FRENCH:
            return f"{sign}{digits}{NON_BREAKING}{value.currency}"
        if value.currency is Currency.VND and self.language in _DONG:
            return f"{sign}{digits}{_DONG[self.language]}"
        return f"{sign}{value.currency}{NON_BREAKING}{digits}"

    def minor(self, amount_minor: int, currency: str = Currency.VND.value) -> str:
        """Write an amount given in minor units; one of a foreign currency is written as it came."""
        if currency in set(Currency):
            return self.money(Money(amount_minor, Currency(currency)))
        return f"{currency} {amount_minor}"

    def day(self, value: date | None) -> str:
        """Write a calendar day: ``06/11/2026``, ``6 November 2026``, ``2026年11月6日``."""
        if value is None:
            return "–"
        if self.language is Language.VIETNAMESE:
            return f"{value:%d/%m/%Y}"
        text = format_date(value, _DAY_PATTERNS[self.language], locale=self.language.value)
        first = self.language is Language.FRENCH and value.day == 1
        return text.replace("1 ", "1er ", 1) if first else text

    def instant(self, value: datetime | None) -> str:
        """Write an instant in Vietnam's time: ``14:05 06/11/2026``, elsewhere the day first."""
        if value is None:
            return "–"
        local = value.astimezone(VIETNAM)
        day = self.day(local.date())
        match self.language:
            case Language.VIETNAMESE:
                return f"{local:%H:%M} {day}"
            case Language.FRENCH:
                return f"{day} à {local.hour}{NON_BREAKING}h{NON_BREAKING}{local:%M}"
            case Language.CHINESE:
                return f"{day} {local:%H:%M}"
            case _:
                return f"{day}, {local:%H:%M}"

    def duration(self, value: timedelta) -> str:
        """Write how long: whole days, else hours, else minutes."""
        seconds = max(0, int(value.total_seconds()))
        if value.days > 0:
            return self.count("%(number)s day", "%(number)s days", value.days)
        if seconds >= _SECONDS_AN_HOUR:
            return self.count("%(number)s hour", "%(number)s hours", seconds // _SECONDS_AN_HOUR)
        return self.count("%(number)s minute", "%(number)s minutes", seconds // _SECONDS_A_MINUTE)


_DONG: Final[Mapping[Language, str]] = {
    Language.VIETNAMESE: f"{NON_BREAKING}₫",
    Language.CHINESE: "越南盾",
}
"""How dong are named after the digits, where a language does not write the code."""

_DAY_PATTERNS: Final[Mapping[Language, str]] = {
    Language.ENGLISH: "d MMMM y",
    Language.FRENCH: "d MMMM y",
    Language.CHINESE: "y年M月d日",
}
