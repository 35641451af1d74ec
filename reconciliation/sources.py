"""Sources of statement files: written down, switched, opened, and what became of each fetch."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session, col, delete, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.crypto import Vault, sha256_hex
from core.errors import DoisoatError
from reconciliation.errors import SourceInvalidError, SourceNotFoundError
from reconciliation.ports import SourceAccess
from reconciliation.source_models import ConfiguredSource, SourceMark

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_RESERVED: Final = frozenset({"folder", "upload"})
"""Names under which files arrive otherwise."""

_ERROR_LENGTH: Final = 300
_TURNED_AWAY: Final = frozenset({"S043", "S044"})
"""A server that is not the one it should be, or that refuses our name and secret."""

PATIENCE: Final = timedelta(hours=1)
"""A source that turned us away is left alone for so long: who knocks on, is locked out."""


def set_source(
    session: Session, access: SourceAccess, *, vault: Vault, actor: Actor, clock: Clock
) -> ConfiguredSource:
    """Write down a source, or change the one of this name; its secrets stay if none is given.

    What failed before is forgotten: the next fetch asks at once.

    Raises:
        SourceInvalidError: the name cannot be used, or is that of a source of another kind.
    """
    actor.require(Permission.ADMINISTER)
    if not _NAME.fullmatch(access.name) or access.name in _RESERVED:
        raise SourceInvalidError("a name is of a to z, 0 to 9 and -, and neither folder nor upload")
    source = find_source(session, access.name)
    before = None if source is None else _facts(source)
    secrets = access.secrets
    if source is None:
        source = ConfiguredSource(name=access.name, kind=access.kind, config={}, sealed=b"")
    elif not secrets:
        secrets = open_access(source, vault=vault).secrets
    if source.kind is not access.kind:
        raise SourceInvalidError(f"{access.name} is of kind {source.kind}: remove it first")
    source.config = dict(access.config)
    source.last_error_code, source.last_error = "", ""
    source.sealed = vault.encrypt(json.dumps(dict(secrets)).encode(), place=_place(source))
    session.add(source)
    session.flush()
    changed = _facts(source) | {"secrets_stored": sorted(access.secrets)}
    _audit(session, actor, "set_source", source, clock, before=before, after=changed)
    return source


def switch_source(
    session: Session, source: ConfiguredSource, *, active: bool, actor: Actor, clock: Clock
) -> None:
    """Fetch from a source from now on, or no more."""
    actor.require(Permission.ADMINISTER)
    before = _facts(source)
    source.active = active
    session.add(source)
    _audit(session, actor, "switch_source", source, clock, before=before, after=_facts(source))


def remove_source(
    session: Session, source: ConfiguredSource, *, actor: Actor, clock: Clock
) -> None:
    """Forget a source and its secrets; the files that came from it stay."""
    actor.require(Permission.ADMINISTER)
    session.exec(delete(SourceMark).where(col(SourceMark.source_id) == source.id))
    session.delete(source)
    _audit(session, actor, "remove_source", source, clock, before=_facts(source))


def find_source(session: Session, name: str) -> ConfiguredSource | None:
    """Return the source of this name, if there is one."""
    return session.exec(select(ConfiguredSource).where(ConfiguredSource.name == name)).first()


def get_source(session: Session, name: str) -> ConfiguredSource:
    """Return the source of this name.

    Raises:
        SourceNotFoundError: there is none.
    """
    if (found := find_source(session, name)) is None:
        raise SourceNotFoundError(f"no source {name[:40]!r}")
    return found


def list_sources(session: Session) -> list[ConfiguredSource]:
    """Return every source by its name."""
    return list(session.exec(select(ConfiguredSource).order_by(col(ConfiguredSource.name))))


def open_access(source: ConfiguredSource, *, vault: Vault) -> SourceAccess:
    """Return what is needed to fetch from a source.

    Raises:
        DecryptionError: its secrets were sealed with a key that is not here.
    """
    secrets: Mapping[str, str] = json.loads(vault.decrypt(source.sealed, place=_place(source)))
    return SourceAccess(source.name, source.kind, dict(source.config), secrets)


def record_fetch(
    session: Session, source_id: str, *, files: int, problem: Exception | None, clock: Clock
) -> None:
    """Write down how a fetch went: how many files were new, and what failed, if anything.

    A source that was removed meanwhile is none any more.
    """
    source = session.get(ConfiguredSource, source_id, with_for_update=True)
    if source is None:
        return
    source.last_fetch_at = clock()
    source.files_count += files
    source.last_error_code, source.last_error = _told(problem)
    session.add(source)


def is_left_alone(source: ConfiguredSource, now: datetime) -> bool:
    """Whether a source turned us away so lately that asking again would only harm."""
    asked = source.last_fetch_at
    return source.last_error_code in _TURNED_AWAY and asked is not None and now < asked + PATIENCE


def list_marks(session: Session, source_id: str) -> set[str]:
    """Return the digests of the files that were taken from a source and stayed there."""
    query = select(SourceMark.mark).where(SourceMark.source_id == source_id)
    return set(session.exec(query))


def keep_mark(session: Session, source_id: str, digest: str) -> None:
    """Remember that a file was taken; once more changes nothing."""
    session.merge(SourceMark(source_id=source_id, mark=digest))


def digest_of(mark: str) -> str:
    """Return what a file is remembered by: short, and of plain letters whatever it is called."""
    return sha256_hex(mark.encode(errors="surrogateescape"))


def _told(problem: Exception | None) -> tuple[str, str]:
    if problem is None:
        return "", ""
    if isinstance(problem, DoisoatError):
        return problem.code, problem.detail[:_ERROR_LENGTH]
    return DoisoatError.code, type(problem).__name__


def _place(source: ConfiguredSource) -> str:
    return f"statement_source.sealed.{source.id}"


def _facts(source: ConfiguredSource) -> dict[str, object]:
    return {
        "name": source.name,
        "kind": source.kind.value,
        "config": dict(source.config),
        "active": source.active,
    }


def _audit(
    session: Session,
    actor: Actor,
    action: str,
    source: ConfiguredSource,
    clock: Clock,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> None:
    about = ("statement_source", source.id)
    record_audit(session, actor, action, about, clock=clock, before=before, after=after)
