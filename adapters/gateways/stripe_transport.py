"""The Stripe package's calls go out through our own HTTP client; its errors become ours."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Final

import stripe
from typing_extensions import override

from adapters.http import Caller
from payments.errors import GatewayRefusedError, GatewayUnavailableError

_REFUSALS: Final = (
    stripe.InvalidRequestError,
    stripe.AuthenticationError,
    stripe.PermissionError,
    stripe.CardError,
)


class StripeTransport(stripe.HTTPClient):
    """No proxies of the environment, our timeouts; only reading requests are sent again."""

    name: ClassVar[str] = "doisoat"

    def __init__(self, http: Caller) -> None:
        super().__init__()
        self._http = http

    @override
    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Send one request for the package.

        Raises:
            stripe.APIConnectionError: no complete answer came.
        """
        content = post_data.encode() if isinstance(post_data, str) else post_data
        try:
            answer = self._http.send(
                method.upper(),
                url,
                idempotent=method.lower() == "get",
                headers=headers,
                content=content,
            )
        except GatewayUnavailableError as error:
            raise stripe.APIConnectionError(error.detail) from error  # type: ignore[no-untyped-call]
        return answer.body.decode("utf-8", "replace"), answer.status, answer.headers

    @override
    def close(self) -> None:
        """Leave the client open: whoever made it closes it."""


@contextmanager
def stripe_errors(*, refusals_are_unknown: bool = False) -> Iterator[None]:
    """Translate the package's errors; what is not certainly refused is unknown.

    A refused question (``refusals_are_unknown``) says nothing about the payment.
    """
    try:
        yield
    except _REFUSALS as error:
        detail = f"Stripe refused: {error_code(error)}"
        if refusals_are_unknown:
            raise GatewayUnavailableError(detail) from error
        raise GatewayRefusedError(detail) from error
    except stripe.StripeError as error:
        raise GatewayUnavailableError(f"Stripe: {type(error).__name__}") from error


def error_code(error: stripe.StripeError) -> str:
    """Return Stripe's code of an error, which not every class of the package keeps, or its kind."""
    told = getattr(error.error, "code", None)
    return str(told or error.code or type(error).__name__)


def plain(stripe_object: stripe.StripeObject) -> dict[str, Any]:
    """Return an object of the package as dictionaries and lists, numbers as they came."""
    return stripe_object.to_dict()
