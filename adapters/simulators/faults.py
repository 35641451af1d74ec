"""What goes wrong, decided by a seed and the reference alone, so that every run is the same."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from adapters.simulators.store import Records

_THOUSAND: Final = 1000
_FORCED: Final = "forced_faults"


class Fault(StrEnum):
    """One way in which a party misbehaves."""

    LOST_START = "lost_start"
    LOST_QUERY = "lost_query"
    SLOW_QUERY = "slow_query"
    DOUBLE_NOTICE = "double_notice"
    LATE_NOTICE = "late_notice"
    LOST_NOTICE = "lost_notice"
    OTHER_AMOUNT = "other_amount"
    WRONG_FEE = "wrong_fee"
    UNREPORTED = "unreported"


def draw(seed: int, *names: str) -> int:
    """Return a number that only these names and the seed decide, evenly in ``[0, 2**64)``."""
    text = "\x1f".join([str(seed), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often each fault strikes, per thousand references."""

    seed: int = 0
    per_mille: Mapping[Fault, int] = field(default_factory=dict)

    def strikes(self, fault: Fault, reference: str, records: Records | None = None) -> bool:
        """Whether ``fault`` befalls ``reference``: by the seed, or forced by a test or demo."""
        forced = records.get(_FORCED, reference) if records else None
        if forced is not None:
            return fault in forced["faults"]
        rate = self.per_mille.get(fault, 0)
        return draw(self.seed, fault, reference) % _THOUSAND < rate

    def strikes_once(self, fault: Fault, reference: str, records: Records) -> bool:
        """Like :meth:`strikes`, but only the first time it is asked for this reference."""
        if not self.strikes(fault, reference, records):
            return False
        return records.next_number(f"{fault}:{reference}") == 1

    def drawn_as(self, reference: str, records: Records) -> str:
        """Return the name that sizes of faults are drawn by.

        It is the reference, or the name given when the faults were forced: references are
        random, and a demonstration has to come out the same each time.
        """
        forced = records.get(_FORCED, reference)
        return str(forced.get("drawn_as") or reference) if forced else reference

    def other_amount(self, reference: str, asked: int) -> int:
        """Return another amount: a whole thousand less or more, never 0."""
        step = _THOUSAND * (1 + draw(self.seed, "step", reference) % 5)
        short = draw(self.seed, "short", reference) % 2 == 0
        return asked - step if short and asked > step else asked + step


def force_faults(
    records: Records, reference: str, faults: Iterable[Fault], *, drawn_as: str = ""
) -> None:
    """Decide by hand what befalls ``reference``, whatever the rates say; none means none.

    ``drawn_as`` names it for whatever else the seed decides.
    """
    chosen = sorted({Fault(fault).value for fault in faults})
    records.put(_FORCED, reference, {"faults": chosen, "drawn_as": drawn_as})
