"""The one way out over HTTP: bounded, without surprises, and with secrets masked in the logs."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import httpx2
from typing_extensions import override

from core.ids import random_below
from payments.errors import GatewayUnavailableError

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""A longer answer is not read to its end."""

_MASK: Final = "***"
_SECRET_FIELD: Final = re.compile(
    r"""(?i)((?:vnp_SecureHash|signature|secret|token|api[_-]?key|card\[number\]|card_number)
        ["']?\s*[=:]\s*["']?)[^&\s"',}]+""",
    re.VERBOSE,
)
_SECRET_VALUE: Final = re.compile(r"\b(?:sk|rk|pk)_(?:test|live)_\w+|\bwhsec_\w+|(?i:bearer )\S+")
_BACKOFF_SECONDS: Final = 0.2
_JITTER_STEPS: Final = 1000
_RETRIED_STATUSES: Final = frozenset({502, 503, 504})


def mask(text: str) -> str:
    """Return ``text`` with signatures, keys, tokens and card numbers replaced."""
    return _SECRET_VALUE.sub(_MASK, _SECRET_FIELD.sub(rf"\1{_MASK}", text))


class SecretMask(logging.Filter):
    """Masks the whole message: the client logs complete addresses, signatures included."""

    @override
    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place and let it pass."""
        record.msg, record.args = mask(record.getMessage()), None
        return True


logging.getLogger("httpx2").addFilter(SecretMask())


def create_client(
    *,
    timeout_seconds: float = 10.0,
    connect_seconds: float = 5.0,
    transport: httpx2.BaseTransport | None = None,
) -> httpx2.Client:
    """Return a client for one party: timeouts, no proxies of the environment, no redirects."""
    return httpx2.Client(
        timeout=httpx2.Timeout(timeout_seconds, connect=connect_seconds),
        trust_env=False,
        follow_redirects=False,
        transport=transport,
        headers={"User-Agent": "doisoat"},
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: status, headers (names in lower case), whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(
    client: httpx2.Client,
    method: str,
    url: str,
    *,
    idempotent: bool,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    attempts: int = 3,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """Send one request and read the whole answer, of whatever status.

    Only an ``idempotent`` request is sent again: after a broken connection, a timeout or a
    502, 503 or 504, at most ``attempts`` times, with growing and jittered pauses.

    Raises:
        GatewayUnavailableError: no complete answer came; whether the request was carried out
            is unknown.
    """
    tries = attempts if idempotent else 1
    for number in range(1, tries + 1):
        try:
            answer = _exchange(client, method, url, headers or {}, content)
        except GatewayUnavailableError:
            if number == tries:
                raise
        else:
            if answer.status not in _RETRIED_STATUSES or number == tries:
                return answer
        sleep(_pause_seconds(number))
    raise AssertionError("the last try returns or raises")


def _pause_seconds(number: int) -> float:
    jitter = 0.5 + random_below(_JITTER_STEPS) / _JITTER_STEPS
    return _BACKOFF_SECONDS * float(2 ** (number - 1)) * jitter


def _exchange(
    client: httpx2.Client,
    method: str,
    url: str,
    headers: Mapping[str, str],
    content: bytes | None,
) -> Answer:
    try:
        with client.stream(method, url, headers=headers, content=content) as response:
            body = _read(response)
            lowered = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, lowered, body)
    except (httpx2.HTTPError, httpx2.StreamError) as error:
        party = httpx2.URL(url).host
        raise GatewayUnavailableError(f"{type(error).__name__} from {party}") from error


def _read(response: httpx2.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            party = response.request.url.host
            raise GatewayUnavailableError(f"answer of {party} is longer than {MAX_ANSWER_BYTES}")
    return bytes(body)
