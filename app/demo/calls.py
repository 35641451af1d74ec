"""HTTP calls of the demonstration: each may be repeated, and is, until the other side is back."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx2

from adapters.http import create_client
from app.demo.errors import DemonstrationError

PATIENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.1
_AGAIN: Final = frozenset({500, 502, 503, 504})


class Caller:
    """Sends requests that are safe to repeat, again and again while nobody answers."""

    def __init__(self, still_running: Callable[[], None]) -> None:
        self._client = create_client(timeout_seconds=30.0)
        self._still_running = still_running

    def get(self, url: str, *, headers: Mapping[str, str] | None = None) -> Any:
        """Return the JSON of an address."""
        return self._expect(self.send("GET", url, headers=headers), url)

    def post(
        self,
        url: str,
        body: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Post JSON and return the JSON that is answered."""
        return self._expect(self.send("POST", url, json=body or {}, headers=headers), url)

    def submit(
        self, url: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Submit a form as a browser does, without following where it leads."""
        return self.send("POST", url, data=dict(form), headers=headers)

    def send(self, method: str, url: str, **content: Any) -> httpx2.Response:
        """Send a request until it is answered.

        Raises:
            DemonstrationError: nobody answers, or only with failures.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        what = "no answer"
        while time.monotonic() < deadline:
            self._still_running()
            try:
                response = self._client.request(method, url, **content)
            except httpx2.TransportError as problem:
                what = type(problem).__name__
            else:
                if response.status_code not in _AGAIN:
                    return response
                what = f"HTTP {response.status_code}"
            time.sleep(_PAUSE_SECONDS)
        raise DemonstrationError(f"{method} {url}: {what}")

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    @staticmethod
    def _expect(response: httpx2.Response, url: str) -> Any:
        if not response.is_success:
            raise DemonstrationError(f"{url}: HTTP {response.status_code} {response.text[:300]}")
        return response.json()
