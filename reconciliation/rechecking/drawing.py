"""Draws the sample of a month from the matches that rules made, each with several choices."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock, at_vietnam_time, business_day
from core.crypto import sha256_hex
from core.ids import new_token
from payments.models import Bill, Payment, Refund
from reconciliation.errors import RecheckPeriodError
from reconciliation.matching.model import Rule
from reconciliation.models import Match, MatchItem, SettlementLine
from reconciliation.rechecking.models import RecheckDraw, RecheckItem, RuleClass
from reconciliation.rechecking.nearby import (
    Near,
    load_recorded,
    nearest,
    payouts_around,
    pool_of,
)
from reconciliation.states import ItemKind, Layer, MatchStatus

CLASS_OF: Final[Mapping[str, RuleClass]] = {
    Rule.TXN_ID: RuleClass.IDENTIFIER,
    Rule.BILL_REFERENCE: RuleClass.IDENTIFIER,
    Rule.PAYOUT_ID: RuleClass.IDENTIFIER,
    Rule.BANK_REFERENCE: RuleClass.IDENTIFIER,
    Rule.NARRATIVE_REFERENCE: RuleClass.IDENTIFIER,
    Rule.NARRATIVE_REFERENCE_REPAIRED: RuleClass.REPAIRED,
    Rule.TXN_ID_PARTS: RuleClass.SUMS,
    Rule.PAYOUT_SUM: RuleClass.SUMS,
    Rule.NARRATIVE_REFERENCE_PARTS: RuleClass.SUMS,
    Rule.NARRATIVE_REFERENCE_BILLS: RuleClass.SUMS,
    Rule.DOSSIER_CODE: RuleClass.DOSSIER,
}
SIZES: Final[Mapping[RuleClass, int]] = {
    RuleClass.IDENTIFIER: 60,
    RuleClass.REPAIRED: 30,
    RuleClass.SUMS: 30,
    RuleClass.DOSSIER: 30,
}
"""How many of each class are drawn: the weaker are few, and so seen far more often."""


def draw_rechecks(
    session: Session, period: str, *, actor: Actor, clock: Clock, seed: str | None = None
) -> RecheckDraw:
    """Draw the sample of a month (``2026-11``) from what stands of the matches made in it by rules.

    Of each class of rules those with the smallest SHA-256 over seed and match are drawn, so that
    the stored seed gives the same sample from the same matches. It is whole or not there: a
    drawing that was cut off begins again, and one that is there is returned as it is.

    Raises:
        RecheckPeriodError: this is no month, or it is not over.
    """
    actor.require(Permission.RUN_JOBS)
    first, after = month_of(period)
    if business_day(clock()) < after:
        raise RecheckPeriodError(f"{period} is not over")
    drawn = session.get(RecheckDraw, period)
    if drawn is not None:
        return drawn
    seed = seed or new_token()
    strata = _matches_by_class(session, first, after)
    population = {kind.value: len(ids) for kind, ids in strata.items()}
    drawn = RecheckDraw(
        period=period, seed=seed, population=population, drawn_by=actor.id, drawn_at=clock()
    )
    session.add(drawn)
    session.flush()
    chosen = [
        (kind, match_id)
        for kind, ids in strata.items()
        for match_id in _shuffled(seed, ids)[: SIZES[kind]]
    ]
    order = {
        match_id: i for i, match_id in enumerate(_shuffled(f"{seed}|order", [m for _, m in chosen]))
    }
    for kind, match_id in chosen:
        session.add(_item(session, drawn, kind, match_id, order[match_id]))
    subject = ("recheck_draw", period)
    record_audit(session, actor, "draw_rechecks", subject, clock=clock, after=dict(population))
    session.flush()
    return drawn


def month_of(period: str) -> tuple[date, date]:
    """Return the first day of a month and the first after it.

    Raises:
        RecheckPeriodError: the text is no month.
    """
    try:
        first = date.fromisoformat(f"{period}-01")
    except ValueError:
        raise RecheckPeriodError("months are written as 2026-11") from None
    return first, (first + timedelta(days=31)).replace(day=1)


def month_before(today: date) -> str:
    """Return the last month that is over."""
    return f"{today.replace(day=1) - timedelta(days=1):%Y-%m}"


def matched_choice(session: Session, match_id: str) -> str:
    """Return the choice that a match made, as it stands among the choices of its item."""
    return _choice([near.choice for near in _matched(session, _items_of(session, match_id))])


def _matches_by_class(session: Session, first: date, after: date) -> dict[RuleClass, list[str]]:
    strata: dict[RuleClass, list[str]] = {kind: [] for kind in RuleClass}
    made = session.exec(
        select(Match.id, Match.rule)
        .where(Match.status == MatchStatus.ACTIVE, col(Match.rule).in_(CLASS_OF))
        .where(Match.created_at >= at_vietnam_time(first))
        .where(Match.created_at < at_vietnam_time(after))
    )
    for match_id, rule in made:
        strata[CLASS_OF[rule]].append(match_id)
    return strata


def _item(
    session: Session, drawn: RecheckDraw, kind: RuleClass, match_id: str, position: int
) -> RecheckItem:
    match = session.get_one(Match, match_id)
    items = _items_of(session, match_id)
    office = _office_of(session, items)
    matched = _matched(session, items)
    return RecheckItem(
        period=drawn.period,
        position=position,
        match_id=match_id,
        account_id=match.account_id,
        office_id=office,
        layer=match.layer,
        rule_class=kind,
        shown=_choice([f"{i.item_kind}:{i.item_id}" for i in items if _is_evidence(i)]),
        choices=_shuffled(drawn.seed, _choices(session, match, matched, office)),
    )


def _choices(
    session: Session, match: Match, matched: Sequence[Near], office: str | None
) -> list[str]:
    """The matched records, and others in which the first of them is exchanged for a near one."""
    first, others = matched[0], [near.choice for near in matched[1:]]
    if match.layer is Layer.PAYOUT:
        pool = payouts_around(session, match.account_id, [near.day for near in matched])
    else:
        pool = pool_of(session, first.choice.partition(":")[2], first, office)
    near = nearest(first, pool, frozenset(one.family for one in matched))
    return [_choice([one.choice, *others]) for one in (first, *near)]


def _matched(session: Session, items: Sequence[MatchItem]) -> list[Near]:
    """The side of a match that is chosen: our records or, in the payout layer, whole payouts."""
    ids = sorted(item.item_id for item in items if not _is_evidence(item))
    if items[0].layer is not Layer.PAYOUT:
        return [load_recorded(session, item_id) for item_id in ids]
    lines = session.exec(select(SettlementLine).where(col(SettlementLine.id).in_(ids))).all()
    wanted = {f"{line.provider}/{line.payout_id}" for line in lines}
    around = payouts_around(session, lines[0].account_id, [line.payout_date for line in lines])
    return sorted((p for p in around if p.family in wanted), key=lambda near: near.choice)


def _is_evidence(item: MatchItem) -> bool:
    evidence = ItemKind.SETTLEMENT if item.layer is Layer.PROVIDER else ItemKind.BANK
    return item.item_kind is evidence


def _items_of(session: Session, match_id: str) -> Sequence[MatchItem]:
    query = select(MatchItem).where(MatchItem.match_id == match_id)
    return session.exec(query.order_by(col(MatchItem.item_kind), col(MatchItem.item_id))).all()


def _office_of(session: Session, items: Sequence[MatchItem]) -> str | None:
    for item in items:
        refund = session.get(Refund, item.item_id)
        payment = session.get(Payment, refund.payment_id if refund else item.item_id)
        if payment is not None:
            return session.get_one(Bill, payment.bill_id).office_id
    return None


def _choice(items: Sequence[str]) -> str:
    return ";".join(sorted(items))


def _shuffled(seed: str, texts: Sequence[str]) -> list[str]:
    return sorted(texts, key=lambda text: sha256_hex(f"{seed}|{text}".encode()))
