"""Calls are repeated until somebody answers; the screen says where the play is."""

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from rich.console import Console

from app.demo import calls
from app.demo.calls import Caller
from app.demo.errors import DemonstrationError
from app.demo.scenes import make_scenes
from app.demo.screen import Screen


class _Moody(BaseHTTPRequestHandler):
    """Answers the first call with 503, then with JSON; ``/refused`` always with 409."""

    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        status = 409 if self.path == "/refused" else 503 if self.asked == 1 else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(b'{"asked": true}')

    def log_message(self, *args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def moody() -> Iterator[str]:
    _Moody.asked = 0
    with HTTPServer(("127.0.0.1", 0), _Moody) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def caller() -> Iterator[Caller]:
    caller = Caller(lambda: None)
    yield caller
    caller.close()


def test_a_call_is_repeated_while_the_other_side_is_away(moody: str, caller: Caller) -> None:
    assert caller.get(moody) == {"asked": True}
    assert _Moody.asked == 2


def test_a_refusal_is_not_repeated(moody: str, caller: Caller) -> None:
    with pytest.raises(DemonstrationError, match="HTTP 409"):
        caller.get(f"{moody}/refused")
    assert _Moody.asked == 1


def test_patience_ends(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PATIENCE_SECONDS", 0.3)

    with pytest.raises(DemonstrationError, match="ConnectError"):
        caller.get("http://127.0.0.1:1/")


def test_without_a_terminal_each_day_is_one_plain_line() -> None:
    output = io.StringIO()
    screen = Screen(Console(file=output, force_terminal=False))
    scenes = make_scenes(2)

    assert list(screen.follow(scenes, total=len(scenes), done=0)) == scenes
    assert output.getvalue().splitlines() == [
        "Before   31 Aug 2026",
        "Day  1   Mon 05 Oct 2026",
        "Day  2   Tue 06 Oct 2026",
    ]


def test_on_a_terminal_a_bar_grows_and_is_given_back() -> None:
    output = io.StringIO()
    screen = Screen(Console(file=output, force_terminal=True, width=100))
    scenes = make_scenes(1)

    assert list(screen.follow(scenes, total=len(scenes), done=0)) == scenes
    screen.close()
    assert "Day  1" in output.getvalue()
    assert "100%" in output.getvalue()
