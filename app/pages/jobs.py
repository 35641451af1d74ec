"""Jobs: what the scheduler did and when, and running one at once."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from app.auth.accounts import names_of
from app.dependencies import ClockDep, JobRunner, ReadSession, Reviewer, WordsDep
from app.i18n import marked
from app.pages.listing import address_of
from app.pages.rendering import render
from core.actors import Permission
from core.audit import record_audit
from core.db import transaction
from core.errors import NotFoundError
from scheduler.context import JobContext
from scheduler.runs import latest_runs, list_runs
from scheduler.schedule import JOBS, get_job, run_now

router = APIRouter()

NAMES = {
    "process_events": marked("Take up stored channel messages"),
    "poll_payments": marked("Ask channels about payments in doubt"),
    "send_refunds": marked("Send approved refunds"),
    "expire": marked("Expire bills past their last day"),
    "fetch_reports": marked("Fetch settlement reports from channels"),
    "fetch_statements": marked("Take in statements that arrived"),
    "reconcile": marked("Compare records with the evidence"),
    "forget_calls": marked("Delete old records of calls to channels"),
    "send_messages": marked("Send messages"),
    "publish_log": marked("Sign the public log of the books"),
    "collect_cosignatures": marked("Have witnesses sign the public log"),
    "verify_log": marked("Hold the whole log against the books"),
    "write_exports": marked("Write exports for auditors"),
}
"""What the jobs are called; a job that is new here is shown by its own name."""


@router.get("/staff/jobs")
def list_jobs(
    request: Request,
    person: Reviewer,
    words: WordsDep,
    session: ReadSession,
    job: str = "",
    page: int = 1,
) -> Response:
    """Show each job with its latest run, and the history of runs."""
    history = list_runs(session, job=job, page=page)
    return render(
        request,
        words,
        "staff/jobs.html",
        person=person,
        jobs=JOBS,
        latest=latest_runs(session, [known.name for known in JOBS]),
        job_names=NAMES,
        history=history,
        names=names_of(session, [run.requested_by for run in history.rows]),
        job=job,
        address=address_of(request),
        may_run=person.actor.may(Permission.RUN_JOBS),
    )


@router.post("/staff/jobs/{name}/runs")
def run_job(request: Request, name: str, person: JobRunner, clock: ClockDep) -> Response:
    """Run a job at once; what it did stands in the history."""
    context: JobContext = request.app.state.context
    try:
        job = get_job(name)
    except KeyError:
        raise NotFoundError from None
    with transaction(context.engine) as session:
        record_audit(session, person.actor, "run_job", ("job", name), clock=clock)
    run_now(context, job, requested_by=person.actor.id)
    return RedirectResponse(f"/staff/jobs?job={name}", HTTPStatus.SEE_OTHER)
