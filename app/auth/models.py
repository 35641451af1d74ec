"""Tables of the people who work here, their sessions and their tries to sign in."""

from datetime import datetime
from functools import partial

from sqlalchemy import CheckConstraint, Column
from sqlmodel import Field, SQLModel

from core.actors import Role
from core.db import UtcDateTime, enum_text
from core.ids import new_id


class StaffUser(SQLModel, table=True):
    """Somebody with an account; sees the subtree of ``office_id``."""

    __tablename__ = "staff_user"
    __table_args__ = (
        CheckConstraint("username = lower(username)", name="username_lower"),
        CheckConstraint("role IN ('officer', 'approver', 'auditor', 'admin')", name="staff_role"),
    )

    id: str = Field(default_factory=partial(new_id, "usr"), primary_key=True)
    username: str = Field(unique=True, max_length=80)
    name: str
    role: Role = Field(sa_column=Column(enum_text(Role), nullable=False))
    office_id: str = Field(foreign_key="office.id", index=True)
    password_hash: str
    active: bool = True
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    password_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class StaffSession(SQLModel, table=True):
    """A signed-in browser, known by the SHA-256 of its cookie; ended by deleting the row."""

    __tablename__ = "staff_session"

    token_sha256: str = Field(primary_key=True, max_length=64)
    user_id: str = Field(foreign_key="staff_user.id", index=True)
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    seen_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))


class LoginAttempt(SQLModel, table=True):
    """One try to sign in, written before the password is looked at."""

    __tablename__ = "login_attempt"

    id: str = Field(default_factory=partial(new_id, "log"), primary_key=True)
    username: str = Field(index=True, max_length=80)
    address: str = Field(index=True, max_length=45)
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False, index=True))
    succeeded: bool = False
