"""Brings the catalogues up to date with the source: ``python -m app.locales``.

New messages are added untranslated, those that are gone are dropped. English messages are their
own translation. Nothing has to be compiled: the application reads the ``.po`` files.
"""

from app.i18n import LOCALES, Language
from app.locales.catalogues import is_translated, read_catalogue, updated, write_catalogue


def main() -> None:
    """Update every catalogue and say what is left to translate."""
    for language in Language:
        path = LOCALES / language.value / "LC_MESSAGES" / "messages.po"
        catalogue = updated(read_catalogue(path, language), language)
        write_catalogue(path, catalogue)
        missing = [m for m in catalogue if m.id and not is_translated(m)]
        print(f"{language}: {len(catalogue)} messages, {len(missing)} to translate")  # noqa: T201


if __name__ == "__main__":
    main()
