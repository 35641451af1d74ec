"""People judge drawn matches without seeing what was matched; answers are never changed."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.errors import RequestInvalidError
from payments.queries import account_in, office_ids
from reconciliation.errors import OwnDecisionError, RecheckNotFoundError, RecheckSettledError
from reconciliation.models import MatchItem, Mismatch, Resolution
from reconciliation.rechecking.drawing import matched_choice
from reconciliation.rechecking.models import RecheckAnswer, RecheckItem, Verdict

NONE_OF_THESE: Final = "none"
CANNOT_TELL: Final = "cannot_tell"


def answer_recheck(
    session: Session, item_id: str, chosen: str, *, actor: Actor, clock: Clock
) -> RecheckAnswer:
    """Write down what a person chose. A disagreement is asked of a second person, just as blindly.

    The match stays as it is, whatever is answered: it is changed by the usual decisions only.

    Raises:
        RecheckNotFoundError: there is no such item in the actor's scope.
        OwnDecisionError: the actor decided by hand on an item of the match.
        RecheckSettledError: nothing is left to answer here for this actor.
        RequestInvalidError: nothing that was offered is chosen.
    """
    actor.require(Permission.RESOLVE)
    item = get_recheck(session, item_id, actor=actor, hold=True)
    answers = answers_of(session, item.id)
    if not is_open(answers, actor):
        raise RecheckSettledError
    if decided_by_hand(session, item, actor):
        raise OwnDecisionError
    if chosen not in {*item.choices, NONE_OF_THESE, CANNOT_TELL}:
        raise RequestInvalidError("choose one of the answers")
    answer = RecheckAnswer(
        item_id=item.id,
        round=len(answers) + 1,
        chosen=chosen,
        verdict=_verdict(session, item, chosen),
        answered_by=actor.id,
        answered_at=clock(),
    )
    session.add(answer)
    said = {"chosen": chosen, "verdict": answer.verdict.value, "round": answer.round}
    subject = ("recheck_item", item.id)
    record_audit(session, actor, "answer_recheck", subject, clock=clock, after=said)
    session.flush()
    return answer


def get_recheck(session: Session, item_id: str, *, actor: Actor, hold: bool = False) -> RecheckItem:
    """Return an item in the actor's scope; ``hold`` makes other answers to it wait.

    Raises:
        RecheckNotFoundError: there is none, or it is not this actor's to see.
    """
    actor.require(Permission.REVIEW)
    query = select(RecheckItem).where(RecheckItem.id == item_id, _item_in(actor.office_path))
    if hold:
        query = query.with_for_update(key_share=True)
    item = session.exec(query).first()
    if item is None:
        raise RecheckNotFoundError
    return item


def list_open(session: Session, period: str, *, actor: Actor) -> list[RecheckItem]:
    """Return what this actor may still judge, in the order of the drawing.

    Nothing tells a first judgement from a second one: that would say what the first was.
    """
    return [
        item
        for item, answers in items_with_answers(session, period, scope=actor.office_path)
        if is_open(answers, actor) and not decided_by_hand(session, item, actor)
    ]


def list_disagreements(session: Session, period: str, *, actor: Actor) -> list[RecheckItem]:
    """Return the items whose match somebody disagreed with and that this actor may see unblinded.

    A second judgement that agrees takes no disagreement off the list.
    """
    return [
        item
        for item, answers in items_with_answers(session, period, scope=actor.office_path)
        if any(one.verdict is Verdict.DISAGREED for one in answers) and not is_blind(answers, actor)
    ]


def items_with_answers(
    session: Session, period: str, *, scope: str
) -> list[tuple[RecheckItem, list[RecheckAnswer]]]:
    """Return the items of a month in the subtree, each with its answers in their order."""
    query = select(RecheckItem).where(RecheckItem.period == period, _item_in(scope))
    items = session.exec(query.order_by(col(RecheckItem.position))).all()
    answers: dict[str, list[RecheckAnswer]] = {item.id: [] for item in items}
    given = session.exec(
        select(RecheckAnswer)
        .join(RecheckItem, col(RecheckItem.id) == col(RecheckAnswer.item_id))
        .where(RecheckItem.period == period, _item_in(scope))
        .order_by(col(RecheckAnswer.round))
    )
    for answer in given:
        answers[answer.item_id].append(answer)
    return [(item, answers[item.id]) for item in items]


def answers_of(session: Session, item_id: str) -> list[RecheckAnswer]:
    """Return the answers to an item, the first one first."""
    query = select(RecheckAnswer).where(RecheckAnswer.item_id == item_id)
    return list(session.exec(query.order_by(col(RecheckAnswer.round))))


def is_open(answers: Sequence[RecheckAnswer], actor: Actor) -> bool:
    """Whether an item waits for a judgement that this actor has not given yet."""
    waits = not answers or [one.verdict for one in answers] == [Verdict.DISAGREED]
    return waits and all(one.answered_by != actor.id for one in answers)


def is_blind(answers: Sequence[RecheckAnswer], actor: Actor) -> bool:
    """Whether what was matched stays hidden from this actor, who may still judge it."""
    return actor.may(Permission.RESOLVE) and is_open(answers, actor)


def decided_by_hand(session: Session, item: RecheckItem, actor: Actor) -> bool:
    """Whether the actor proposed or decided anything by hand about an item of the match."""
    query = select(MatchItem.item_id).where(MatchItem.match_id == item.match_id)
    ids = session.exec(query).all()
    named = or_(
        col(Mismatch.item_id).in_(ids),
        *(col(Resolution.related_items).contains(one, autoescape=True) for one in ids[:100]),
    )
    mine = or_(col(Resolution.proposed_by) == actor.id, col(Resolution.decided_by) == actor.id)
    decided = (
        select(Resolution.id)
        .join(Mismatch, col(Mismatch.id) == col(Resolution.mismatch_id))
        .where(mine, named)
    )
    return session.exec(decided).first() is not None


def _verdict(session: Session, item: RecheckItem, chosen: str) -> Verdict:
    if chosen == CANNOT_TELL:
        return Verdict.CANNOT_TELL
    is_matched = chosen == matched_choice(session, item.match_id)
    return Verdict.AGREED if is_matched else Verdict.DISAGREED


def _item_in(scope: str) -> ColumnElement[bool]:
    """The condition that an item is of an office in the subtree or, without one, of its account."""
    unknown = col(RecheckItem.office_id).is_(None)
    return or_(
        col(RecheckItem.office_id).in_(office_ids(scope)),
        and_(unknown, account_in(col(RecheckItem.account_id), scope)),
    )
