"""Whom not to listen to for a while: addresses whose messages were refused again and again."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from time import monotonic
from typing import Final

from core.errors import DoisoatError

MOST_REFUSED: Final = 20
"""Messages with a wrong signature that an address may send within a minute."""

WINDOW_SECONDS: Final = 60.0
_MOST_ADDRESSES: Final = 10_000


class NotHeardError(DoisoatError):
    """Too many messages of this address were refused; it may try again in a minute."""

    code = "P026"
    status = HTTPStatus.TOO_MANY_REQUESTS
    title = "Too many messages with a wrong signature"


@dataclass(slots=True)
class Attention:
    """Counts refused messages by address, in this process and in real time.

    An authentic channel is never slowed down: only what was refused counts, and one message that
    is accepted clears its address.
    """

    now: Callable[[], float] = monotonic
    _refused: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, address: str) -> None:
        """Let a message of this address in.

        Raises:
            NotHeardError: too many of its messages were refused within the last minute.
        """
        with self._lock:
            since, count = self._refused.get(address, (0.0, 0))
            if count >= MOST_REFUSED and self.now() - since < WINDOW_SECONDS:
                raise NotHeardError

    def tell(self, address: str, *, refused: bool) -> None:
        """Note what became of a message."""
        with self._lock:
            if not refused:
                self._refused.pop(address, None)
                return
            since, count = self._refused.get(address, (self.now(), 0))
            if self.now() - since >= WINDOW_SECONDS:
                since, count = self.now(), 0
            self._refused[address] = (since, count + 1)
            self._refused.move_to_end(address)
            while len(self._refused) > _MOST_ADDRESSES:
                self._refused.popitem(last=False)
