"""Why a message did not arrive."""

from http import HTTPStatus

from core.errors import DoisoatError


class DeliveryError(DoisoatError):
    """A message did not arrive; it will be tried again."""

    code = "N001"
    status = HTTPStatus.BAD_GATEWAY
    title = "The message did not arrive"
