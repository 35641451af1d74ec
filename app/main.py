"""The web application, made from settings, a database and channels; nothing global."""

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import SQLAlchemyError

from app import errors
from app.api.attention import Attention
from app.api.routes import router as api_router
from app.auth.passwords import Passwords
from app.dependencies import EngineDep, refuse_cross_site
from app.middleware import ProtectionMiddleware
from app.pages import (
    admin,
    auditor,
    book_exports,
    citizen,
    clearing,
    closing,
    decisions,
    jobs,
    layouts,
    mismatches,
    officer,
    payment_orders,
    rechecks,
    refunds,
    remittances,
    reports,
    signing_in,
    statements,
    transparency,
)
from app.pages.rendering import ASSETS
from core.clock import Clock, utc_now
from core.db import reading
from core.settings import Settings
from scheduler.context import JobContext
from scheduler.runs import RunOutcome, latest_runs

PAGES = (
    citizen, signing_in, officer, mismatches, decisions, rechecks, refunds, payment_orders,
    remittances, clearing, closing, statements, layouts, jobs, auditor, book_exports,
    reports, admin, transparency,
)  # fmt: skip

health = APIRouter()

LOG_JOBS = ("publish_log", "verify_log")


@health.get("/healthz", include_in_schema=False)
def answer_health(engine: EngineDep) -> JSONResponse:
    """Say whether the application can serve: it runs and reaches its database.

    ``log`` says whether the public log of the books could be signed and held against them when
    that was last tried; pages are served either way.
    """
    try:
        with reading(engine) as session:
            runs = latest_runs(session, LOG_JOBS)
    except SQLAlchemyError:
        return JSONResponse({"status": "database unreachable"}, status_code=503)
    failed = sorted(run.detail for run in runs.values() if run.outcome is RunOutcome.FAILED)
    return JSONResponse({"status": "ok", "log": failed[0].partition(" ")[0] if failed else "ok"})


def create_app(
    settings: Settings,
    context: JobContext,
    *,
    passwords: Passwords | None = None,
    session_clock: Clock = utc_now,
) -> FastAPI:
    """Return the application, working with the same outside as the scheduler's jobs.

    Business follows the context's clock; sessions of staff follow ``session_clock``, the real
    time, because a demonstration that plays ten days in a minute must not sign anybody out.
    """
    app = FastAPI(title="doisoat", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.state.settings = settings
    app.state.context = context
    app.state.engine = context.engine
    app.state.gateways = context.gateways
    app.state.clock = context.clock
    app.state.passwords = passwords or Passwords()
    app.state.session_clock = session_clock
    app.state.attention = Attention()
    app.add_middleware(ProtectionMiddleware, settings=settings, on_failure=errors.answer_unexpected)
    errors.install(app)
    app.include_router(health)
    app.include_router(api_router)
    for module in PAGES:
        app.include_router(
            module.router, include_in_schema=False, dependencies=[Depends(refuse_cross_site)]
        )
    app.mount("/static", StaticFiles(directory=ASSETS, check_dir=False), name="static")
    return app
