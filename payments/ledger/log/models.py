"""Tables of the public log: what waits for it, its leaves, tiles of its tree, keys, checkpoints."""

from datetime import datetime
from enum import StrEnum
from functools import partial

from sqlalchemy import BigInteger, Column, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from core.db import UtcDateTime, enum_text
from core.ids import new_id


class LeafKind(StrEnum):
    """What a leaf tells: an entry of the journal, or that a person's part of one was erased."""

    ENTRY = "entry"
    ERASURE = "erasure"


class LogQueued(SQLModel, table=True):
    """What is to become a leaf; written by triggers in the transaction of the fact itself."""

    __tablename__ = "log_queue"

    kind: LeafKind = Field(sa_column=Column(enum_text(LeafKind), primary_key=True, nullable=False))
    entry_id: str = Field(primary_key=True)


class LogEntry(SQLModel, table=True):
    """A leaf: its bytes and, of an entry, the salt of what the books say of it (hex)."""

    __tablename__ = "log_entry"
    __table_args__ = (UniqueConstraint("entry_id", "kind"),)

    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    kind: LeafKind = Field(sa_column=Column(enum_text(LeafKind), nullable=False))
    entry_id: str = Field(foreign_key="journal_entry.id")
    leaf: str
    salt: str
    appended_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class LogSalt(SQLModel, table=True):
    """The salt (hex) of a person's part of an entry; without it nobody can show what that was.

    A row may only be deleted, which a trigger makes a leaf of the log.
    """

    __tablename__ = "log_salt"

    entry_id: str = Field(primary_key=True, foreign_key="journal_entry.id")
    salt: str


class LogTile(SQLModel, table=True):
    """256 hashes of a level of the tree, complete, and the one over them (C2SP tlog-tiles).

    Tile ``place`` of tile level ``level`` holds the hashes from 256 × ``place`` of tree level
    8 × ``level``.
    """

    __tablename__ = "log_tile"

    level: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    place: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hashes: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    root: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class LogKey(SQLModel, table=True):
    """A key that signs checkpoints, its private half sealed.

    ``verifier`` is the public half as C2SP signed-note writes it; ``origin`` names the log and
    never changes. ``endorsement`` is a note by which the key before this one names it.
    """

    __tablename__ = "log_key"

    id: str = Field(default_factory=partial(new_id, "lgk"), primary_key=True)
    origin: str
    verifier: str = Field(unique=True)
    sealed: bytes
    endorsement: str = ""
    created_by: str
    created_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
    retired_at: datetime | None = Field(default=None, sa_column=Column(UtcDateTime))


class LogCheckpoint(SQLModel, table=True):
    """A signed head of the log: how many leaves, their root (hex), and the note that says so."""

    __tablename__ = "log_checkpoint"

    id: str = Field(default_factory=partial(new_id, "lgc"), primary_key=True)
    size: int = Field(sa_column=Column(BigInteger, nullable=False, index=True))
    root: str
    note: str
    signed_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class LogWitness(SQLModel, table=True):
    """Another office that is asked to sign the heads of the log; ``verifier`` is its key."""

    __tablename__ = "log_witness"

    verifier: str = Field(primary_key=True)
    url: str
    added_at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))


class LogCosignature(SQLModel, table=True):
    """The signature line by which a witness says that it saw a head, and that it goes on."""

    __tablename__ = "log_cosignature"

    checkpoint_id: str = Field(primary_key=True, foreign_key="log_checkpoint.id")
    verifier: str = Field(primary_key=True)
    line: str
    at: datetime = Field(sa_column=Column(UtcDateTime, nullable=False))
