"""A provider's outgoing messages: sent when due, sent again by its rule until accepted."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from adapters.simulators.faults import Fault, FaultPlan
from adapters.simulators.store import Record, Records, Store

_NOTICE: Final = "notice"


@dataclass(frozen=True, slots=True)
class Reply:
    """What the receiver answered, and whether the provider's rule takes it as the end."""

    accepted: bool
    text: str


Send = Callable[[Record, datetime], Reply]


@dataclass(slots=True)
class NoticeQueue:
    """Messages waiting in the store; ``gaps`` are the pauses between one call and the next.

    Queues with rules of their own may share a store under different kinds.
    """

    store: Store
    gaps: Sequence[timedelta]
    faults: FaultPlan
    late_by: timedelta
    scrambled: bool = False
    kind: str = _NOTICE
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def announce(
        self, records: Records, notice_id: str, reference: str, body: Record, now: datetime
    ) -> None:
        """Queue a message, once, late, twice or never, as the fault plan says."""
        if self.faults.strikes(Fault.LOST_NOTICE, reference, records):
            return
        late = self.faults.strikes(Fault.LATE_NOTICE, reference, records)
        double = self.faults.strikes(Fault.DOUBLE_NOTICE, reference, records)
        due = now + self.late_by if late else now
        for copy in range(2 if double else 1):
            key = f"{notice_id}/{copy}"
            notice = {"key": key, "reference": reference, "body": body, "calls": []}
            records.put(self.kind, key, notice, label=reference, due=due)

    def deliver_due(self, now: datetime, send: Send) -> int:
        """Send what is due by ``now``; return how many calls were made.

        No transaction is open during a call: the receiver may ask back.
        """
        with self._one_at_a_time:
            with self.store.transaction() as records:
                notices = records.due(self.kind, now)
            if self.scrambled:
                notices.sort(key=lambda notice: str(notice["key"])[::-1])
            for notice in notices:
                self._record_call(notice, now, send(notice["body"], now))
            return len(notices)

    def _record_call(self, notice: Record, now: datetime, reply: Reply) -> None:
        calls = [*notice["calls"], {"at": now.isoformat(), "answer": reply.text[:200]}]
        again = not reply.accepted and len(calls) <= len(self.gaps)
        due = now + self.gaps[len(calls) - 1] if again else None
        done = {**notice, "calls": calls, "accepted": reply.accepted}
        with self.store.transaction() as records:
            records.put(self.kind, notice["key"], done, label=notice["reference"], due=due)

    def sent(self, records: Records, reference: str) -> list[Record]:
        """Return the messages about ``reference`` with every call made."""
        return records.labelled(self.kind, reference)
