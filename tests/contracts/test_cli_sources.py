"""Sources by the command line: written down, looked at without taking, switched and removed."""

import io
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from adapters.sources import sftp
from core.db import reading
from reconciliation.sources import find_source
from tests.support.commandline import Doisoat, Done, is_one_line
from tests.support.servers import SshServer
from tests.support.source_rigs import SftpRig


@pytest.fixture
def rig(
    ssh: SshServer, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch, doisoat: Doisoat
) -> SftpRig:
    """Return a source for an installation whose command line is ``doisoat``."""
    assert doisoat
    monkeypatch.setenv("DOISOAT_DATABASE_URL", str(sqlite_engine.url))
    monkeypatch.setattr(sftp, "BETWEEN_LOOKS_SECONDS", 0.05)
    return SftpRig(ssh)


def add(doisoat: Doisoat, rig: SftpRig, folder: Path, *more: str, **config: str) -> Done:
    """Write the rig's source down under ``bank``."""
    access = rig.access(**config)
    key = folder / "key"
    key.write_text(access.secrets["private_key"])
    settings = [word for one in access.config.items() for word in ("--set", "=".join(one))]
    return doisoat(
        "sources", "add", "bank", "sftp", *settings, "--secret-file", f"private_key={key}", *more
    )


def test_a_source_is_written_down_looked_at_and_listed(
    doisoat: Doisoat, rig: SftpRig, tmp_path: Path
) -> None:
    assert doisoat("sources", "list").out.startswith("There is no source yet")
    assert doisoat("sources", "check").out == "There is no source to check.\n"
    assert add(doisoat, rig, tmp_path).status == 0
    rig.put("a.xml", b"x")
    rig.put("b.xml", b"x", age_seconds=1)
    checked = doisoat("sources", "check", "bank")
    assert (checked.status, checked.out.splitlines()) == (
        0,
        [
            "bank: works, 1 to take",
            "  a.xml  1 bytes",
            "  b.xml  1 bytes, left: it may still be growing",
        ],
    )
    (told,) = doisoat("sources", "check", "--json").json
    assert (told["works"], told["waiting"][0]) == (True, {"name": "a.xml", "size": 1, "left": ""})
    assert rig.path("a.xml").exists(), "looking takes nothing"
    (row,) = doisoat("sources", "list", "--json").json
    assert row == {
        "name": "bank", "kind": "sftp", "active": True, "files_count": 0, "last_fetch_at": None,
        "last_error_code": "", "last_error": "", "config": dict(rig.access().config),
    }  # fmt: skip
    assert "never fetched" in doisoat("sources", "list").out


def test_the_watched_folder_is_looked_at_too(
    doisoat: Doisoat, rig: SftpRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert add(doisoat, rig, tmp_path).status == 0
    (tmp_path / "in").mkdir()
    monkeypatch.setenv("DOISOAT_WATCHED_FOLDER", str(tmp_path / "in"))
    (tmp_path / "in" / "a.xml.part").write_bytes(b"x")
    said = doisoat("sources", "check").out
    assert "folder: works, 0 to take\n  a.xml.part  1 bytes, left: its name" in said
    assert doisoat("sources", "check", "folder").status == 0


@pytest.mark.parametrize("way", ["file", "input", "asked"])
def test_a_secret_is_never_an_argument_and_never_shown(
    doisoat: Doisoat, rig: SftpRig, tmp_path: Path, sqlite_engine: Engine,
    monkeypatch: pytest.MonkeyPatch, way: str,
) -> None:  # fmt: skip
    (tmp_path / "secret").write_text("hunter2\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter2\n"))
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "hunter2")
    more = {"file": ["--file", str(tmp_path / "secret")], "input": ["--file", "-"], "asked": []}
    assert add(doisoat, rig, tmp_path).status == 0
    done = doisoat("sources", "secret", "bank", "password", *more[way])
    assert (done.status, done.out) == (0, "bank: password is stored\n")
    checked = doisoat("sources", "check")
    assert (checked.status, "DOES NOT WORK. S044" in checked.out) == (1, True)
    for words in (["list"], ["list", "--json"], ["check", "--json"]):
        said = doisoat("sources", *words)
        assert "hunter2" not in said.out + said.err
        assert "PRIVATE KEY" not in said.out + said.err
    with reading(sqlite_engine) as session:
        source = find_source(session, "bank")
        assert source is not None
        assert b"hunter2" not in source.sealed


def test_what_is_not_in_a_file_is_asked_for(
    doisoat: Doisoat, rig: SftpRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("typer.prompt", lambda name, **_: asked.append(name) or "hunter2")
    words = [w for one in rig.access().config.items() for w in ("--set", "=".join(one))]
    assert doisoat("sources", "add", "bank", "sftp", *words).status == 0
    assert doisoat("sources", "add", "bank", "sftp", *words, "--set", "after=remember").status == 0
    assert asked == ["password"], "a change asks for nothing"


def test_another_host_key_is_said_with_the_one_that_was_shown(
    doisoat: Doisoat, rig: SftpRig, tmp_path: Path
) -> None:
    assert add(doisoat, rig, tmp_path, host_key="SHA256:" + "A" * 43).status == 0
    (told,) = doisoat("sources", "check", "--json").json
    assert (told["works"], told["code"]) == (False, "S043")
    assert rig.server.fingerprint in told["says"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("add", "x", "ftp"), "'ftp' is no kind of source"),
        (("add", "x", "sftp", "--set", "host"), "each is name=value"),
        (("add", "x", "sftp", "--secret-file", "password=none"), "cannot be read"),
        (("add", "x", "sftp", "--secret-file", "password=p"), "host is missing"),
        (("add", "x", "imap", "--set", "host=h", "--set", "username=u", "--set", "hots=h",
          "--secret-file", "password=p"), "'hots' is unknown"),
        (("check", "none"), "S040 no source 'none'"),
        (("switch", "none", "--off"), "S040"),
        (("remove", "none"), "S040"),
        (("secret", "none", "password", "--file", "p"), "S040"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_changes_nothing(
    doisoat: Doisoat, rig: SftpRig, tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    (tmp_path / "p").write_text("hunter2")
    done = doisoat("sources", *words)
    assert (done.status, done.out) == (2, "")
    assert is_one_line(done.err), done.err
    assert says in done.err
    assert "hunter2" not in done.err
    assert doisoat("sources", "list", "--json").out == ""


def test_a_source_is_switched_and_removed(doisoat: Doisoat, rig: SftpRig, tmp_path: Path) -> None:
    assert add(doisoat, rig, tmp_path).status == 0
    assert doisoat("sources", "switch", "bank", "--off").out == "bank: off\n"
    assert "INACTIVE" in doisoat("sources", "list").out
    assert doisoat("sources", "switch", "bank", "--on").out == "bank: on\n"
    assert doisoat("sources", "remove", "bank").out == "bank: removed\n"
    assert doisoat("sources", "list", "--json").out == ""
