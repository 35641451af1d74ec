"""A reconciliation run on the database: compare everything of an account, apply the difference.

Each run decides from scratch, so that the result never depends on the order in which files
arrived. What is new is booked, what no longer stands is undone by reversing entries, what people
decided is left alone.
"""

import hashlib
import zlib
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pandas as pd
from sqlmodel import Session, SQLModel, col, select

from core.actors import Actor
from core.clock import Clock
from payments.ledger.models import LedgerAccount
from payments.models import CollectingAccount, Payment
from reconciliation import mismatches
from reconciliation.booking import book_match, unbook_match
from reconciliation.exports import input_texts
from reconciliation.matching import engine as matcher
from reconciliation.matching.model import VERSION, MatchInputs, MatchResult
from reconciliation.models import (
    FrozenInput,
    Match,
    MatchItem,
    Mismatch,
    ReconciliationRun,
    Resolution,
    SettlementLine,
    StatementLine,
)
from reconciliation.population import read_inputs
from reconciliation.states import (
    ItemKind,
    Layer,
    MatchStatus,
    MismatchStatus,
    MismatchType,
    ResolutionKind,
    ResolutionStatus,
)

BY_ENGINE: Final = "engine"
"""``Match.decided_by`` of automatic matches; else the id of the person who decided."""

Item = tuple[Layer, ItemKind, str]


@dataclass(frozen=True, slots=True)
class _Decided:
    """Items that people have settled, and so are not the engine's to judge."""

    items: frozenset[Item]

    def of(self, kind: ItemKind, *, layers: frozenset[Layer]) -> frozenset[str]:
        return frozenset(i for layer, k, i in self.items if k is kind and layer in layers)


def run_reconciliation(
    session: Session, account: CollectingAccount, *, as_of: date, clock: Clock, actor: Actor
) -> ReconciliationRun | None:
    """Compare an account as of a day and apply what follows; None if nothing has changed.

    The inputs are frozen with the run, so that anybody can repeat it from the export. Runs of one
    account wait for each other.
    """
    session.get_one(CollectingAccount, account.id, with_for_update={"key_share": True})
    decided = _decided(session, account.id)
    inputs = read_inputs(
        session,
        account,
        as_of=as_of,
        decided_payments=decided.of(ItemKind.PAYMENT, layers=frozenset(Layer)),
        decided_lines=decided.of(ItemKind.BANK, layers=frozenset(Layer)),
    )
    texts = input_texts(inputs)
    digests = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    if _same_as_last(session, account.id, digests):
        return None
    result = matcher.run(inputs)
    run = ReconciliationRun(
        account_id=account.id,
        as_of=as_of,
        started_at=clock(),
        engine=f"local {VERSION}",
        inputs=digests,
        summary=_summary(result, inputs, digests),
    )
    session.add(run)
    session.flush()
    _freeze(session, texts, digests)
    kept = _keep_loaded(session, account.id)
    _apply_matches(session, run, result, decided, clock=clock)
    _apply_mismatches(session, run, result, decided, actor=actor, clock=clock)
    session.add(run)
    session.flush()
    del kept
    return run


def last_run(session: Session, account_id: str) -> ReconciliationRun | None:
    """Return the newest run of an account."""
    return session.exec(
        select(ReconciliationRun)
        .where(ReconciliationRun.account_id == account_id)
        .order_by(col(ReconciliationRun.started_at).desc(), col(ReconciliationRun.id).desc())
    ).first()


def frozen_input(session: Session, run: ReconciliationRun, name: str) -> bytes:
    """Return an input of a run, byte for byte as it was compared."""
    return zlib.decompress(session.get_one(FrozenInput, run.inputs[name]).content)


def _decided(session: Session, account_id: str) -> _Decided:
    by_people = session.exec(
        select(MatchItem)
        .join(Match, col(Match.id) == col(MatchItem.match_id))
        .where(Match.account_id == account_id, Match.status == MatchStatus.ACTIVE)
        .where(Match.decided_by != BY_ENGINE)
    )
    items = {(item.layer, item.item_kind, item.item_id) for item in by_people}
    resolved = session.exec(
        select(Mismatch)
        .join(Resolution, col(Resolution.mismatch_id) == col(Mismatch.id))
        .where(Mismatch.account_id == account_id, Mismatch.status == MismatchStatus.RESOLVED)
        .where(Resolution.status == ResolutionStatus.DONE)
        .where(Resolution.kind != ResolutionKind.ACCEPT)
    )
    items |= {(row.layer, row.item_kind, row.item_id) for row in resolved}
    return _Decided(frozenset(items))


def _keep_loaded(session: Session, account_id: str) -> list[SQLModel]:
    """Load what applying a result looks up one by one; the session forgets what nobody holds."""
    kept: list[SQLModel] = list(session.exec(select(LedgerAccount)))
    for table in (Payment, SettlementLine, StatementLine):
        kept += session.exec(select(table).where(col(table.account_id) == account_id))
    return kept


def _same_as_last(session: Session, account_id: str, digests: dict[str, str]) -> bool:
    last = last_run(session, account_id)
    return last is not None and last.inputs == digests and last.engine == f"local {VERSION}"


def _summary(result: MatchResult, inputs: MatchInputs, digests: dict[str, str]) -> dict[str, Any]:
    rows = {
        "payments": len(inputs.payments),
        "settlements": len(inputs.settlements),
        "bank": len(inputs.bank),
    }
    return result.summary | {
        "engine": "local",
        "inputs": {
            name: {"rows": count, "sha256": digests[f"{name}.csv"]} for name, count in rows.items()
        },
    }


def _freeze(session: Session, texts: dict[str, bytes], digests: dict[str, str]) -> None:
    for name, text in texts.items():
        if session.get(FrozenInput, digests[name]) is None:
            session.add(FrozenInput(sha256=digests[name], content=zlib.compress(text, 6)))
    session.flush()


def _apply_matches(
    session: Session,
    run: ReconciliationRun,
    result: MatchResult,
    decided: _Decided,
    *,
    clock: Clock,
) -> None:
    wanted = {
        key: rows
        for key, rows in _grouped(result.matches)
        if not any(_item(row) in decided.items for row in rows)
    }
    active = session.exec(
        select(Match)
        .where(Match.account_id == run.account_id, Match.status == MatchStatus.ACTIVE)
        .where(Match.decided_by == BY_ENGINE)
        .order_by(col(Match.id))
    ).all()
    for match in active:
        rows = wanted.get(match.match_key)
        if rows is None:
            supersede(session, match, "later evidence reads differently", clock=clock)
            run.superseded_matches += 1
        else:  # the same money, but a stronger rule may say so by now
            match.rule, match.confidence = rows[0]["rule"], str(rows[0]["confidence"])
            session.add(match)
    known = {match.match_key for match in active}
    for key, rows in wanted.items():
        if key not in known:
            match = Match(
                match_key=key,
                account_id=run.account_id,
                layer=Layer(rows[0]["layer"]),
                rule=rows[0]["rule"],
                confidence=str(rows[0]["confidence"]),
                run_id=run.id,
                decided_by=BY_ENGINE,
                created_at=clock(),
            )
            items = [
                MatchItem(
                    match_id=match.id,
                    layer=match.layer,
                    item_kind=ItemKind(row["item_kind"]),
                    item_id=row["item_id"],
                    amount_minor=int(row["amount"]),
                )
                for row in rows
            ]
            store_match(session, match, items, clock=clock)
            run.new_matches += 1


def store_match(session: Session, match: Match, items: list[MatchItem], *, clock: Clock) -> None:
    """Store a match with its items and let it take effect."""
    session.add(match)
    session.flush()
    session.add_all(items)
    session.flush()
    book_match(session, match, items, clock=clock)


def supersede(session: Session, match: Match, reason: str, *, clock: Clock) -> None:
    """Undo a match that no longer stands; it stays in the records."""
    items = list(session.exec(select(MatchItem).where(MatchItem.match_id == match.id)))
    match.status = MatchStatus.SUPERSEDED
    match.superseded_at = clock()
    for item in items:
        item.active = False
        session.add(item)
    session.add(match)
    session.flush()
    unbook_match(session, match, items, reason, clock=clock)


def _apply_mismatches(
    session: Session,
    run: ReconciliationRun,
    result: MatchResult,
    decided: _Decided,
    *,
    actor: Actor,
    clock: Clock,
) -> None:
    wanted = {
        row["mismatch_id"]: row
        for row in _rows(result.mismatches) + _left_over(result, decided)
        if _item(row) not in decided.items
    }
    settled = session.exec(
        select(Mismatch)
        .where(Mismatch.account_id == run.account_id)
        .where(Mismatch.status == MismatchStatus.RESOLVED)
    )
    accepted = {(row.mismatch_key, row.related_items, row.actual) for row in settled}
    live = session.exec(
        select(Mismatch)
        .where(Mismatch.account_id == run.account_id)
        .where(col(Mismatch.status).in_([MismatchStatus.OPEN, MismatchStatus.PROPOSED]))
    ).all()
    for mismatch in live:
        row = wanted.get(mismatch.mismatch_key)
        if row is None:
            mismatches.heal_mismatch(session, mismatch, actor=actor, clock=clock)
            run.healed_mismatches += 1
        else:
            reason = result.reasons.get(mismatch.mismatch_key, ("", {}))
            mismatches.update_mismatch(session, mismatch, row, reason, clock=clock)
    known = {mismatch.mismatch_key for mismatch in live}
    for key, row in wanted.items():
        seen = (key, row["related_items"], row["actual"])  # other evidence opens it again
        if key not in known and seen not in accepted:
            reason = result.reasons.get(key, ("", {}))
            mismatches.open_mismatch(session, run, row, reason, clock=clock)
            run.new_mismatches += 1


def _left_over(result: MatchResult, decided: _Decided) -> list[dict[str, Any]]:
    """Name the items whose match a person's decision about another item stands against."""
    rows = []
    for _, items in _grouped(result.matches):
        settled = [item for item in items if _item(item) in decided.items]
        for row in items if settled else []:
            spot = f"{row['layer']}|{row['item_kind']}|{row['item_id']}"
            digest = hashlib.sha256(f"{MismatchType.AMBIGUOUS}|{spot}".encode()).hexdigest()
            rows.append(
                row
                | {
                    "mismatch_id": f"x{digest[:16]}",
                    "type": MismatchType.AMBIGUOUS.value,
                    "related_items": ";".join(f"{i['item_kind']}:{i['item_id']}" for i in settled),
                    "expected": "",
                    "actual": str(row["amount"]),
                    "reason": "It fits an item that a person has matched to something else.",
                }
            )
    return rows


def _item(row: dict[str, Any]) -> Item:
    return (Layer(row["layer"]), ItemKind(row["item_kind"]), row["item_id"])


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _grouped(frame: pd.DataFrame) -> list[tuple[str, list[dict[str, Any]]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(frame):
        groups.setdefault(row["match_id"], []).append(row)
    return list(groups.items())
