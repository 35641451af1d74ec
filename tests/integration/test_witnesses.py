"""Heads go to witnesses of other offices; what they sign comes back into proofs."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.engine import Engine

from app.witness import create_witness_app
from core.actors import SYSTEM, Actor, PermissionDeniedError
from core.clock import business_day
from core.db import reading, transaction
from payments.errors import GatewayUnavailableError, NoteInvalidError
from payments.ledger.log.cosigning import add_witness, cosigned_note, last_seen, list_witnesses
from payments.ledger.log.keys import verifiers
from payments.ledger.log.notes import VerifierKey
from payments.ledger.log.proving import prove_entry
from payments.ledger.log.signing import find_checkpoint
from payments.ledger.log.witness import MOST_BYTES, Witness, open_witness
from scheduler.context import JobContext
from scheduler.jobs import StepsFailedError
from scheduler.publishing import publish_log
from scheduler.witnessing import collect_cosignatures
from tests.support.clock import FrozenClock
from tests.support.jobs import a_context
from tests.support.log import leaves, post_many

URL = "http://audit.example"


class Office:
    """An installation whose log another office witnesses."""

    def __init__(self, engine: Engine, clock: FrozenClock, folder: Path) -> None:
        self.clock, self.folder, self.asked = clock, folder, 0
        self.engine = engine
        self.context = replace(a_context(engine, clock, folder), post_checkpoint=self.post)
        self.posted = 0
        self.publish()
        with reading(engine) as session:
            self.logs = verifiers(session)
        self.serve(folder / "witness")
        with transaction(engine) as session:
            add_witness(session, self.witness.verifier, f"{URL}/", actor=SYSTEM, clock=clock)

    def serve(self, folder: Path) -> None:
        self.witness: Witness = open_witness(folder, "audit.example/w", self.logs, clock=self.clock)
        self.client = TestClient(create_witness_app(self.witness))

    def publish(self, count: int = 3) -> None:
        day = business_day(self.clock())
        post_many(self.engine, count, clock=self.clock, day=day, start=self.posted)
        self.posted += count
        self.clock.advance(minutes=5)
        publish_log(self.context, self.clock())

    def post(self, url: str, body: bytes) -> tuple[int, str]:
        assert url == URL
        self.asked += 1
        answer = self.client.post("/add-checkpoint", content=body)
        return answer.status_code, answer.text

    def collect(self) -> int:
        return collect_cosignatures(self.context, self.clock())

    @property
    def seen(self) -> int:
        with reading(self.engine) as session:
            (known,) = list_witnesses(session)
            last = last_seen(session, known.verifier)
        return last.size if last else 0


@pytest.fixture
def office(engine: Engine, clock: FrozenClock, tmp_path: Path) -> Office:
    return Office(engine, clock, tmp_path)


def test_every_new_head_is_signed_once_and_proofs_carry_it(office: Office) -> None:
    assert office.collect() == 1
    assert office.collect() == 0
    office.publish(300)
    assert office.collect() == 1
    assert (office.seen, office.asked) == (303, 2)
    with reading(office.engine) as session:
        head = find_checkpoint(session)
        assert head is not None
        note = cosigned_note(session, head)
        proof = prove_entry(session, leaves(session)[200].entry_id)
    keys = [office.witness.verifier, *office.logs]
    assert set(note.signed_by(keys)) == set(keys)
    assert proof.checkpoint == note


def test_a_witness_that_saw_more_than_we_noted_is_asked_from_there(office: Office) -> None:
    office.collect()
    office.publish()
    with reading(office.engine) as session:
        head = find_checkpoint(session)
        assert head is not None
    kept = office.context.post_checkpoint
    lost = replace(office.context, post_checkpoint=lambda *said: (kept(*said), (503, ""))[1])
    with pytest.raises(StepsFailedError):
        collect_cosignatures(lost, office.clock())  # signed, and the answer lost
    assert office.seen == 3
    assert office.collect() == 1
    assert office.seen == 6


def test_a_witness_that_saw_another_log_fails_the_job(
    office: Office, clock: FrozenClock, tmp_path: Path
) -> None:
    office.collect()
    (state,) = (tmp_path / "witness").glob("*.checkpoint")
    genuine = state.read_text()
    state.write_text(genuine.replace(genuine.split("\n")[2], "x" * 42 + "g="))
    office.publish()
    with pytest.raises(StepsFailedError):
        office.collect()
    assert office.seen == 3


def failing(answer: tuple[int, str]) -> Callable[[str, bytes], tuple[int, str]]:
    return lambda _url, _body: answer


@pytest.mark.parametrize(
    "answer",
    [(200, ""), (200, "nonsense\n"), (200, "— audit.example/w AAAAAAAA\n"), (403, ""), (404, ""),
     (409, "0\n"), (409, "99\n"), (409, "x"), (422, ""), (500, "")],
)  # fmt: skip
def test_no_answer_but_a_signature_counts(office: Office, answer: tuple[int, str]) -> None:
    context = replace(office.context, post_checkpoint=failing(answer))
    with pytest.raises(StepsFailedError):
        collect_cosignatures(context, office.clock())
    assert office.seen == 0


def test_a_silent_witness_holds_up_no_other(office: Office, tmp_path: Path) -> None:
    second = open_witness(tmp_path / "second", "second.example/w", office.logs, clock=office.clock)
    with transaction(office.engine) as session:
        add_witness(
            session, second.verifier, "http://second.example", actor=SYSTEM, clock=office.clock
        )  # fmt: skip

    def post(url: str, body: bytes) -> tuple[int, str]:
        if "second" in url:
            raise GatewayUnavailableError
        return office.post(url, body)

    with pytest.raises(StepsFailedError):
        collect_cosignatures(replace(office.context, post_checkpoint=post), office.clock())
    with reading(office.engine) as session:
        signed = {one.verifier: last_seen(session, one.verifier) for one in list_witnesses(session)}
    assert signed[str(second.verifier)] is None
    assert signed[str(office.witness.verifier)] is not None


def test_only_administrators_name_witnesses_and_only_by_their_keys(
    office: Office, officer: Actor, clock: FrozenClock
) -> None:
    key = office.witness.verifier
    with transaction(office.engine) as session:
        with pytest.raises(PermissionDeniedError):
            add_witness(session, key, URL, actor=officer, clock=clock)
        for wrong, url in ((office.logs[0], URL), (key, "ftp://x")):
            with pytest.raises(NoteInvalidError):
                add_witness(session, wrong, url, actor=SYSTEM, clock=clock)


def test_a_witness_shows_its_key_and_refuses_what_is_too_long(office: Office) -> None:
    assert VerifierKey.parse(office.client.get("/").text) == office.witness.verifier
    answer = office.client.post("/add-checkpoint", content=b"x" * (MOST_BYTES + 1))
    assert answer.status_code == 413
    with reading(office.engine) as session:
        head = find_checkpoint(session)
        assert head is not None
    conflict = office.client.post("/add-checkpoint", content=f"old 2\n\n{head.note}".encode())
    assert (conflict.status_code, conflict.text) == (409, "0\n")
    assert conflict.headers["content-type"].startswith("text/x.tlog.size")


def test_a_log_without_heads_asks_nobody(
    engine: Engine, clock: FrozenClock, tmp_path: Path
) -> None:
    context: JobContext = a_context(engine, clock, tmp_path)
    assert collect_cosignatures(context, clock()) == 0
