"""What people do about a mismatch: in their scope, written down, two of them for money."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from core.actors import Actor, PermissionDeniedError, Role
from core.audit import AuditEvent
from core.db import transaction
from core.errors import DoisoatError
from payments.errors import SamePersonError
from payments.ledger.models import JournalEntry
from payments.models import Office
from reconciliation.errors import (
    MismatchClosedError,
    MismatchNotFoundError,
    ReasonMissingError,
    ResolutionNotAllowedError,
)
from reconciliation.mismatches import (
    assign_mismatch,
    comment_mismatch,
    decide_resolution,
    get_mismatch,
    heal_mismatch,
    propose_resolution,
)
from reconciliation.models import Match, Mismatch, MismatchEvent, Resolution
from reconciliation.states import (
    ItemKind,
    MismatchEventKind,
    MismatchStatus,
    MismatchType,
    ResolutionKind,
    ResolutionStatus,
)
from tests.factories import a_line
from tests.support.books import at_once
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, World, a_world, compare, pays, receive

REASON = "the payer sent less"
OUTSIDER = Actor("usr_x", Role.APPROVER, "Outsider", "/22/22002/")
INSIDER = Actor("usr_i", Role.OFFICER, "Insider", "/22/22001/")


def a_short_payment(session: Session, clock: FrozenClock) -> tuple[World, Mismatch]:
    """Fifty thousand came where 83,000 were asked; return the mismatch of the payment."""
    world = a_world(session, clock=clock)
    receive(session, world.account, pays(world.bill, 50_000), clock=clock)
    compare(session, world.account, clock=clock)
    query = select(Mismatch).where(Mismatch.item_kind == ItemKind.PAYMENT)
    return world, session.exec(query).one()


@pytest.fixture
def mismatch(session: Session, clock: FrozenClock) -> Mismatch:
    return a_short_payment(session, clock)[1]


def propose(
    session: Session, mismatch: Mismatch, actor: Actor, clock: FrozenClock, **options: Any
) -> Resolution:
    kind = options.pop("kind", ResolutionKind.MATCH)
    reason = options.pop("reason", REASON)
    return propose_resolution(session, mismatch, kind, reason, actor=actor, clock=clock, **options)


def history(session: Session, mismatch: Mismatch) -> list[MismatchEventKind]:
    events = session.exec(select(MismatchEvent).where(MismatchEvent.mismatch_id == mismatch.id))
    return [event.kind for event in sorted(events, key=lambda e: e.id)]


def audit(session: Session, mismatch: Mismatch) -> list[AuditEvent]:
    query = select(AuditEvent).where(AuditEvent.subject_id == mismatch.id)
    return list(session.exec(query.order_by(col(AuditEvent.id))))


def test_assigning_is_written_down_with_before_and_after(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor
) -> None:
    assign_mismatch(session, mismatch, "usr_a", actor=officer, clock=clock)
    assign_mismatch(session, mismatch, None, actor=officer, clock=clock)

    assert mismatch.assigned_to is None
    assert [(e.before, e.after) for e in audit(session, mismatch)] == [
        ({"assigned_to": None}, {"assigned_to": "usr_a"}),
        ({"assigned_to": "usr_a"}, {"assigned_to": None}),
    ]
    assert history(session, mismatch).count(MismatchEventKind.ASSIGNED) == 2
    assert mismatch.version == 3


def test_a_comment_is_written_down_and_an_empty_one_is_none(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor
) -> None:
    comment_mismatch(session, mismatch, "  asked the bank ", actor=officer, clock=clock)
    with pytest.raises(ReasonMissingError):
        comment_mismatch(session, mismatch, " \n ", actor=officer, clock=clock)

    (event,) = audit(session, mismatch)
    assert (event.action, event.reason, event.actor_id) == (
        "comment_mismatch", "asked the bank", officer.id,
    )  # fmt: skip
    assert history(session, mismatch)[-1] is MismatchEventKind.COMMENTED


def test_a_decision_of_two_is_written_down_step_by_step(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    proposal = propose(session, mismatch, officer, clock)
    assert mismatch.status is MismatchStatus.PROPOSED
    decide_resolution(session, proposal, approve=True, note="seen", actor=approver, clock=clock)

    assert mismatch.status is MismatchStatus.RESOLVED
    assert mismatch.closed_at == clock()
    assert (proposal.status, proposal.proposed_by, proposal.decided_by) == (
        ResolutionStatus.DONE, officer.id, approver.id,
    )  # fmt: skip
    proposed, approved = audit(session, mismatch)
    assert (proposed.action, proposed.actor_id) == ("propose_resolution", officer.id)
    assert (approved.action, approved.actor_id) == ("approve_resolution", approver.id)
    assert proposed.before == {"mismatch": "open"}
    assert proposed.after is not None
    assert approved.after is not None
    assert proposed.after["mismatch"] == "proposed"
    assert approved.before == {"mismatch": "proposed"}
    assert (approved.after["mismatch"], approved.after["status"]) == ("resolved", "done")
    assert approved.after["amount_minor"] == proposal.amount_minor
    assert sorted(history(session, mismatch)) == ["approved", "opened", "proposed", "resolved"]


def test_the_one_who_proposed_may_not_approve(
    session: Session, mismatch: Mismatch, clock: FrozenClock, approver: Actor
) -> None:
    proposal = propose(session, mismatch, approver, clock)
    for approve in (True, False):
        with pytest.raises(SamePersonError):
            decide_resolution(
                session, proposal, approve=approve, note=REASON, actor=approver, clock=clock
            )
    assert (mismatch.status, proposal.decided_by) == (MismatchStatus.PROPOSED, None)


def test_the_database_itself_refuses_one_person_as_two(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor
) -> None:
    proposal = propose(session, mismatch, officer, clock)
    proposal.decided_by = officer.id
    session.add(proposal)
    with pytest.raises(IntegrityError, match="two_people"):
        session.flush()


def test_an_officer_may_not_approve_and_an_auditor_may_not_propose(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor, auditor: Actor
) -> None:
    proposal = propose(session, mismatch, officer, clock)
    second = replace(officer, id="usr_second_officer")
    with pytest.raises(PermissionDeniedError):
        decide_resolution(session, proposal, approve=True, note="", actor=second, clock=clock)
    for act in (propose, lambda s, m, a, c: assign_mismatch(s, m, None, actor=a, clock=c)):
        with pytest.raises(PermissionDeniedError):
            act(session, mismatch, auditor, clock)
    with pytest.raises(PermissionDeniedError):
        comment_mismatch(session, mismatch, "text", actor=auditor, clock=clock)


def test_a_rejected_proposal_opens_the_mismatch_for_another(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    proposal = propose(session, mismatch, officer, clock)
    with pytest.raises(ReasonMissingError):
        decide_resolution(session, proposal, approve=False, note="no", actor=approver, clock=clock)
    assert proposal.decided_by is None
    note = "ask the payer first"
    decide_resolution(session, proposal, approve=False, note=note, actor=approver, clock=clock)

    assert mismatch.status is MismatchStatus.OPEN
    assert proposal.status is ResolutionStatus.REJECTED
    assert audit(session, mismatch)[-1].action == "reject_resolution"
    again = propose(session, mismatch, officer, clock)
    assert again.id != proposal.id
    with pytest.raises(MismatchClosedError):
        decide_resolution(session, proposal, approve=True, note="", actor=approver, clock=clock)


def test_a_reason_of_a_few_words_is_needed(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor
) -> None:
    with pytest.raises(ReasonMissingError):
        propose(session, mismatch, officer, clock, reason="  short    ")
    assert session.exec(select(Resolution)).all() == []


def test_a_closed_mismatch_takes_comments_and_nothing_else(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    proposal = propose(session, mismatch, officer, clock, kind=ResolutionKind.ACCEPT)
    decide_resolution(session, proposal, approve=True, note="", actor=approver, clock=clock)
    assert mismatch.status is MismatchStatus.RESOLVED
    with pytest.raises(MismatchClosedError):
        propose(session, mismatch, officer, clock)
    with pytest.raises(MismatchClosedError):
        assign_mismatch(session, mismatch, officer.id, actor=officer, clock=clock)
    comment_mismatch(session, mismatch, "a later remark", actor=officer, clock=clock)


def test_what_stops_being_looked_at_is_accepted_by_two_people_and_moves_nothing(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    entries = len(session.exec(select(JournalEntry)).all())
    proposal = propose(session, mismatch, officer, clock, kind=ResolutionKind.ACCEPT)
    assert proposal.status is ResolutionStatus.PROPOSED
    decide_resolution(session, proposal, approve=True, note="", actor=approver, clock=clock)

    assert proposal.status is ResolutionStatus.DONE
    assert len(session.exec(select(JournalEntry)).all()) == entries
    assert session.exec(select(Match)).all() == []


def test_money_on_its_way_is_explained_by_one_person(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor
) -> None:
    mismatch.type = MismatchType.TIMING_DIFFERENCE
    session.add(mismatch)
    session.flush()
    done = propose(session, mismatch, officer, clock, kind=ResolutionKind.ACCEPT)

    assert (done.status, done.decided_by) == (ResolutionStatus.DONE, None)


def test_a_healed_mismatch_takes_its_proposal_with_it(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    proposal = propose(session, mismatch, officer, clock)
    heal_mismatch(session, mismatch, actor=officer, clock=clock)
    assert (proposal.status, proposal.decided_by) == (ResolutionStatus.REJECTED, None)
    with pytest.raises(MismatchClosedError):
        decide_resolution(session, proposal, approve=True, note="", actor=approver, clock=clock)


def test_related_mismatches_are_closed_together_with_their_proposals(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    query = select(Mismatch).where(Mismatch.item_kind == ItemKind.BANK)
    line = session.exec(query).one()
    waiting = propose(
        session, line, officer, clock, kind=ResolutionKind.RETURN_TO_PAYER, reason=REASON
    )
    proposal = propose(session, mismatch, officer, clock)
    decide_resolution(session, proposal, approve=True, note="", actor=approver, clock=clock)

    assert line.status is MismatchStatus.RESOLVED
    assert waiting.status is ResolutionStatus.REJECTED
    with pytest.raises(MismatchClosedError):
        decide_resolution(session, waiting, approve=True, note="", actor=approver, clock=clock)


# Scope


def acts(session: Session, mismatch: Mismatch, actor: Actor, clock: FrozenClock) -> Any:
    return (
        lambda: get_mismatch(session, mismatch.id, actor=actor),
        lambda: assign_mismatch(session, mismatch, None, actor=actor, clock=clock),
        lambda: comment_mismatch(session, mismatch, "text", actor=actor, clock=clock),
        lambda: propose(session, mismatch, actor, clock),
    )


@pytest.mark.parametrize("path", ["/22/22002/", ""], ids=["another commune", "nowhere"])
def test_every_act_refuses_what_is_out_of_scope(
    session: Session, mismatch: Mismatch, clock: FrozenClock, officer: Actor, path: str
) -> None:
    outsider = replace(OUTSIDER, office_path=path)
    for act in acts(session, mismatch, outsider, clock):
        with pytest.raises(MismatchNotFoundError):
            act()
    proposal = propose(session, mismatch, officer, clock)
    with pytest.raises(MismatchNotFoundError):
        decide_resolution(session, proposal, approve=True, note="", actor=outsider, clock=clock)


@pytest.mark.parametrize("path", ["/22/22001/", "/22/", "/"])
def test_the_office_and_those_above_it_may_act(
    session: Session, mismatch: Mismatch, path: str
) -> None:
    inside = replace(INSIDER, office_path=path)
    assert get_mismatch(session, mismatch.id, actor=inside) is mismatch


def test_a_line_that_names_no_office_belongs_to_those_who_collect_on_its_account(
    session: Session, clock: FrozenClock
) -> None:
    world = a_world(session, clock=clock)
    receive(session, world.account, a_line(DAY, 40_000, "khong ro"), clock=clock)
    compare(session, world.account, clock=clock)
    mismatch = session.exec(select(Mismatch)).one()

    assert mismatch.office_id is None
    assert get_mismatch(session, mismatch.id, actor=INSIDER) is mismatch
    with pytest.raises(MismatchNotFoundError):
        get_mismatch(session, mismatch.id, actor=OUTSIDER)


def test_a_mismatch_of_a_payment_belongs_to_its_bills_office(
    session: Session, mismatch: Mismatch
) -> None:
    assert mismatch.office_id is not None
    assert session.get_one(Office, mismatch.office_id).path == INSIDER.office_path


def test_what_does_not_exist_is_not_found(session: Session, officer: Actor) -> None:
    with pytest.raises(MismatchNotFoundError):
        get_mismatch(session, "mis_none", actor=officer)


# Two people at once


def test_two_officers_at_once_make_one_proposal(engine: Engine, clock: FrozenClock) -> None:
    with transaction(engine) as session:
        mismatch_id = a_short_payment(session, clock)[1].id

    def work(name: str) -> Any:
        actor = Actor(name, Role.OFFICER, name, "/")
        with transaction(engine) as session:
            mismatch = get_mismatch(session, mismatch_id, actor=actor)
            return propose(session, mismatch, actor, clock).proposed_by

    results = at_once(engine, lambda: work("usr_a"), lambda: work("usr_b"))
    winners = [r for r in results if isinstance(r, str)]
    assert len(winners) == 1, results
    assert [type(r) for r in results if isinstance(r, Exception)] == [MismatchClosedError]
    with transaction(engine) as session:
        assert len(session.exec(select(Resolution)).all()) == 1


def test_two_approvers_at_once_decide_once(engine: Engine, clock: FrozenClock) -> None:
    """Both have loaded the proposal before either decides, as two open pages do."""
    officer = Actor("usr_o", Role.OFFICER, "O", "/")
    with transaction(engine) as session:
        _, mismatch = a_short_payment(session, clock)
        resolution_id = propose(session, mismatch, officer, clock).id
    loaded = threading.Barrier(2)
    waits = engine.dialect.name == "postgresql"  # on SQLite the second cannot even begin

    def work(name: str, *, approve: bool) -> Any:
        actor = Actor(name, Role.APPROVER, name, "/")
        with transaction(engine) as session:
            resolution = session.get_one(Resolution, resolution_id)
            if waits:
                loaded.wait(timeout=20)
            decide_resolution(
                session, resolution, approve=approve, note="a note of words", actor=actor,
                clock=clock,
            )  # fmt: skip
        return name

    results = at_once(
        engine, lambda: work("usr_a", approve=True), lambda: work("usr_b", approve=True)
    )
    assert sorted(isinstance(r, str) for r in results) == [False, True], results
    assert [type(r) for r in results if isinstance(r, Exception)] == [MismatchClosedError]
    with transaction(engine) as session:
        (match,) = session.exec(select(Match)).all()
        done = session.get_one(Resolution, resolution_id)
        assert match.decided_by == done.decided_by
        kinds = [e.kind for e in session.exec(select(MismatchEvent))]
        assert kinds.count(MismatchEventKind.APPROVED) == 1


def test_refusals_are_of_the_one_family_of_errors() -> None:
    refusals = (
        MismatchClosedError, MismatchNotFoundError, ReasonMissingError, ResolutionNotAllowedError,
    )  # fmt: skip
    assert all(issubclass(refusal, DoisoatError) for refusal in refusals)
    assert len({refusal.code for refusal in refusals}) == len(refusals)
