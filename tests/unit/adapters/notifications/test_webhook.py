"""Webhooks are signed as Standard Webhooks say, and called only where that is safe."""

import base64
import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from adapters.http import MAX_ANSWER_BYTES
from adapters.notifications.errors import DeliveryError
from adapters.notifications.webhook import WebhookSender, is_public, secret_text, sign
from core.outbox import MessageKind, OutboxMessage
from tests.support.clock import MONDAY_MORNING, FrozenClock

SECRET = b"0123456789abcdef0123456789abcdef"


class Portal(ThreadingHTTPServer):
    """A portal on loopback that keeps what it was told and answers as it is set."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Ear)
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 204
        self.headers: dict[str, str] = {}
        self.body = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/paid"


class _Ear(BaseHTTPRequestHandler):
    server: Portal

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.heard.append((self.path, headers, body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent."""


@pytest.fixture
def portal() -> Iterator[Portal]:
    server = Portal()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def sender() -> WebhookSender:
    return WebhookSender(clock=FrozenClock(), allow_private=True)


@pytest.fixture
def strict() -> WebhookSender:
    """Return the sender of a production installation."""
    return WebhookSender(clock=FrozenClock(), allow_private=False)


def a_message(url: object) -> OutboxMessage:
    payload = {"webhook_url": url, "bill_reference": "MCX", "title": "Lệ phí", "at": "2026"}
    return OutboxMessage(
        id="msg_1", kind=MessageKind.WEBHOOK, topic="bill.paid", recipient="cli_1",
        payload=payload, dedupe_key="k", created_at=MONDAY_MORNING,
        next_attempt_at=MONDAY_MORNING,
    )  # fmt: skip


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def answer(host: str, port: int, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, port)) for a in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", answer)


def test_a_portal_can_verify_what_it_was_told(portal: Portal, sender: WebhookSender) -> None:
    """The check is written out here after the specification, apart from our own code."""
    assert sender.send(a_message(portal.url), SECRET) == "HTTP 204"
    ((path, headers, body),) = portal.heard
    version, _, given = headers["webhook-signature"].partition(",")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    stored = base64.b64decode(secret_text(SECRET).removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(stored, signed, hashlib.sha256).digest()).decode()

    assert (path, version, given) == ("/paid", "v1", expected)
    assert headers["webhook-id"] == "msg_1"
    assert int(headers["webhook-timestamp"]) == MONDAY_MORNING.timestamp()
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "type": "bill.paid", "timestamp": "2026",
        "data": {"bill_reference": "MCX", "title": "Lệ phí", "at": "2026"},
    }  # fmt: skip


def test_the_signature_is_that_of_the_specification() -> None:
    """Example of the reference libraries of Standard Webhooks."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}', secret)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [300, 400, 404, 410, 429, 500, 503])
def test_any_other_answer_is_no_delivery(
    portal: Portal, sender: WebhookSender, status: int
) -> None:
    portal.status = status
    with pytest.raises(DeliveryError, match=f"HTTP {status}"):
        sender.send(a_message(portal.url), SECRET)
    assert len(portal.heard) == 1, "trying again is the outbox's affair"


def test_a_redirect_is_not_followed(portal: Portal, sender: WebhookSender) -> None:
    portal.status, portal.headers = 302, {"Location": "http://169.254.169.254/latest"}
    with pytest.raises(DeliveryError, match="HTTP 302"):
        sender.send(a_message(portal.url), SECRET)
    assert len(portal.heard) == 1


def test_an_endless_answer_is_not_read_to_its_end(portal: Portal, sender: WebhookSender) -> None:
    portal.status, portal.body = 200, b"x" * (MAX_ANSWER_BYTES + 1)
    with pytest.raises(DeliveryError):
        sender.send(a_message(portal.url), SECRET)


def test_nobody_there_is_no_delivery(portal: Portal, sender: WebhookSender) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
    with pytest.raises(DeliveryError):
        sender.send(a_message(url), SECRET)


def test_without_a_secret_nothing_is_sent(portal: Portal, sender: WebhookSender) -> None:
    with pytest.raises(DeliveryError, match="secret"):
        sender.send(a_message(portal.url), None)
    assert portal.heard == []


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://[::1", "http://a:99999999/", "file:///etc"]
)
def test_an_address_that_is_none_is_no_delivery(
    sender: WebhookSender, strict: WebhookSender, url: str
) -> None:
    for one in (sender, strict):
        with pytest.raises(DeliveryError):
            one.send(a_message(url), SECRET)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0",  # noqa: S104
        "100.64.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1", "2002:7f00:1::",
        "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    ],
)  # fmt: skip
def test_a_private_address_is_not_called_however_it_is_wrapped(
    strict: WebhookSender, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    assert not is_public(address)
    resolve_to(monkeypatch, address)
    with pytest.raises(DeliveryError, match="not public"):
        strict.send(a_message("https://portal.example/paid"), SECRET)


@pytest.mark.parametrize("address", ["8.8.8.8", "203.113.131.1", "2606:4700::1111"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


def test_one_private_address_among_public_ones_is_enough_to_refuse(
    strict: WebhookSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, "8.8.8.8", "127.0.0.1")
    with pytest.raises(DeliveryError, match="not public"):
        strict.send(a_message("https://portal.example/paid"), SECRET)


def test_in_production_only_https_is_called(strict: WebhookSender, portal: Portal) -> None:
    with pytest.raises(DeliveryError, match="https"):
        strict.send(a_message(portal.url), SECRET)
    assert portal.heard == []


def test_a_name_that_does_not_resolve_is_no_delivery(
    strict: WebhookSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **options: Any) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(DeliveryError, match="resolve"):
        strict.send(a_message("https://portal.example/paid"), SECRET)
