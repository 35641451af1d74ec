"""Reads what is written down about a source: by name, and complaining by name."""

from enum import StrEnum
from typing import Final, TypeVar

from reconciliation.errors import SourceInvalidError
from reconciliation.ports import SourceAccess

_Kind = TypeVar("_Kind", bound=StrEnum)
_HIGHEST_PORT: Final = 65_535


class Terms:
    """A source's settings and secrets; a name that nobody asked for is refused at the end."""

    def __init__(self, access: SourceAccess) -> None:
        self._config = access.config
        self._secrets = access.secrets
        self._asked: set[str] = set()

    def text(self, name: str, otherwise: str | None = None) -> str:
        """Return a setting.

        Raises:
            SourceInvalidError: it has to be there and is not.
        """
        self._asked.add(name)
        found = self._config.get(name, "").strip() or otherwise
        if found is None:
            raise SourceInvalidError(f"{name} is missing")
        return found

    def words(self, name: str) -> tuple[str, ...]:
        """Return a setting that is several words between blanks or commas, perhaps none."""
        return tuple(self.text(name, "").replace(",", " ").split())

    def port(self, otherwise: int) -> int:
        """Return the port.

        Raises:
            SourceInvalidError: it is none.
        """
        said = self.text("port", str(otherwise))
        if not (said.isascii() and said.isdigit() and 0 < int(said) <= _HIGHEST_PORT):
            raise SourceInvalidError(f"port: {said[:20]!r} is none")
        return int(said)

    def choice(self, name: str, *allowed: _Kind) -> _Kind:
        """Return a setting that is one of several words, the first if it is left out.

        Raises:
            SourceInvalidError: it is none of them.
        """
        said = self.text(name, allowed[0].value)
        for one in allowed:
            if one.value == said:
                return one
        raise SourceInvalidError(f"{name}: {said[:20]!r} is not one of {', '.join(allowed)}")

    def secret(self, name: str) -> str:
        """Return a secret.

        Raises:
            SourceInvalidError: it is not stored.
        """
        if not (found := self.optional_secret(name)):
            raise SourceInvalidError(f"the secret {name} is missing")
        return found

    def optional_secret(self, name: str) -> str:
        """Return a secret, or an empty text."""
        self._asked.add(name)
        return self._secrets.get(name, "")

    def end(self) -> None:
        """Refuse what nobody has asked for: most likely a name is mistyped.

        Raises:
            SourceInvalidError: there is such a setting or secret.
        """
        if unknown := sorted({*self._config, *self._secrets} - self._asked):
            known = ", ".join(sorted(self._asked))
            raise SourceInvalidError(f"{unknown[0][:40]!r} is unknown; there are {known}")
