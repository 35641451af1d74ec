"""The demonstration from one command: start everything, play fee days, sum up, stay open."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Final

from sqlmodel import select

from app.demo.acts import People
from app.demo.calls import Caller
from app.demo.city import keep_portal_keys, load_city, register_portal
from app.demo.deliveries import deliver_settlements, deliver_statements
from app.demo.errors import DemonstrationError, StoppedError
from app.demo.kills import APPLICATION, SCHEDULER, SIMULATORS, Kill, Steps, planned_kills
from app.demo.places import Places
from app.demo.processes import Processes, hold_folder, refuse_busy_port
from app.demo.scenes import Scene, make_scenes
from app.demo.screen import Screen
from app.demo.summary import address_lines, summarise, summary_lines
from core.clock import move_clock
from core.db import make_engine, reading, transaction
from core.errors import SettingsError
from core.migrations import migrate
from core.settings import Settings, get_settings
from payments.models import Office
from scheduler.context import JobContext
from scheduler.schedule import is_caught_up
from scheduler.wiring import make_context

BEAT_SECONDS: Final = 0.1
_LOOK_SECONDS: Final = 0.03
_CATCH_UP_SECONDS: Final = 120.0
_TICK_SECONDS: Final = 1.0


def play(*, port: int, days: int, stay: bool) -> int:
    """Play ``days`` fee days and, if told to ``stay``, keep everything running until Ctrl-C.

    Played days are never played again: a second call goes on where the first one ended, or only
    shows what there is. Returns the exit status: 0, or 1 if something does not hold.

    Raises:
        SettingsError: in production, on a busy port, or over a database that is not a
            demonstration's.
        DemonstrationError: a part did not do what it has to do.
    """
    original = get_settings()
    places = Places.of(original, port)
    settings = places.settings(original)
    kills = planned_kills()
    for wanted in (places.port, places.simulators_port):
        refuse_busy_port(wanted)
    for folder in (places.inbox, places.logs, places.simulators_folder):
        folder.mkdir(parents=True, exist_ok=True)
    screen = Screen()
    processes = Processes(places.logs, places.overrides())
    status = 0
    with hold_folder(places.folder), _stoppable():
        try:
            status = _run(settings, places, processes, kills, screen, days=days, stay=stay)
        except StoppedError:
            screen.say("Stopped; the same command goes on from here.")
        finally:
            _ignore_signals()
            processes.stop()
            _stop_clock(settings)
            screen.close()
    return status


def _run(
    settings: Settings,
    places: Places,
    processes: Processes,
    kills: list[Kill],
    screen: Screen,
    *,
    days: int,
    stay: bool,
) -> int:
    progress = Progress.read(places)
    scenes = make_scenes(max(days, progress.days))
    left = scenes[progress.done :]
    if not settings.clock_file.exists():
        move_clock(settings.clock_file, scenes[0].at)
    elif left:
        _stop_clock(settings)  # it runs on where the last play was killed
    processes.start(SIMULATORS, "simulators", "--port", str(places.port))
    screen.say("The city opens …")
    context = _open_city(settings, places)
    processes.start(APPLICATION, "serve", "--port", str(places.port))
    processes.start(SCHEDULER, "scheduler", "--beat", str(BEAT_SECONDS))
    caller = Caller(processes.check)
    for address in (f"{places.pages}/healthz", f"{places.simulators}/_control/health"):
        caller.get(address)
    steps = Steps(processes, kills)
    stage = Stage(settings, places, context, caller, processes, steps)
    for scene in screen.follow(left, total=len(scenes), done=progress.done):
        stage.play(scene)
        progress = Progress(done=scene.number + 1, days=max(days, progress.days))
        progress.write(places)
    for line in steps.report():
        screen.say(line)
    move_clock(settings.clock_file, settings.clock(), rate=1)
    with reading(context.engine) as session:
        summary = summarise(session, clock=context.clock)
    heard = caller.get(f"{places.simulators}/portal/_control/heard")["count"]
    screen.say("\n".join(summary_lines(summary)))
    screen.say(f"The portal has heard of {heard} payments by signed webhooks.")
    screen.say("\n".join(address_lines(summary, places)))
    if stay:
        screen.say("Everything stays open; Ctrl-C stops it.")
        _stay(places, caller)
    caller.close()
    return 1 if summary.problems else 0


def _open_city(settings: Settings, places: Places) -> JobContext:
    """Migrate the database and load the city; what is there already stays.

    Raises:
        SettingsError: the database holds offices that are no demonstration.
    """
    engine = make_engine(settings.database)
    migrate(engine)
    engine.dispose()
    context = make_context(settings)
    with transaction(context.engine) as session:
        if session.exec(select(Office.id).where(~Office.demonstration)).first():  # type: ignore[arg-type]
            raise SettingsError("this database is not a demonstration's: set DOISOAT_VAR_DIR")
        load_city(session, vault=context.vault, clock=context.clock)
        keys = register_portal(session, places, vault=context.vault, clock=context.clock)
    if keys is not None:
        keep_portal_keys(places, keys)
    return context


@dataclass(frozen=True, slots=True)
class Progress:
    """How many scenes are done, of a play of how many days."""

    done: int = 0
    days: int = 0

    @classmethod
    def read(cls, places: Places) -> "Progress":
        """Return how far the play has come; nothing is done before the first."""
        if not places.progress_file.exists():
            return cls()
        return cls(**json.loads(places.progress_file.read_text()))

    def write(self, places: Places) -> None:
        """Keep it; the file is replaced whole."""
        draft = places.progress_file.with_suffix(".draft")
        draft.write_text(json.dumps({"done": self.done, "days": self.days}))
        draft.replace(places.progress_file)


@dataclass(slots=True)
class Stage:
    """Where scenes are played; playing one again changes nothing that the first time did."""

    settings: Settings
    places: Places
    context: JobContext
    caller: Caller
    processes: Processes
    steps: Steps
    people: People = field(init=False)

    def __post_init__(self) -> None:
        self.people = People(self.places, self.context.engine, self.caller)

    def play(self, scene: Scene) -> None:
        """Move the clock, wait until all that is due is done, then let people act.

        Nobody acts while jobs run, so that what a job sees depends on the plan alone.
        """
        if scene.delivery is not None:
            period = scene.delivery
            self.steps.act()
            deliver_statements(
                self.places,
                self.caller,
                first=period.first,
                last=period.last,
                number=period.number,
            )
            deliver_settlements(self.places, self.caller, session_day=period.last)
        if self.settings.clock() < scene.at:
            move_clock(self.settings.clock_file, scene.at)
        self.steps.act()
        self.caller.post(f"{self.places.simulators}/_control/tick")
        self.steps.wait()
        self.wait_for_jobs()
        for planned in scene.deeds:
            self.steps.act()
            self.people.perform(planned.deed, scene.date)

    def wait_for_jobs(self) -> None:
        """Wait until the scheduler has done all that is due.

        Raises:
            DemonstrationError: it takes too long.
        """
        deadline = time.monotonic() + _CATCH_UP_SECONDS
        while not is_caught_up(self.context):
            self.processes.check()
            if time.monotonic() > deadline:
                raise DemonstrationError(f"the jobs do not end: see {self.places.logs}")
            time.sleep(_LOOK_SECONDS)


def _stay(places: Places, caller: Caller) -> None:
    """Let time work on the simulators until somebody stops us."""
    while True:
        caller.post(f"{places.simulators}/_control/tick")
        time.sleep(_TICK_SECONDS)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into ``StoppedError``."""

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise StoppedError

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_signals() -> None:
    """Let nothing interrupt the stopping of children."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def _stop_clock(settings: Settings) -> None:
    """Let business time stand still until the demonstration is opened again."""
    if settings.clock_file.exists():
        move_clock(settings.clock_file, settings.clock(), rate=0)
