"""Every kind of noise by name: of transfers, and of providers. Payouts have their own ways."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.matching import days, nasty, providers, slips, transfers
from benchmarks.matching.world import World

DIRECT: Final[Mapping[str, Callable[[World], None]]] = (
    transfers.DIRECT | nasty.DIRECT | slips.DIRECT | days.DIRECT
)
PROVIDER: Final[Mapping[str, Callable[[World, str], None]]] = (
    providers.PROVIDER | nasty.PROVIDER | slips.PROVIDER | days.PROVIDER
)
