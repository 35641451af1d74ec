"""SFTP against OpenSSH: the right server, whole files, each taken once, nothing ever lost."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from adapters.registry import open_source
from adapters.sources import rules, sftp
from adapters.sources.rules import Left
from adapters.sources.terms import Terms
from reconciliation.errors import (
    SourceDeniedError,
    SourceFailedError,
    SourceIdentityError,
    SourceUnreachableError,
)
from reconciliation.ports import SourceAccess, SourceKind
from tests.support.demo import free_port
from tests.support.servers import HOST, ServerMissingError, SshServer, ssh_server
from tests.support.source_rigs import SftpRig, opened, take_all

OTHER = "SHA256:" + "A" * 43


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look twice within moments."""
    monkeypatch.setattr(sftp, "BETWEEN_LOOKS_SECONDS", 0.05)


@pytest.fixture
def rig(ssh: SshServer) -> SftpRig:
    return SftpRig(ssh)


def test_whole_files_are_taken_once_and_kept_in_taken(rig: SftpRig) -> None:
    for name in ("b.xml", "a.xml", "vnpay/r.csv"):
        rig.put(name, name.encode())
    source = opened(rig)
    assert [(f.name, f.size, f.left) for f in source.look()] == [
        ("a.xml", 5, ""), ("b.xml", 5, ""), ("vnpay/r.csv", 11, ""),
    ]  # fmt: skip
    found = take_all(source)
    assert list(found) == ["a.xml", "b.xml", "vnpay/r.csv"]
    assert all(content == name.encode() for name, content in found.items())
    assert list(opened(rig).look()) == []
    assert take_all(opened(rig)) == {}
    assert rig.path("taken/vnpay/r.csv").read_bytes() == b"vnpay/r.csv"


def test_until_it_is_taken_a_file_comes_again(rig: SftpRig) -> None:
    rig.put("a.xml", b"1")
    assert [f.content for f in opened(rig).fetch()] == [f.content for f in opened(rig).fetch()]
    assert rig.path("a.xml").exists()


def test_a_name_that_comes_again_is_kept_beside_the_first(rig: SftpRig) -> None:
    for content in (b"1", b"2", b"3"):
        rig.put("r.csv", content)
        assert take_all(opened(rig)) == {"r.csv": content}
    kept = {path.name: path.read_bytes() for path in rig.path("taken").iterdir()}
    assert kept == {"r.csv": b"1", "r.2.csv": b"2", "r.3.csv": b"3"}


@pytest.mark.parametrize("name", ["a.xml.part", "a.TMP", "a.filepart", ".hidden", "x/y/z.xml"])
def test_an_unfinished_or_hidden_file_is_left(rig: SftpRig, name: str) -> None:
    rig.put(name, b"x")
    assert take_all(opened(rig)) == {}
    assert rig.path(name).exists()


def test_a_link_is_not_followed(rig: SftpRig) -> None:
    rig.path("a.xml").symlink_to("/etc/hostname")
    rig.path("etc").symlink_to("/etc")
    assert take_all(opened(rig)) == {}


def test_a_file_of_just_now_may_still_grow(rig: SftpRig) -> None:
    rig.put("a.xml", b"x", age_seconds=2)
    assert [f.left for f in opened(rig).look()] == [Left.GROWING]
    assert take_all(opened(rig)) == {}


def test_a_server_whose_clock_is_ahead_keeps_no_file_for_ever(rig: SftpRig) -> None:
    rig.put("a.xml", b"x", age_seconds=-7200)
    assert take_all(opened(rig)) == {"a.xml": b"x"}


def test_a_file_that_grows_between_two_looks_is_left(
    rig: SftpRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.put("a.xml", b"<half")
    rig.put("b.xml", b"whole")

    async def grow(seconds: float) -> None:
        rig.put("a.xml", b"<half and more")

    monkeypatch.setattr(asyncio, "sleep", grow)
    assert take_all(opened(rig)) == {"b.xml": b"whole"}
    monkeypatch.undo()
    assert take_all(opened(rig)) == {"a.xml": b"<half and more"}


def test_a_file_that_changes_after_it_was_read_is_not_moved_and_comes_again(rig: SftpRig) -> None:
    rig.put("a.xml", b"first")
    source = opened(rig)
    for file in source.fetch():
        rig.put("a.xml", b"first and second")
        source.taken([file.key])
    assert take_all(opened(rig)) == {"a.xml": b"first and second"}


def test_a_file_beyond_all_bounds_is_left_with_a_warning(
    rig: SftpRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.put("small.xml", b"x")
    rig.put("big.xml", b"")
    os.truncate(rig.path("big.xml"), rules.MAX_BYTES + 1)  # takes no room
    os.utime(rig.path("big.xml"), (1, 1))
    with caplog.at_level(logging.WARNING):
        assert take_all(opened(rig)) == {"small.xml": b"x"}
    assert [r.__dict__["bytes"] for r in caplog.records if r.msg == "file left"] == [
        rules.MAX_BYTES + 1
    ]
    assert [f.left for f in opened(rig).look()] == [Left.TOO_LARGE]


def test_more_files_than_an_inbox_holds_are_said(
    rig: SftpRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sftp, "MAX_FILES", 2)
    for name in "abcd":
        rig.put(name, b"x")
    with pytest.raises(SourceFailedError, match="more than 2 files"):
        opened(rig).look()


@pytest.mark.parametrize(
    "name", ["..x", "a\nb.xml", "\x1b[2Jx.xml", "Sao kê ngày 2.xml", "-rf", "a;b|c.xml", " .xml"]
)
def test_any_name_that_a_disk_can_hold_is_taken(rig: SftpRig, name: str) -> None:
    rig.put(name, b"x")
    if name.startswith("."):
        assert take_all(opened(rig)) == {}
        return
    (seen,) = opened(rig).look()
    assert seen.name.isprintable()
    assert take_all(opened(rig)) == {name: b"x"}
    assert rig.path(f"taken/{name}").exists()


def test_a_name_that_is_no_text_is_taken(rig: SftpRig) -> None:
    path = os.fsencode(rig.path("")) + b"/k\xff.xml"
    Path(os.fsdecode(path)).write_bytes(b"x")
    os.utime(path, (1, 1))
    assert list(take_all(opened(rig)).values()) == [b"x"]
    assert take_all(opened(rig)) == {}


def test_another_host_key_is_refused_before_anything_secret_is_sent(
    rig: SftpRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it help that the user who runs us trusts the server."""
    (tmp_path / ".ssh").mkdir()
    line = f"[{HOST}]:{rig.server.port} {rig.server.host_key}\n"
    (tmp_path / ".ssh" / "known_hosts").write_text(line)
    monkeypatch.setenv("HOME", str(tmp_path))
    before = rig.server.log.read_text().count("Failed password")
    access = rig.access(host_key=OTHER)
    source = open_source(replace(access, secrets={"password": "hunter2"}), set())
    with pytest.raises(SourceIdentityError, match="not a pinned one") as refused:
        source.look()
    assert rig.server.fingerprint in refused.value.detail
    assert rig.server.log.read_text().count("Failed password") == before


def test_a_pinned_key_of_a_kind_that_the_server_has_not_is_refused(rig: SftpRig) -> None:
    rsa = asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_public_key().decode()
    with pytest.raises((SourceIdentityError, SourceUnreachableError)):  # whoever ends it first
        opened(rig, host_key=rsa).look()


def test_a_line_of_known_hosts_pins_as_a_fingerprint_does(rig: SftpRig) -> None:
    rig.put("a.xml", b"x")
    line = f"[{HOST}]:{rig.server.port} {rig.server.host_key} bank\n# and its next one\n{OTHER}"
    assert take_all(opened(rig, host_key=line)) == {"a.xml": b"x"}


@pytest.mark.parametrize("kind", ["password", "private_key"])
def test_a_wrong_password_or_key_is_said_without_it(rig: SftpRig, kind: str) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode()
    secret = "hunter2" if kind == "password" else other
    source = open_source(replace(rig.access(), secrets={kind: secret}), set())
    with pytest.raises(SourceDeniedError, match="refuses") as refused:
        source.look()
    assert secret not in refused.value.detail


def test_nobody_answers(rig: SftpRig) -> None:
    with pytest.raises(SourceUnreachableError, match="nobody answers"):
        opened(rig, port=str(free_port())).look()


def test_a_folder_that_is_not_there_is_said(rig: SftpRig) -> None:
    with pytest.raises(SourceFailedError, match="no such folder"):
        opened(rig, folder="/none/at/all").look()


@pytest.fixture
def read_only() -> Iterator[SftpRig]:
    try:
        with ssh_server(reads_only=True) as server:
            yield SftpRig(server)
    except ServerMissingError as missing:
        pytest.skip(str(missing))


def test_where_nothing_may_be_moved_files_are_remembered(read_only: SftpRig) -> None:
    read_only.put("a.xml", b"x")
    refused = opened(read_only)
    with pytest.raises(SourceFailedError, match="after=remember"):
        take_all(refused)
    assert read_only.path("a.xml").exists()

    memory: set[str] = set()
    assert take_all(opened(read_only, memory, after="remember")) == {"a.xml": b"x"}
    assert take_all(opened(read_only, memory, after="remember")) == {}
    assert opened(read_only, memory, after="remember").look() == []
    read_only.put("a.xml", b"another")
    assert take_all(opened(read_only, memory, after="remember")) == {"a.xml": b"another"}


class _Liar(asyncssh.SFTPServer):
    """Lists names that lead out of the folder."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:  # noqa: ARG002
        attrs = asyncssh.SFTPAttrs(permissions=0o100644, size=4, mtime=1)
        for name in (b"../up.xml", b"/etc/abs.xml", b"..", b".", b"", b"a/b.xml", b"ok.xml"):
            yield asyncssh.SFTPName(name, attrs=attrs)


class _Guard(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:  # noqa: ARG002
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("bank", "mật khẩu")


@contextmanager
def lying_server(folder: Path) -> Iterator[dict[str, str]]:
    """Run a server that lies, in a thread; yields what is written down about it."""
    key, port = asyncssh.generate_private_key("ssh-ed25519"), free_port()
    loop, ready, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with asyncssh.listen(
            HOST, port, server_factory=_Guard, server_host_keys=[key],
            sftp_factory=lambda channel: _Liar(channel, os.fsencode(folder)),
        ):  # fmt: skip
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(timeout=20)
        yield {
            "host": HOST, "port": str(port), "username": "bank", "folder": "/",
            "host_key": key.get_fingerprint(), "after": "remember",
        }  # fmt: skip
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(timeout=20)
        loop.close()


def test_names_that_lead_elsewhere_are_none_and_a_password_with_any_letters_works(
    tmp_path: Path,
) -> None:
    (tmp_path / "ok.xml").write_bytes(b"good")
    os.utime(tmp_path / "ok.xml", (1, 1))
    with lying_server(tmp_path) as config:
        access = SourceAccess("liar", SourceKind.SFTP, config, {"password": "mật khẩu"})
        source = open_source(access, set())
        assert [f.name for f in source.look()] == ["ok.xml"]
        assert take_all(source) == {"ok.xml": b"good"}


def test_two_workers_take_a_file_once(rig: SftpRig) -> None:
    rig.put("a.xml", b"x")
    first, second = opened(rig), opened(rig)
    files = list(first.fetch()), list(second.fetch())
    first.taken([file.key for file in files[0]])
    second.taken([file.key for file in files[1]])
    assert [path.name for path in rig.path("taken").iterdir()] == ["a.xml"]


def test_stopping_early_closes_the_connection(rig: SftpRig) -> None:
    rig.put("a.xml", b"x")
    rig.put("b.xml", b"x")
    files = opened(rig).fetch()
    next(files)
    files.close()  # a connection left open would fail the test: warnings are errors


def test_an_encrypted_or_broken_private_key_is_said(rig: SftpRig) -> None:
    for text in ("nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"):
        access = replace(rig.access(), secrets={"private_key": text})
        with pytest.raises(Exception, match="private_key") as refused:
            sftp.read_config(Terms(access))
        assert text not in str(refused.value)
