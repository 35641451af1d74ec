"""What the play has come to, read from the database like anybody could, and said in a few lines."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from sqlmodel import Session, col, func, select

from app.demo.city import STAFF
from app.demo.places import Places
from core.clock import Clock, business_day
from payments.channels import Channel
from payments.ledger.balances import broken_rules
from payments.ledger.models import AccountingPeriod
from payments.models import Bill, Payment
from payments.states import PAYABLE, BillStatus, PaymentStatus
from reconciliation.queries import LayerSum, count_by_type, latest_runs, layer_sums
from scheduler.runs import JobRun, RunOutcome

_ALL: Final = "/"


@dataclass(slots=True)
class Summary:
    """The sums of an installation; ``problems`` is empty where everything holds."""

    bills: dict[BillStatus, int]
    channels: list[tuple[Channel, int, int]]
    layers: list[LayerSum]
    flagged: list[tuple[str, int, int]]
    closed_days: int
    unpaid_reference: str
    problems: list[str] = field(default_factory=list)

    @property
    def matched(self) -> tuple[int, int]:
        """How many items were matched by themselves, of how many that were due."""
        return (
            sum(layer.matched_count for layer in self.layers),
            sum(layer.due_count for layer in self.layers),
        )


def summarise(session: Session, *, clock: Clock) -> Summary:
    """Read the sums."""
    runs = [run for run, _ in latest_runs(session, scope=_ALL)]
    statuses = session.exec(
        select(Bill.status, func.count()).group_by(col(Bill.status)).order_by(col(Bill.status))
    )
    channels = session.exec(
        select(Payment.channel, func.count(), func.sum(Payment.collected_minor))
        .where(Payment.status == PaymentStatus.SUCCEEDED)
        .group_by(col(Payment.channel))
        .order_by(col(Payment.channel))
    )
    unpaid = session.exec(
        select(Bill.bill_reference)
        .where(col(Bill.status).in_(list(PAYABLE)), Bill.received_minor == 0)
        .where(col(Bill.expires_on) >= business_day(clock()))
        .order_by(col(Bill.portal_reference).desc())
    ).first()
    layers = layer_sums(runs)
    return Summary(
        bills={BillStatus(status): count for status, count in statuses},
        channels=[(Channel(name), count, int(total or 0)) for name, count, total in channels],
        layers=layers,
        flagged=[(kind.value, count, total) for kind, count, total in count_by_type(
            session, scope=_ALL)],
        closed_days=session.exec(select(func.count()).select_from(AccountingPeriod)).one(),
        unpaid_reference=unpaid or "",
        problems=list(_problems(session, layers)),
    )  # fmt: skip


def _problems(session: Session, layers: list[LayerSum]) -> Iterator[str]:
    for layer in layers:
        count = layer.due_count - layer.matched_count - layer.flagged_count
        total = layer.due_minor - layer.matched_minor - layer.flagged_minor
        if count or total:
            where = f"{layer.layer} {layer.item_kind}"
            yield f"{where}: {count} items, {total} VND neither matched nor flagged"
    yield from broken_rules(session)
    failed = session.exec(select(JobRun).where(JobRun.outcome == RunOutcome.FAILED))
    for run in failed:
        yield f"job {run.job} failed: {run.detail}"


def summary_lines(summary: Summary) -> Iterator[str]:
    """Say the sums for a person."""
    matched, due = summary.matched
    bills = ", ".join(f"{count} {status.value}" for status, count in summary.bills.items())
    yield f"Bills        {sum(summary.bills.values())}: {bills}"
    for channel, count, total in summary.channels:
        yield f"Collected    {channel.value:<14} {count:>5} payments {_vnd(total):>16}"
    share = matched * 100 / due if due else 0.0
    yield f"Matched      {matched} of {due} items by themselves ({share:.1f} %)"
    for layer in summary.layers:
        yield (
            f"  {layer.layer.value:<9}{layer.item_kind.value:<11} in {_vnd(layer.due_minor):>15}"
            f" = matched {_vnd(layer.matched_minor):>15} + flagged {_vnd(layer.flagged_minor):>13}"
        )
    yield "Flagged      " + (
        ", ".join(f"{name} {count}" for name, count, _ in summary.flagged) or "nothing"
    )
    yield f"Closed       {summary.closed_days} days of accounts: two people sign each day"
    if summary.problems:
        yield from (f"DOES NOT HOLD: {problem}" for problem in summary.problems)
    else:
        yield "Money in = money out in every layer; debits = credits; every job ended well."


def address_lines(summary: Summary, places: Places) -> Iterator[str]:
    """Say where to look and how to sign in."""
    yield f"Citizen      {places.pages}/bills/{summary.unpaid_reference}   (an unpaid bill)"
    yield f"Bank app     {places.simulators}/bank/scan   (paste the text of a QR code)"
    yield f"Staff        {places.pages}/staff"
    for person in STAFF:
        yield f"  {person.role.value:<10} {person.username:<15} password {person.password}"


def _vnd(amount: int) -> str:
    return f"{amount:,} VND"
