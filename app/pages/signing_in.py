"""Signing in and out of the staff pages."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from app.auth.errors import SignInBusyError, SignInRefusedError, TooManyTriesError
from app.auth.sessions import ABSOLUTE, sign_in, sign_out
from app.dependencies import (
    ClientAddress,
    EngineDep,
    PasswordsDep,
    SettingsDep,
    WordsDep,
    WriteSession,
    session_cookie,
)
from app.pages.rendering import render

router = APIRouter()


@router.get("/staff/sign-in")
def show_sign_in(request: Request, words: WordsDep, to: str = "/staff") -> Response:
    """Show the sign-in page."""
    return render(request, words, "staff/sign_in.html", username="", to=safe_place(to), error="")


@router.post("/staff/sign-in")
def take_sign_in(  # noqa: PLR0913, PLR0917 - what a sign-in needs
    request: Request,
    words: WordsDep,
    engine: EngineDep,
    settings: SettingsDep,
    passwords: PasswordsDep,
    address: ClientAddress,
    username: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "/staff",
) -> Response:
    """Open a session and lead on; what is wrong is never told apart."""
    try:
        token = sign_in(
            engine,
            username=username,
            password=password,
            address=address,
            passwords=passwords,
            clock=request.app.state.session_clock,
        )
    except (SignInRefusedError, TooManyTriesError, SignInBusyError) as refusal:
        answer = render(
            request,
            words,
            "staff/sign_in.html",
            status_code=refusal.status,
            username=username,
            to=safe_place(to),
            error=_refusal(refusal, words),
        )
        if isinstance(refusal, TooManyTriesError):
            answer.headers["retry-after"] = str(refusal.wait_seconds)
        return answer
    onward = RedirectResponse(safe_place(to), HTTPStatus.SEE_OTHER)
    onward.set_cookie(
        session_cookie(settings),
        token,
        max_age=int(ABSOLUTE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=settings.base_url.startswith("https://"),
        path="/",
    )
    return onward


@router.post("/staff/sign-out")
def take_sign_out(request: Request, session: WriteSession, settings: SettingsDep) -> Response:
    """End this browser's session."""
    token = request.cookies.get(session_cookie(settings))
    if token:
        sign_out(session, token)
    onward = RedirectResponse("/staff/sign-in", HTTPStatus.SEE_OTHER)
    onward.delete_cookie(
        session_cookie(settings), path="/", secure=settings.base_url.startswith("https://")
    )
    return onward


def safe_place(to: str) -> str:
    """Return where to lead after signing in: a staff page of ours, never another site."""
    inside = to == "/staff" or to.startswith("/staff/")
    return to if inside and "\\" not in to and "//" not in to else "/staff"


def _refusal(
    refusal: SignInRefusedError | TooManyTriesError | SignInBusyError, words: WordsDep
) -> str:
    if isinstance(refusal, TooManyTriesError):
        return words.count(
            "Too many tries. Please wait %(number)s second.",
            "Too many tries. Please wait %(number)s seconds.",
            refusal.wait_seconds,
        )
    if isinstance(refusal, SignInBusyError):
        return words.say("Too many people are signing in at this moment. Please try again.")
    return words.say("The user name or the password is not right")
