"""Processes of the demonstration die and are started again; none outlives its starter."""

import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.demo.errors import DemonstrationError
from app.demo.kills import APPLICATION, SCHEDULER, Kill, Steps, planned_kills
from app.demo.processes import Child, Processes, hold_folder, refuse_busy_port
from core.errors import SettingsError

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Child]:
    child = Child("sleeper", SLEEP, tmp_path / "log")
    child.start()
    yield child
    child.kill()
    child.end(5)


def _soon(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_busy_port_is_one_clear_line() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port} is in use"):
            refuse_busy_port(port)
    refuse_busy_port(port)


def test_two_demonstrations_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        hold_folder(tmp_path),
        pytest.raises(SettingsError, match="already"),
        hold_folder(tmp_path),
    ):
        pass
    with hold_folder(tmp_path):
        pass


def test_a_killed_process_can_be_started_again(sleeper: Child) -> None:
    sleeper.kill()
    assert _soon(lambda: not sleeper.is_alive)
    sleeper.restart()

    assert sleeper.is_alive
    assert sleeper.starts == 2


def test_a_process_that_will_not_start_is_given_up_with_its_last_words(tmp_path: Path) -> None:
    processes = Processes(tmp_path, {})
    processes.start("broken", "no-such-command")
    try:
        with pytest.raises(DemonstrationError, match=r"broken does not start: .*no-such-command"):
            _soon(lambda: bool(processes.check()))
    finally:
        processes.stop()


def test_stopping_ends_a_process_that_does_not_listen(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    child = Child("deaf", [sys.executable, "-c", deaf], tmp_path / "log")
    child.start()
    child.stop()
    child.end(0.3)

    assert not child.is_alive


def test_a_child_ends_when_its_starter_is_gone(tmp_path: Path) -> None:
    waiting = "import app.demo.child as c, threading, time;"
    waiting += "threading.Thread(target=c._end_with_the_starter, daemon=True).start();"
    waiting += "print('ready', flush=True); time.sleep(60)"
    child = Child("orphan", [sys.executable, "-c", waiting], tmp_path / "log")
    child.start()
    assert _soon(lambda: "ready" in child.log.read_text())
    assert child.process is not None
    assert child.process.stdin is not None
    child.process.stdin.close()

    assert _soon(lambda: not child.is_alive)


def test_kills_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOISOAT_DEMO_KILL", "app:37, scheduler:81")

    assert planned_kills() == [Kill(APPLICATION, 37), Kill(SCHEDULER, 81)]


def test_a_kill_of_something_else_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("simulators:3", "app", "app:soon"):
        monkeypatch.setenv("DOISOAT_DEMO_KILL", text)
        with pytest.raises(SettingsError, match="DOISOAT_DEMO_KILL"):
            planned_kills()


class _Victims(Processes):
    def kill(self, name: str) -> None:
        victims.append(name)

    def starts(self, name: str) -> int:
        return 1 + victims.count(name)


victims: list[str] = []


def test_each_process_is_killed_once_while_it_works(tmp_path: Path) -> None:
    victims.clear()
    kills = [Kill(SCHEDULER, 1), Kill(APPLICATION, 2), Kill(APPLICATION, 99)]
    steps = Steps(_Victims(tmp_path, {}), kills)
    steps.act()
    assert steps.killed == []
    steps.wait()
    steps.act()
    steps.act()

    assert steps.killed == [Kill(SCHEDULER, 1), Kill(APPLICATION, 2)]
    assert _soon(lambda: sorted(victims) == [APPLICATION, SCHEDULER])
    assert list(steps.report()) == [
        "Killed scheduler at step 1; it was started 2 times.",
        "Killed app at step 2; it was started 2 times.",
        "Not killed: app at step 99, the play had 4 steps.",
    ]
