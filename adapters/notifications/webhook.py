"""Signed webhooks to portals, as Standard Webhooks say: ``v1`` HMAC-SHA256 over id.time.body."""

import base64
import hashlib
import hmac
import ipaddress
import json
import socket
from typing import Final
from urllib.parse import urlsplit

import httpx2

from adapters.http import create_client, send
from adapters.notifications.errors import DeliveryError
from core.clock import Clock
from core.outbox import OutboxMessage
from payments.errors import GatewayUnavailableError

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
_V4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_HTTPS_PORT: Final = 443
_PREFIX: Final = "whsec_"
_SUCCESS: Final = range(200, 300)
_TIMEOUT_SECONDS: Final = 15.0


class WebhookSender:
    """Posts messages to the address in their payload's envelope.

    Outside development only https addresses whose every IP address is public are called.
    """

    def __init__(self, *, clock: Clock, allow_private: bool) -> None:
        self._clock = clock
        self._allow_private = allow_private
        self._client = create_client(timeout_seconds=_TIMEOUT_SECONDS)

    def send(self, message: OutboxMessage, secret: bytes | None) -> str:
        """Deliver a message; any 2xx is success, a redirect is not followed and is a failure.

        Raises:
            DeliveryError: no secret, a forbidden address, no answer, or another status.
        """
        if secret is None:
            raise DeliveryError("the portal has no webhook secret")
        url = str(message.payload.get("webhook_url", ""))
        self._check_address(url)
        facts = {key: value for key, value in message.payload.items() if key != "webhook_url"}
        body = json.dumps(
            {"type": message.topic, "timestamp": facts.get("at", ""), "data": facts},
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode()
        headers = self._headers(message, body, secret)
        try:
            answer = send(
                self._client, "POST", url, idempotent=False, headers=headers, content=body
            )
        except GatewayUnavailableError as problem:
            raise DeliveryError(problem.detail) from problem
        except (httpx2.InvalidURL, ValueError) as problem:
            raise DeliveryError("the address is not usable") from problem
        if answer.status not in _SUCCESS:
            raise DeliveryError(f"HTTP {answer.status}")
        return f"HTTP {answer.status}"

    def _headers(self, message: OutboxMessage, body: bytes, secret: bytes) -> dict[str, str]:
        seconds = str(int(self._clock().timestamp()))
        return {
            "Content-Type": "application/json",
            "webhook-id": message.id,
            "webhook-timestamp": seconds,
            "webhook-signature": sign(message.id, seconds, body, secret),
        }

    def _check_address(self, url: str) -> None:
        if self._allow_private:
            return
        try:
            parts = urlsplit(url)
            port = parts.port or _HTTPS_PORT
        except ValueError as problem:
            raise DeliveryError("the address is not usable") from problem
        if parts.scheme != "https" or not parts.hostname:
            raise DeliveryError("only https addresses are called")
        try:
            found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
        except OSError as problem:
            raise DeliveryError("the address does not resolve") from problem
        if not found or not all(is_public(str(entry[4][0])) for entry in found):
            raise DeliveryError("the address is not public")


def sign(message_id: str, seconds: str, body: bytes, secret: bytes) -> str:
    """Return the ``webhook-signature`` header of a message (Standard Webhooks, symmetric)."""
    content = b".".join((message_id.encode(), seconds.encode(), body))
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def secret_text(secret: bytes) -> str:
    """Return a secret as portals store it: ``whsec_`` and base64."""
    return _PREFIX + base64.b64encode(secret).decode()


def is_public(text: str) -> bool:
    """Whether an IP address is one of the internet, also where it wraps another address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and (inner := _wrapped(address)) is not None:
        return is_public(str(inner)) and address not in _NAT64 and address not in _NAT64_LOCAL
    return address.is_global and not address.is_multicast


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address only stands for, if any."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64 or address in _NAT64_LOCAL or address in _V4_COMPATIBLE:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
