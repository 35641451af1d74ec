"""Expected failures of bills, payments, channels and books (codes ``P…``)."""

from http import HTTPStatus

from core.errors import ConflictError, DoisoatError, InputUnusableError, NotFoundError


class BillNotFoundError(NotFoundError):
    """No bill has this code."""

    code = "P001"
    title = "No bill has this code"


class MalformedBillError(DoisoatError):
    """The bill that was sent cannot be issued."""

    code = "P002"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The bill cannot be issued"


class BillNotPayableError(DoisoatError):
    """The bill is paid, cancelled, expired or exempt: nothing may be asked for it."""

    code = "P003"
    status = HTTPStatus.CONFLICT
    title = "Nothing is to be paid on this bill"


class PaymentInProgressError(DoisoatError):
    """An earlier attempt may still collect and the payer has not agreed to try again."""

    code = "P004"
    status = HTTPStatus.CONFLICT
    title = "An earlier attempt may still be collected"


class ChannelNotOfferedError(DoisoatError):
    """The office does not offer this channel."""

    code = "P005"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "This channel is not offered here"


class IllegalTransitionError(DoisoatError):
    """The state it is in does not allow this event."""

    code = "P006"
    status = HTTPStatus.CONFLICT
    title = "Not possible in the present state"


class IdempotencyConflictError(DoisoatError):
    """The same Idempotency-Key came with another request."""

    code = "P007"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The Idempotency-Key was used for another request"


class IdempotencyKeyMissingError(DoisoatError):
    """A request that must be repeatable came without an Idempotency-Key."""

    code = "P008"
    status = HTTPStatus.BAD_REQUEST
    title = "An Idempotency-Key of 1 to 255 characters is needed"


class ReferenceUnreadableError(DoisoatError):
    """The text cannot be read as a bill reference, even with its check symbols."""

    code = "P009"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Not a bill reference"


class AmountOutsideLimitsError(DoisoatError):
    """The rail does not take so little, or so much, at once."""

    code = "P012"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "This way to pay does not take such an amount"


class GatewayUnavailableError(DoisoatError):
    """The channel's answer is lost, late or not understood: the outcome is unknown."""

    code = "P020"
    status = HTTPStatus.BAD_GATEWAY
    title = "The payment channel did not answer"


class AttemptKnownError(GatewayUnavailableError):
    """The channel has this attempt from an earlier call, and tells the address of its page once.

    What becomes of it is asked as ever; the payer, who was never led there, needs another one.
    """

    code = "P027"
    title = "The payment channel has this payment already"


class GatewayRestingError(GatewayUnavailableError):
    """The channel has not answered several times in a row and is left alone: nothing was sent."""

    code = "P025"
    title = "The payment channel is not asked just now"


class GatewayRefusedError(DoisoatError):
    """The channel refused the request: it certainly did nothing."""

    code = "P021"
    status = HTTPStatus.BAD_GATEWAY
    title = "The payment channel refused the request"


class InvalidSignatureError(DoisoatError):
    """A message does not bear the channel's signature, or not of this time."""

    code = "P022"
    status = HTTPStatus.BAD_REQUEST
    title = "The signature is not valid"


class MalformedNoticeError(DoisoatError):
    """An authentic message lacks what it must have."""

    code = "P023"
    status = HTTPStatus.BAD_REQUEST
    title = "The message cannot be understood"


class UnbalancedEntryError(DoisoatError):
    """A journal entry was asked for that moves nothing, or other than whole amounts."""

    code = "P030"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The journal entry is not valid"


class LedgerBrokenError(DoisoatError):
    """The books do not prove themselves."""

    code = "P031"
    title = "The books do not hold"


class FeeFileError(InputUnusableError):
    """The fee file as a whole cannot be used; single rows are refused in the report instead."""

    code = "P040"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The fee file is unusable"


class RefundNotAllowedError(ConflictError):
    """More would be sent back than came in, or the channel knows no refunds."""

    code = "P050"
    title = "This refund is not possible"


class RefundChangedError(ConflictError):
    """The request is not any more what the second person had before them."""

    code = "P052"
    title = "The request has changed since you saw it"


class PaymentOrderNotPossibleError(ConflictError):
    """A refund that is not approved, not complete, or in a file already cannot be ordered."""

    code = "P053"
    title = "This payment order is not possible"


class PaymentOrderNotFoundError(NotFoundError):
    """No payment order has this address, or it is outside the reader's offices."""

    code = "P054"
    title = "No payment order has this address"


class RefundNotFoundError(NotFoundError):
    """No refund has this address, or it is outside the reader's offices."""

    code = "P055"
    title = "No refund has this address"


class SamePersonError(DoisoatError):
    """Money decisions need two people, and this is the first one again."""

    code = "P051"
    status = HTTPStatus.FORBIDDEN
    title = "A second person has to decide"


class QRPayloadError(DoisoatError):
    """A QR text is not a well-formed VietQR transfer order, or cannot be made into one."""

    code = "P024"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "Not a usable VietQR code"


class PaymentNotFoundError(NotFoundError):
    """No payment has this address, or it is outside the reader's offices."""

    code = "P010"
    title = "No payment has this address"


class ReceiptNotFoundError(NotFoundError):
    """No receipt has this address, or none has been issued."""

    code = "P011"
    title = "There is no receipt here"


class RemittanceNotFoundError(NotFoundError):
    """No remittance has this address, or it is outside the reader's offices."""

    code = "P061"
    title = "No remittance has this address"


class RemittanceNotPossibleError(ConflictError):
    """Nothing is due to the State Treasury, or not as much, or it was sent already."""

    code = "P060"
    title = "This remittance is not possible"


class NoteInvalidError(InputUnusableError):
    """A signed note, checkpoint or verifier key is malformed, or its signature is not its own."""

    code = "P070"
    title = "Not a note that this key signed"


class ProofInvalidError(InputUnusableError):
    """A proof is malformed, or does not show what it is held to show."""

    code = "P071"
    title = "The proof does not hold"


class LogForkedError(DoisoatError):
    """The log is not what was signed before: nothing is signed until somebody has looked."""

    code = "P072"
    title = "The log contradicts a checkpoint that was signed"


class EntryIncompleteError(DoisoatError):
    """Entries have fewer transfers than they were made with, and so are not in the log."""

    code = "P073"
    title = "Entries are not whole and wait for the log"


class EntryNotLoggedError(NotFoundError):
    """There is no such entry, or no checkpoint covers it yet."""

    code = "P074"
    title = "No checkpoint covers this entry yet"
