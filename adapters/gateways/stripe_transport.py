"""The Stripe package's calls go out through the one HTTP client of this installation."""

from collections.abc import Mapping
from typing import Any, ClassVar

import httpx2
import stripe
from typing_extensions import override

from adapters.http import send
from payments.errors import GatewayUnavailableError


class StripeTransport(stripe.HTTPClient):
    """No proxies of the environment, our timeouts; only reading requests are sent again."""

    name: ClassVar[str] = "doisoat"

    def __init__(self, client: httpx2.Client) -> None:
        super().__init__()
        self._client = client

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
            answer = send(
                self._client,
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
