"""Who acts: people and programs, their roles, and what each role may do."""

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final

from core.errors import DoisoatError


class Role(StrEnum):
    """What somebody is to the installation."""

    CITIZEN = "citizen"
    PORTAL = "portal"
    OFFICER = "officer"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADMIN = "admin"
    SYSTEM = "system"


class Permission(StrEnum):
    """What may be done; checked by name, never by role."""

    ISSUE_BILLS = "issue_bills"
    REVIEW = "review"
    RESOLVE = "resolve"
    APPROVE = "approve"
    IMPORT_STATEMENTS = "import_statements"
    RUN_JOBS = "run_jobs"
    READ_BOOKS = "read_books"
    EXPORT = "export"
    ADMINISTER = "administer"


PERMISSIONS: Final[dict[Role, frozenset[Permission]]] = {
    Role.CITIZEN: frozenset(),
    Role.PORTAL: frozenset({Permission.ISSUE_BILLS}),
    Role.OFFICER: frozenset(
        {
            Permission.ISSUE_BILLS,
            Permission.REVIEW,
            Permission.RESOLVE,
            Permission.IMPORT_STATEMENTS,
            Permission.RUN_JOBS,
        }
    ),
    Role.APPROVER: frozenset(
        {Permission.REVIEW, Permission.RESOLVE, Permission.APPROVE, Permission.RUN_JOBS}
    ),
    Role.AUDITOR: frozenset({Permission.REVIEW, Permission.READ_BOOKS, Permission.EXPORT}),
    Role.ADMIN: frozenset({Permission.ADMINISTER, Permission.REVIEW, Permission.RUN_JOBS}),
    Role.SYSTEM: frozenset(Permission),
}


class PermissionDeniedError(DoisoatError):
    """The actor may not do this."""

    code = "A001"
    status = HTTPStatus.FORBIDDEN
    title = "You may not do this"


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody or something that acts; ``office_path`` is the subtree they may see.

    A path looks like ``/22/06712/``; an empty one sees nothing, ``/`` everything.
    """

    id: str
    role: Role
    name: str = ""
    office_path: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether this actor has the permission."""
        return permission in PERMISSIONS[self.role]

    def require(self, permission: Permission) -> None:
        """Refuse unless this actor has the permission.

        Raises:
            PermissionDeniedError: it has not.
        """
        if not self.may(permission):
            raise PermissionDeniedError(f"{self.role} may not {permission.replace('_', ' ')}")

    def sees(self, office_path: str) -> bool:
        """Whether an office lies in this actor's subtree."""
        return bool(self.office_path) and office_path.startswith(self.office_path)


SYSTEM: Final = Actor(id="system", role=Role.SYSTEM, name="doisoat", office_path="/")
"""The software itself, when no person asked for what it does."""
