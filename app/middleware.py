"""What surrounds every request: id, size limit, cross-site check, headers of the answer.

Plain ASGI, so that streams stay streams and nothing is buffered.
"""

import logging
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.ids import new_id
from core.settings import Environment, Settings

MACHINE_PATHS: Final = ("/api/", "/channels/")
"""Addresses that programs call with keys or signatures of their own, never with a cookie."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SMALL_BODY: Final = 1024 * 1024
_UPLOAD_PATHS: Final = ("/staff/statements",)
_ENVELOPE: Final = 64 * 1024
"""What multipart adds around an uploaded file, generously."""

_PROVIDER_PAGES: Final = (
    "https://checkout.stripe.com",
    "https://payment.momo.vn",
    "https://test-payment.momo.vn",
    "https://*.zalopay.vn",
    "https://pay.payos.vn",
)
"""Where the published rails send payers; an address from the settings is added."""

_log = logging.getLogger(__name__)


class BodyTooLargeError(HTTPException):
    """The request is larger than this address takes; raised to the code that reads the body.

    An HTTPException, because the framework's reading of forms lets only these through.
    """

    def __init__(self) -> None:
        super().__init__(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def pay_page_origins(settings: Settings) -> list[str]:
    """Return the origins that the pay form may lead to.

    Browsers check redirects after a form against ``form-action``, so each channel's page has
    to be named. Outside production the simulators' pages on loopback are allowed as well.
    """
    origins = [*_PROVIDER_PAGES]
    for url in settings.endpoints.values():
        parts = urlsplit(url)
        if parts.scheme and parts.netloc:
            origins.append(f"{parts.scheme}://{parts.netloc}")
    if settings.environment is not Environment.PRODUCTION:
        origins += ["http://127.0.0.1:*", "http://localhost:*"]
    return sorted(set(origins))


def security_headers(settings: Settings) -> dict[str, str]:
    """Return the headers of every answer.

    Sources: OWASP ASVS 5.0 section 3.4; Content Security Policy Level 3. No inline script or
    style is allowed anywhere.
    """
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "form-action": " ".join(["'self'", *pay_page_origins(settings)]),
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "object-src": "'none'",
    }
    headers = {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    }
    if settings.base_url.startswith("https://"):
        headers["strict-transport-security"] = "max-age=63072000; includeSubDomains"
    return headers


def is_cross_site(method: str, path: str, headers: Headers, *, own_origins: Sequence[str]) -> bool:
    """Whether a browser sends a change here from a page that is not ours.

    Fetch Metadata first, then Origin; a request with neither comes from no browser of this
    decade. The rule is that of Go's ``http.CrossOriginProtection``; calls of programs
    (``MACHINE_PATHS``) carry no cookie and are exempt.
    """
    if method in _SAFE or path.startswith(MACHINE_PATHS):
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    if origin is None:
        return False
    return origin not in own_origins and urlsplit(origin).netloc != headers.get("host")


class ProtectionMiddleware:
    """Gives a request its id, refuses what is cross-site or too large, and dresses the answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        on_failure: Callable[[Request, Exception], Response],
    ) -> None:
        self._app = app
        self._on_failure = on_failure
        self._headers = security_headers(settings)
        self._upload_limit = settings.max_upload_bytes + _ENVELOPE
        parts = urlsplit(settings.base_url)
        self._origins = (f"{parts.scheme}://{parts.netloc}",)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id
        headers = Headers(scope=scope)
        scope["state"]["cross_site"] = is_cross_site(
            scope["method"], scope["path"], headers, own_origins=self._origins
        )
        limit = self._upload_limit if scope["path"].startswith(_UPLOAD_PATHS) else _SMALL_BODY
        started = time.perf_counter()
        status = 0

        async def dressed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(MutableHeaders(scope=message), request_id, scope["path"])
            await send(message)

        try:
            if _declared_length(headers) > limit:
                raise BodyTooLargeError  # noqa: TRY301 - one way out for all failures
            await self._app(scope, _limited(receive, limit), dressed)
        except Exception as failure:
            if status:
                raise  # the answer is on its way; all that is left is to break it off
            await self._on_failure(Request(scope), failure)(scope, receive, dressed)
        _log.info(
            "answered",
            extra={
                "request_id": request_id,
                "method": scope["method"],
                "path": without_secrets(scope["path"]),
                "status": status,
                "duration_ms": int((time.perf_counter() - started) * 1000),
            },
        )

    def _dress(self, headers: MutableHeaders, request_id: str, path: str) -> None:
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        headers["x-request-id"] = request_id
        if not path.startswith("/static/"):
            headers.setdefault("cache-control", "no-store")


def _declared_length(headers: Headers) -> int:
    declared = headers.get("content-length", "")
    return int(declared) if declared.isascii() and declared.isdecimal() else 0


def _limited(receive: Receive, limit: int) -> Receive:
    """Count the body as it comes: what it says of its own length need not be so."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise BodyTooLargeError
        return message

    return counted


def without_secrets(path: str) -> str:
    """Return a path for the log: the secret of a receipt's address is left out."""
    return "/receipts/***" if path.startswith("/receipts/") else path
