"""Planned kills: a process dies at a counted step, as in a power cut; nothing may be lost."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from pydantic_settings import BaseSettings, SettingsConfigDict

from adapters.simulators.faults import draw
from app.demo.processes import Processes
from app.demo.simulators import SEED
from core.errors import SettingsError

APPLICATION: Final = "app"
SCHEDULER: Final = "scheduler"
SIMULATORS: Final = "simulators"
_WITHIN_MS: Final = {APPLICATION: 50, SCHEDULER: 500}
"""How far into its step a kill comes at most: about as long as the step usually takes."""


class _KillSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="DOISOAT_DEMO_")

    kill: str = ""


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that is to die at a step, or at the first fitting one after it."""

    name: str
    step: int


def planned_kills() -> list[Kill]:
    """Read ``DOISOAT_DEMO_KILL``, e.g. ``app:37,scheduler:81``.

    Raises:
        SettingsError: it says something else.
    """
    kills = []
    for part in filter(None, _KillSettings().kill.replace(" ", "").split(",")):
        name, _, step = part.partition(":")
        if name not in {APPLICATION, SCHEDULER} or not step.isdigit():
            raise SettingsError(
                f"DOISOAT_DEMO_KILL: {part!r} is not app:<step> or scheduler:<step>"
            )
        kills.append(Kill(name, int(step)))
    return kills


@dataclass(slots=True)
class Steps:
    """Counts what the driver does and kills when it is time.

    A kill comes a few milliseconds into its step, decided by the seed. The scheduler works only
    while we wait for it, so it is killed in the first wait at or after its step.
    """

    processes: Processes
    kills: list[Kill] = field(default_factory=list)
    count: int = 0
    killed: list[Kill] = field(default_factory=list)

    def report(self) -> Iterator[str]:
        """Say which of the planned kills were done, and which came too late to be."""
        for kill in self.killed:
            starts = self.processes.starts(kill.name)
            yield f"Killed {kill.name} at step {kill.step}; it was started {starts} times."
        for kill in self.kills:
            yield f"Not killed: {kill.name} at step {kill.step}, the play had {self.count} steps."

    def act(self) -> None:
        """Count a deed that is about to be done."""
        self._count(APPLICATION)

    def wait(self) -> None:
        """Count a wait for the scheduler that is about to begin."""
        self._count(SCHEDULER)

    def _count(self, working: str) -> None:
        self.count += 1
        for kill in [k for k in self.kills if k.step <= self.count and k.name == working]:
            self.kills.remove(kill)
            self.killed.append(kill)
            delay_ms = draw(SEED, "kill", kill.name, str(kill.step)) % _WITHIN_MS[kill.name]
            timer = threading.Timer(delay_ms / 1000, self.processes.kill, [kill.name])
            timer.daemon = True
            timer.start()
