"""Providers and a bank played on loopback, in their real wire formats; never in production."""

from typing import Final

from core.errors import SettingsError
from core.settings import Environment

_ALLOWED: Final = frozenset({Environment.DEVELOPMENT, Environment.TEST})


def refuse_outside_development(environment: str) -> None:
    """Stop where real money could be: anything but ``development`` and ``test``.

    Raises:
        SettingsError: simulators must not run here.
    """
    if environment not in _ALLOWED:
        raise SettingsError(f"simulators do not run in environment {environment!r}")
