"""Signing in and out, and who a browser's cookie stands for.

Sessions and throttling follow the real clock, not the business clock: they are about people at
keyboards, and a demonstration that plays ten days in a minute must not sign anybody out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Engine, func
from sqlmodel import Session, col, delete, select

from app.auth.errors import SignInNeededError, SignInRefusedError, TooManyTriesError
from app.auth.models import LoginAttempt, StaffSession, StaffUser
from app.auth.passwords import Passwords
from core.actors import Actor
from core.audit import record_audit
from core.clock import Clock
from core.crypto import sha256_hex
from core.db import reading, transaction
from core.ids import new_token
from payments.models import Office

IDLE: Final = timedelta(minutes=30)
"""A session unused for this long has ended."""

ABSOLUTE: Final = timedelta(hours=10)
"""No session lives longer, however busy."""

_SEEN_EVERY: Final = timedelta(minutes=1)
_WINDOW: Final = timedelta(hours=24)
_FREE_BY_ACCOUNT: Final = 4
_FREE_BY_ADDRESS: Final = 20
_LONGEST_WAIT: Final = timedelta(minutes=15)
_MAX_EXPONENT: Final = 12


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person who is signed in, for the pages: who they are and what they see."""

    actor: Actor
    username: str
    office_name_vi: str
    office_name_en: str


def wait_after(failures: int, *, free: int) -> timedelta:
    """Return how long to wait after so many failures in a row: nothing, then 1 s doubling.

    The wait ends at 15 minutes, so that a stranger's guessing cannot lock an officer out for
    the day.
    """
    if failures < free:
        return timedelta(0)
    return min(_LONGEST_WAIT, timedelta(seconds=2 ** min(failures - free, _MAX_EXPONENT)))


def sign_in(
    engine: Engine,
    *,
    username: str,
    password: str,
    address: str,
    passwords: Passwords,
    clock: Clock,
) -> str:
    """Check a password and open a session; returns the secret for its cookie.

    The try is recorded first, as failed, and the password is checked with no transaction open:
    so parallel guesses are all counted, and hashing blocks no writer.

    Raises:
        TooManyTriesError: for this account or this address it is too soon.
        SignInRefusedError: wrong user name or password, or the account is switched off.
        SignInBusyError: too many passwords are being checked at once.
    """
    username = username.strip().lower()[:80]
    with transaction(engine) as session:
        _refuse_too_soon(session, username, address, now=clock())
        attempt = LoginAttempt(username=username, address=address[:45], at=clock())
        session.add(attempt)
        user = session.exec(select(StaffUser).where(StaffUser.username == username)).first()
    known = user if user is not None and user.active else None
    right, stronger = passwords.check(password, known.password_hash if known else None)
    if not right or known is None:
        raise SignInRefusedError
    with transaction(engine) as session:
        return _open_session(session, known.id, attempt.id, stronger, clock=clock)


def _open_session(
    session: Session, user_id: str, attempt_id: str, stronger: str | None, *, clock: Clock
) -> str:
    user = session.get_one(StaffUser, user_id)
    session.get_one(LoginAttempt, attempt_id).succeeded = True
    user.password_hash = stronger or user.password_hash
    token = new_token()
    now = clock()
    session.add(
        StaffSession(
            token_sha256=sha256_hex(token.encode()), user_id=user.id, created_at=now, seen_at=now
        )
    )
    # Rows of the past have done their work; deleting them here keeps the tables small.
    session.exec(delete(StaffSession).where(col(StaffSession.created_at) < now - ABSOLUTE))
    session.exec(delete(LoginAttempt).where(col(LoginAttempt.at) < now - _WINDOW))
    actor = Actor(id=user.id, role=user.role, name=user.name)
    record_audit(session, actor, "sign_in", ("staff_user", user.id), clock=clock)
    return token


def _refuse_too_soon(session: Session, username: str, address: str, *, now: datetime) -> None:
    waits = [
        _wait_left(session, col(LoginAttempt.username) == username, _FREE_BY_ACCOUNT, now),
        _wait_left(session, col(LoginAttempt.address) == address[:45], _FREE_BY_ADDRESS, now),
    ]
    longest = max(waits)
    if longest > timedelta(0):
        raise TooManyTriesError(int(longest.total_seconds()) + 1)


def _wait_left(session: Session, whose: ColumnElement[bool], free: int, now: datetime) -> timedelta:
    of_window = select(LoginAttempt).where(whose, col(LoginAttempt.at) > now - _WINDOW)
    last_success = session.exec(
        of_window.where(col(LoginAttempt.succeeded)).order_by(col(LoginAttempt.at).desc()).limit(1)
    ).first()
    failed = select(func.count(), func.max(LoginAttempt.at)).where(
        whose,
        col(LoginAttempt.at) > (last_success.at if last_success else now - _WINDOW),
        col(LoginAttempt.succeeded).is_(False),
    )
    count, last_at = session.exec(failed).one()
    if not count:
        return timedelta(0)
    return last_at + wait_after(count, free=free) - now


def find_signed_in(engine: Engine, token: str, *, clock: Clock) -> SignedIn | None:
    """Return who a cookie stands for, and note that they were here; None if it has ended."""
    key = sha256_hex(token.encode())
    now = clock()
    with reading(engine) as session:
        row = session.exec(
            select(StaffSession, StaffUser, Office)
            .join(StaffUser, col(StaffSession.user_id) == StaffUser.id)
            .join(Office, col(StaffUser.office_id) == Office.id)
            .where(StaffSession.token_sha256 == key)
        ).first()
    if row is None:
        return None
    open_session, user, office = row
    idle, age = now - open_session.seen_at, now - open_session.created_at
    if not user.active or idle > IDLE or age > ABSOLUTE:
        return None
    if idle > _SEEN_EVERY:
        with transaction(engine) as session:
            current = session.get(StaffSession, key)
            if current is not None:
                current.seen_at = now
    actor = Actor(id=user.id, role=user.role, name=user.name, office_path=office.path)
    return SignedIn(actor, user.username, office.name_vi, office.name_en)


def get_signed_in(engine: Engine, token: str | None, *, clock: Clock) -> SignedIn:
    """Return who a cookie stands for.

    Raises:
        SignInNeededError: there is no cookie, or its session has ended.
    """
    person = find_signed_in(engine, token, clock=clock) if token else None
    if person is None:
        raise SignInNeededError
    return person


def sign_out(session: Session, token: str) -> None:
    """End one session; ending it twice is a no-op."""
    key = sha256_hex(token.encode())
    session.exec(delete(StaffSession).where(col(StaffSession.token_sha256) == key))
