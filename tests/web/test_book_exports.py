"""The auditor's exports: asked for, written by the job, fetched in parts, removed in time."""

import hashlib
import io
import json
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from core.actors import Role
from core.audit import AuditEvent
from core.db import reading, transaction
from reconciliation.auditing.books import Books
from reconciliation.auditing.models import BookExport, ExportStatus, Format
from scheduler import exporting
from scheduler.context import JobContext
from scheduler.jobs import StepsFailedError
from tests.factories import a_bill, a_user
from tests.web.conftest import Site

DAYS = {"first": "2026-11-01", "last": "2026-11-02"}


@pytest.fixture
def site(site_on_each: Site) -> Site:
    """Return each database's site, with a bill in each commune."""
    with transaction(site_on_each.engine) as session:
        for commune in (0, 1):
            a_bill(session, site_on_each.city, clock=site_on_each.clock, commune=commune)
        a_user(
            session, "auditor2", Role.AUDITOR, office=site_on_each.city.communes[1],
            clock=site_on_each.clock,
        )  # fmt: skip
    return site_on_each


def context_of(site: Site) -> JobContext:
    return site.app.state.context  # type: ignore[no-any-return]


def write(site: Site) -> int:
    return exporting.write_exports(context_of(site), site.clock())


def ask(site: Site, username: str = "auditor", kind: str = "jsonl", **days: str) -> int:
    data = DAYS | {"format": kind} | days
    return site.signed_in(username).post("/staff/export/books", data=data).status_code


def exports(site: Site) -> list[BookExport]:
    with reading(site.engine) as session:
        return list(session.exec(select(BookExport).order_by(BookExport.id)))


def folder(site: Site) -> Path:
    return context_of(site).exports


@pytest.mark.parametrize("kind", list(Format))
def test_what_is_asked_for_is_written_and_fetched(site: Site, kind: Format) -> None:
    assert ask(site, kind=kind.value) == 303
    page = site.signed_in("auditor").get("/staff/export/books").text
    assert "Waiting to be written" in page
    assert "data-look-again" in page
    assert write(site) == 1
    [export] = exports(site)
    page = site.signed_in("auditor").get("/staff/export/books").text
    assert "data-look-again" not in page
    for text in (
        "Ready",
        export.sha256,
        "4 transfers",
        "debits VND\xa0166,000, credits VND\xa0166,000",
    ):
        assert text in page, text
    answer = site.signed_in("auditor").get(f"/staff/export/books/{export.id}.zip")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["etag"] == f'"{export.sha256}"'
    assert answer.headers["cache-control"] == "no-store"
    assert hashlib.sha256(answer.content).hexdigest() == export.sha256
    assert len(answer.content) == export.byte_count
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    assert (manifest["transfers"], manifest["scope"]) == (4, "/22/")
    for file in manifest["files"]:
        assert hashlib.sha256(archive.read(file["path"])).hexdigest() == file["sha256"]
    assert write(site) == 0


def test_the_same_books_give_the_same_archive(site: Site) -> None:
    ask(site)
    ask(site)
    assert write(site) == 2
    one, two = exports(site)
    assert one.sha256 == two.sha256 != ""


def test_a_download_that_was_cut_off_goes_on(site: Site) -> None:
    ask(site)
    write(site)
    [export] = exports(site)
    client = site.signed_in("auditor")
    address = f"/staff/export/books/{export.id}.zip"
    whole = client.get(address).content
    etag = f'"{export.sha256}"'
    first = client.get(address, headers={"range": "bytes=0-99"})
    assert (first.status_code, first.headers["etag"]) == (206, etag)
    assert first.headers["content-range"] == f"bytes 0-99/{len(whole)}"
    rest = client.get(address, headers={"range": "bytes=100-", "if-range": etag})
    assert rest.status_code == 206
    assert first.content + rest.content == whole
    other = client.get(address, headers={"range": "bytes=100-", "if-range": '"another"'})
    assert (other.status_code, other.content) == (200, whole)
    beyond = client.get(address, headers={"range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416


def test_asking_and_every_fetch_are_written_down(site: Site) -> None:
    ask(site)
    write(site)
    [export] = exports(site)
    client = site.signed_in("auditor")
    client.get(f"/staff/export/books/{export.id}.zip")
    client.get(f"/staff/export/books/{export.id}.zip", headers={"range": "bytes=5-9"})
    with reading(site.engine) as session:
        events = session.exec(select(AuditEvent).where(AuditEvent.subject_id == export.id)).all()
    assert sorted(event.action for event in events) == [
        "ask_book_export", "fetch_book_export", "fetch_book_export",
    ]  # fmt: skip
    assert {event.actor_id for event in events} == {site.users["auditor"].id}


def test_an_auditor_of_one_commune_gets_its_books_only(site: Site) -> None:
    ask(site)
    ask(site, "auditor2")
    write(site)
    province, commune = sorted(exports(site), key=lambda export: export.scope)
    assert (province.scope, commune.scope) == ("/22/", "/22/22002/")
    assert (province.written, commune.written) == (4, 2)
    small, large = site.signed_in("auditor2"), site.signed_in("auditor")
    page = small.get("/staff/export/books").text
    assert commune.sha256 in page
    assert province.sha256 not in page
    assert small.get(f"/staff/export/books/{province.id}.zip").status_code == 404
    assert small.get(f"/staff/export/books/{commune.id}.zip").status_code == 200
    assert large.get(f"/staff/export/books/{commune.id}.zip").status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"first": "2026-11-03"}, "R060"),
        ({"last": "2026-12-31"}, "R060"),
        ({"first": "soon"}, "C008"),
        ({"format": "exe"}, "C008"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_its_code(
    site: Site, changes: dict[str, str], code: str
) -> None:
    data = DAYS | {"format": "jsonl"} | changes
    answer = site.signed_in("auditor").post("/staff/export/books", data=data)
    assert answer.status_code == 422
    assert code in answer.text
    assert exports(site) == []


def test_one_person_cannot_fill_the_disk_by_asking(site: Site) -> None:
    assert [ask(site) for _ in range(6)] == [303] * 5 + [409]
    assert ask(site, "auditor2") == 303
    write(site)
    assert ask(site) == 303


def test_files_are_removed_after_their_days(site: Site) -> None:
    ask(site)
    write(site)
    [export] = exports(site)
    site.clock.advance(days=7, seconds=-1)
    write(site)
    assert (folder(site) / f"{export.id}.zip").exists()
    site.clock.advance(seconds=1)
    write(site)
    assert [path.name for path in folder(site).iterdir()] == [".lock"]
    client = site.signed_in("auditor")
    assert client.get(f"/staff/export/books/{export.id}.zip").status_code == 404
    page = client.get("/staff/export/books").text
    assert "Files removed" in page
    assert export.sha256 in page


def test_what_a_crash_cut_off_is_written_again_from_the_start(site: Site) -> None:
    ask(site)
    [export] = exports(site)
    with transaction(site.engine) as session:
        found = session.get_one(BookExport, export.id)
        found.status, found.written = ExportStatus.WRITING, 3
        session.add(found)
    left = folder(site) / f".{export.id}.abc.part"
    left.mkdir(parents=True)
    (left / "transfers.jsonl").write_text("half")
    (folder(site) / f".{export.id}.zip.part").write_text("half")
    assert write(site) == 1
    assert exports(site)[0].status is ExportStatus.READY
    assert sorted(p.name for p in folder(site).iterdir()) == [".lock", f"{export.id}.zip"]


def test_a_failure_is_told_and_leaves_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Books) -> None:
        raise ValueError("secret of the database")

    ask(site)
    monkeypatch.setattr(Books, "closing", fail)
    with pytest.raises(StepsFailedError):
        write(site)
    page = site.signed_in("auditor").get("/staff/export/books").text
    assert "It could not be written (ValueError)" in page
    assert "secret" not in page
    assert [path.name for path in folder(site).iterdir()] == [".lock"]
    monkeypatch.undo()
    assert write(site) == 0


def test_progress_is_shown_while_it_is_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    whole = Books.closing

    def look(self: Books) -> object:
        seen.append(site.signed_in("auditor").get("/staff/export/books").text)
        return whole(self)

    ask(site)
    monkeypatch.setattr(Books, "closing", look)
    write(site)
    assert "Being written" in seen[0]
    assert "4 of 4 transfers" in seen[0]


def test_two_runs_do_not_write_at_the_same_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = []
    whole = Books.closing

    def look(self: Books) -> object:
        others.append(write(site))
        return whole(self)

    ask(site)
    monkeypatch.setattr(Books, "closing", look)
    assert (write(site), others) == (1, [0])


def test_a_file_that_is_gone_from_the_disk_is_not_there(site: Site) -> None:
    ask(site)
    write(site)
    [export] = exports(site)
    shutil.rmtree(folder(site))
    answer = site.signed_in("auditor").get(f"/staff/export/books/{export.id}.zip")
    assert answer.status_code == 404
    assert "R063" in answer.text


def test_only_its_owner_can_read_the_folder_of_exports(site: Site) -> None:
    ask(site)
    write(site)
    assert folder(site).stat().st_mode & 0o077 == 0
    assert next(folder(site).glob("*.zip")).stat().st_mode & 0o077 == 0


def test_the_form_begins_with_the_month_before(site: Site) -> None:
    page = site.signed_in("auditor").get("/staff/export/books").text
    assert 'value="2026-10-01"' in page
    assert timedelta(days=context_of(site).export_days) == timedelta(days=7)
