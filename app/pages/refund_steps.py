"""A refund step by step, as payer and staff read it: what has happened, and what is next."""

from dataclasses import dataclass
from datetime import datetime

from app.i18n import Words
from app.pages import labels
from payments.channels import Channel
from payments.models import Refund
from payments.queries import RefundView
from payments.states import RefundStatus


@dataclass(frozen=True, slots=True)
class Step:
    """One step, when it was made, and whether it lies ahead."""

    text: str
    at: datetime | None = None
    ahead: bool = False


def way_back(channel: Channel, words: Words) -> str:
    """Return how a refund goes, in words."""
    if channel is Channel.BANK_TRANSFER:
        return words.say("by bank transfer")
    return words.say("back over %(channel)s", channel=words.say(labels.name(channel)))


def refund_steps(refund: Refund, words: Words) -> list[Step]:
    """Return the steps that were made, then the one that is next; none after the last."""
    say = words.say
    steps = [Step(say("Asked for by the office"), refund.created_at)]
    if refund.status is RefundStatus.REQUESTED:
        return [*steps, Step(say("A second person decides"), ahead=True)]
    if refund.status is RefundStatus.REJECTED:
        return [*steps, Step(say("Turned down"), refund.decided_at)]
    steps.append(Step(say("Approved by a second person"), refund.decided_at))
    way = way_back(refund.channel, words)
    if refund.status is RefundStatus.APPROVED:
        return [*steps, Step(say("Is sent next, %(way)s", way=way), ahead=True)]
    steps.append(Step(say("Sent %(way)s", way=way), refund.submitted_at))
    return [*steps, _end(refund, words)]


def waived_text(view: RefundView, words: Words) -> str:
    """Return the fees that a refund waives, each with its amount; empty where it waives none."""
    currency = view.refund.currency.value
    return ", ".join(
        f"{words.pick(line.name_vi, line.name_en)} {words.minor(line.amount_minor, currency)}"
        for line in view.waived
    )


def _end(refund: Refund, words: Words) -> Step:
    say, by_bank = words.say, refund.channel is Channel.BANK_TRANSFER
    channel = say(labels.name(refund.channel))
    if refund.status is RefundStatus.SUCCEEDED:
        done = (
            say("The bank statement shows that it went out")
            if by_bank
            else say("%(channel)s has sent it back", channel=channel)
        )
        return Step(done, refund.settled_at)
    if refund.status is RefundStatus.FAILED:
        failed = (
            say("The bank did not carry it out; the office looks for another way")
            if by_bank
            else say(
                "%(channel)s did not send it back; the office looks for another way",
                channel=channel,
            )
        )
        return Step(failed, refund.settled_at)
    return Step(
        say("It is not known yet whether it arrived: the bank statement will show it")
        if by_bank
        else say(
            "It is not known yet whether it arrived: we ask %(channel)s until it is certain",
            channel=channel,
        ),
        ahead=True,
    )
