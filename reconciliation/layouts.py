"""Layouts of tables that an office has saved: one account each, changed by another version."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from payments.models import CollectingAccount
from reconciliation.errors import AccountUnknownError, LayoutInvalidError, LayoutUnknownError
from reconciliation.identity import normalise_account
from reconciliation.intake.files import require_scope
from reconciliation.models import SavedLayout


def save_layout(
    session: Session,
    profile: Mapping[str, Any],
    *,
    account_number: str,
    actor: Actor,
    clock: Clock,
) -> SavedLayout:
    """Save a layout for an account; one of the same name becomes its next version.

    Raises:
        PermissionDeniedError: the account is of other offices.
        AccountUnknownError: nobody here has this account.
        LayoutInvalidError: the name is one of another account's layout.
    """
    account = _account(session, account_number)
    before = _last(session, str(profile["name"]))
    if before is not None and before.account_id != account.id:
        raise LayoutInvalidError(f"{before.name} is a layout of another account")
    return _add(session, profile, account, before, actor=actor, clock=clock)


def withdraw_layout(session: Session, name: str, *, actor: Actor, clock: Clock) -> SavedLayout:
    """Let a layout read nothing more; files it has read stay as they are.

    Raises:
        PermissionDeniedError: its account is of other offices.
        LayoutUnknownError: none of this name is in use.
    """
    last = _last(session, name)
    if last is None or last.withdrawn:
        raise LayoutUnknownError(f"no saved layout is called {name!r}")
    account = session.get_one(CollectingAccount, last.account_id)
    return _add(session, last.profile, account, last, actor=actor, clock=clock, withdrawn=True)


def _add(
    session: Session,
    profile: Mapping[str, Any],
    account: CollectingAccount,
    before: SavedLayout | None,
    *,
    actor: Actor,
    clock: Clock,
    withdrawn: bool = False,
) -> SavedLayout:
    actor.require(Permission.IMPORT_STATEMENTS)
    require_scope(session, [account], actor)
    version = 1 if before is None else before.version + 1
    layout = SavedLayout(
        name=str(profile["name"]),
        version=version,
        account_id=account.id,
        profile=dict(profile) | {"version": version},
        saved_by=actor.id,
        saved_at=clock(),
        withdrawn=withdrawn,
    )
    session.add(layout)
    session.flush()
    record_audit(
        session,
        actor,
        "withdraw_layout" if withdrawn else "save_layout",
        ("statement_layout", layout.id),
        clock=clock,
        before=None if before is None else dict(before.profile),
        after=dict(layout.profile),
    )
    return layout


def list_layouts(session: Session) -> list[SavedLayout]:
    """Return the last version of each layout that is in use, by name."""
    last: dict[str, SavedLayout] = {}
    for layout in session.exec(
        select(SavedLayout).order_by(col(SavedLayout.name), col(SavedLayout.version))
    ):
        last[layout.name] = layout
    return [layout for layout in last.values() if not layout.withdrawn]


def _last(session: Session, name: str) -> SavedLayout | None:
    query = select(SavedLayout).where(SavedLayout.name == name)
    return session.exec(query.order_by(col(SavedLayout.version).desc())).first()


def _account(session: Session, number: str) -> CollectingAccount:
    wanted = normalise_account(number)
    for account in session.exec(select(CollectingAccount)):
        if normalise_account(account.account_number) == wanted:
            return account
    raise AccountUnknownError(f"account {number!r} is not known here")
