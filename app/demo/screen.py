"""What the person at the terminal sees: a progress bar there, plain lines elsewhere."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.demo.plan import BEFORE
from app.demo.scenes import Scene


class Screen:
    """Standard output of the demonstration."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._bar: Progress | None = None

    def say(self, text: str) -> None:
        """Print a text."""
        self._console.print(text, markup=False, soft_wrap=True)

    def follow(self, scenes: Sequence[Scene], *, total: int, done: int) -> Iterator[Scene]:
        """Yield scenes and show how far the play has come."""
        if not scenes:
            return
        if not self._console.is_terminal:
            yield from self._lines(scenes)
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )
        with self._bar:
            task = self._bar.add_task("", total=total, completed=done)
            for scene in scenes:
                self._bar.update(task, description=_title(scene))
                yield scene
                self._bar.update(task, completed=scene.number + 1)
        self._bar = None

    def close(self) -> None:
        """Give the terminal back as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _lines(self, scenes: Sequence[Scene]) -> Iterator[Scene]:
        last: int | None = None
        for scene in scenes:
            if scene.day != last:
                self.say(_title(scene))
                last = scene.day
            yield scene


def _title(scene: Scene) -> str:
    if scene.day == BEFORE:
        return f"Before   {scene.date:%d %b %Y}"
    return f"Day {scene.day + 1:>2}   {scene.date:%a %d %b %Y}"
