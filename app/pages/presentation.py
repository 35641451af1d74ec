"""Small texts that templates ask for: links by role, ways to resolve, raw messages."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from app.auth.sessions import SignedIn
from app.i18n import Words, marked
from app.pages import labels
from app.pages.deeds import deed, facts
from app.pages.refund_steps import refund_steps, waived_text, way_back
from core.actors import Permission
from payments.channels import Channel
from payments.models import GatewayEvent
from payments.queries import BillView
from reconciliation.clearing import REMITTANCE, ClearingItem
from reconciliation.models import MismatchEvent
from reconciliation.resolutions import BY_PERSON
from reconciliation.states import (
    MismatchEventKind,
    MismatchType,
    ResolutionKind,
    needs_second_person,
)
from scheduler.runs import JobRun, RunOutcome

Say = Callable[..., str]

_LINKS: Final = (
    ("/staff", marked("Today"), Permission.REVIEW),
    ("/staff/mismatches", marked("Mismatches"), Permission.REVIEW),
    ("/staff/decisions", marked("Decisions"), Permission.APPROVE),
    ("/staff/refunds", marked("Refunds"), Permission.REVIEW),
    ("/staff/rechecks", marked("Blind re-checks"), Permission.REVIEW),
    ("/staff/remittances", marked("State Treasury"), Permission.REVIEW),
    ("/staff/statements", marked("Statements"), Permission.REVIEW),
    ("/staff/clearing", marked("Money on its way"), Permission.REVIEW),
    ("/staff/close", marked("Close of the day"), Permission.REVIEW),
    ("/staff/bills", marked("Bills"), Permission.REVIEW),
    ("/staff/reports", marked("Reports"), Permission.REVIEW),
    ("/staff/search", marked("Search"), Permission.READ_BOOKS),
    ("/staff/ledger", marked("Trial balance"), Permission.READ_BOOKS),
    ("/staff/export", marked("Export"), Permission.EXPORT),
    ("/staff/messages", marked("Messages"), Permission.REVIEW),
    ("/staff/jobs", marked("Jobs"), Permission.REVIEW),
    ("/staff/sources", marked("Sources of files"), Permission.ADMINISTER),
    ("/staff/users", marked("Accounts of staff"), Permission.ADMINISTER),
)
_RUN_OUTCOMES: Final = {
    RunOutcome.RUNNING: marked("going on, or cut off"),
    RunOutcome.DONE: marked("done"),
    RunOutcome.FAILED: marked("failed"),
}
_SOURCES: Final = {
    "folder": marked("from the watched folder"),
    "upload": marked("brought in on these pages"),
    "command line": marked("by the command line"),
}
_CLEARING_ITEMS: Final = {
    "payment": marked("Payment"),
    "refund": marked("Refund"),
    REMITTANCE: marked("Remittance to the State Treasury"),
    "settlement": marked("Provider's line"),
    "bank": marked("Bank line"),
    "match": marked("Match"),
    "entry": marked("Entry of the books"),
}
_RAW_LIMIT: Final = 8000


def staff_links(person: SignedIn, path: str, say: Say) -> list[dict[str, Any]]:
    """Return the navigation of somebody who is signed in: what their role opens."""
    return [
        {
            "href": href,
            "text": say(text),
            "active": path == href or (href != "/staff" and path.startswith(f"{href}/")),
        }
        for href, text, permission in _LINKS
        if person.actor.may(permission)
    ]


def ways(kinds: Sequence[ResolutionKind], about: MismatchType, say: Say) -> list[dict[str, Any]]:
    """Return the ways to resolve as choices; those that need a second person say so."""
    second = say("Needs a second person.")
    return [
        {
            "value": kind.value,
            "text": say(labels.name(kind)),
            "hint": {"text": second} if needs_second_person(kind, about) else None,
        }
        for kind in kinds
    ]


def history_text(event: MismatchEvent, names: Mapping[str, str], say: Say) -> str:
    """Return an event's text: people by their names, ways of resolving by what they are called."""
    if event.kind is MismatchEventKind.ASSIGNED:
        return names.get(event.text, event.text)
    head, colon, rest = event.text.partition(": ")
    if head in set(ResolutionKind):
        return say(labels.name(ResolutionKind(head))) + colon + rest
    return event.text


def item_state(state: tuple[str, str] | None, say: Say) -> str:
    """Return whether an imported line is matched, flagged or not compared yet."""
    if state is None:
        return say("not compared yet")
    kind, detail = state
    if kind == "matched":
        by_person = detail == BY_PERSON
        return say("matched by people") if by_person else say("matched (%(rule)s)", rule=detail)
    return say(labels.name(MismatchType(kind)))


def source_name(source: str, say: Say) -> str:
    """Return by which way a file arrived; one that has no name here is shown as it is."""
    return say(_SOURCES[source]) if source in _SOURCES else source


def job_title(job: str, names: Mapping[str, str], say: Say) -> str:
    """Return what a job is called; a step of one (``reconcile/<account>``) with its account."""
    name, _, step = job.partition("/")
    title = say(names[name]) if name in names else name
    return f"{title} · {step}" if step else title


def run_outcome(run: JobRun, say: Say) -> str:
    """Return how a job run ended."""
    return say(_RUN_OUTCOMES[run.outcome])


def clearing_name(name: str, say: Say) -> str:
    """Return what a clearing account is called: its channel, or the way to the State Treasury."""
    if name == REMITTANCE:
        return say(_CLEARING_ITEMS[REMITTANCE])
    return say(labels.name(Channel(name)))


def clearing_item(item: ClearingItem, say: Say) -> str:
    """Return what kind of item keeps money in clearing."""
    return say(_CLEARING_ITEMS[item.kind])


def instant_of(text: str, words: Words) -> str:
    """Return an instant of a report (RFC 3339 text) as readers write it, or the text as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return words.instant(moment) if moment.tzinfo else text


def raw_message(event: GatewayEvent) -> str:
    """Return a channel's message as text, as it came but for what cannot be shown."""
    head = f"{event.method} ?{event.query_string}" if event.query_string else event.method
    headers = "\n".join(f"{name}: {value}" for name, value in sorted(event.headers.items()))
    body = event.body.decode("utf-8", errors="backslashreplace")[:_RAW_LIMIT]
    return f"{head}\n{headers}\n\n{body}".strip()


def line_rows(view: BillView, words: Words) -> list[tuple[str, str]]:
    """Return a bill's fees as pairs of name and amount; a fee that was waived says so."""
    return [
        (
            f"{words.pick(line.name_vi, line.name_en)} ({words.say(labels.name(line.kind))})",
            words.minor(line.amount_minor, view.bill.currency.value)
            + (f" · {words.say('Waived')}" if line.position in view.waived else ""),
        )
        for line in view.lines
    ]


def counterpart_text(counterpart: Mapping[str, Any], named: str, words: Words) -> str:
    """Return what a proposal names as counterpart, spelled out for the one who decides."""
    if bill := counterpart.get("bill"):
        return words.say(
            "Bill %(bill)s, %(amount)s, %(payer)s",
            bill=bill.bill_reference,
            amount=words.money(bill.amount),
            payer=bill.payer_name or "–",
        )
    if (record := counterpart.get("ours")) and record.payment and record.bill:
        return words.say(
            "Payment for bill %(bill)s, %(amount)s",
            bill=record.bill.bill_reference,
            amount=words.money(record.payment.amount),
        )
    if line := counterpart.get("bank"):
        return words.say(
            "Bank line of %(day)s, %(amount)s",
            day=words.day(line.booking_date),
            amount=words.minor(line.amount_minor, line.currency),
        )
    return named


def day_of(text: str, words: Words) -> str:
    """Return a day that is written as in ISO 8601 in the reader's way."""
    return words.day(date.fromisoformat(text))


FOR_TEMPLATES: Final[Mapping[str, Callable[..., Any]]] = {
    function.__name__: function
    for function in (
        staff_links, ways, history_text, item_state, source_name, job_title, run_outcome,
        instant_of, raw_message, line_rows, counterpart_text, way_back,
        refund_steps, waived_text, deed, facts, day_of, clearing_name, clearing_item,
    )
}  # fmt: skip
"""What templates may call, by name."""
