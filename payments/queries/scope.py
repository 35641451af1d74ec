"""Which offices and accounts a reader sees, and reading long lists in parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from sqlalchemy import ColumnElement, false, func, true
from sqlalchemy.orm import Mapped
from sqlmodel import Session, SQLModel, col, select
from sqlmodel.sql.expression import SelectOfScalar

from payments.models import (
    CollectingAccount,
    Office,
)

PAGE_SIZE: Final = 25


MAX_HITS: Final = 50


ROOT: Final = "/"


Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A part of a list: its rows, which part it is (from 1), and how many rows there are."""

    rows: list[Row]
    number: int
    total: int
    size: int = PAGE_SIZE

    @property
    def pages(self) -> int:
        """How many parts the list has; at least one."""
        return max(1, -(-self.total // self.size))


def office_in(scope: str) -> ColumnElement[bool]:
    """Return the condition that the joined ``Office`` lies in the subtree."""
    if not scope:
        return false()
    return true() if scope == ROOT else col(Office.path).startswith(scope, autoescape=True)


def office_ids(scope: str) -> SelectOfScalar[str]:
    """Return the query of the ids of all offices in the subtree."""
    return select(Office.id).where(office_in(scope))


def account_in(column: Mapped[str] | Mapped[str | None], scope: str) -> ColumnElement[bool]:
    """Return the condition that a collecting account belongs to an office in the subtree.

    An account that no office bears is for those only who see everything.
    """
    if scope == ROOT:
        return true()
    return column.in_(select(Office.account_id).where(office_in(scope)))


def paginate(session: Session, query: SelectOfScalar[Row], number: int) -> Page[Row]:
    """Return one part of a query's rows; a number beyond the last gives the last."""
    bare = query.order_by(None).subquery()
    total = session.scalar(select(func.count()).select_from(bare)) or 0
    number = min(max(1, number), max(1, -(-total // PAGE_SIZE)))
    rows = session.exec(query.limit(PAGE_SIZE).offset((number - 1) * PAGE_SIZE)).all()
    return Page(list(rows), number, total)


def list_offices(session: Session, *, scope: str) -> list[Office]:
    """Return the offices of the subtree, a parent before its children."""
    return list(session.exec(select(Office).where(office_in(scope)).order_by(Office.path)))


def list_accounts(session: Session, *, scope: str) -> list[CollectingAccount]:
    """Return the collecting accounts of the subtree, by number."""
    query = (
        select(CollectingAccount)
        .where(account_in(col(CollectingAccount.id), scope))
        .order_by(CollectingAccount.account_number)
    )
    return list(session.exec(query))


Table = TypeVar("Table", bound=SQLModel)


def by_id(session: Session, table: type[Table], ids: Sequence[str | None]) -> dict[str, Table]:
    """Return rows of a table by their ids; those that do not exist are left out."""
    wanted = {one for one in ids if one}
    if not wanted:
        return {}
    rows = session.scalars(select(table).where(table.id.in_(wanted)))  # type: ignore[attr-defined]
    return {row.id: row for row in rows}  # type: ignore[attr-defined]
