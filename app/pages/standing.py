"""What became of a payment, as the citizen's page says it: always the truth, doubt included."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from app.i18n import Words
from app.pages import labels
from payments.channels import Rail
from payments.models import Payment
from payments.queries import PaymentView
from payments.states import MAY_STILL_COLLECT, PAYABLE, PaymentStatus

_SOON: Final = 5
_PATIENT: Final = 30


@dataclass(frozen=True, slots=True)
class Standing:
    """How a payment stands: headline, sentences, and what the reader can do next.

    ``refresh_seconds`` is 0 where nothing will change by waiting.
    """

    headline: str
    sentences: list[str] = field(default_factory=list)
    refresh_seconds: int = 0
    show_transfer: bool = False
    continue_url: str = ""
    may_try_again: bool = False


def standing_of(view: PaymentView, words: Words, *, now: datetime) -> Standing:
    """Return how a payment stands.

    Nothing but the channel's or the bank's own word makes it failed, expired or called off; all
    else is in doubt, and says that we are asking.
    """
    payment = view.payment
    if payment.status in MAY_STILL_COLLECT:
        if payment.rail is Rail.VIETQR:
            return _awaited_transfer(view, words)
        return _asked(view, words, now=now)
    return _FINAL[payment.status](view, words)


def _channel(payment: Payment, words: Words) -> str:
    return words.say(labels.name(payment.rail))


def _awaited_transfer(view: PaymentView, words: Words) -> Standing:
    say = words.say
    if view.bill.status not in PAYABLE:
        return Standing(
            say("Please do not transfer any more"),
            [say("Nothing is to be paid on this bill now. If you have transferred already, the "
                 "money will be found on the bank statement and counted or sent back.")],
        )  # fmt: skip
    if view.payment.qr_payload is None:
        return Standing(
            say("The transfer code is being made"), refresh_seconds=_SOON, may_try_again=True
        )
    return Standing(
        say("Transfer %(amount)s with your bank app", amount=words.money(view.payment.amount)),
        [say("Your transfer is found when the bank tells us of it, at the latest with its "
             "statement of the next working day. Until then this page says that it is awaited.")],
        refresh_seconds=_PATIENT,
        show_transfer=True,
        may_try_again=True,
    )  # fmt: skip


def _asked(view: PaymentView, words: Words, *, now: datetime) -> Standing:
    say, payment = words.say, view.payment
    channel = _channel(payment, words)
    sentences = [
        say("It is not known yet whether your money was taken. That is not a failure: we ask "
            "%(channel)s again and again until it is certain.", channel=channel),
        say("If you have paid, you need not pay again."),
    ]  # fmt: skip
    in_time = now < payment.expires_at
    return Standing(
        say("We are asking %(channel)s", channel=channel),
        sentences,
        refresh_seconds=_SOON if in_time else _PATIENT,
        continue_url=payment.redirect_url or "" if in_time else "",
        may_try_again=view.bill.status in PAYABLE,
    )


def _succeeded(view: PaymentView, words: Words) -> Standing:
    say, payment = words.say, view.payment
    sentences = []
    if payment.collected_minor not in (None, payment.amount_minor):
        sentences.append(
            say("Another amount than was asked for arrived: %(asked)s was asked. An officer looks "
                "into the difference; nothing is lost.", asked=words.money(payment.amount))
        )  # fmt: skip
    sentences.append(
        say("The bank statement shows the money.")
        if payment.confirmed_at
        else say("The money will be compared with the bank statement in the next days.")
    )
    return Standing(say("Payment received"), sentences)


def _failed(view: PaymentView, words: Words) -> Standing:
    channel = _channel(view.payment, words)
    return _ended(
        view,
        words,
        words.say("The payment was not collected"),
        words.say("%(channel)s says that no money was taken.", channel=channel),
    )


def _expired(view: PaymentView, words: Words) -> Standing:
    return _ended(
        view,
        words,
        words.say("The time to pay ran out"),
        words.say("No money was taken in the time given."),
    )


def _cancelled(view: PaymentView, words: Words) -> Standing:
    return _ended(
        view,
        words,
        words.say("The payment was called off"),
        words.say("It was called off before any money was taken."),
    )


def _ended(view: PaymentView, words: Words, headline: str, reason: str) -> Standing:
    nevertheless = words.say(
        "Should your bank show a debit nevertheless, you lose nothing: the money is found on the "
        "bank statement and counted for this bill."
    )
    return Standing(headline, [reason, nevertheless], may_try_again=view.bill.status in PAYABLE)


def _reversed(view: PaymentView, words: Words) -> Standing:
    say = words.say
    return Standing(
        say("The payment was taken back"),
        [say("Your bank took this payment back after it had arrived. The receipt is void and the "
             "bill is open again.")],
        may_try_again=view.bill.status in PAYABLE,
    )  # fmt: skip


_FINAL: Final[Mapping[PaymentStatus, Callable[[PaymentView, Words], Standing]]] = {
    PaymentStatus.SUCCEEDED: _succeeded,
    PaymentStatus.FAILED: _failed,
    PaymentStatus.EXPIRED: _expired,
    PaymentStatus.CANCELLED: _cancelled,
    PaymentStatus.REVERSED: _reversed,
}
