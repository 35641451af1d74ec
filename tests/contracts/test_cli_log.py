"""The commands of the public log: what they print and how they end."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.engine import Engine

from core.clock import business_day
from core.db import reading
from payments.ledger.log.notes import SignedNote, VerifierKey
from payments.ledger.log.proofs import InclusionProof
from payments.ledger.log.proving import leaf_of
from tests.support.clock import FrozenClock
from tests.support.commandline import Doisoat, is_one_line
from tests.support.log import append_all, leaves, post_many


@pytest.fixture
def ledger(
    doisoat: Doisoat, sqlite_engine: Engine, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., object]:
    """Return ``doisoat ledger`` of an installation with five entries, none in the log yet."""
    monkeypatch.setenv("DOISOAT_DATABASE_URL", str(sqlite_engine.url))
    monkeypatch.setenv("DOISOAT_LOG_ORIGIN", "fees.example.vn/books")
    post_many(sqlite_engine, 5, clock=clock, day=business_day(clock()))
    return lambda *words: doisoat("ledger", *words)


def test_a_log_from_its_first_checkpoint_to_a_proof_that_checks_alone(
    ledger: Doisoat, sqlite_engine: Engine, tmp_path: Path
) -> None:
    assert "no key yet" in ledger("key").out
    done = ledger("checkpoint")
    assert done.status == 0, done.err
    assert done.out.startswith("fees.example.vn/books\n5\n")
    assert "5 leaves appended" in done.out
    (first,) = ledger("key", "--json").json
    key = VerifierKey.parse(first["key"])
    again = ledger("checkpoint", "--json").json[0]
    assert (again["appended"], again["size"]) == (0, 5)
    assert SignedNote.parse(again["note"]).signed_by([key]) == [key]
    with reading(sqlite_engine) as session:
        row = leaves(session)[3]
    path = tmp_path / "entry.tlog-proof"
    assert "is leaf 3 of 5" in ledger("prove", row.entry_id, "--out", str(path)).out
    proof = InclusionProof.parse(path.read_text(encoding="utf-8"))
    assert proof.check(leaf_of(proof), [key]).size == 5
    assert leaf_of(proof).decode() == row.leaf
    assert ledger("prove", row.entry_id).out == str(proof)


def test_a_rotated_key_signs_the_next_checkpoint(ledger: Doisoat) -> None:
    ledger("checkpoint")
    new = ledger("rotate-key").out.splitlines()[0]
    lines = ledger("key").out.splitlines()
    assert lines[0] == f"{new}  signs now"
    assert "until" in lines[1]
    note = SignedNote.parse(ledger("checkpoint", "--json").json[0]["note"])
    assert [str(key) for key in note.signed_by([VerifierKey.parse(new)])] == [new]


def test_a_log_that_was_tampered_with_is_said_so_and_not_signed(
    ledger: Doisoat, sqlite_engine: Engine, clock: FrozenClock
) -> None:
    ledger("checkpoint")
    assert "The log holds: 5 leaves" in ledger("verify-log").out
    with sqlite_engine.begin() as connection:
        connection.execute(text("DROP TRIGGER log_entry_no_update"))
        connection.execute(text("UPDATE log_entry SET leaf = '{}' WHERE seq = 2"))
    done = ledger("verify-log")
    assert done.status == 1
    assert "BROKEN: entry" in done.out
    assert ledger("verify-log", "--json").json[0]["holds"] is False
    post_many(sqlite_engine, 1, clock=clock, day=business_day(clock()), start=9)
    done = ledger("checkpoint")
    assert done.status == 1
    assert is_one_line(done.err)
    assert "P072" in done.err
    assert append_all(sqlite_engine, clock=clock) == 0  # it was appended, only not signed


def test_an_empty_log_is_nothing_to_sign(
    doisoat: Doisoat, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOISOAT_DATABASE_URL", str(sqlite_engine.url))
    assert "empty" in doisoat("ledger", "checkpoint").out
    assert "0 leaves" in doisoat("ledger", "verify-log").out
