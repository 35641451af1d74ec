"""Checkpoints: signed, kept in two places, and never one that contradicts another."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlmodel import col, select

from core.actors import SYSTEM, Actor, PermissionDeniedError
from core.clock import business_day
from core.crypto import Vault
from core.db import reading, transaction
from core.errors import DecryptionError
from payments.errors import (
    EntryIncompleteError,
    EntryNotLoggedError,
    LogForkedError,
    ProofInvalidError,
)
from payments.ledger.log.checkpoints import Checkpoint
from payments.ledger.log.kept import keep, read_kept
from payments.ledger.log.keys import list_keys, rotate_key, verifiers
from payments.ledger.log.models import LogCheckpoint, LogEntry, LogKey
from payments.ledger.log.notes import SignedNote, SignerKey, VerifierKey
from payments.ledger.log.proofs import InclusionProof
from payments.ledger.log.proving import leaf_of, prove_entry
from payments.ledger.log.sequencer import erase_person
from payments.ledger.log.stored import StoredTree
from payments.ledger.log.verification import contradictions
from scheduler.context import JobContext
from scheduler.publishing import publish_log, sign_log, verify_log
from scheduler.runs import JobRun, RunOutcome
from scheduler.schedule import get_job, run_once
from tests.support.clock import FrozenClock
from tests.support.jobs import a_context
from tests.support.log import append_all, leaves, post_many, post_one


@pytest.fixture
def context(engine: Engine, clock: FrozenClock, tmp_path: Path) -> JobContext:
    return a_context(engine, clock, tmp_path)


Publish = Callable[..., SignedNote]


@pytest.fixture
def publish(context: JobContext, clock: FrozenClock) -> Publish:
    """Return what posts so many entries, publishes the log and gives what was kept outside."""
    posted = 0

    def publish(count: int = 3) -> SignedNote:
        nonlocal posted
        day = business_day(clock())
        post_many(context.engine, count, clock=clock, day=day, start=posted)
        posted += count
        clock.advance(minutes=5)
        publish_log(context, clock())
        return SignedNote.parse(read_kept(context.checkpoint_file))

    return publish


def unprotected(engine: Engine, *statements: str) -> None:
    """Do what only the owner of the database can: take its triggers away, then change rows."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for (name,) in connection.execute(text(query)).all():
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            for table in ("journal_entry", "ledger_transfer", "log_entry", "log_tile", "log_salt",
                          "log_checkpoint"):  # fmt: skip
                connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))


def checkpoints(engine: Engine) -> list[LogCheckpoint]:
    with reading(engine) as session:
        return list(session.exec(select(LogCheckpoint).order_by(col(LogCheckpoint.size))))


def keys(engine: Engine) -> list[VerifierKey]:
    with reading(engine) as session:
        return verifiers(session)


def test_a_checkpoint_is_signed_and_kept_in_both_places(
    context: JobContext, publish: Publish
) -> None:
    note = publish(3)
    head = Checkpoint.parse(note.text)
    assert (head.origin, head.size) == ("books.example/log", 3)
    assert [key.name for key in note.signed_by(keys(context.engine))] == ["books.example/log"]
    assert [row.note for row in checkpoints(context.engine)] == [str(note)]
    with reading(context.engine) as session:
        assert StoredTree(session).root() == head.root
    later = publish(2)
    assert [row.size for row in checkpoints(context.engine)] == [3, 5]
    assert Checkpoint.parse(later.text).size == 5


def test_nothing_new_is_not_signed_again(context: JobContext, publish: Publish) -> None:
    note = publish(3)
    assert publish(0) == note
    assert len(checkpoints(context.engine)) == 1


def test_an_empty_log_has_no_checkpoint(context: JobContext, clock: FrozenClock) -> None:
    assert publish_log(context, clock()) == 0
    assert not context.checkpoint_file.exists()


def test_a_proof_opens_its_leaf_and_holds_with_the_key_alone(
    context: JobContext, publish: Publish
) -> None:
    publish(300)
    with reading(context.engine) as session:
        row = leaves(session)[257]
        proof = prove_entry(session, row.entry_id)
    again = InclusionProof.parse(str(proof))
    assert again == proof
    assert leaf_of(again).decode() == row.leaf
    head = again.check(leaf_of(again), keys(context.engine))
    assert (again.index, head.size) == (257, 300)
    with pytest.raises(ProofInvalidError):
        again.check(leaf_of(again).replace(b"2026", b"2025"), keys(context.engine))
    with pytest.raises(ProofInvalidError):
        replace(again, index=256).check(leaf_of(again), keys(context.engine))
    stranger = SignerKey("books.example/log", b"7" * 32).verifier()
    with pytest.raises(ProofInvalidError):
        again.check(leaf_of(again), [stranger])


def test_what_no_checkpoint_covers_is_not_proved(
    context: JobContext, clock: FrozenClock, publish: Publish
) -> None:
    publish(1)
    with transaction(context.engine) as session:
        entry = post_one(session, "new", clock=clock)
    append_all(context.engine, clock=clock)
    with reading(context.engine) as session:
        for unknown in (entry.id, "jrn_none"):
            with pytest.raises(EntryNotLoggedError):
                prove_entry(session, unknown)


SEVENTH = "entry_id = (SELECT entry_id FROM log_entry WHERE seq = 7)"
REWRITE = "UPDATE log_entry SET leaf = replace(leaf, '2026', '2025') WHERE seq = 1"


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        ((REWRITE,), "not those that were signed"),
        (("DELETE FROM log_entry WHERE seq = 2",), "3 leaves were signed, 2 are there"),
        ((REWRITE, "DELETE FROM log_checkpoint"), "not those that were signed"),
        (
            ("DELETE FROM log_entry WHERE seq = 2", "DELETE FROM log_checkpoint"),
            "3 leaves were signed",
        ),
    ],
)
def test_a_log_that_contradicts_what_was_signed_is_not_signed(
    context: JobContext,
    publish: Publish,
    clock: FrozenClock,
    attack: tuple[str, ...],
    message: str,
) -> None:
    note = publish(3)
    unprotected(context.engine, *attack)
    before = len(checkpoints(context.engine))
    with pytest.raises(LogForkedError, match=message):
        publish_log(context, clock())
    assert read_kept(context.checkpoint_file) == str(note)
    assert len(checkpoints(context.engine)) == before


def test_a_log_rewritten_with_its_file_is_found_by_the_database(
    context: JobContext, publish: Publish, clock: FrozenClock
) -> None:
    publish(3)
    context.checkpoint_file.unlink()
    unprotected(context.engine, REWRITE)
    with pytest.raises(LogForkedError, match="not those that were signed"):
        publish_log(context, clock())


@pytest.mark.parametrize("found", ["", "no note", "\x00", "another", "other key"])
def test_what_is_kept_outside_has_to_be_a_checkpoint_of_ours(
    context: JobContext, publish: Publish, clock: FrozenClock, found: str
) -> None:
    note = publish(3)
    head = Checkpoint.parse(note.text)
    stranger = SignerKey("books.example/log", b"7" * 32)
    elsewhere = Checkpoint("else.example", head.size, head.root).text
    signature = SignerKey("else.example", b"7" * 32).sign(elsewhere)
    forged = {
        "another": str(SignedNote(elsewhere, (signature,))),
        "other key": str(SignedNote(head.text, (stranger.sign(head.text),))),
    }
    keep(context.checkpoint_file, forged.get(found, found))
    if found == "":  # as good as none: the database's own is held against the log
        publish_log(context, clock())
        assert read_kept(context.checkpoint_file) == str(note)
        return
    with pytest.raises(LogForkedError):
        publish_log(context, clock())


def test_the_job_fails_with_its_code_and_signs_again_when_all_is_well(
    context: JobContext, publish: Publish, clock: FrozenClock
) -> None:
    note = publish(3)
    keep(context.checkpoint_file, "damaged")
    job = get_job("publish_log")
    run_once(context, job, job.due_at(clock()))
    with reading(context.engine) as session:
        run = session.exec(select(JobRun).where(JobRun.job == "publish_log")).one()
    assert run.outcome is RunOutcome.FAILED
    assert run.detail.startswith("P072 ")
    keep(context.checkpoint_file, str(note))
    clock.advance(minutes=5)
    run_once(context, job, job.due_at(clock()))
    with reading(context.engine) as session:
        newest = select(JobRun).order_by(col(JobRun.due_at).desc())
        run = session.exec(newest).first()
    assert run is not None
    assert run.outcome is RunOutcome.DONE


def test_a_crash_between_file_and_database_is_gone_on_from(
    context: JobContext, publish: Publish, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(3)
    post_many(context.engine, 2, clock=clock, day=business_day(clock()), start=100)
    append_all(context.engine, clock=clock)

    def crash(path: Path, note: str) -> None:
        keep(path, note)
        raise OSError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr("scheduler.publishing.keep", crash)
        with pytest.raises(OSError, match="power cut"):
            sign_log(context)
    assert [row.size for row in checkpoints(context.engine)] == [3]
    sign_log(context)
    rows = checkpoints(context.engine)
    assert [row.size for row in rows] == [3, 5]
    assert rows[-1].note == read_kept(context.checkpoint_file)


def test_a_new_key_signs_on_the_old_one_says_so_and_old_checkpoints_stay_valid(
    context: JobContext, publish: Publish, clock: FrozenClock
) -> None:
    old = publish(3)
    clock.advance(minutes=1)
    with transaction(context.engine) as session:
        rotate_key(
            session, origin="ignored", vault=context.vault, actor=SYSTEM, clock=clock
        )  # fmt: skip
    new = publish(0)
    after, before = keys(context.engine)
    assert after.name == before.name == "books.example/log"
    assert new.text == old.text
    assert old.signed_by([after]) == []
    assert new.signed_by([after]) == [after]
    assert old.signed_by([before]) == [before]
    with reading(context.engine) as session:
        rows = list_keys(session)
    assert [row.retired_at is None for row in rows] == [True, False]
    says = SignedNote.parse(rows[0].endorsement)
    assert says.signed_by([before, after]) == [before, after]
    assert str(after) in says.text
    assert Checkpoint.parse(publish(2).text).size == 5


def test_only_administrators_change_the_key_which_is_sealed(
    context: JobContext, publish: Publish, clock: FrozenClock, officer: Actor
) -> None:
    publish(1)
    with transaction(context.engine) as session, pytest.raises(PermissionDeniedError):
        rotate_key(session, origin="o", vault=context.vault, actor=officer, clock=clock)
    other = Vault({"other": b"k" * 32})
    post_many(context.engine, 1, clock=clock, day=business_day(clock()), start=50)
    with pytest.raises(DecryptionError):
        publish_log(replace(context, vault=other), clock())
    with reading(context.engine) as session:
        assert session.exec(select(LogKey)).one().sealed[:1] == b"\x01"


def test_incomplete_entries_are_told_after_all_others_are_signed(
    context: JobContext, publish: Publish, clock: FrozenClock
) -> None:
    publish(2)
    with transaction(context.engine) as session:
        post_one(session, "whole", clock=clock)
        session.execute(
            text(
                "INSERT INTO journal_entry SELECT 'jrn_0', entry_date, posted_at, event, 'half',"
                " account_id, office_id, bill_id, description, reverses_id, 2 FROM journal_entry"
                " LIMIT 1"
            )
        )
    with pytest.raises(EntryIncompleteError, match="1 entries"):
        publish_log(context, clock())
    assert [row.size for row in checkpoints(context.engine)] == [2, 3]


def test_a_sound_log_holds_also_after_an_erasure(
    context: JobContext, publish: Publish, clock: FrozenClock
) -> None:
    publish(600)
    with transaction(context.engine) as session:
        erase_person(session, leaves(session)[4].entry_id)
    verify_log(context, clock())  # while its leaf still waits
    publish(1)
    verify_log(context, clock())
    with reading(context.engine) as session:
        assert list(contradictions(session, kept=read_kept(context.checkpoint_file))) == []


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        ("UPDATE ledger_transfer SET amount_minor = amount_minor + 1 WHERE amount_minor = 1007",
         "is not what leaf"),
        ("UPDATE ledger_transfer SET debit_account = 'suspense' WHERE amount_minor = 1007",
         "is not what leaf"),
        ("UPDATE journal_entry SET entry_date = '2026-01-01' WHERE event_key = 'many:7'",
         "is not what leaf"),
        ("UPDATE journal_entry SET description = 'forged' WHERE event_key = 'many:7'",
         "is not what leaf"),
        ("UPDATE log_entry SET leaf = replace(leaf, '2026', '2025') WHERE seq = 7",
         "is not what leaf"),
        ("UPDATE log_salt SET salt = '00' WHERE {seventh}", "is not what leaf"),
        ("DELETE FROM log_salt WHERE {seventh}", "no leaf says that it was erased"),
        ("DELETE FROM log_entry WHERE seq = 7", "leaf 7 is missing"),
        ("DELETE FROM log_entry WHERE seq = 599", "600 leaves were signed, 599 are there"),
        ("UPDATE log_tile SET root = hashes", "tile 0 of level 0"),
        ("UPDATE log_checkpoint SET root = '00'", "not those that were signed"),
        ("UPDATE log_checkpoint SET note = 'none'", "checkpoint"),
    ],
)  # fmt: skip
def test_whatever_is_changed_behind_the_triggers_is_found(
    context: JobContext, publish: Publish, clock: FrozenClock, attack: str, message: str
) -> None:
    publish(600)
    with transaction(context.engine) as session:
        post_one(session, "opens suspense", clock=clock)
        session.execute(
            text("INSERT INTO ledger_account VALUES ('suspense', 'liability', 'Chờ', 'Suspense')")
        )
    unprotected(context.engine, attack.replace("{seventh}", SEVENTH))
    with pytest.raises(LogForkedError, match=message):
        verify_log(context, clock())


def test_an_entry_that_was_taken_out_of_the_queue_is_missed(
    context: JobContext, publish: Publish, clock: FrozenClock
) -> None:
    publish(2)
    with transaction(context.engine) as session:
        post_one(session, "hidden", clock=clock)
        session.execute(text("DELETE FROM log_queue"))
    publish(0)
    with pytest.raises(LogForkedError, match="1 entries of the journal are neither"):
        verify_log(context, clock())


def test_every_day_the_whole_log_is_verified(context: JobContext) -> None:
    assert get_job("verify_log").every == timedelta(days=1)
    assert get_job("verify_log").slow
    assert get_job("publish_log").every == timedelta(minutes=5)
    with reading(context.engine) as session:
        assert session.exec(select(LogEntry)).first() is None
