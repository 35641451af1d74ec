"""One loopback server for a whole run of tests, whose application is changed under it."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class SettableClock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def move(self, step: timedelta) -> None:
        self.at += step


def free_listener(port: int = 0) -> tuple[socket.socket, int]:
    """Return a bound socket on loopback and its port.

    The protocol is named because asyncio sends small answers at once only on a socket that is
    plainly TCP; on any other each answer waits 40 ms for an acknowledgement.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", port))
    return listener, listener.getsockname()[1]


@contextmanager
def serving(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Serve ``app`` on loopback by uvicorn in a thread."""
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer that there is no world just now."""
    await send({"type": "http.response.start", "status": 503, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Stage:
    """A server that stays up while worlds come and go: starting one takes longer than a test."""

    def __init__(self) -> None:
        self.listener, port = free_listener()
        self.base = f"http://127.0.0.1:{port}"
        self.app: ASGIApp = nobody

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


@contextmanager
def open_stage() -> Iterator[Stage]:
    """Serve a stage until the block ends."""
    stage = Stage()
    with serving(stage, stage.listener):
        yield stage


class Outage(StrEnum):
    """How a provider is not there."""

    REFUSING = "answers 503"
    BREAKING = "breaks every connection"


class Wire:
    """The line to one provider: counts what passes, and breaks where a test says so.

    What the control API is asked passes always: it is the test's, not the provider's.
    """

    def __init__(self) -> None:
        self.down: Outage | None = None
        self.lose_answers = 0
        """So many next requests are carried out, and nobody hears of it."""

        self.delay_seconds = 0.0
        """How long every answer is held back after the request was carried out."""

        self.arrived: list[str] = []
        """Method and path of each request that reached the provider."""

        self.refused = 0
        """How many requests met an outage."""

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return ``app`` as reached over this line."""

        async def passing(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http" or "/_control/" in scope["path"]:
                await app(scope, receive, send)
            elif self.down is not None:
                self.refused += 1
                await _fail(self.down, receive, send)
            else:
                self.arrived.append(f"{scope['method']} {scope['path']}")
                await self._carry(app, scope, receive, send)

        return passing

    async def _carry(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        if self.lose_answers:
            self.lose_answers -= 1
            await app(scope, receive, _to_nobody)
            await _break_off(send)
        elif self.delay_seconds:
            held: list[Message] = []

            async def hold(message: Message) -> None:
                held.append(message)

            await app(scope, receive, hold)
            await asyncio.sleep(self.delay_seconds)
            with contextlib.suppress(OSError):
                for message in held:
                    await send(message)
        else:
            await app(scope, receive, send)


async def _to_nobody(message: Message) -> None:
    del message


async def _fail(outage: Outage, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    if outage is Outage.BREAKING:
        await _break_off(send)
    else:
        headers: list[Any] = [(b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": b"<h1>Service Unavailable</h1>"})


async def _break_off(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
