"""Every kind of noise by name: of transfers, and of providers. Payouts have their own ways."""

from collections.abc import Callable, Mapping
from typing import Final

from benchmarks.matching import nasty, providers, transfers
from benchmarks.matching.world import World

DIRECT: Final[Mapping[str, Callable[[World], None]]] = transfers.DIRECT | nasty.DIRECT
PROVIDER: Final[Mapping[str, Callable[[World, str], None]]] = providers.PROVIDER | nasty.PROVIDER
