"""Why a demonstration cannot go on."""

from http import HTTPStatus

from core.errors import DoisoatError


class DemonstrationError(DoisoatError):
    """A part of the demonstration did not do what it has to do."""

    code = "D001"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    title = "The demonstration cannot go on"


class StoppedError(Exception):
    """Somebody asked the demonstration to stop."""
