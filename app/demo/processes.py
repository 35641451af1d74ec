"""The processes of the demonstration: started, watched, started again when they die, stopped."""

import fcntl
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from app.demo.errors import DemonstrationError
from app.demo.places import HOST
from core.errors import SettingsError

WATCH_SECONDS: Final = 0.1
STOP_SECONDS: Final = 10.0
_QUICK_DEATH_SECONDS: Final = 3.0
_QUICK_DEATHS: Final = 3
"""A process that dies this often in a row right after its start is not started again."""

_LOG_LINES: Final = 5


def refuse_busy_port(port: int) -> None:
    """Stop where somebody else listens.

    Raises:
        SettingsError: the port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise SettingsError(f"port {port} is in use: choose another with --port") from None


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Let no second demonstration work in a folder.

    Raises:
        SettingsError: one is at work there already.
    """
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SettingsError(f"a demonstration is running in {folder} already") from None
        yield


@dataclass(slots=True)
class Child:
    """One process: its command line, its log, and how often it had to be started."""

    name: str
    command: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    starts: int = 0
    quick_deaths: int = 0

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it; its group is its own, so that Ctrl-C at the terminal reaches only us."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own commands
                self.command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.started_at = time.monotonic()
        self.starts += 1

    def restart(self) -> None:
        """Start it again after its death.

        Raises:
            DemonstrationError: it keeps dying at once.
        """
        self._close()
        quick = time.monotonic() - self.started_at < _QUICK_DEATH_SECONDS
        self.quick_deaths = self.quick_deaths + 1 if quick else 0
        if self.quick_deaths >= _QUICK_DEATHS:
            raise DemonstrationError(f"{self.name} does not start: {self.last_words()}")
        self.start()

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self.process is not None:
            self.process.kill()

    def stop(self) -> None:
        """Ask it to end."""
        if self.process is not None and self.is_alive:
            self.process.send_signal(signal.SIGTERM)

    def end(self, patience_seconds: float) -> None:
        """Wait for its end, and kill it if that takes too long."""
        if self.process is None:
            return
        try:
            self.process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._close()

    def last_words(self) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return " | ".join(lines[-_LOG_LINES:]) or f"see {self.log}"

    def _close(self) -> None:
        stdin: IO[bytes] | None = self.process.stdin if self.process else None
        if stdin is not None:
            stdin.close()


@dataclass(slots=True)
class Processes:
    """All processes, watched by a thread that starts again what has died."""

    logs: Path
    overrides: Mapping[str, str]
    _children: dict[str, Child] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None
    _problem: DemonstrationError | None = None

    def start(self, name: str, *arguments: str) -> None:
        """Start a command of doisoat with the settings of the demonstration."""
        env = shutil.which("env")
        if env is None:
            raise SettingsError("the demonstration needs the env program of a Unix system")
        variables = [f"DOISOAT_{key.upper()}={value}" for key, value in self.overrides.items()]
        command = [env, *variables, sys.executable, "-m", "app.demo.child", *arguments]
        child = Child(name, command, self.logs / f"{name}.log")
        child.start()
        self._children[name] = child  # only now the watch may start it again
        if self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, daemon=True)
            self._watcher.start()

    def kill(self, name: str) -> None:
        """Kill one as a power cut would; the watch starts it again."""
        self._children[name].kill()

    def starts(self, name: str) -> int:
        """Return how often one was started."""
        return self._children[name].starts

    def check(self) -> None:
        """Complain if a process cannot be kept running.

        Raises:
            DemonstrationError: with the last words of its log.
        """
        if self._problem is not None:
            raise self._problem

    def stop(self) -> None:
        """Stop all, the last started first; afterwards none is left."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        children = list(reversed(self._children.values()))
        for child in children:
            child.stop()
        deadline = time.monotonic() + STOP_SECONDS
        for child in children:
            child.end(max(0.1, deadline - time.monotonic()))

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH_SECONDS):
            for child in list(self._children.values()):
                if not child.is_alive and self._problem is None:
                    try:
                        child.restart()
                    except DemonstrationError as problem:
                        self._problem = problem
