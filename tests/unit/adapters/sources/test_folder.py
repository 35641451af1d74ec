"""The watched folder: whole files are taken once, and nothing is ever lost."""

import os
import time
from pathlib import Path

import pytest

from adapters.sources import rules
from adapters.sources.folder import FolderSource
from adapters.sources.rules import TAKEN


@pytest.fixture
def source(tmp_path: Path) -> FolderSource:
    return FolderSource(tmp_path, quiet_seconds=5)


def put(folder: Path, name: str, content: bytes = b"x", *, age_seconds: float = 60) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    when = time.time() - age_seconds
    os.utime(path, (when, when))
    return path


def names(source: FolderSource) -> list[str]:
    return [file.name for file in source.fetch()]


def test_files_come_in_the_order_of_their_names_with_their_folder(
    source: FolderSource, tmp_path: Path
) -> None:
    for name in ("b.xml", "a.xml", "vnpay/r.csv"):
        put(tmp_path, name, name.encode())
    fetched = list(source.fetch())
    assert [file.name for file in fetched] == ["a.xml", "b.xml", "vnpay/r.csv"]
    assert all(file.content == file.name.encode() for file in fetched)


@pytest.mark.parametrize(
    "name", ["a.xml.part", "a.tmp", "a.PART", "a.crdownload", ".hidden", ".sync/a.xml", "x/y/z.xml"]
)
def test_an_unfinished_or_hidden_file_is_left(
    source: FolderSource, tmp_path: Path, name: str
) -> None:
    path = put(tmp_path, name)
    assert names(source) == []
    assert path.exists()


def test_a_file_that_is_still_written_is_left_until_it_is_quiet(
    source: FolderSource, tmp_path: Path
) -> None:
    put(tmp_path, "a.xml", age_seconds=1)
    assert names(source) == []
    put(tmp_path, "a.xml", age_seconds=6)
    assert names(source) == ["a.xml"]


def test_until_it_is_taken_a_file_comes_again(source: FolderSource, tmp_path: Path) -> None:
    put(tmp_path, "a.xml")
    assert names(source) == names(source) == ["a.xml"]
    source.taken(["a.xml"])
    assert names(source) == []
    assert (tmp_path / TAKEN / "a.xml").read_bytes() == b"x"


def test_a_name_that_comes_again_is_kept_beside_the_first(
    source: FolderSource, tmp_path: Path
) -> None:
    for content in (b"1", b"2", b"3"):
        put(tmp_path, "vnpay/r.csv", content)
        source.taken(names(source))
    kept = {path.name: path.read_bytes() for path in (tmp_path / TAKEN / "vnpay").iterdir()}
    assert kept == {"r.csv": b"1", "r.2.csv": b"2", "r.3.csv": b"3"}


def test_a_link_out_of_the_folder_is_not_followed(source: FolderSource, tmp_path: Path) -> None:
    (tmp_path / "a.xml").symlink_to("/etc/hostname")
    assert names(source) == []


def test_a_file_beyond_all_bounds_is_left_for_a_person(
    source: FolderSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_BYTES", 3)
    put(tmp_path, "big.xml", b"1234")
    put(tmp_path, "small.xml", b"123")
    assert names(source) == ["small.xml"]


def test_a_file_that_cannot_be_read_leaves_the_others(
    source: FolderSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Path.read_bytes

    def read_or_fail(path: Path) -> bytes:
        if path.name == "a.xml":
            raise PermissionError
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_or_fail)
    put(tmp_path, "a.xml")
    put(tmp_path, "b.xml")
    assert names(source) == ["b.xml"]


def test_a_file_that_another_process_has_taken_is_taken(
    source: FolderSource, tmp_path: Path
) -> None:
    put(tmp_path, "a.xml")
    source.taken(["a.xml"])
    source.taken(["a.xml"])
    assert [path.name for path in (tmp_path / TAKEN).iterdir()] == ["a.xml"]


def test_a_folder_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert names(FolderSource(tmp_path / "none")) == []
