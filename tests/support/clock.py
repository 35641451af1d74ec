"""A business clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

MONDAY_MORNING = datetime(2026, 11, 2, 2, 0, tzinfo=UTC)
"""09:00 in Vietnam on a working day."""


class FrozenClock:
    """Tells one instant; calling it is asking for the time, as of every ``core.clock.Clock``."""

    def __init__(self, at: datetime = MONDAY_MORNING) -> None:
        self._at = at

    def __call__(self) -> datetime:
        return self._at

    def move_to(self, instant: datetime) -> datetime:
        """Set the clock; an instant without offset is a mistake of the test."""
        if instant.tzinfo is None:
            raise ValueError("an instant needs an offset")
        self._at = instant.astimezone(UTC)
        return self._at

    def advance(self, **duration: float) -> datetime:
        """Move the clock on by ``timedelta(**duration)``."""
        return self.move_to(self._at + timedelta(**duration))
