"""Failures as answers: problem+json (RFC 9457) for programs, pages for people."""

import logging
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from app.auth.errors import SignInNeededError, TooManyTriesError
from app.dependencies import reader_words
from app.middleware import MACHINE_PATHS, BodyTooLargeError, without_secrets
from app.pages.rendering import render
from core.errors import DoisoatError, NotFoundError, RequestInvalidError, TooLargeError

PROBLEM: Final = "application/problem+json"
_log = logging.getLogger(__name__)


def wants_page(request: Request) -> bool:
    """Whether the answer is for a person: no program's address, and no wish for JSON."""
    if request.url.path.startswith(MACHINE_PATHS):
        return False
    return "application/json" not in request.headers.get("accept", "")


def problem(
    request: Request, *, code: str, status: int, title: str, detail: str, **more: Any
) -> JSONResponse:
    """Return a problem of RFC 9457; ``code`` is ours and stable, ``instance`` the request's id."""
    request_id = request.scope.get("state", {}).get("request_id", "")
    body = {
        "type": f"urn:doisoat:problem:{code}",
        "title": title,
        "status": int(status),
        "detail": detail,
        "code": code,
        "instance": f"urn:doisoat:request:{request_id}",
        **more,
    }
    return JSONResponse(body, status_code=int(status), media_type=PROBLEM)


def install(app: FastAPI) -> None:
    """Make every failure of the application an answer of its kind."""
    app.add_exception_handler(DoisoatError, _expected)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _expected(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, DoisoatError)  # noqa: S101 - registered for this class
    if isinstance(failure, SignInNeededError) and wants_page(request):
        return _to_sign_in(request)
    if failure.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        place = without_secrets(request.url.path)
        _log.error(failure.title, extra={"code": failure.code, "path": place})
    answer = _answer(request, failure)
    if isinstance(failure, TooManyTriesError):
        answer.headers["retry-after"] = str(failure.wait_seconds)
    return answer


def _answer(request: Request, failure: DoisoatError, **more: Any) -> Response:
    if not wants_page(request):
        return problem(
            request,
            code=failure.code,
            status=failure.status,
            title=failure.title,
            detail=failure.detail,
            **more,
        )
    return _page(request, failure.code, failure.status, failure.title, failure.detail)


def _page(request: Request, code: str, status: int, title: str, detail: str) -> Response:
    return render(
        request,
        reader_words(request),
        "error.html",
        status_code=int(status),
        code=code,
        problem_title=title,
        problem_detail=detail if detail != title else "",
        request_id=request.scope.get("state", {}).get("request_id", ""),
    )


def _to_sign_in(request: Request) -> Response:
    """Send a browser to the sign-in page, which leads back after a GET."""
    place = request.url.path if request.method == "GET" else "/staff"
    return RedirectResponse(f"/staff/sign-in?to={place}", HTTPStatus.SEE_OTHER)


def _invalid(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, RequestValidationError)  # noqa: S101 - registered for this class
    errors = [
        {"where": ".".join(str(part) for part in error["loc"]), "message": error["msg"]}
        for error in failure.errors()
    ]
    detail = "; ".join(f"{error['where']}: {error['message']}" for error in errors)
    return _answer(request, RequestInvalidError(detail), errors=errors)


def _http(request: Request, failure: Exception) -> Response:
    assert isinstance(failure, HTTPException)  # noqa: S101 - registered for this class
    if failure.status_code == HTTPStatus.NOT_FOUND:
        return _answer(request, NotFoundError())
    if isinstance(failure, BodyTooLargeError):
        return _answer(request, TooLargeError())
    status = HTTPStatus(failure.status_code)
    if not wants_page(request):
        answer: Response = problem(
            request, code="C010", status=status, title=status.phrase, detail=status.description
        )
    else:
        answer = _page(request, "C010", status, RequestInvalidError.title, "")
    answer.headers.update(failure.headers or {})
    return answer


def answer_unexpected(request: Request, failure: Exception) -> Response:
    """Answer what nothing else answers: logged whole, told by its number only."""
    if isinstance(failure, HTTPException):
        return _http(request, failure)
    request_id = request.scope.get("state", {}).get("request_id", "")
    _log.error(
        "unexpected failure",
        exc_info=failure,
        extra={
            "request_id": request_id,
            "method": request.method,
            "path": without_secrets(request.url.path),
        },
    )
    return _answer(request, DoisoatError())
