"""The one way out over HTTP: bounded, without surprises, kept with secrets masked."""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

import httpx2
from typing_extensions import override

from core.clock import Clock
from core.ids import random_below
from payments.channels import Rail
from payments.errors import GatewayRestingError, GatewayUnavailableError
from payments.ports import GatewayCall

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
"""A longer answer is not read to its end."""

_MASK: Final = "***"
_SECRET_FIELD: Final = re.compile(
    r"""(?i)((?:vnp_SecureHash|signature|secret(?:_?key)?|token|(?:x-)?api[_-]?key|access_?key
        |\bmac|checksum|MaXacThuc|card\[number\]|card_number)
        \\?["']?\s*[=:]\s*\\?["']?)[^&\s"',}\\]+""",
    re.VERBOSE,
)
_PERSON_FIELD: Final = re.compile(
    r"""(HoTenNguoiNop\\?["']?\s*[=:]\s*\\?["']?)(?:\\u[0-9a-fA-F]{4}|[^&"'\\<])+"""
)
_SECRET_VALUE: Final = re.compile(r"\b(?:sk|rk|pk)_(?:test|live)_\w+|\bwhsec_\w+|(?i:bearer )\S+")
_BACKOFF_SECONDS: Final = 0.2
_JITTER_STEPS: Final = 1000
_RETRIED_STATUSES: Final = frozenset({502, 503, 504})
_KEPT_CHARACTERS: Final = 16 * 1024
_ENOUGH_FAILURES: Final = 5
_SHORTEST_REST: Final = timedelta(seconds=30)
_LONGEST_REST: Final = timedelta(minutes=5)


def mask(text: str) -> str:
    """Return ``text`` with signatures, keys, tokens, card numbers and payers' names replaced."""
    for pattern in (_SECRET_FIELD, _PERSON_FIELD):
        text = pattern.sub(rf"\1{_MASK}", text)
    return _SECRET_VALUE.sub(_MASK, text)


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


@dataclass(slots=True)
class Breaker:
    """Leaves a provider alone that has not answered several times in a row.

    After five calls without an answer it opens for 30 seconds, then lets one call try; each
    failure of that one doubles the rest, up to five minutes. One breaker serves all merchants of a
    provider, in one process.
    """

    clock: Clock
    failures: int = 0
    rest: timedelta = _SHORTEST_REST
    until: datetime | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def ask(self) -> None:
        """Let a call pass, or refuse it.

        Raises:
            GatewayRestingError: the provider is being left alone; nothing was sent.
        """
        with self._lock:
            if self.until is None:
                return
            now = self.clock()
            if now < self.until:
                raise GatewayRestingError(f"left alone until {self.until.isoformat()}")
            self.until = now + self.rest  # this call tries; the others wait for its outcome

    def tell(self, *, answered: bool) -> None:
        """Note how a call went."""
        with self._lock:
            if answered:
                self.failures, self.rest, self.until = 0, _SHORTEST_REST, None
                return
            self.failures += 1
            if self.failures >= _ENOUGH_FAILURES:
                if self.until is not None:
                    self.rest = min(self.rest * 2, _LONGEST_REST)
                self.until = self.clock() + self.rest


Recorder = Callable[[GatewayCall], None]


def keep_nothing(call: GatewayCall) -> None:
    """Keep no exchange: for tests and benchmarks of an adapter alone."""


class Caller:
    """How the gateway of one merchant calls its provider: by ``send``, guarded and kept."""

    def __init__(
        self,
        client: httpx2.Client,
        *,
        rail: Rail,
        merchant_code: str,
        clock: Clock,
        breaker: Breaker | None = None,
        record: Recorder = keep_nothing,
    ) -> None:
        self._client = client
        self._rail = rail
        self._merchant_code = merchant_code
        self._clock = clock
        self._breaker = breaker or Breaker(clock)
        self._record = record

    def send(
        self,
        method: str,
        url: str,
        *,
        idempotent: bool,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """Send one request by :func:`send` and keep the exchange, masked.

        Raises:
            GatewayUnavailableError: no complete answer came, or the provider is left alone.
        """
        self._breaker.ask()
        started_at, started = self._clock(), time.perf_counter()
        answer: Answer | None = None
        error = ""
        try:
            answer = send(
                self._client, method, url, idempotent=idempotent, headers=headers, content=content
            )
        except GatewayUnavailableError as problem:
            error = problem.detail
            raise
        finally:
            reachable = answer is not None and answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
            self._breaker.tell(answered=reachable)
            self._record(
                GatewayCall(
                    rail=self._rail,
                    merchant_code=self._merchant_code,
                    method=method,
                    url=mask(url),
                    request=_kept(content),
                    status=None if answer is None else answer.status,
                    answer="" if answer is None else _kept(answer.body),
                    error=error,
                    started_at=started_at,
                    duration_ms=int((time.perf_counter() - started) * 1000),
                )
            )
        return answer


def _kept(content: bytes | None) -> str:
    """What is kept of a body: text, masked, without NULs (PostgreSQL takes none), and not all."""
    text = (content or b"").decode("utf-8", "replace").replace("\x00", "\ufffd")
    return mask(text)[:_KEPT_CHARACTERS]
