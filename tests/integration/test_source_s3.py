"""S3 against moto's server: each version of an object once, remembered or moved."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from adapters.sources import rules, s3
from adapters.sources.rules import Left
from reconciliation.errors import (
    SourceDeniedError,
    SourceFailedError,
    SourceInvalidError,
    SourceUnreachableError,
)
from tests.support.demo import free_port
from tests.support.source_rigs import BucketRig, opened, take_all


@pytest.fixture
def rig(buckets: str) -> BucketRig:
    return BucketRig(buckets)


def test_objects_are_remembered_and_stay(rig: BucketRig) -> None:
    for name in ("b.xml", "2026/11/a.xml", "vnpay/r.csv"):
        rig.put(name, name.encode())
    rig.client.put_object(Bucket=rig.bucket, Key="elsewhere/c.xml", Body=b"x")
    memory: set[str] = set()
    assert [f.name for f in opened(rig, memory).look()] == ["2026/11/a.xml", "b.xml", "vnpay/r.csv"]
    found = take_all(opened(rig, memory))
    assert all(content == name.encode() for name, content in found.items())
    assert list(found) == ["2026/11/a.xml", "b.xml", "vnpay/r.csv"]
    assert take_all(opened(rig, memory)) == {}
    assert opened(rig, memory).look() == []
    assert len(rig.listed()) == 4


def test_another_version_of_an_object_is_another_file(rig: BucketRig) -> None:
    memory: set[str] = set()
    for content in (b"first", b"second"):
        rig.put("a.xml", content)
        assert take_all(opened(rig, memory)) == {"a.xml": content}


def test_until_it_is_taken_an_object_comes_again(rig: BucketRig) -> None:
    rig.put("a.xml", b"1")
    memory: set[str] = set()
    for _ in range(2):
        assert [file.content for file in opened(rig, memory).fetch()] == [b"1"]


def test_objects_are_moved_where_that_is_wanted(rig: BucketRig) -> None:
    for content in (b"1", b"2"):
        rig.put("vnpay/r.csv", content)
        assert take_all(opened(rig, after="move")) == {"vnpay/r.csv": content}
    assert rig.listed() == ["from-bank/taken/vnpay/r.2.csv", "from-bank/taken/vnpay/r.csv"]
    assert take_all(opened(rig, after="move")) == {}


def test_an_object_that_changes_after_it_was_read_is_not_moved(rig: BucketRig) -> None:
    rig.put("a.xml", b"first")
    source = opened(rig, after="move")
    for file in source.fetch():
        rig.put("a.xml", b"second")
        source.taken([file.key])
    assert rig.listed() == ["from-bank/a.xml"]
    assert take_all(opened(rig, after="move")) == {"a.xml": b"second"}


def test_an_object_that_changes_before_it_is_read_is_left(rig: BucketRig) -> None:
    rig.put("a.xml", b"1")
    rig.put("b.xml", b"2")
    rig.put("c.xml", b"3")
    files = opened(rig).fetch()
    assert next(files).name == "a.xml"
    rig.put("b.xml", b"another")
    rig.client.delete_object(Bucket=rig.bucket, Key="from-bank/c.xml")
    assert list(files) == []


def test_more_objects_than_a_page_holds_are_all_seen(rig: BucketRig) -> None:
    client = rig.client
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda n: client.put_object(
                    Bucket=rig.bucket, Key=f"from-bank/{n:04}.xml", Body=b"x"
                ),
                range(1003),
            )
        )
    assert len(opened(rig).look()) == 1003


@pytest.mark.parametrize("name", ["../x.xml", "a\x01b.xml", "\x1b[2Jx.xml", "/abs.xml", "x//y.xml"])
@pytest.mark.parametrize("after", ["remember", "move"])
def test_any_key_is_harmless(rig: BucketRig, name: str, after: str) -> None:
    rig.put(name, b"x")
    memory: set[str] = set()
    (seen,) = opened(rig, memory, after=after).look()
    assert seen.name.isprintable()
    if name.startswith("."):
        assert take_all(opened(rig, memory, after=after)) == {}
        return
    assert take_all(opened(rig, memory, after=after)) == {name: b"x"}
    assert take_all(opened(rig, memory, after=after)) == {}
    assert all(key.startswith("from-bank/") for key in rig.listed())


@pytest.mark.parametrize("name", ["a.xml.part", ".hidden", "folder/", "taken/a.xml"])
def test_what_is_unfinished_hidden_or_taken_is_left(rig: BucketRig, name: str) -> None:
    rig.put(name, b"x")
    assert take_all(opened(rig)) == {}


def test_an_object_beyond_all_bounds_is_left_with_a_warning(
    rig: BucketRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(rules, "MAX_BYTES", 3)
    rig.put("big.xml", b"1234")
    rig.put("small.xml", b"123")
    with caplog.at_level(logging.WARNING):
        assert take_all(opened(rig)) == {"small.xml": b"123"}
    assert [r.__dict__["bytes"] for r in caplog.records if r.msg == "file left"] == [4]
    assert [f.left for f in opened(rig).look()] == [Left.TOO_LARGE, ""]


def test_more_files_than_an_inbox_holds_are_said(
    rig: BucketRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "MAX_FILES", 2)
    for name in "abcd":
        rig.put(name, b"x")
    with pytest.raises(SourceFailedError, match="more than 2 new files"):
        opened(rig).look()


@pytest.fixture
def locked(rig: BucketRig) -> Iterator[BucketRig]:
    """Return a rig whose server has begun to check keys; nobody has one."""

    def check_after(count: int) -> None:
        url = f"{rig.endpoint}/moto-api/reset-auth"
        assert httpx2.post(url, content=str(count).encode()).status_code == 200

    check_after(0)
    yield rig
    check_after(10**9)


def test_a_refused_key_is_said_without_its_secret(locked: BucketRig) -> None:
    with pytest.raises(SourceDeniedError, match="AKIDTEST is refused") as refused:
        opened(locked).look()
    assert "s3cret" not in refused.value.detail


def test_a_bucket_that_is_not_there_is_said(rig: BucketRig) -> None:
    with pytest.raises(SourceFailedError, match="no bucket 'none-at-all'"):
        opened(rig, bucket="none-at-all").look()


def test_nobody_answers(rig: BucketRig) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(SourceUnreachableError, match="nobody answers"):
        opened(rig, endpoint=endpoint).look()


@pytest.mark.parametrize("endpoint", ["http://s3.bank.example", "s3.bank.example", "https://"])
def test_an_address_that_hides_nothing_is_refused(rig: BucketRig, endpoint: str) -> None:
    with pytest.raises(SourceInvalidError, match="endpoint"):
        opened(rig, endpoint=endpoint)


def test_two_workers_move_an_object_once(rig: BucketRig) -> None:
    rig.put("a.xml", b"x")
    first, second = opened(rig, after="move"), opened(rig, after="move")
    files = list(first.fetch()), list(second.fetch())
    first.taken([file.key for file in files[0]])
    second.taken([file.key for file in files[1]])
    assert rig.listed() == ["from-bank/taken/a.xml"]
