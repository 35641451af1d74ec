"""What commands that touch the database share: the wired context and who is acting."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.actors import Actor
    from scheduler.context import JobContext


def open_context() -> JobContext:
    """Return the wired context of this installation.

    Raises:
        SettingsError: the database has no tables yet.
    """
    from sqlalchemy import inspect  # noqa: PLC0415

    from core.errors import SettingsError  # noqa: PLC0415
    from core.settings import get_settings  # noqa: PLC0415
    from scheduler.wiring import make_context  # noqa: PLC0415

    context = make_context(get_settings())
    if not inspect(context.engine).has_table("alembic_version"):
        raise SettingsError("the database has no tables yet: run doisoat migrate")
    return context


def operator() -> Actor:
    """Return the operator at the machine: who can run commands here may do what the system may.

    The name of the operating system's user goes into the audit trail.
    """
    from core.actors import Actor, Role  # noqa: PLC0415

    user = getpass.getuser()
    return Actor(id=f"cli:{user}", role=Role.SYSTEM, name=user, office_path="/")


def print_json(value: Any) -> None:
    """Print one JSON object on one line, for programs."""
    print(json.dumps(value, ensure_ascii=False, default=str))
