"""Starting a payment: the intent is committed, the channel called, the answer committed."""

import re
import unicodedata
from functools import partial
from typing import Final

from sqlalchemy.engine import Engine
from sqlmodel import Session, col, select

from core.clock import Clock
from core.db import transaction
from core.money import Money
from core.settings import Settings
from payments.billing import account_of_office
from payments.channels import Rail
from payments.checkout import open_attempt, record_start_unknown, record_started
from payments.collection import end_attempt, lock_bill, lock_payment
from payments.errors import (
    AttemptKnownError,
    BillNotFoundError,
    GatewayRefusedError,
    GatewayUnavailableError,
)
from payments.models import Bill, BillLine, Merchant, Office, Payment, Procedure
from payments.ports import Dossier, FeeItem, StartRequest
from payments.states import PaymentEvent, PaymentStatus
from reconciliation.models import ProviderContract
from scheduler.context import Gateways

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9 ]+")
_DESCRIPTION_LENGTH: Final = 60
_MOST_ROUNDS: Final = 64


def begin_payment(  # noqa: PLR0913 - the outside, the bill, and what the payer said
    engine: Engine,
    gateways: Gateways,
    bill_reference: str,
    rail: Rail,
    *,
    payer_ip: str,
    locale: str,
    try_again: bool = False,
    after: int = 0,
    clock: Clock,
    settings: Settings,
) -> Payment:
    """Open an attempt over a rail and return it with where the payer has to go.

    Submitting twice returns the same attempt. A lost answer leaves the attempt in doubt, watched
    by the scheduler; the payer may then ask to ``try_again``: the channel is called once more,
    and where it has the attempt but tells its page only once, another one is opened. Attempts
    up to number ``after`` are not given again.

    Raises:
        BillNotFoundError, BillNotPayableError, ChannelNotOfferedError, AmountOutsideLimitsError,
            PaymentInProgressError: nothing was opened.
        GatewayUnavailableError: the channel's answer was lost; the attempt is in doubt.
        GatewayRefusedError: the channel did nothing; the attempt has failed, unless it was begun
            before and the answer was lost: then it stays in doubt.
    """
    with transaction(engine) as session:
        bill = session.exec(select(Bill).where(Bill.bill_reference == bill_reference)).first()
        if bill is None:
            raise BillNotFoundError
        lock_bill(session, bill.id)  # nobody opens an attempt between these two
        known = session.exec(select(Payment.id).where(Payment.bill_id == bill.id)).all()
        payment = open_attempt(
            session,
            bill.id,
            rail,
            minutes=settings.payment_minutes,
            try_again=try_again,
            after=after,
            surcharge=partial(contracted_surcharge, session),
            clock=clock,
        )
        if payment.status is not PaymentStatus.CREATED:
            return payment
        may_be_open = payment.id in known
        request = _request(session, bill, payment, payer_ip, locale, settings)
    try:
        started = gateways.get(rail, payment.merchant_code).start(request)
    except GatewayUnavailableError as lost:
        with transaction(engine) as session:
            record_start_unknown(session, lock_payment(session, payment.id), clock=clock)
        if not (isinstance(lost, AttemptKnownError) and may_be_open and try_again):
            raise
        return begin_payment(
            engine,
            gateways,
            bill_reference,
            rail,
            payer_ip=payer_ip,
            locale=locale,
            try_again=True,
            after=payment.attempt,
            clock=clock,
            settings=settings,
        )
    except GatewayRefusedError as refusal:
        with transaction(engine) as session:
            current = lock_payment(session, payment.id)
            if may_be_open:  # an earlier call whose answer was lost may have opened it
                record_start_unknown(session, current, clock=clock)
            elif current.status is PaymentStatus.CREATED:
                end_attempt(session, current, PaymentEvent.DECLINED, refusal.code, clock=clock)
        raise
    with transaction(engine) as session:
        return record_started(session, lock_payment(session, payment.id), started, clock=clock)


def _request(
    session: Session, bill: Bill, payment: Payment, payer_ip: str, locale: str, settings: Settings
) -> StartRequest:
    office = session.get_one(Office, bill.office_id)
    account = account_of_office(session, office)
    assert account is not None  # noqa: S101 - open_attempt refuses an office without one
    base = settings.base_url.rstrip("/")
    return StartRequest(
        merchant_reference=payment.merchant_reference,
        bill_reference=bill.bill_reference,
        amount=payment.amount,
        description=plain_text(f"{bill.bill_reference} {bill.title_vi}"),
        return_url=f"{base}/payments/{payment.id}/return",
        notice_url=f"{base}/channels/{payment.rail}/{payment.merchant_code}/notice",
        payer_ip=payer_ip,
        locale=locale,
        created_at=payment.created_at,
        expires_at=payment.expires_at,
        collecting_bank_bin=account.bank_bin,
        collecting_account=account.account_number,
        collecting_account_name=account.account_name,
        dossier=_dossier(session, bill, office),
    )


def _dossier(session: Session, bill: Bill, office: Office) -> Dossier:
    procedure = session.get(Procedure, bill.procedure_id) if bill.procedure_id else None
    lines = session.exec(
        select(BillLine).where(BillLine.bill_id == bill.id).order_by(col(BillLine.position))
    )
    return Dossier(
        dossier_code=bill.dossier_code,
        procedure_code=procedure.code if procedure else "",
        procedure_name=procedure.name_vi if procedure else bill.title_vi,
        office_code=office.code,
        office_name=office.name_vi,
        payer_name=bill.payer_name,
        fees=tuple(
            FeeItem(
                line.kind.value,
                line.fee_code,
                line.name_vi,
                Money(line.amount_minor, bill.currency),
            )
            for line in lines
        ),
    )


def contracted_surcharge(session: Session, merchant: Merchant, amount: Money) -> Money:
    """Return what is asked on top so that the contracted fee leaves the bill's amount whole.

    The channel charges its fee on the whole sum, the surcharge included; without a contract's
    terms nothing is asked.
    """
    terms = session.get(ProviderContract, (merchant.account_id, merchant.rail.channel))
    if terms is None:
        return Money(0, amount.currency)
    extra = terms.fee_minor(amount.amount_minor)
    for _ in range(_MOST_ROUNDS):  # each round adds the fee on what the last one added
        needed = terms.fee_minor(amount.amount_minor + extra)
        if needed <= extra:
            break
        extra = needed
    return Money(extra, amount.currency)


def plain_text(text: str) -> str:
    """Return text as every channel takes it: letters without diacritics, digits and blanks."""
    folded = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    ascii_text = folded.encode("ascii", "ignore").decode()
    return " ".join(_UNSAFE.sub(" ", ascii_text).split())[:_DESCRIPTION_LENGTH].strip()
