"""Use cases of staff accounts; each runs inside the caller's transaction."""

import re
from collections.abc import Iterable
from typing import Final

from sqlmodel import Session, col, delete, select

from app.auth.errors import UserExistsError, UserInvalidError, UserNotFoundError
from app.auth.models import StaffSession, StaffUser
from app.auth.passwords import Passwords
from core.actors import Actor, Role
from core.audit import record_audit
from core.clock import Clock
from payments.models import ApiClient, Office

STAFF_ROLES: Final = (Role.OFFICER, Role.APPROVER, Role.AUDITOR, Role.ADMIN)
"""Roles that people with an account have."""

_USERNAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{1,79}")


def create_user(  # noqa: PLR0913 - an account is all of these
    session: Session,
    *,
    username: str,
    name: str,
    role: Role,
    office_code: str,
    password: str,
    passwords: Passwords,
    actor: Actor,
    clock: Clock,
) -> StaffUser:
    """Make an account for somebody who sees the subtree of an office.

    Raises:
        UserInvalidError: user name, name, role, office or password is not acceptable.
        UserExistsError: the user name is taken.
    """
    username = username.strip().lower()
    if not _USERNAME.fullmatch(username):
        raise UserInvalidError("a user name has 2 to 80 letters a-z, digits or . _ @ -")
    if role not in STAFF_ROLES:
        raise UserInvalidError(f"{role} is no role of staff")
    if not name.strip():
        raise UserInvalidError("a name is needed")
    office = session.exec(select(Office).where(Office.code == office_code)).first()
    if office is None:
        raise UserInvalidError("no office has this code")
    if find_user(session, username) is not None:
        raise UserExistsError(username)
    user = StaffUser(
        username=username,
        name=name.strip(),
        role=role,
        office_id=office.id,
        password_hash=passwords.make_hash(password),
        created_at=clock(),
        password_at=clock(),
    )
    session.add(user)
    session.flush()
    record_audit(
        session, actor, "create_user", ("staff_user", user.id), clock=clock,
        after={"username": username, "role": role.value, "office": office_code},
    )  # fmt: skip
    return user


def find_user(session: Session, username: str) -> StaffUser | None:
    """Return the account with this user name, whatever its capitals."""
    return session.exec(
        select(StaffUser).where(StaffUser.username == username.strip().lower())
    ).first()


def get_user(session: Session, username: str) -> StaffUser:
    """Return the account with this user name.

    Raises:
        UserNotFoundError: nobody has it.
    """
    user = find_user(session, username)
    if user is None:
        raise UserNotFoundError(username)
    return user


def set_password(
    session: Session,
    user: StaffUser,
    password: str,
    *,
    passwords: Passwords,
    actor: Actor,
    clock: Clock,
) -> StaffUser:
    """Give an account a new password and end all its sessions.

    Raises:
        UserInvalidError: the password is shorter or longer than allowed.
    """
    user.password_hash = passwords.make_hash(password)
    user.password_at = clock()
    session.add(user)
    end_sessions(session, user)
    record_audit(session, actor, "set_password", ("staff_user", user.id), clock=clock)
    return user


def set_active(
    session: Session, user: StaffUser, *, active: bool, actor: Actor, clock: Clock
) -> StaffUser:
    """Switch an account off (its sessions end at once) or on again."""
    before, user.active = user.active, active
    session.add(user)
    if not active:
        end_sessions(session, user)
    record_audit(
        session, actor, "set_active", ("staff_user", user.id), clock=clock,
        before={"active": before}, after={"active": active},
    )  # fmt: skip
    return user


def list_users(session: Session, *, scope: str) -> list[tuple[StaffUser, Office]]:
    """Return the accounts whose office lies in the subtree ``scope``, by user name."""
    query = (
        select(StaffUser, Office)
        .join(Office, col(StaffUser.office_id) == Office.id)
        .where(col(Office.path).startswith(scope, autoescape=True))
        .order_by(StaffUser.username)
    )
    return list(session.exec(query)) if scope else []


def end_sessions(session: Session, user: StaffUser) -> None:
    """Sign somebody out everywhere."""
    session.exec(delete(StaffSession).where(col(StaffSession.user_id) == user.id))


def list_resolvers(session: Session, office_path: str) -> list[StaffUser]:
    """Return the active officers and approvers who see an office, by name."""
    pairs = session.exec(
        select(StaffUser, Office.path)
        .join(Office, col(StaffUser.office_id) == Office.id)
        .where(col(StaffUser.role).in_([Role.OFFICER, Role.APPROVER]), col(StaffUser.active))
        .order_by(StaffUser.name)
    )
    return [user for user, path in pairs if office_path.startswith(path)]


def names_of(session: Session, user_ids: Iterable[str | None]) -> dict[str, str]:
    """Return the names of people and portals by their ids; the system has none here."""
    wanted = {one for one in user_ids if one}
    people = select(StaffUser.id, StaffUser.name).where(col(StaffUser.id).in_(wanted))
    portals = select(ApiClient.id, ApiClient.name).where(col(ApiClient.id).in_(wanted))
    return dict(session.exec(people).all()) | dict(session.exec(portals).all())
