"""A real PostgreSQL for the tests: made in a temporary folder, reached by a socket, thrown away."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
OWNER = "doisoat"
_ROOM_BYTES = 1024**3
_FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=''",
    "max_connections=60",
    "shared_buffers=32MB",
    "autovacuum=off",
    "log_min_messages=fatal",
)


def quick_folder() -> Path:
    """Return where files live in memory if there is room, else the ordinary place for them.

    The path is short, because that of a socket must be.
    """
    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of our own there
    if memory.is_dir() and os.access(memory, os.W_OK):
        space = os.statvfs(memory)
        if space.f_bavail * space.f_frsize > _ROOM_BYTES:
            return memory
    return Path("/tmp")  # noqa: S108


class PostgresMissingError(Exception):
    """This machine has no PostgreSQL server, or none that could be started."""


def find_binaries() -> Path:
    """Return the folder of the newest server's programs."""
    versions = [folder for folder in DEBIAN.glob("*/bin") if (folder / "initdb").exists()]
    if versions:
        return max(versions, key=lambda folder: int(folder.parent.name))
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    raise PostgresMissingError("PostgreSQL is not installed (Debian: apt-get install postgresql)")


class PostgresServer:
    """One server process with its own data, for as long as a test session lasts.

    PostgreSQL refuses to run as root; there another user of the system runs it. Tests run it
    fast and forgetful, in memory; benchmarks as it runs in production, on a disk.
    """

    def __init__(self, settings: Sequence[str] = _FAST, *, folder: Path | None = None) -> None:
        self._settings = settings
        self._binaries = find_binaries()
        place = folder or quick_folder()
        self._folder = Path(tempfile.mkdtemp(prefix="doisoat-pg-", dir=place))
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(self._folder, self._user)

    def start(self) -> None:
        """Make the data folder and start the server.

        Raises:
            PostgresMissingError: one of the two did not work; the message says why.
        """
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-A", "trust", "-U", OWNER, "-E", "UTF8", "--no-sync",
                  "--locale=C.UTF-8")  # fmt: skip
        options = " ".join(f"-c {setting}" for setting in self._settings)
        self._run("pg_ctl", "-D", data, "-w", "-l", str(self._folder / "log"),
                  "-o", f"-k {self._folder} {options}", "start")  # fmt: skip

    def stop(self) -> None:
        """Stop the server and remove everything it wrote."""
        try:
            self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """Return the address of one of its databases."""
        return f"postgresql+psycopg://{OWNER}@/{database}?host={self._folder}"

    def _run(self, program: str, *arguments: str) -> None:
        command: Sequence[str] = [str(self._binaries / program), *arguments]
        if self._user is not None:
            command = ["runuser", "-u", self._user, "--", *command]
        done = subprocess.run(
            command,
            check=False,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        if done.returncode:
            raise PostgresMissingError(f"{program} failed: {done.stdout[-500:]}")


def _unprivileged_user() -> str:
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise PostgresMissingError("PostgreSQL does not run as root, and there is no other user")
