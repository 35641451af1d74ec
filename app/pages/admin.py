"""For administrators: accounts of staff, and how fetching from each source goes."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from sqlmodel import Session

from app.auth.accounts import STAFF_ROLES, create_user, get_user, list_users, set_active
from app.auth.errors import UserInvalidError, UserNotFoundError
from app.auth.passwords import MIN_LENGTH
from app.auth.sessions import SignedIn
from app.dependencies import (
    Administrator,
    ClockDep,
    EngineDep,
    PasswordsDep,
    ReadSession,
    WordsDep,
    WriteSession,
)
from app.pages.listing import chosen
from app.pages.rendering import render
from core.actors import Role
from core.db import reading, transaction
from core.errors import DoisoatError
from payments.models import Office
from payments.queries import list_offices
from reconciliation.sources import list_sources

router = APIRouter()


@router.get("/staff/users")
def show_users(
    request: Request, person: Administrator, words: WordsDep, session: ReadSession
) -> Response:
    """List the accounts of the administrator's offices, with a form for a new one."""
    return _users_page(request, session, person, words)


def _users_page(
    request: Request,
    session: Session,
    person: SignedIn,
    words: WordsDep,
    *,
    error: DoisoatError | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    scope = person.actor.office_path
    return render(
        request,
        words,
        "staff/users.html",
        status_code=error.status if error else HTTPStatus.OK,
        person=person,
        users=list_users(session, scope=scope),
        offices=list_offices(session, scope=scope),
        roles=STAFF_ROLES,
        min_length=MIN_LENGTH,
        error=error,
        typed=typed or {},
    )


@router.post("/staff/users")
def add_user(  # noqa: PLR0913, PLR0917 - what an account needs
    request: Request,
    person: Administrator,
    words: WordsDep,
    engine: EngineDep,
    clock: ClockDep,
    passwords: PasswordsDep,
    username: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "",
    office: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    """Make an account in one of the administrator's offices."""
    typed = {"username": username, "name": name, "role": role, "office": office}
    try:
        with transaction(engine) as session:
            codes = {o.code for o in list_offices(session, scope=person.actor.office_path)}
            if office not in codes:
                raise UserInvalidError("no office of yours has this code")
            create_user(
                session,
                username=username,
                name=name,
                role=chosen(Role, role) or Role.CITIZEN,
                office_code=office,
                password=password,
                passwords=passwords,
                actor=person.actor,
                clock=clock,
            )
    except DoisoatError as refusal:
        with reading(engine) as session:
            return _users_page(request, session, person, words, error=refusal, typed=typed)
    return RedirectResponse("/staff/users", HTTPStatus.SEE_OTHER)


@router.post("/staff/users/{username}/active")
def switch_user(
    username: str,
    person: Administrator,
    session: WriteSession,
    clock: ClockDep,
    active: Annotated[str, Form()] = "",
) -> Response:
    """Switch an account off, which ends its sessions at once, or on again; never one's own."""
    user = get_user(session, username)
    office = session.get_one(Office, user.office_id)
    if not person.actor.sees(office.path):
        raise UserNotFoundError(username)
    if user.id == person.actor.id:
        raise UserInvalidError("nobody switches off their own account")
    set_active(session, user, active=active == "yes", actor=person.actor, clock=clock)
    return RedirectResponse("/staff/users", HTTPStatus.SEE_OTHER)


@router.get("/staff/sources")
def show_sources(
    request: Request, person: Administrator, words: WordsDep, session: ReadSession
) -> Response:
    """List the sources of statement files with their last fetch and what failed in it."""
    found = list_sources(session)
    return render(request, words, "staff/sources.html", person=person, sources=found)
