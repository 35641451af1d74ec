"""From a source into the evidence: stored once, then told; a crash loses and doubles nothing."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import col, select

from adapters.registry import open_source
from adapters.sources import sftp
from core.actors import SYSTEM
from core.db import reading, transaction
from reconciliation.errors import SourceInvalidError, SourceNotFoundError
from reconciliation.models import EvidenceFile, StatementLine
from reconciliation.ports import (
    FetchedFile,
    SourceAccess,
    SourceKind,
    StatementSource,
    WaitingFile,
)
from reconciliation.source_models import ConfiguredSource, SourceMark
from reconciliation.sources import (
    get_source,
    list_sources,
    open_access,
    remove_source,
    set_source,
    switch_source,
)
from scheduler.fetching import fetch_statements, open_known
from scheduler.runs import JobRun, RunOutcome
from scheduler.schedule import get_job, run_now
from tests.factories import VAULT
from tests.support.books import at_once
from tests.support.clock import FrozenClock
from tests.support.evidence import World, a_world
from tests.support.jobs import ListSource, a_context
from tests.support.servers import MailServer, SshServer
from tests.support.source_rigs import BucketRig, MailRig, SftpRig, SourceRig
from tests.support.statements import a_statement


@pytest.fixture(params=["sftp", "imap", "s3"])
def rig(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> SourceRig:
    monkeypatch.setattr(sftp, "BETWEEN_LOOKS_SECONDS", 0.05)
    if request.param == "sftp":
        server: SshServer = request.getfixturevalue("ssh")
        return SftpRig(server)
    if request.param == "imap":
        mails: MailServer = request.getfixturevalue("mailboxes")
        return MailRig(mails)
    return BucketRig(request.getfixturevalue("buckets"))


@dataclass
class Office:
    """An installation that fetches."""

    engine: Engine
    clock: FrozenClock
    world: World
    scratch: Path

    def know(self, access: SourceAccess) -> None:
        with transaction(self.engine) as session:
            set_source(session, access, vault=VAULT, actor=SYSTEM, clock=self.clock)

    def fetch(
        self,
        open_with: Callable[..., StatementSource] = open_source,
        folder: StatementSource | None = None,
    ) -> JobRun:
        """Run the job as the scheduler does; returns its run."""
        sources = {"folder": folder} if folder else {}
        context = a_context(
            self.engine, self.clock, self.scratch, sources=sources, open_with=open_with
        )
        run_now(context, get_job("fetch_statements"), requested_by="test")
        with reading(self.engine) as session:
            query = select(JobRun).order_by(col(JobRun.due_at).desc())
            return session.exec(query).all()[0]

    def stored(self) -> tuple[int, int]:
        """Count files and lines."""
        with reading(self.engine) as session:
            files = session.exec(select(EvidenceFile)).all()
            return len(files), len(session.exec(select(StatementLine)).all())

    def source(self, name: str = "bank") -> ConfiguredSource:
        with reading(self.engine) as session:
            return get_source(session, name)


@pytest.fixture
def office(engine: Engine, clock: FrozenClock, tmp_path: Path) -> Office:
    with transaction(engine) as session:
        return Office(engine, clock, a_world(session, clock=clock), tmp_path)


def test_a_file_is_stored_once_and_the_source_says_how_it_went(
    office: Office, rig: SourceRig
) -> None:
    office.know(rig.access())
    rig.put("a.xml", a_statement(office.world))
    assert (office.fetch().outcome, office.fetch().outcome) == (RunOutcome.DONE, RunOutcome.DONE)
    assert office.stored() == (1, 1)
    source = office.source()
    assert (source.files_count, source.last_fetch_at) == (1, office.clock())
    assert (source.last_error_code, source.last_error) == ("", "")
    with reading(office.engine) as session:
        assert session.exec(select(EvidenceFile.source)).all() == ["bank"]


class _Dying:
    """A source whose process dies before it is told that a file is stored."""

    def __init__(self, inner: StatementSource) -> None:
        self._inner = inner

    def look(self) -> Iterable[WaitingFile]:
        return self._inner.look()

    def fetch(self) -> Generator[FetchedFile, None, None]:
        yield from self._inner.fetch()

    def taken(self, keys: Iterable[str]) -> None:  # noqa: ARG002
        raise KeyboardInterrupt  # as kill -9


def test_a_crash_between_storing_and_telling_loses_and_doubles_nothing(
    office: Office, rig: SourceRig
) -> None:
    office.know(rig.access())
    rig.put("a.xml", a_statement(office.world))
    with pytest.raises(KeyboardInterrupt):
        office.fetch(lambda *given: _Dying(open_source(*given)))
    assert office.stored() == (1, 1)
    assert office.fetch().count == 1, "it comes again"
    assert office.stored() == (1, 1)
    assert office.fetch().count == 0, "and then no more"


def test_two_workers_at_once_store_a_file_once(office: Office, rig: SourceRig) -> None:
    office.know(rig.access())
    for name in ("a.xml", "b.xml"):
        rig.put(name, a_statement(office.world, name))
    context = a_context(office.engine, office.clock, office.scratch)
    work = partial(fetch_statements, context, office.clock())
    results = at_once(office.engine, work, work)
    assert all(isinstance(result, int) for result in results), results
    assert office.stored() == (2, 1)
    assert office.fetch().count == 0
    assert office.source().files_count == 2


def test_a_hostile_name_is_stored_under_a_plain_one(office: Office, rig: SourceRig) -> None:
    name = "\x01evil\x1b[2J.xml" if not isinstance(rig, MailRig) else "../../evil.xml"
    office.know(rig.access())
    rig.put(name, b"nonsense")
    assert office.fetch().outcome is RunOutcome.DONE
    with reading(office.engine) as session:
        (stored,) = session.exec(select(EvidenceFile)).all()
    assert stored.name.isprintable()
    assert "/" not in stored.name
    assert office.fetch().count == 0
    assert not list(office.scratch.parent.rglob("evil*"))


def test_a_source_that_fails_leaves_the_others_and_says_why(office: Office, rig: SourceRig) -> None:
    office.know(replace(rig.access(), name="a-broken", config={**rig.access().config, "port": "1"}))
    office.know(rig.access())
    office.know(replace(rig.access(), name="off"))
    with transaction(office.engine) as session:
        off = get_source(session, "off")
        switch_source(session, off, active=False, actor=SYSTEM, clock=office.clock)
    rig.put("a.xml", a_statement(office.world))
    folder = ListSource([FetchedFile("b.xml", b"nonsense")])
    run = office.fetch(folder=folder)
    assert run.outcome is RunOutcome.FAILED
    assert run.detail.startswith("J001 1 of 3: a-broken: S04")
    assert (folder.files, office.stored()) == ([], (2, 1))
    broken = office.source("a-broken")
    assert broken.last_error_code in {"S041", "S042"}
    assert broken.last_fetch_at == office.clock()
    assert office.source().last_error_code == ""
    assert office.source("off").last_fetch_at is None


def test_a_source_that_works_again_shows_no_error(office: Office, rig: SourceRig) -> None:
    access = rig.access()
    office.know(replace(access, secrets=dict.fromkeys(access.secrets, "no")))
    office.fetch()
    failed = office.source()
    office.know(access)
    office.fetch()
    if not isinstance(rig, BucketRig):  # its server takes every key
        assert failed.last_error_code in {"S041", "S044"}
    assert office.source().last_error_code == ""


def test_a_source_that_turned_us_away_is_left_alone_for_an_hour(
    office: Office, ssh: SshServer
) -> None:
    rig, asked = SftpRig(ssh), []

    def counting(*given: Any) -> StatementSource:
        asked.append(office.clock())
        return open_source(*given)

    access = rig.access()
    office.know(replace(access, secrets={"password": "no"}))
    assert office.fetch(counting).outcome is RunOutcome.FAILED
    assert office.source().last_error_code == "S044"
    office.clock.advance(minutes=59)
    office.fetch(counting)
    assert len(asked) == 1
    office.clock.advance(minutes=2)
    office.fetch(counting)
    assert len(asked) == 2, "an hour later it is asked again"
    office.know(access)
    office.fetch(counting)
    assert len(asked) == 3, "another secret is tried at once"
    assert office.source().last_error_code == ""


def test_secrets_are_sealed_and_kept_when_only_the_rest_changes(office: Office) -> None:
    ssh = SourceAccess("bank", SourceKind.SFTP, {"host": "a"}, {"password": "hunter2"})
    office.know(ssh)
    office.know(replace(ssh, config={"host": "b"}, secrets={}))
    with reading(office.engine) as session:
        source = get_source(session, "bank")
        assert b"hunter2" not in source.sealed
        access = open_access(source, vault=VAULT)
    assert (access.config, access.secrets) == ({"host": "b"}, {"password": "hunter2"})
    assert "hunter2" not in repr(access)
    with pytest.raises(SourceInvalidError, match="remove it first"):
        office.know(replace(ssh, kind=SourceKind.IMAP))


@pytest.mark.parametrize("name", ["", "folder", "upload", "A", "a b", "../a", "a" * 41])
def test_a_name_that_cannot_be_is_refused(office: Office, name: str) -> None:
    with pytest.raises(SourceInvalidError, match="a name is"):
        office.know(SourceAccess(name, SourceKind.S3, {}, {}))


def test_a_source_is_removed_with_what_it_remembered(office: Office, buckets: str) -> None:
    rig = BucketRig(buckets)
    office.know(rig.access())
    rig.put("a.xml", a_statement(office.world))
    office.fetch()
    with transaction(office.engine) as session:
        assert len(session.exec(select(SourceMark)).all()) == 1
        remove_source(session, get_source(session, "bank"), actor=SYSTEM, clock=office.clock)
    with reading(office.engine) as session:
        assert list_sources(session) == []
        assert session.exec(select(SourceMark)).all() == []
    assert office.stored() == (1, 1)
    with pytest.raises(SourceNotFoundError):
        open_known(a_context(office.engine, office.clock, office.scratch), "bank")
