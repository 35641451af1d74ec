"""What is committed gets its place in the log, all of it, once, without a gap, in any weather."""

import json
import random

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, col, select

from alembic import command
from core import migrations
from core.clock import business_day
from core.db import reading, transaction
from payments.errors import EntryNotLoggedError
from payments.ledger.log import stored
from payments.ledger.log.leaves import commitment
from payments.ledger.log.merkle import Frontier, MerkleTree, is_consistent, is_included, leaf_hash
from payments.ledger.log.models import LeafKind, LogEntry, LogQueued, LogSalt, LogTile
from payments.ledger.log.sequencer import append_waiting, count_incomplete, erase_person
from payments.ledger.log.stored import StoredTree
from payments.ledger.models import JournalEntry
from tests.factories import a_bill, a_city, a_paid_payment
from tests.support.books import at_once
from tests.support.clock import FrozenClock
from tests.support.log import append_all, leaves, post_many, post_one


def logged(engine: Engine) -> list[str]:
    with reading(engine) as session:
        rows = leaves(session)
    assert [row.seq for row in rows] == list(range(len(rows)))
    return [row.entry_id for row in rows]


@pytest.mark.postgres
def test_a_reader_by_id_loses_what_is_committed_late_and_the_log_does_not(
    postgres_engine: Engine, clock: FrozenClock
) -> None:
    seen: list[str] = []

    def read_after_last() -> None:
        with reading(postgres_engine) as session:
            query = select(JournalEntry.id).order_by(col(JournalEntry.id))
            seen.extend(session.exec(query.where(col(JournalEntry.id) > max(seen, default=""))))

    with transaction(postgres_engine) as session:
        post_one(session, "opens the accounts", clock=clock)  # which would wait for one another
    with Session(postgres_engine, expire_on_commit=False) as slow:
        late = post_one(slow, "late", clock=clock)  # written first, its transaction goes on
        with transaction(postgres_engine) as session:
            quick = post_one(session, "quick", clock=clock)
        assert late.id < quick.id
        read_after_last()
        append_all(postgres_engine, clock=clock)
        slow.commit()
    read_after_last()
    append_all(postgres_engine, clock=clock)

    assert late.id not in seen
    assert quick.id in seen
    assert logged(postgres_engine)[1:] == [quick.id, late.id]


def test_writers_and_sequencers_at_once_leave_every_entry_in_one_place(
    engine: Engine, clock: FrozenClock
) -> None:
    with transaction(engine) as session:
        post_one(session, "first", clock=clock)

    def write(number: int) -> None:
        for turn in range(12):
            with transaction(engine) as session:
                post_one(session, f"{number}:{turn}", clock=clock)

    def sequence() -> None:
        for _ in range(15):
            with transaction(engine) as session:
                append_waiting(session, clock=clock, limit=5)

    works = [*(lambda n=n: write(n) for n in range(3)), sequence, sequence]
    assert at_once(engine, *works) == [None] * 5
    append_all(engine, clock=clock)
    with reading(engine) as session:
        posted = session.exec(select(JournalEntry.id)).all()
        assert session.exec(select(LogQueued)).all() == []
    assert len(posted) == 37
    assert sorted(logged(engine)) == sorted(posted)


def test_what_is_rolled_back_never_enters_the_log(engine: Engine, clock: FrozenClock) -> None:
    with Session(engine) as session:
        post_one(session, "given up", clock=clock)
    assert append_all(engine, clock=clock) == 0
    with transaction(engine) as session:
        post_one(session, "kept", clock=clock)
    with Session(engine) as session:
        assert append_waiting(session, clock=clock).count == 1  # and crashes before its commit
    assert append_all(engine, clock=clock) == 1
    assert len(logged(engine)) == 1


def test_a_batch_says_that_there_is_more(engine: Engine, clock: FrozenClock) -> None:
    post_many(engine, 5, clock=clock, day=business_day(clock()))
    with transaction(engine) as session:
        assert append_waiting(session, clock=clock, limit=5).more
        assert not append_waiting(session, clock=clock, limit=5).more
    assert len(logged(engine)) == 5


def test_entries_of_an_old_database_are_queued_by_the_migration(
    engine: Engine, clock: FrozenClock
) -> None:
    post_many(engine, 3, clock=clock, day=business_day(clock()))
    append_all(engine, clock=clock)
    with engine.begin() as connection:
        command.downgrade(migrations._config(connection=connection), "0009")
    post_many(engine, 2, clock=clock, day=business_day(clock()), start=3)
    migrations.migrate(engine)
    assert append_all(engine, clock=clock) == 5
    with reading(engine) as session:
        assert sorted(logged(engine)) == sorted(session.exec(select(JournalEntry.id)))


def test_an_entry_that_is_not_whole_waits_and_holds_up_no_other(
    engine: Engine, clock: FrozenClock
) -> None:
    with transaction(engine) as session:
        whole = post_one(session, "whole", clock=clock)
        session.execute(
            text(
                "INSERT INTO journal_entry SELECT 'jrn_0', entry_date, posted_at, event, 'half',"
                " account_id, office_id, bill_id, description, reverses_id, 2 FROM journal_entry"
            )
        )
    assert append_all(engine, clock=clock, limit=1) == 1
    with reading(engine) as session:
        assert count_incomplete(session) == 1
    assert logged(engine) == [whole.id]


def test_a_leaf_names_nobody_and_its_parts_open_with_their_salts(
    engine: Engine, clock: FrozenClock
) -> None:
    with transaction(engine) as session:
        bill = a_bill(session, a_city(session), clock=clock)
        payment = a_paid_payment(session, bill, clock=clock)
    append_all(engine, clock=clock)
    with reading(engine) as session:
        row = leaves(session)[0]
        entry = session.get_one(JournalEntry, row.entry_id)
        person_salt = session.get_one(LogSalt, row.entry_id).salt
        everything = "".join(one.leaf for one in leaves(session))
    private = [
        bill.id,
        bill.bill_reference,
        bill.dossier_code,
        bill.payer_name,
        payment.id,
        "83000",
    ]
    assert [text for text in private if text in everything] == []
    leaf = json.loads(row.leaf)
    assert set(leaf) == {"account", "books", "day", "office", "person", "seq", "v"}
    assert (leaf["seq"], leaf["day"], leaf["office"]) == ("0", str(entry.entry_date), "22001")
    person = {
        "bill": bill.id, "description": entry.description, "event_key": entry.event_key
    }  # fmt: skip
    assert leaf["person"] == commitment(bytes.fromhex(person_salt), person)
    assert leaf["person"] != commitment(bytes.fromhex(row.salt), person)


def test_an_erased_person_leaves_the_tree_as_it_was_and_a_leaf_that_says_so(
    engine: Engine, clock: FrozenClock
) -> None:
    post_many(engine, 4, clock=clock, day=business_day(clock()))
    append_all(engine, clock=clock)
    with transaction(engine) as session:
        before, erased = StoredTree(session).root(), leaves(session)[2]
        erase_person(session, erased.entry_id)
    append_all(engine, clock=clock)
    with transaction(engine) as session:
        tree = StoredTree(session)
        assert tree.root(4) == before
        last = leaves(session)[-1]
        assert (last.kind, last.entry_id) == (LeafKind.ERASURE, erased.entry_id)
        assert json.loads(last.leaf) == {"erases": "2", "seq": "4", "v": "1"}
        with pytest.raises(EntryNotLoggedError):
            erase_person(session, erased.entry_id)


@pytest.mark.parametrize(
    "attack",
    [
        "INSERT INTO log_entry SELECT seq + 2, 'erasure', entry_id, leaf, salt, now FROM log_entry",
        "INSERT INTO log_entry SELECT -1, 'erasure', entry_id, leaf, salt, now FROM log_entry",
        "UPDATE log_salt SET salt = 'forged'",
        "UPDATE log_entry SET leaf = '{}'",
        "DELETE FROM log_entry",
        "DELETE FROM log_tile",
    ],
)
def test_leaves_keep_their_places_and_salts_are_only_erased(
    engine: Engine, clock: FrozenClock, attack: str
) -> None:
    with transaction(engine) as session:
        post_one(session, "one", clock=clock)
        session.add(LogTile(level=3, place=0, hashes=b"x", root=b"y"))
    append_all(engine, clock=clock)
    with (
        pytest.raises(DBAPIError, match="append-only"),
        engine.begin() as connection,
    ):
        connection.execute(text(attack.replace("now", "appended_at")))


def test_the_stored_tree_is_the_tree_of_the_leaves_at_every_size(
    engine: Engine, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "TILE", 4)  # so that there are tiles of four levels
    monkeypatch.setattr(stored, "_HEIGHT", 2)
    day, chance, done = business_day(clock()), random.Random(7), 0
    while done < 300:
        step = chance.randint(1, 40)
        post_many(engine, step, clock=clock, day=day, start=done)
        append_all(engine, clock=clock, limit=chance.randint(1, 30))
        done += step
    memory, edge = MerkleTree(), Frontier()
    with reading(engine) as session:
        hashes = [leaf_hash(row.leaf.encode()) for row in leaves(session)]
        tree = StoredTree(session)
        levels = set(session.exec(select(LogTile.level)))
        for size, leaf in enumerate(hashes, 1):
            memory.append(leaf)
            edge.append(leaf)
            assert tree.root(size) == memory.root() == edge.root()
        for _ in range(100):
            size = chance.randint(1, done)
            index, old = chance.randrange(size), chance.randint(1, size)
            proof = tree.prove_inclusion(index, size)
            assert is_included(hashes[index], index, size, proof, tree.root(size))
            steps = tree.prove_consistency(old, size)
            assert is_consistent(old, size, tree.root(old), tree.root(size), steps)
    assert levels == {0, 1, 2, 3}


def test_a_root_over_many_leaves_reads_few_rows(sqlite_engine: Engine, clock: FrozenClock) -> None:
    post_many(sqlite_engine, 700, clock=clock, day=business_day(clock()))
    append_all(sqlite_engine, clock=clock)
    with reading(sqlite_engine) as session:
        tree = StoredTree(session)
        rows = {key: len(row) for key in ((0, 2), (1, 0)) if (row := tree.row(*key))}
        memory = MerkleTree()
        for row in session.exec(select(LogEntry.leaf).order_by(col(LogEntry.seq))):
            memory.append(leaf_hash(row.encode()))
        assert tree.root() == memory.root()
        assert set(tree._rows) == {(0, 2), (1, 0)}
    assert rows == {(0, 2): 700 - 512, (1, 0): 2}
