"""Expected failures of runs and mismatches (``R…``) and of statements and reports (``S…``)."""

from http import HTTPStatus

from core.errors import ConflictError, DoisoatError, InputUnusableError, NotFoundError


class MatchInputError(InputUnusableError):
    """An input of the matcher is unusable; the message names file, line and column."""

    code = "R001"
    title = "An input of the matcher is unusable"


class MismatchNotFoundError(NotFoundError):
    """No such mismatch in this officer's scope."""

    code = "R002"
    title = "No such mismatch"


class MismatchClosedError(ConflictError):
    """The mismatch has been resolved already."""

    code = "R003"
    title = "This mismatch is closed"


class ResolutionNotAllowedError(DoisoatError):
    """This way of resolving is not open for this mismatch or this person."""

    code = "R004"
    status = HTTPStatus.FORBIDDEN
    title = "This resolution is not possible"


class ReasonMissingError(DoisoatError):
    """Every decision needs a reason of at least a few words."""

    code = "R005"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "A reason is needed"


class DayNotCloseableError(ConflictError):
    """The day still has something open that keeps it from being closed."""

    code = "R006"
    title = "The day cannot be closed"


class DayChangedError(ConflictError):
    """Something was posted into the days since their close was prepared: prepare it anew."""

    code = "R070"
    title = "The day has changed since its close was prepared"


class CloseDecidedError(ConflictError):
    """The close is signed or withdrawn already, or it is not said why it is not signed."""

    code = "R071"
    title = "This is not possible with the close"


class CloseNotFoundError(NotFoundError):
    """No close has this address, or it is outside the reader's offices."""

    code = "R072"
    title = "No close has this address"


class StatementRefusedError(InputUnusableError):
    """The file is not a statement that can be used; its bytes are in quarantine."""

    code = "S001"
    title = "The statement was refused"


class StatementHeldError(DoisoatError):
    """The file is readable, but a person has to look at it first."""

    code = "S002"
    status = HTTPStatus.CONFLICT
    title = "The statement is held for a person"


class AccountUnknownError(InputUnusableError):
    """The statement is of an account that is nobody's here."""

    code = "S003"
    title = "The account of the statement is not known here"


class SettlementRefusedError(InputUnusableError):
    """The file is not a settlement report that can be used."""

    code = "S004"
    title = "The settlement report was refused"


class LayoutUnknownError(NotFoundError):
    """No saved profile or settlement map has this name."""

    code = "S005"
    title = "No such profile"


class LayoutInvalidError(InputUnusableError):
    """A profile is none: a field is missing, unknown or does not fit another one."""

    code = "S006"
    title = "The profile cannot be used"


class LayoutOpenError(ConflictError):
    """Something is open that the table does not tell, or the layout has no name yet."""

    code = "S007"
    title = "The layout cannot be saved yet"


class ImportInUseError(ConflictError):
    """Something of the import is matched, decided upon or closed: a correcting statement is due."""

    code = "S008"
    title = "The import cannot be taken back"


class EvidenceNotFoundError(NotFoundError):
    """No such statement, report or line in this reader's scope."""

    code = "R007"
    title = "No such file or line"


class SourceNotFoundError(NotFoundError):
    """No source of files has this name."""

    code = "S040"
    title = "No such source of files"


class SourceInvalidError(DoisoatError):
    """What is written down about a source cannot be used; the message names the setting."""

    code = "S041"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The source of files is not described rightly"


class SourceUnreachableError(DoisoatError):
    """Nobody answers, or the answer does not come in time."""

    code = "S042"
    status = HTTPStatus.BAD_GATEWAY
    title = "The source of files cannot be reached"


class SourceIdentityError(DoisoatError):
    """Whoever answers is not who was agreed on: another host key, an untrusted certificate."""

    code = "S043"
    status = HTTPStatus.BAD_GATEWAY
    title = "The source of files is not the one that was agreed on"


class SourceDeniedError(DoisoatError):
    """The source refuses our name, password or key."""

    code = "S044"
    status = HTTPStatus.BAD_GATEWAY
    title = "The source of files does not let us in"


class SourceFailedError(DoisoatError):
    """The source lets us in, but does not do what was asked: no such folder, no right to move."""

    code = "S045"
    status = HTTPStatus.BAD_GATEWAY
    title = "The source of files does not do what was asked"


class ResultUnusableError(InputUnusableError):
    """A result of the matcher, or an input it names, is unreadable, incomplete or changed."""

    code = "R010"
    title = "The result cannot be checked"


class ExportRangeError(DoisoatError):
    """The days that were asked for are no range of the books."""

    code = "R060"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "These days cannot be exported"


class ExportTargetError(ConflictError):
    """Where the export is to be written there is something already, or the disk refuses."""

    code = "R061"
    title = "The export cannot be written there"


class BooksUnequalError(DoisoatError):
    """The transfers that were read are not what the balances say; nothing is handed out."""

    code = "R062"
    title = "The books do not add up"


class ExportNotKeptError(NotFoundError):
    """The files of this export are not written yet, or were removed after their days."""

    code = "R063"
    title = "The files of this export are not here"


class TooManyExportsError(ConflictError):
    """So many exports of one person wait that another would only fill the disk."""

    code = "R064"
    title = "Too many exports are waiting"


class RecheckNotFoundError(NotFoundError):
    """There is no such item of a blind re-check, or it is not this actor's to see."""

    code = "R080"
    title = "There is no such re-check"


class RecheckSettledError(ConflictError):
    """Everything that can be answered here was answered: answers are never changed."""

    code = "R081"
    title = "This re-check is answered"


class OwnDecisionError(DoisoatError):
    """Who decided by hand about an item of a match cannot judge that match blindly."""

    code = "R082"
    status = HTTPStatus.FORBIDDEN
    title = "You decided on one of these items yourself"


class RecheckPeriodError(DoisoatError):
    """A sample is drawn of a whole month that is over, and only once."""

    code = "R083"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "No sample can be drawn of this month"
