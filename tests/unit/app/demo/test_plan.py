"""The plan of the demonstration: the same each time, and everything that can go wrong is in it."""

from itertools import pairwise

from app.demo.city import RAILS, WARDS, procedure_codes
from app.demo.deeds import Issue, PayOnline, Planned, ShowCode, Slot, Transfer
from app.demo.plan import BEFORE, Story, _stories, business_days, make_plan
from app.demo.scenes import Part, count_steps, make_scenes
from core.calendar import WorkingCalendar
from payments.channels import Rail
from payments.dossier import parse_dossier_code


def _issued(plan: list[Planned]) -> list[Issue]:
    return [step.deed for step in plan if isinstance(step.deed, Issue)]


def test_the_plan_is_the_same_each_time() -> None:
    assert make_plan(10) == make_plan(10)


def test_more_days_change_no_earlier_one() -> None:
    short, long = make_plan(3), make_plan(10)
    kept = [step for step in long if 0 <= step.day < 3]

    assert kept == [step for step in short if step.day >= 0]
    assert all(step in long for step in short)


def test_ten_days_are_several_hundred_bills_over_every_channel_and_all_offices() -> None:
    plan = make_plan(10)
    bills = [issue.bill for issue in _issued(plan)]
    online = {step.deed.rail for step in plan if isinstance(step.deed, PayOnline)}

    assert 350 <= len(bills) <= 450
    assert len({bill.key for bill in bills}) == len(bills)
    assert {bill.office_code for bill in bills} == {ward.code for ward in WARDS}
    assert {bill.procedure_code for bill in bills} <= set(procedure_codes())
    assert online == set(RAILS) - {Rail.VIETQR}
    assert any(isinstance(step.deed, Transfer) for step in plan)


def test_every_story_is_told_in_ten_days() -> None:
    assert {story for day in range(10) for story in _stories(day)} == set(Story)


def test_every_dossier_code_is_one() -> None:
    for issue in _issued(make_plan(10)):
        assert parse_dossier_code(issue.bill.dossier_code) == issue.bill.dossier_code


def test_nothing_happens_to_a_bill_before_it_is_issued() -> None:
    issued = set()
    for step in make_plan(10):
        bill = getattr(step.deed, "bill", None)
        if isinstance(step.deed, Issue):
            issued.add(step.deed.bill.key)
        elif bill is not None:
            assert bill.key in issued, step


def test_attempts_on_a_bill_are_numbered_in_their_order() -> None:
    last: dict[str, int] = {}
    for step in make_plan(10):
        if isinstance(step.deed, PayOnline | ShowCode | Transfer):
            key, number = step.deed.bill.key, step.deed.attempt
            assert number <= last.get(key, 0) + 1, step
            last[key] = max(number, last.get(key, 0))


def test_play_days_are_working_days() -> None:
    calendar = WorkingCalendar.from_csv()
    days = business_days(10)

    assert len(set(days)) == 10
    assert days == sorted(days)
    assert all(calendar.is_working_day(day) for day in days)


def test_scenes_only_go_forward_and_contain_the_whole_plan() -> None:
    scenes = make_scenes(4)
    told = [step for scene in scenes for step in scene.deeds]

    assert [scene.number for scene in scenes] == list(range(len(scenes)))
    assert [scene.at for scene in scenes] == sorted(scene.at for scene in scenes)
    assert sorted(map(repr, told)) == sorted(map(repr, make_plan(4)))
    assert scenes[0].day == BEFORE


def test_morning_deeds_come_in_the_morning() -> None:
    for scene in make_scenes(3)[1:]:
        wanted = {Part.MORNING: {Slot.MORNING}, Part.AFTERNOON: {Slot.AFTERNOON}}
        assert {step.slot for step in scene.deeds} <= wanted.get(scene.part, set())


def test_statements_cover_every_day_but_the_last_once() -> None:
    periods = [scene.delivery for scene in make_scenes(8) if scene.delivery]
    days = business_days(8)

    assert periods[0].first == days[0]
    assert periods[-1].last == days[-2]
    for before, after in pairwise(periods):
        assert (after.first - before.last).days == 1
        assert after.number == before.number + 1


def test_steps_are_counted_as_they_are_played() -> None:
    scenes = make_scenes(2)

    assert count_steps(scenes) == 2 * len(scenes) + len(make_plan(2)) + 1
