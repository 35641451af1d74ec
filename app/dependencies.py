"""What routes ask for: transaction, settings, clock, language, and who is signed in."""

from collections.abc import Callable, Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Engine
from sqlmodel import Session

from app.auth.errors import CrossSiteRequestError
from app.auth.passwords import Passwords
from app.auth.sessions import SignedIn, get_signed_in
from app.i18n import LANGUAGE_COOKIE, Words, choose_language, offered_languages
from core.actors import Permission
from core.clock import Clock
from core.db import reading, transaction
from core.settings import Settings
from scheduler.context import Gateways


def get_settings(request: Request) -> Settings:
    """Return the settings this application was made with."""
    return request.app.state.settings  # type: ignore[no-any-return]


def get_engine(request: Request) -> Engine:
    """Return the database engine, for routes that call the outside between two transactions."""
    return request.app.state.engine  # type: ignore[no-any-return]


def get_clock(request: Request) -> Clock:
    """Return the business clock."""
    return request.app.state.clock  # type: ignore[no-any-return]


def get_gateways(request: Request) -> Gateways:
    """Return the channels as they were wired."""
    return request.app.state.gateways  # type: ignore[no-any-return]


def get_passwords(request: Request) -> Passwords:
    """Return what makes and checks password hashes."""
    return request.app.state.passwords  # type: ignore[no-any-return]


def refuse_cross_site(request: Request) -> None:
    """Refuse a change that a browser sends from a page that is not ours.

    The middleware has looked at the headers; refusing here lets the answer be a page.

    Raises:
        CrossSiteRequestError: it came from another site.
    """
    if request.scope["state"]["cross_site"]:
        raise CrossSiteRequestError


def get_session(engine: Annotated[Engine, Depends(get_engine)]) -> Iterator[Session]:
    """Open the transaction of this request; it is committed before the answer is sent."""
    with transaction(engine) as session:
        yield session


def get_reader(engine: Annotated[Engine, Depends(get_engine)]) -> Iterator[Session]:
    """Open a session that reads from one snapshot."""
    with reading(engine) as session:
        yield session


# scope="function": a yield dependency of the default scope would commit after the answer has
# gone, and a commit that failed would still have answered 200.
WriteSession = Annotated[Session, Depends(get_session, scope="function")]
ReadSession = Annotated[Session, Depends(get_reader, scope="function")]
SettingsDep = Annotated[Settings, Depends(get_settings)]
EngineDep = Annotated[Engine, Depends(get_engine)]
ClockDep = Annotated[Clock, Depends(get_clock)]
GatewaysDep = Annotated[Gateways, Depends(get_gateways)]
PasswordsDep = Annotated[Passwords, Depends(get_passwords)]


def client_address(request: Request) -> str:
    """Return the address of the other end; the server rewrites it behind a trusted proxy."""
    return request.client.host if request.client else "unknown"


ClientAddress = Annotated[str, Depends(client_address)]


def reader_words(request: Request) -> Words:
    """Return the words of the reader's language, of those that the page is written in."""
    language = choose_language(
        request.query_params.get("lang"),
        request.cookies.get(LANGUAGE_COOKIE),
        request.headers.get("accept-language", ""),
        offered_languages(request.url.path),
    )
    return Words(language)


WordsDep = Annotated[Words, Depends(reader_words)]


def session_cookie(settings: Settings) -> str:
    """Return the name of the session cookie; the prefix binds it to this host where https is on."""
    return "__Host-doisoat" if settings.base_url.startswith("https://") else "doisoat_session"


def signed_in(request: Request) -> SignedIn:
    """Return who is signed in.

    Raises:
        SignInNeededError: nobody, or the session has ended.
    """
    state = request.app.state
    token = request.cookies.get(session_cookie(state.settings))
    person = get_signed_in(state.engine, token, clock=state.session_clock)
    request.state.person = person
    return person


SignedInDep = Annotated[SignedIn, Depends(signed_in)]


def permitted(*permissions: Permission) -> Callable[[SignedIn], SignedIn]:
    """Return a dependency that lets through who has one of these permissions.

    It raises PermissionDeniedError for everybody else who is signed in.
    """

    def check(person: SignedInDep) -> SignedIn:
        if not any(person.actor.may(permission) for permission in permissions):
            person.actor.require(permissions[0])
        return person

    return check


Reviewer = Annotated[SignedIn, Depends(permitted(Permission.REVIEW))]
Resolver = Annotated[SignedIn, Depends(permitted(Permission.RESOLVE))]
Approver = Annotated[SignedIn, Depends(permitted(Permission.APPROVE))]
Importer = Annotated[SignedIn, Depends(permitted(Permission.IMPORT_STATEMENTS))]
JobRunner = Annotated[SignedIn, Depends(permitted(Permission.RUN_JOBS))]
BookReader = Annotated[SignedIn, Depends(permitted(Permission.READ_BOOKS))]
Exporter = Annotated[SignedIn, Depends(permitted(Permission.EXPORT))]
Administrator = Annotated[SignedIn, Depends(permitted(Permission.ADMINISTER))]
