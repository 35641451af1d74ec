"""SFTP: whole files of a folder are taken and moved to ``taken/``, or remembered."""

import asyncio
import logging
import time
from collections.abc import Coroutine, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import asyncssh
from asyncssh.constants import FILEXFER_TYPE_DIRECTORY, FILEXFER_TYPE_REGULAR

from adapters.sources.host_keys import Doorkeeper, HostKeys, read_host_keys
from adapters.sources.rules import MAX_FILES, TAKEN, After, Left, numbered, shown, why_left
from adapters.sources.terms import Terms
from core.errors import DoisoatError
from reconciliation.errors import (
    SourceDeniedError,
    SourceFailedError,
    SourceIdentityError,
    SourceInvalidError,
    SourceUnreachableError,
)
from reconciliation.ports import FetchedFile, SourceMemory, WaitingFile

_PORT: Final = 22
_CONNECT_SECONDS: Final = 20
_SILENCE_SECONDS: Final = 15
_CALL_SECONDS: Final = 900
"""The longest for one file or listing, however slowly it goes on."""

_QUIET_SECONDS: Final = 60.0
BETWEEN_LOOKS_SECONDS: Final = 2.0
_MAX_NAMES: Final = 1000

_Answer = TypeVar("_Answer")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SftpConfig:
    """How to reach a server and what to do there; exactly one of password and key is set."""

    host: str
    port: int
    username: str
    folder: str
    host_keys: HostKeys
    after: After = After.MOVE
    password: str = field(default="", repr=False)
    private_key: asyncssh.SSHKey | None = field(default=None, repr=False)


def read_config(terms: Terms) -> SftpConfig:
    """Return the configuration of a source.

    Raises:
        SourceInvalidError: it is unusable; the message names the setting.
    """
    config = SftpConfig(
        host=terms.text("host"),
        port=terms.port(_PORT),
        username=terms.text("username"),
        folder=terms.text("folder", ".").rstrip("/"),  # nothing is left of the root
        host_keys=read_host_keys(terms.text("host_key")),
        after=terms.choice("after", After.MOVE, After.REMEMBER),
        private_key=_read_key(terms.optional_secret("private_key")),
        password=terms.optional_secret("password"),
    )
    terms.end()
    if bool(config.password) == bool(config.private_key):
        raise SourceInvalidError("store one secret: password or private_key")
    return config


def _read_key(text: str) -> asyncssh.SSHKey | None:
    if not text:
        return None
    try:
        return asyncssh.import_private_key(text)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as problem:
        raise SourceInvalidError("private_key: unreadable, or has a passphrase") from problem


@dataclass(frozen=True, slots=True)
class _Version:
    """What a file looked like; another size or time is another file."""

    size: int
    modified: int

    def mark(self, name: str) -> str:
        return f"{name}\0{self.size}\0{self.modified}"


@dataclass(frozen=True, slots=True)
class _Link:
    """An open connection, and the loop that it lives in between two calls."""

    runner: asyncio.Runner
    connection: asyncssh.SSHClientConnection
    files: asyncssh.SFTPClient

    def run(self, call: Coroutine[Any, Any, _Answer]) -> _Answer:
        """Wait for a call; its failure is one of ours."""
        try:
            return self.runner.run(asyncio.wait_for(call, _CALL_SECONDS))
        except (OSError, asyncssh.Error) as problem:
            raise _as_ours(problem) from problem


class SftpSource:
    """Implements ``StatementSource`` over a folder of a server and one level below it.

    Names are relative to the folder, as in the watched folder. A file is whole when its time is a
    minute away from now and two looks show the same size and time. One that has changed since it
    was read is not moved: it comes again.
    """

    def __init__(self, config: SftpConfig, memory: SourceMemory) -> None:
        self._config = config
        self._memory = memory
        self._read: dict[str, _Version] = {}
        self._link: _Link | None = None

    def look(self) -> list[WaitingFile]:
        """List the files, and why some are left."""
        with self._connected() as link:
            seen = link.run(self._list(link.files))
        return [
            WaitingFile(shown(name), version.size, self._why_left(name, version) or "")
            for name, version in sorted(seen.items())
            if version.mark(name) not in self._memory
        ]

    def fetch(self) -> Generator[FetchedFile, None, None]:
        """Yield the whole files in the order of their names."""
        with self._connected() as link:
            for name, version in link.run(self._whole(link.files)):
                content = link.run(self._content(link.files, name, version))
                if content is None:
                    _logger.warning("file left", extra={"reason_code": "changed_or_closed"})
                    continue
                self._read[name] = version
                yield FetchedFile(name, content)

    def taken(self, keys: Iterable[str]) -> None:
        """Move files to ``taken/``, or remember them; a name that is there already stays.

        Raises:
            SourceFailedError: the server does not let us move them.
        """
        names = list(keys)
        if self._config.after is After.REMEMBER:
            for name in names:
                self._memory.add(self._read[name].mark(name))
            return
        with self._connected() as link:
            for name in names:
                link.run(self._move(link.files, name, self._read[name]))

    @contextmanager
    def _connected(self) -> Iterator[_Link]:
        """Lend the open connection, or one for as long as it is needed."""
        if self._link is not None:
            yield self._link
            return
        with asyncio.Runner() as runner:
            link = self._link = _open(runner, self._config)
            try:
                yield link
            finally:
                self._link = None
                runner.run(_close(link))

    async def _list(self, files: asyncssh.SFTPClient) -> dict[str, _Version]:
        folders, found = [""], dict[str, _Version]()
        for folder in folders:
            async for entry in files.scandir(self._path(folder)):
                name, attrs = str(entry.filename), entry.attrs
                if name in {".", "..", ""} or "/" in name or "\0" in name:
                    continue  # the last two are no names, whatever a server says
                if attrs.type == FILEXFER_TYPE_DIRECTORY and not folder and name != TAKEN:
                    folders.append(f"{name}/")
                elif attrs.type == FILEXFER_TYPE_REGULAR and attrs.size is not None:
                    found[folder + name] = _Version(attrs.size, int(attrs.mtime or 0))
                    if attrs.mtime is None:  # not every server tells it in a list
                        found[folder + name] = await self._version(files, folder + name)
                if len(found) + len(folders) > MAX_FILES:
                    raise SourceFailedError(f"more than {MAX_FILES:,} files in {folder or '.'!r}")
        return found

    async def _whole(self, files: asyncssh.SFTPClient) -> list[tuple[str, _Version]]:
        first = await self._list(files)
        wanted = {}
        for name, version in first.items():
            if version.mark(name) in self._memory:
                continue
            left = self._why_left(name, version)
            if left is Left.TOO_LARGE:
                _logger.warning("file left", extra={"file": shown(name), "bytes": version.size})
            if left is None:
                wanted[name] = version
        if not wanted:
            return []
        await asyncio.sleep(BETWEEN_LOOKS_SECONDS)
        second = await self._list(files)
        return sorted((n, version) for n, version in wanted.items() if second.get(n) == version)

    def _why_left(self, name: str, version: _Version) -> Left | None:
        # The distance, because clocks differ: a server far ahead must not keep a file for ever.
        away = abs(time.time() - version.modified)
        return why_left(name, version.size) or (Left.GROWING if away < _QUIET_SECONDS else None)

    async def _content(
        self, files: asyncssh.SFTPClient, name: str, version: _Version
    ) -> bytes | None:
        """Read a file; None if it is not as it was listed, or is closed to us."""
        try:
            async with files.open(self._path(name), "rb") as opened:
                content = await opened.read(version.size + 1)
            same = await self._version(files, name) == version
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPPermissionDenied):
            return None
        if not same or not isinstance(content, bytes) or len(content) != version.size:
            return None
        return content

    async def _version(self, files: asyncssh.SFTPClient, name: str) -> _Version:
        attrs = await files.lstat(self._path(name))
        return _Version(attrs.size or 0, int(attrs.mtime or 0))

    async def _move(self, files: asyncssh.SFTPClient, name: str, version: _Version) -> None:
        try:
            if await self._version(files, name) != version:
                _logger.warning("file left", extra={"reason_code": "changed_or_closed"})
                return
            folder = f"{TAKEN}/{name}".rpartition("/")[0]
            await files.makedirs(self._path(folder), exist_ok=True)
            for target, _ in zip(numbered(f"{TAKEN}/{name}"), range(_MAX_NAMES), strict=False):
                if not await files.lexists(self._path(target)):
                    await files.rename(self._path(name), self._path(target))
                    return
        except asyncssh.SFTPNoSuchFile:  # another process has moved it
            return
        except asyncssh.SFTPPermissionDenied as problem:
            raise SourceFailedError(
                f"{shown(name)!r} is stored here but may not be moved to {TAKEN}/ there:"
                " give us the right to, or set after=remember"
            ) from problem
        raise SourceFailedError(f"{TAKEN}/ holds a thousand files named like {shown(name)!r}")

    def _path(self, name: str) -> str:
        return f"{self._config.folder}/{name}".rstrip("/") or "/"


def _open(runner: asyncio.Runner, config: SftpConfig) -> _Link:
    doorkeeper = Doorkeeper(config.host_keys)
    try:
        return _Link(runner, *runner.run(_connect(config, doorkeeper)))
    except asyncssh.HostKeyNotVerifiable as problem:
        raise SourceIdentityError(
            f"{config.host} shows the key {doorkeeper.shown or 'of another kind'}, not a pinned one"
        ) from problem
    except asyncssh.KeyExchangeFailed as problem:
        raise SourceIdentityError(
            f"{config.host} and we have no kind of host key or cipher in common"
        ) from problem
    except asyncssh.PermissionDenied as problem:
        raise SourceDeniedError(
            f"{config.host} refuses {config.username!r} with this"
            f" {'key' if config.private_key else 'password'}"
        ) from problem
    except (OSError, asyncssh.Error) as problem:
        raise _as_ours(problem) from problem


async def _connect(
    config: SftpConfig, doorkeeper: Doorkeeper
) -> tuple[asyncssh.SSHClientConnection, asyncssh.SFTPClient]:
    """Connect with what is written down alone: no file, key or agent of the user who runs us."""
    connection, _ = await asyncssh.create_connection(
        lambda: doorkeeper,
        config.host,
        config.port,
        username=config.username,
        password=config.password or None,
        client_keys=[config.private_key] if config.private_key else None,
        # Three lists, not None (trust anybody) nor nothing (the user's file): the doorkeeper knows.
        known_hosts=([], [], []),
        server_host_key_algs=list(config.host_keys.algorithms),
        x509_trusted_certs=None,
        config=None,
        agent_path=None,
        gss_host=None,
        connect_timeout=_CONNECT_SECONDS,
        login_timeout=_CONNECT_SECONDS,
        keepalive_interval=_SILENCE_SECONDS,
    )
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            files = await connection.start_sftp_client(path_errors="surrogateescape")
    except BaseException:
        connection.abort()
        raise
    return connection, files


async def _close(link: _Link) -> None:
    link.files.exit()
    link.connection.close()
    with suppress(OSError, asyncssh.Error):  # whatever was fetched is fetched
        await asyncio.wait_for(link.connection.wait_closed(), _CONNECT_SECONDS)


def _as_ours(problem: Exception) -> DoisoatError:
    """Say what went wrong without what a server wrote: that may be anything."""
    if isinstance(problem, asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath):
        return SourceFailedError("there is no such folder")
    if isinstance(problem, asyncssh.SFTPPermissionDenied):
        return SourceFailedError("the folder or a file in it may not be read")
    if isinstance(problem, asyncssh.SFTPError):
        return SourceFailedError(f"the server answers {type(problem).__name__}")
    if isinstance(problem, asyncssh.Error):
        return SourceUnreachableError(f"the connection broke off: {type(problem).__name__}")
    return SourceUnreachableError(f"nobody answers: {type(problem).__name__}")
