"""Gathers every message of templates, pages, errors and reasons, and updates catalogues."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from app.i18n import LANGUAGE_NAMES, PAGE_LANGUAGES, Language
from app.pages import labels
from core.errors import DoisoatError
from reconciliation.matching.reasons import ENGLISH

APP: Final = Path(__file__).parent.parent
_PACKAGES: Final = ("core", "payments", "reconciliation", "adapters", "scheduler", "app")
_METHODS: Final = [
    ("pages/**.py", "python"),
    ("i18n.py", "python"),
    ("templates/**.html", "jinja2"),
]
_KEYWORDS: Final = {
    "_": None,
    "m": None,
    "marked": None,
    "say": None,
    "words.say": None,
    "count": (1, 2),
}

_CITIZEN_SOURCES: Final = (
    "i18n.py",
    "pages/citizen.py",
    "pages/receipt_pdf.py",
    "pages/receipts.py",
    "pages/refund_steps.py",
    "pages/rendering.py",
    "pages/standing.py",
    "templates/error.html",
    "templates/layout.html",
    "templates/parts.html",
    "templates/citizen/",
)
"""Where the citizen's door says something, beside the names of states and the titles of errors."""

_CITIZEN_ERRORS: Final = ("core.errors", "payments.errors", "app.auth.errors")
"""Whose titles can stand on a page that a citizen asked for."""

_EMPTY_HEADERS: Final = (
    '"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By', '"Last-Translator',
    '"Report-Msgid-Bugs-To', '"Language-Team', '"Project-Id-Version',
)  # fmt: skip


def gather() -> Catalog:
    """Return all messages that pages can show, in English, sorted by their text."""
    titles = (kind.title for kind in _errors())
    return _catalogue([*(said for _, said in _from_source()), *titles, *ENGLISH.values()])


def gather_for(language: Language) -> Catalog:
    """Return what is said in a language: all of it, or what the citizen's door can say."""
    if language in PAGE_LANGUAGES:
        return gather()
    said = [one for place, one in _from_source() if place.startswith(_CITIZEN_SOURCES)]
    titles = [kind.title for kind in _errors() if kind.__module__ in _CITIZEN_ERRORS]
    return _catalogue([*said, *labels.citizen_messages(), *titles])


def _catalogue(messages: Iterable[str | tuple[str, str]]) -> Catalog:
    found = {one if isinstance(one, str) else one[0]: one for one in messages}
    catalogue = Catalog(project="doisoat", charset="utf-8")
    for key in sorted(found):
        catalogue.add(found[key])
    return catalogue


def updated(known: Catalog, language: Language) -> Catalog:
    """Return a catalogue with exactly the present messages and the translations that it had."""
    fresh = Catalog(
        locale=language.value,
        header_comment=f"# Messages of doisoat in {LANGUAGE_NAMES[language]}.",
        charset="utf-8",
        fuzzy=False,
    )
    for message in gather_for(language):
        if not message.id:
            continue
        before = known.get(message.id)
        kept = before.string if before is not None and not before.fuzzy else ""
        fresh.add(message.id, message.id if language is Language.ENGLISH else kept)
    return fresh


def read_catalogue(path: Path, language: Language) -> Catalog:
    """Return a committed catalogue; an empty one where there is none yet."""
    if not path.exists():
        return Catalog(locale=language.value)
    with path.open("rb") as text:
        return read_po(text, locale=language.value)


def write_catalogue(path: Path, catalogue: Catalog) -> None:
    """Write a catalogue without places and dates, so that only changed messages show as changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as text:
        write_po(text, catalogue, omit_header=False, no_location=True, width=100)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = (one for one in lines if not one.startswith(_EMPTY_HEADERS))
    path.write_text("".join(kept), encoding="utf-8")


def _from_source() -> Iterator[tuple[str, str | tuple[str, str]]]:
    """Yield the file, from this package on, and the message."""
    found = extract_from_dir(
        APP,
        method_map=_METHODS,
        keywords=_KEYWORDS,
        directory_filter=lambda folder: (
            Path(folder).name
            in {
                "pages",
                "templates",
                "citizen",
                "staff",
            }
        ),
    )
    for place, _, message, _, _ in found:
        said = message if isinstance(message, str) else (message[0], message[1])
        yield place, said


def _errors() -> Iterator[type[DoisoatError]]:
    """Yield every kind of error there is, whatever this process has imported before."""
    for package in map(import_module, _PACKAGES):
        for module in walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    waiting = [DoisoatError]
    while waiting:
        kind = waiting.pop()
        yield kind
        waiting += kind.__subclasses__()


def is_translated(message: Message) -> bool:
    """Whether every form of a message has a translation that is no guess."""
    forms = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return all(forms) and not message.fuzzy
