"""Passwords, hashed by Argon2id; only a few at a time, for each takes 64 MiB and 0.4 s."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from pwdlib import PasswordHash

from app.auth.errors import SignInBusyError, UserInvalidError

MIN_LENGTH: Final = 12
"""Shortest password (PCI DSS 8.3.6; OWASP ASVS 5.0 6.2.1 asks for 8)."""

MAX_LENGTH: Final = 128
"""Longest password that is looked at, so that nobody makes us hash a book."""

_AT_ONCE: Final = 2
_PATIENCE_SECONDS: Final = 8.0


class Passwords:
    """Makes and checks hashes, at most ``at_once`` together in this process.

    A check waits ``patience_seconds`` for its turn and is refused after that.
    """

    def __init__(
        self,
        hasher: PasswordHash | None = None,
        *,
        at_once: int = _AT_ONCE,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._hasher = hasher or PasswordHash.recommended()
        self._turns = BoundedSemaphore(at_once)
        self._patience_seconds = patience_seconds
        self._nobody = ""

    def make_hash(self, password: str) -> str:
        """Return the hash to be stored.

        Raises:
            UserInvalidError: the password is shorter or longer than allowed.
            SignInBusyError: no turn came in time.
        """
        if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
            raise UserInvalidError(f"a password has {MIN_LENGTH} to {MAX_LENGTH} characters")
        with self._turn():
            return self._hasher.hash(password)

    def check(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Return whether the password is right, and a new hash where the stored one is weaker.

        Without a stored hash a stand-in is checked all the same, so that the time taken does
        not tell which user names exist.

        Raises:
            SignInBusyError: no turn came in time.
        """
        password = password[: MAX_LENGTH + 1]
        with self._turn():
            if stored is None:
                self._nobody = self._nobody or self._hasher.hash("nobody's password")
                self._hasher.verify(password, self._nobody)
                return False, None
            return self._hasher.verify_and_update(password, stored)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._turns.acquire(timeout=self._patience_seconds):
            raise SignInBusyError
        try:
            yield
        finally:
            self._turns.release()
