"""Expected failures of accounts and sign-in (codes ``A…``; A001 is core's permission refusal)."""

from http import HTTPStatus

from core.errors import ConflictError, DoisoatError, NotFoundError


class SignInNeededError(DoisoatError):
    """Nobody is signed in, or the session has ended."""

    code = "A002"
    status = HTTPStatus.UNAUTHORIZED
    title = "Please sign in"


class TooManyTriesError(DoisoatError):
    """Tries to sign in come faster than they may; ``wait_seconds`` says how long to wait."""

    code = "A003"
    status = HTTPStatus.TOO_MANY_REQUESTS
    title = "Too many tries to sign in"

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(f"try again in {wait_seconds} seconds")
        self.wait_seconds = wait_seconds


class SignInRefusedError(DoisoatError):
    """User name and password do not belong together, or the account is not active."""

    code = "A004"
    status = HTTPStatus.UNAUTHORIZED
    title = "The user name or the password is not right"


class SignInBusyError(DoisoatError):
    """So many passwords are being checked at once that this one has to wait."""

    code = "A005"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Too many people are signing in at this moment"


class CrossSiteRequestError(DoisoatError):
    """A browser sent a change from a page that is not ours."""

    code = "A006"
    status = HTTPStatus.FORBIDDEN
    title = "The request came from another site"


class UserNotFoundError(NotFoundError):
    """Nobody has this user name."""

    code = "A007"
    title = "No such user"


class UserExistsError(ConflictError):
    """The user name is taken."""

    code = "A008"
    title = "This user name is taken"


class UserInvalidError(DoisoatError):
    """An account cannot be made like this: user name, password, role or office."""

    code = "A009"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The account cannot be made like this"
