"""Blind re-checks: the sample of a month, what people may answer, and what the figures say."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sqlmodel import Session, col, select

from core.actors import Actor, PermissionDeniedError, Role
from core.errors import RequestInvalidError
from payments.channels import Rail
from payments.models import Bill, Payment
from reconciliation.errors import (
    OwnDecisionError,
    RecheckNotFoundError,
    RecheckPeriodError,
    RecheckSettledError,
)
from reconciliation.matching.model import Rule
from reconciliation.models import Match, MatchItem, Mismatch, Resolution
from reconciliation.rechecking import drawing
from reconciliation.rechecking.drawing import CLASS_OF, draw_rechecks, matched_choice, month_before
from reconciliation.rechecking.estimate import MILLION, upper_limit
from reconciliation.rechecking.figures import as_json, get_figures
from reconciliation.rechecking.judging import (
    CANNOT_TELL,
    NONE_OF_THESE,
    answer_recheck,
    list_disagreements,
    list_open,
)
from reconciliation.rechecking.models import RecheckDraw, RecheckItem, RuleClass, Verdict
from reconciliation.states import (
    ItemKind,
    Layer,
    ResolutionKind,
    ResolutionStatus,
)
from tests.factories import (
    SYSTEM,
    a_bill,
    a_line,
    a_payment,
)
from tests.support.books import everything
from tests.support.clock import FrozenClock
from tests.support.evidence import DAY, World, a_world, compare, pays, receive

PERIOD = "2026-11"
BILLS = 6


@pytest.fixture
def world(session: Session, clock: FrozenClock) -> World:
    """A month of six transfers of one amount, the last with a damaged reference; it is over."""
    world = a_world(session, clock=clock)
    bills = [world.bill]
    for number in range(2, BILLS + 1):
        bills.append(a_bill(session, world.city, clock=clock, number=number))
        a_payment(session, bills[-1], clock=clock, rail=Rail.VIETQR)
    whole = [pays(bill, bank_ref=f"FT{n}") for n, bill in enumerate(bills[:-1])]
    receive(session, world.account, *whole, _damaged(bills[-1]), clock=clock)
    compare(session, world.account, clock=clock)
    clock.advance(days=35)
    return world


def _damaged(bill: Bill) -> object:
    reference = bill.bill_reference
    other = "7" if reference[-5] != "7" else "8"
    return a_line(DAY, 83_000, f"{reference[:-5]}{other}{reference[-4:]} nop", bank_ref="FTX")


def draw(session: Session, clock: FrozenClock, seed: str = "s") -> list[RecheckItem]:
    draw_rechecks(session, PERIOD, actor=SYSTEM, clock=clock, seed=seed)
    query = select(RecheckItem).order_by(col(RecheckItem.position))
    return list(session.exec(query))


def contents(items: list[RecheckItem]) -> list[tuple[str, list[str]]]:
    return [(item.match_id, item.choices) for item in items]


def wrong(session: Session, item: RecheckItem) -> str:
    return next(c for c in item.choices if c != matched_choice(session, item.match_id))


def test_every_rule_belongs_to_a_class() -> None:
    assert set(CLASS_OF) == set(Rule)


def test_the_sample_counts_what_it_is_drawn_from(
    session: Session, world: World, clock: FrozenClock
) -> None:
    items = draw(session, clock)
    drawn = session.get_one(RecheckDraw, PERIOD)
    assert drawn.population == {"identifier": 5, "repaired": 1, "sums": 0, "dossier": 0}
    assert [item.position for item in items] == list(range(BILLS))
    assert sum(item.rule_class is RuleClass.REPAIRED for item in items) == 1


def test_the_matched_record_stands_among_near_ones_of_other_bills(
    session: Session, world: World, clock: FrozenClock
) -> None:
    places = set()
    for item in draw(session, clock):
        matched = matched_choice(session, item.match_id)
        assert item.choices.count(matched) == 1
        assert len(set(item.choices)) == len(item.choices) == 5
        payments = [session.get_one(Payment, c.removeprefix("payment:")) for c in item.choices]
        assert len({payment.bill_id for payment in payments}) == 5
        assert item.shown.startswith("bank:")
        places.add(item.choices.index(matched))
    assert len(places) > 1


def test_the_seed_alone_decides_what_is_drawn_and_in_which_order(
    session: Session, world: World, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "SIZES", dict.fromkeys(RuleClass, 3))

    def sample(seed: str) -> list[tuple[str, list[str]]]:
        nested = session.begin_nested()
        found = contents(draw(session, clock, seed))
        nested.rollback()
        session.expire_all()
        return found

    first, same, others = sample("s"), sample("s"), {repr(sample(f"{n}")) for n in range(6)}
    assert first == same
    assert len(first) == 4
    assert len(others) > 1


def test_a_month_is_drawn_once(session: Session, world: World, clock: FrozenClock) -> None:
    before = contents(draw(session, clock))
    assert contents(draw(session, clock, seed="another")) == before
    assert session.get_one(RecheckDraw, PERIOD).seed == "s"


@pytest.mark.parametrize("period", ["2026-12", "2026-13", "", "2026"])
def test_only_a_month_that_is_over_is_drawn(
    session: Session, world: World, clock: FrozenClock, period: str
) -> None:
    with pytest.raises(RecheckPeriodError):
        draw_rechecks(session, period, actor=SYSTEM, clock=clock)


def test_matches_of_other_months_and_of_people_are_not_drawn(
    session: Session, world: World, clock: FrozenClock
) -> None:
    made = session.exec(select(Match)).all()
    for rule, at in (("by_person", clock() - timedelta(days=35)), ("bank_reference", clock())):
        other = made[0].model_dump(exclude={"id"}) | {"rule": rule, "created_at": at}
        session.add(Match(**other))
    session.flush()
    assert {item.match_id for item in draw(session, clock)} == {match.id for match in made}


def test_an_answer_is_kept_and_changes_no_match(
    session: Session, world: World, clock: FrozenClock, officer: Actor
) -> None:
    item = draw(session, clock)[0]
    before = everything(session)
    answer = answer_recheck(session, item.id, NONE_OF_THESE, actor=officer, clock=clock)
    assert (answer.verdict, answer.round, answer.answered_by) == (
        Verdict.DISAGREED, 1, officer.id,
    )  # fmt: skip
    after = everything(session)
    changed = {table for table in after if after[table] != before.get(table)}
    assert changed == {"audit_event", "recheck_answer"}


def test_nobody_answers_twice_and_only_a_disagreement_is_asked_again(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor
) -> None:
    right, doubted, *_ = draw(session, clock)
    matched = matched_choice(session, right.match_id)
    answer_recheck(session, right.id, matched, actor=officer, clock=clock)
    answer_recheck(session, doubted.id, wrong(session, doubted), actor=officer, clock=clock)
    for item, actor in ((right, officer), (right, approver), (doubted, officer)):
        with pytest.raises(RecheckSettledError):
            answer_recheck(session, item.id, CANNOT_TELL, actor=actor, clock=clock)
    still_open = {item.id for item in list_open(session, PERIOD, actor=approver)}
    assert doubted.id in still_open
    assert right.id not in still_open
    assert list_disagreements(session, PERIOD, actor=approver) == []
    assert [i.id for i in list_disagreements(session, PERIOD, actor=officer)] == [doubted.id]
    second = answer_recheck(session, doubted.id, NONE_OF_THESE, actor=approver, clock=clock)
    assert second.round == 2
    assert [i.id for i in list_disagreements(session, PERIOD, actor=approver)] == [doubted.id]


def test_only_what_is_offered_can_be_chosen(
    session: Session, world: World, clock: FrozenClock, officer: Actor
) -> None:
    item = draw(session, clock)[0]
    with pytest.raises(RequestInvalidError):
        answer_recheck(session, item.id, "payment:other", actor=officer, clock=clock)


def test_who_may_not_resolve_may_not_judge(
    session: Session, world: World, clock: FrozenClock
) -> None:
    item = draw(session, clock)[0]
    auditor = Actor("usr_aud", Role.AUDITOR, office_path="/")
    with pytest.raises(PermissionDeniedError):
        answer_recheck(session, item.id, NONE_OF_THESE, actor=auditor, clock=clock)


def test_another_commune_sees_and_judges_nothing(
    session: Session, world: World, clock: FrozenClock
) -> None:
    item = draw(session, clock)[0]
    stranger = Actor("usr_else", Role.OFFICER, office_path=world.city.communes[1].path)
    neighbour = Actor("usr_here", Role.OFFICER, office_path=world.city.communes[0].path)
    assert list_open(session, PERIOD, actor=stranger) == []
    assert len(list_open(session, PERIOD, actor=neighbour)) == BILLS
    with pytest.raises(RecheckNotFoundError):
        answer_recheck(session, item.id, NONE_OF_THESE, actor=stranger, clock=clock)


@pytest.mark.parametrize("as_target", [True, False])
def test_who_decided_by_hand_on_an_item_does_not_judge_it(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor,
    *, as_target: bool,
) -> None:  # fmt: skip
    item = draw(session, clock)[0]
    ours = session.exec(
        select(MatchItem).where(
            MatchItem.match_id == item.match_id, MatchItem.item_kind == ItemKind.PAYMENT
        )
    ).one()
    run_id = session.get_one(Match, item.match_id).run_id
    mismatch = Mismatch(
        mismatch_key="x1", account_id=item.account_id, type="ambiguous", layer=Layer.DIRECT,
        item_kind=ItemKind.PAYMENT, item_id="other" if as_target else ours.item_id,
        amount_minor=1, reason="r", run_id=run_id, opened_at=clock(),
    )  # fmt: skip
    session.add(mismatch)
    session.flush()
    session.add(Resolution(
        mismatch_id=mismatch.id, kind=ResolutionKind.ACCEPT, reason="looked at", amount_minor=1,
        related_items=f"payment:{ours.item_id}" if as_target else "",
        status=ResolutionStatus.DONE, proposed_by=officer.id, decided_by="usr_third",
        proposed_at=clock(), decided_at=clock(),
    ))  # fmt: skip
    session.flush()
    assert item.id not in {one.id for one in list_open(session, PERIOD, actor=officer)}
    with pytest.raises(OwnDecisionError):
        answer_recheck(session, item.id, NONE_OF_THESE, actor=officer, clock=clock)
    assert answer_recheck(session, item.id, NONE_OF_THESE, actor=approver, clock=clock)


def test_the_figures_weigh_classes_and_leave_out_what_nobody_can_tell(
    session: Session, world: World, clock: FrozenClock, officer: Actor
) -> None:
    items = draw(session, clock)
    strong = [item for item in items if item.rule_class is RuleClass.IDENTIFIER]
    weak = next(item for item in items if item.rule_class is RuleClass.REPAIRED)
    answer_recheck(session, strong[0].id, CANNOT_TELL, actor=officer, clock=clock)
    for item in strong[1:]:
        chosen = matched_choice(session, item.match_id)
        answer_recheck(session, item.id, chosen, actor=officer, clock=clock)
    assert get_figures(session, PERIOD).estimate.rate_ppm is None
    answer_recheck(session, weak.id, wrong(session, weak), actor=officer, clock=clock)
    said = as_json(get_figures(session, PERIOD))
    assert said["false_match_rate_ppm"] == 166_667  # one of six, though it is one of five judged
    limits = 5 * upper_limit(0, 4, Fraction(1, 40)) + MILLION
    assert said["upper_bound_ppm"] == -(-limits // 6)
    assert said["upper_bound_if_cannot_tell_is_false_ppm"] > said["upper_bound_ppm"]
    counts = ("matches", "drawn", "judged", "agreed", "disagreed", "cannot_tell")
    assert [said[name] for name in counts] == [6, 6, 5, 4, 1, 1]


@pytest.mark.parametrize(
    ("second", "false"), [("matched", 0), (NONE_OF_THESE, 1), (CANNOT_TELL, 1)]
)
def test_a_second_judge_has_the_last_word_unless_he_cannot_tell(
    session: Session, world: World, clock: FrozenClock, officer: Actor, approver: Actor,
    second: str, false: int,
) -> None:  # fmt: skip
    item = draw(session, clock)[0]
    answer_recheck(session, item.id, NONE_OF_THESE, actor=officer, clock=clock)
    chosen = matched_choice(session, item.match_id) if second == "matched" else second
    answer_recheck(session, item.id, chosen, actor=approver, clock=clock)
    assert get_figures(session, PERIOD).total("disagreed") == false
    assert list_disagreements(session, PERIOD, actor=approver)


def test_of_a_month_that_was_not_drawn_there_are_no_figures(session: Session) -> None:
    with pytest.raises(RecheckNotFoundError):
        get_figures(session, PERIOD)


def test_the_month_before_january_is_of_the_last_year() -> None:
    assert month_before(DAY.replace(month=1)) == "2025-12"
