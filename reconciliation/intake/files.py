"""The raw file of any evidence: stored once, sealed, with the report of what became of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlmodel import Session, select

from core.actors import Actor, PermissionDeniedError
from core.audit import record_audit
from core.clock import Clock
from core.crypto import Vault
from core.ids import new_id
from payments.models import CollectingAccount, Office
from reconciliation import identity
from reconciliation.models import (
    EvidenceFile,
    FileKind,
)
from reconciliation.ports import (
    Outcome,
    Problem,
)


@dataclass(slots=True)
class ImportReport:
    """What became of a file: how many lines are new, how many were known already."""

    file_id: str
    name: str
    outcome: Outcome
    known_file: bool = False
    lines_added: int = 0
    lines_known: int = 0
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A file as it arrived: its bytes, where from, and who brought it."""

    content: bytes
    source: str
    actor: Actor


def raw_file(file: EvidenceFile, *, vault: Vault) -> bytes:
    """Return the bytes of a stored file as they came."""
    return vault.decrypt(file.sealed, place=f"evidence_file.sealed.{file.id}")


def known_file(session: Session, sha256: str) -> ImportReport | None:
    """Return the report of a file that was taken in; a held or refused one is looked at anew."""
    file = _find_file(session, sha256)
    if file is None or file.outcome is not Outcome.OK:
        return None
    stored = dict(file.report)
    problems = [Problem(**problem) for problem in stored.get("problems", [])]
    return ImportReport(
        file.id,
        file.name,
        file.outcome,
        known_file=True,
        lines_known=stored.get("lines_added", 0) + stored.get("lines_known", 0),
        problems=problems,
    )


def _find_file(session: Session, sha256: str) -> EvidenceFile | None:
    return session.exec(select(EvidenceFile).where(EvidenceFile.sha256 == sha256)).first()


def require_scope(session: Session, accounts: Sequence[CollectingAccount], actor: Actor) -> None:
    """Refuse evidence of accounts on which none of the actor's offices collects.

    Raises:
        PermissionDeniedError: there is such an account.
    """
    for account in accounts:
        paths = session.exec(select(Office.path).where(Office.account_id == account.id)).all()
        if actor.office_path != "/" and not any(actor.sees(path) for path in paths):
            raise PermissionDeniedError("the file is of an account of other offices")


def store_file(
    session: Session,
    what: tuple[FileKind, str, str],
    report: ImportReport,
    delivery: Delivery,
    vault: Vault,
    clock: Clock,
) -> EvidenceFile:
    """Keep a file sealed, with its report; one that was held or refused before keeps its row."""
    kind, name, file_format = what
    again = _find_file(session, identity.file_sha256(delivery.content))
    if again is not None:  # it was held or refused before
        report.known_file = again.outcome is report.outcome
        again.outcome, report.file_id = report.outcome, again.id
        again.report, again.format = as_json(report), file_format
        session.add(again)
        _audit_file(session, delivery.actor, again, clock)
        return again
    report.file_id = new_id("fil")
    file = EvidenceFile(
        id=report.file_id,
        sha256=identity.file_sha256(delivery.content),
        kind=kind,
        name=name,
        format=file_format,
        outcome=report.outcome,
        report=as_json(report),
        sealed=vault.encrypt(delivery.content, place=f"evidence_file.sealed.{report.file_id}"),
        size=len(delivery.content),
        source=delivery.source,
        imported_by=delivery.actor.id,
        received_at=clock(),
    )
    session.add(file)
    session.flush()
    _audit_file(session, delivery.actor, file, clock)
    return file


def _audit_file(session: Session, actor: Actor, file: EvidenceFile, clock: Clock) -> None:
    record_audit(
        session,
        actor,
        f"import_{file.kind}",
        ("evidence_file", file.id),
        clock=clock,
        after={"outcome": file.outcome.value, "sha256": file.sha256},
    )


def as_json(report: ImportReport) -> dict[str, Any]:
    """Return a report as it is stored with its file."""
    return asdict(report) | {"outcome": report.outcome.value}
