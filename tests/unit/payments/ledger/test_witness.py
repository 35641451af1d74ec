"""A witness answers as C2SP tlog-witness says, and never signs two logs of one name."""

from http import HTTPStatus
from pathlib import Path

import pytest

from core.clock import utc_now
from payments.errors import NoteInvalidError
from payments.ledger.log.checkpoints import Checkpoint
from payments.ledger.log.merkle import MerkleTree, leaf_hash
from payments.ledger.log.notes import SignedNote, SignerKey
from payments.ledger.log.witness import Witness, WitnessRequest, open_witness

LOG = SignerKey("fees.example/books", b"l" * 32)
NAME = "audit.example/witness"


class Log:
    """A log in memory that makes requests."""

    def __init__(self, salt: str = "") -> None:
        self.tree = MerkleTree()
        self.salt = salt

    def grow(self, size: int) -> None:
        while len(self.tree) < size:
            self.tree.append(leaf_hash(f"{self.salt}{len(self.tree)}".encode()))

    def note(self, size: int, key: SignerKey = LOG) -> SignedNote:
        self.grow(size)
        text = Checkpoint(key.name, size, self.tree.root(size)).text
        return SignedNote(text, (key.sign(text),))

    def request(self, old: int, size: int) -> WitnessRequest:
        note = self.note(size)
        hashes = self.tree.prove_consistency(old, size) if 0 < old <= size else []
        return WitnessRequest(old, tuple(hashes), note)


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return open_witness(tmp_path / "witness", NAME, [LOG.verifier()], clock=utc_now)


def test_a_head_that_goes_on_from_the_last_is_signed(witness: Witness) -> None:
    log, old = Log(), 0
    for size in (1, 2, 3, 7, 7, 8, 100, 257):
        request = log.request(old, size)
        answer = witness.add_checkpoint(request.body)
        assert answer.status is HTTPStatus.OK, answer
        signed = request.checkpoint.with_signature(answer.body.strip())
        assert signed.signed_by([witness.verifier, LOG.verifier()]) == [
            LOG.verifier(), witness.verifier,
        ]  # fmt: skip
        old = size


def test_an_empty_log_may_be_signed_and_gone_on_from(witness: Witness) -> None:
    log = Log()
    assert witness.add_checkpoint(log.request(0, 0).body).status is HTTPStatus.OK
    assert witness.add_checkpoint(log.request(0, 5).body).status is HTTPStatus.OK
    empty = Checkpoint(LOG.name, 0, b"x" * 32).text
    other = open_witness(witness._folder / "other", NAME, [LOG.verifier()], clock=utc_now)
    forged = WitnessRequest(0, (), SignedNote(empty, (LOG.sign(empty),)))
    assert other.add_checkpoint(forged.body).status is HTTPStatus.UNPROCESSABLE_ENTITY


def test_another_old_size_is_a_conflict_that_tells_the_last(witness: Witness) -> None:
    log = Log()
    witness.add_checkpoint(log.request(0, 5).body)
    for old, size in ((0, 9), (3, 9), (7, 9), (0, 5)):
        answer = witness.add_checkpoint(log.request(old, size).body)
        assert (answer.status, answer.body) == (HTTPStatus.CONFLICT, "5\n")


def test_a_forked_log_is_not_signed(witness: Witness) -> None:
    log, fork = Log(), Log("other")
    witness.add_checkpoint(log.request(0, 5).body)
    answer = witness.add_checkpoint(fork.request(5, 9).body)
    assert answer.status is HTTPStatus.UNPROCESSABLE_ENTITY
    assert witness.add_checkpoint(fork.request(5, 5).body).status is HTTPStatus.CONFLICT
    log.grow(9)
    stolen = log.tree.prove_consistency(5, 9)
    mixed = WitnessRequest(5, tuple(stolen), fork.note(9))
    assert witness.add_checkpoint(mixed.body).status is HTTPStatus.UNPROCESSABLE_ENTITY
    assert witness.add_checkpoint(log.request(5, 9).body).status is HTTPStatus.OK


def test_the_first_head_has_no_proof(witness: Witness) -> None:
    request = WitnessRequest(0, (b"x" * 32,), Log().note(3))
    assert witness.add_checkpoint(request.body).status is HTTPStatus.UNPROCESSABLE_ENTITY


def test_unknown_logs_and_keys_and_nonsense_are_told_apart(witness: Witness) -> None:
    log = Log()
    elsewhere = SignerKey("else.example/books", b"e" * 32)
    stranger = SignerKey(LOG.name, b"s" * 32)
    for key, status in ((elsewhere, HTTPStatus.NOT_FOUND), (stranger, HTTPStatus.FORBIDDEN)):
        request = WitnessRequest(0, (), log.note(3, key))
        assert witness.add_checkpoint(request.body).status is status
    signature = log.note(4).signatures
    moved = WitnessRequest(0, (), SignedNote(log.note(3).text, signature))
    assert witness.add_checkpoint(moved.body).status is HTTPStatus.FORBIDDEN
    larger = WitnessRequest(4, (), log.note(3))
    assert witness.add_checkpoint(larger.body).status is HTTPStatus.BAD_REQUEST
    for body in (b"", b"\xff", b"old 0\n\nnonsense", b"old x\n\n" + str(log.note(3)).encode(),
                 b"old 0\nx\n\n" + str(log.note(3)).encode(), b"new 0\n\n"):  # fmt: skip
        assert witness.add_checkpoint(body).status is HTTPStatus.BAD_REQUEST


def test_a_restarted_witness_has_its_key_and_remembers(witness: Witness, tmp_path: Path) -> None:
    log = Log()
    witness.add_checkpoint(log.request(0, 5).body)
    again = open_witness(tmp_path / "witness", NAME, [LOG.verifier()], clock=utc_now)
    assert again.verifier == witness.verifier
    assert again.add_checkpoint(log.request(0, 9).body).status is HTTPStatus.CONFLICT
    assert again.add_checkpoint(log.request(5, 9).body).status is HTTPStatus.OK
    assert (tmp_path / "witness" / "key").stat().st_mode & 0o077 == 0
    (tmp_path / "witness" / "key").write_text("AAAA")
    with pytest.raises(NoteInvalidError, match="holds no key"):
        open_witness(tmp_path / "witness", NAME, [], clock=utc_now)
    with pytest.raises(NoteInvalidError):
        open_witness(tmp_path / "bad", "two words", [], clock=utc_now)


def test_a_request_is_read_as_it_was_written() -> None:
    request = Log().request(3, 9)
    assert WitnessRequest.parse(request.body) == request
    assert request.body.startswith(b"old 3\n")
