"""People act: each deed goes through the front door, and doing it twice is doing it once."""

import unicodedata
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy.engine import Engine
from sqlmodel import select

from adapters.gateways.vietqr import parse_vietqr
from adapters.simulators.faults import Fault, draw
from app.demo import deeds
from app.demo.calls import Caller
from app.demo.city import WARDS, read_portal_keys
from app.demo.deeds import Deed, PlannedBill, Purpose, Sum
from app.demo.errors import DemonstrationError
from app.demo.places import Places
from app.demo.simulators import SEED
from core.db import reading
from core.ids import CROCKFORD
from payments.channels import Rail
from payments.models import Bill, Payment
from payments.states import PaymentStatus

_STARTS: Final = 4
_THOUSAND: Final = 1000
_WARDS: Final = {ward.code: ward for ward in WARDS}


class People:
    """Portal, payers and banks of the city, acting by HTTP on application and simulators."""

    def __init__(self, places: Places, engine: Engine, caller: Caller) -> None:
        self._places = places
        self._engine = engine
        self._caller = caller
        self._key = read_portal_keys(places).api_key

    def perform(self, deed: Deed, day: date) -> None:
        """Do one deed of a day.

        Raises:
            DemonstrationError: it was not possible.
        """
        match deed:
            case deeds.Issue():
                self._issue(deed.bill, day)
            case deeds.Cancel():
                self._cancel(deed.bill)
            case deeds.PayOnline():
                self._pay_online(deed)
            case deeds.ShowCode():
                self._attempt(deed.bill, Rail.VIETQR, deed.attempt)
            case deeds.Transfer():
                self._transfer(deed)
            case deeds.TakeBack():
                self._take_back(deed.bill)
            case deeds.Dispute():
                self._dispute(deed.bill)
            case deeds.RefundElsewhere():
                self._refund_elsewhere(deed.bill)
            case deeds.BookLine():
                self._book(deed)

    def _issue(self, bill: PlannedBill, day: date) -> None:
        if self._find_reference(bill) is not None:
            return  # a portal that was registered anew does not know its old requests
        body = {
            "dossier_code": bill.dossier_code,
            "office_code": bill.office_code,
            "procedure_code": bill.procedure_code,
            "due_date": (day + timedelta(days=bill.due_days)).isoformat(),
            "payer_name": bill.payer_name,
            "language": bill.language,
            "portal_reference": bill.key,
            "exemption_reason": bill.exemption_reason,
        }
        url = f"{self._places.pages}/api/v1/bills"
        self._caller.post(url, body, headers=self._portal(bill.key))

    def _cancel(self, bill: PlannedBill) -> None:
        url = f"{self._places.pages}/api/v1/bills/{self._reference(bill)}/cancel"
        body = {"reason": "Hồ sơ đã rút (minh họa) / dossier withdrawn"}
        self._caller.post(url, body, headers=self._portal(f"{bill.key}-cancel"))

    def _portal(self, key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}", "Idempotency-Key": key}

    def _pay_online(self, deed: deeds.PayOnline) -> None:
        payment = self._attempt(deed.bill, deed.rail, deed.attempt, deed.faults)
        url = f"{self._places.simulators}/{deed.rail}/_control/act"
        self._caller.post(url, {"url": payment.redirect_url, "outcome": deed.outcome})

    def _attempt(
        self, bill: PlannedBill, rail: Rail, number: int, faults: tuple[Fault, ...] = ()
    ) -> Payment:
        """Begin an attempt by the citizen's form, or find it where it was begun before.

        Where its start was lost, the citizen tries again, and is perhaps given the next attempt.
        """
        reference = self._reference(bill)
        if faults:
            self._force(rail, f"{reference}-{number}", faults, drawn_as=f"{bill.key}-{number}")
        for start in range(_STARTS):
            for one in range(number, number + _STARTS):
                payment = self._find_attempt(bill, one)
                if payment is not None and payment.status is not PaymentStatus.CREATED:
                    return payment
            url = f"{self._places.pages}/bills/{reference}/payments"
            again = number > 1 or start > 0
            form = {"rail": rail.value, "try_again": "1" if again else ""}
            answer = self._caller.submit(url, form)
            if not answer.is_redirect:
                raise DemonstrationError(f"{bill.key}: HTTP {answer.status_code} to the pay form")
        raise DemonstrationError(f"{bill.key}: attempt {number} was not begun")

    def _force(
        self, rail: Rail, reference: str, faults: tuple[Fault, ...], *, drawn_as: str
    ) -> None:
        url = f"{self._places.simulators}/{rail}/_control/faults"
        body = {"reference": reference, "faults": list(faults), "drawn_as": drawn_as}
        self._caller.post(url, body)

    def _transfer(self, deed: deeds.Transfer) -> None:
        payment = self._attempt(deed.bill, Rail.VIETQR, deed.attempt)
        body: dict[str, Any] = {
            "payload": payment.qr_payload,
            "transfer_id": f"{deed.bill.key}:{deed.number}",
            "payer_name": _as_banks_write(deed.bill.payer_name),
            "amount": self._sum(deed, payment),
            "purpose": self._purpose(deed, payment),
        }
        self._caller.post(f"{self._places.simulators}/bank/_control/transfers", body)

    def _sum(self, deed: deeds.Transfer, payment: Payment) -> int | None:
        asked = payment.amount_minor
        step = _THOUSAND * (1 + draw(SEED, "step", deed.bill.key) % 5)
        match deed.sum:
            case Sum.LESS:
                return asked - min(step, asked // 2)
            case Sum.MORE:
                return asked + step
            case Sum.FIRST_HALF:
                return asked // 2
            case Sum.SECOND_HALF:
                return asked - asked // 2
            case Sum.BOTH_BILLS:
                return asked + self._other(deed).amount_minor
            case Sum.AS_SHOWN:
                return None

    def _purpose(self, deed: deeds.Transfer, payment: Payment) -> str | None:
        shown = parse_vietqr(payment.qr_payload or "").purpose
        match deed.purpose:
            case Purpose.UNTOUCHED:
                return shown
            case Purpose.NOTHING:
                return "nop le phi ho so"
            case Purpose.TWO_SYMBOLS_WRONG:
                return _with_two_wrong(shown, deed.bill.key)
            case Purpose.DOSSIER_CODE:
                return f"nop phi {deed.bill.dossier_code}"
            case Purpose.TWO_REFERENCES:
                other = parse_vietqr(self._other(deed).qr_payload or "").purpose
                return f"{shown.partition(' ')[0]} {other.partition(' ')[0]} nop 2 ho so"
            case Purpose.AS_SHOWN:
                return None

    def _other(self, deed: deeds.Transfer) -> Payment:
        payment = self._find_attempt(deed.other_bill, 1) if deed.other_bill else None
        if payment is None:
            raise DemonstrationError(f"{deed.bill.key}: the other bill has no transfer code")
        return payment

    def _take_back(self, bill: PlannedBill) -> None:
        payment = self._attempt(bill, Rail.VIETQR, 1)
        order = parse_vietqr(payment.qr_payload or "")
        line = deeds.BookLine(
            key=f"taken-back-{bill.key}",
            office_code=bill.office_code,
            amount=-payment.amount_minor,
            narrative=f"HOAN TRA LENH CHUYEN TIEN {order.purpose}",
            counterparty=_as_banks_write(bill.payer_name),
        )
        self._book(line)

    def _book(self, line: deeds.BookLine) -> None:
        body = {
            "entry_id": line.key,
            "account": _WARDS[line.office_code].account_number,
            "amount": line.amount,
            "narrative": line.narrative,
            "counterparty_name": line.counterparty,
        }
        self._caller.post(f"{self._places.simulators}/bank/_control/bookings", body)

    def _dispute(self, bill: PlannedBill) -> None:
        intent = self._collected(bill).provider_txn_id
        listed = self._caller.get(
            f"{self._places.simulators}/stripe/v1/disputes?payment_intent={intent}",
            headers=_stripe(bill),
        )
        if not listed["data"]:
            url = f"{self._places.simulators}/stripe/_control/disputes"
            self._caller.post(url, {"payment_intent": intent})

    def _refund_elsewhere(self, bill: PlannedBill) -> None:
        form = {"payment_intent": self._collected(bill).provider_txn_id or ""}
        headers = _stripe(bill) | {"Idempotency-Key": f"{bill.key}-refund"}
        url = f"{self._places.simulators}/stripe/v1/refunds"
        answer = self._caller.submit(url, form, headers=headers)
        if not answer.is_success:
            raise DemonstrationError(f"{bill.key}: {answer.text[:200]}")

    def _collected(self, bill: PlannedBill) -> Payment:
        payment = self._find_attempt(bill, 1)
        if payment is None or not payment.provider_txn_id:
            raise DemonstrationError(f"{bill.key}: nothing was collected")
        return payment

    def _reference(self, bill: PlannedBill) -> str:
        found = self._find_reference(bill)
        if found is None:
            raise DemonstrationError(f"{bill.key} was never issued")
        return found

    def _find_reference(self, bill: PlannedBill) -> str | None:
        with reading(self._engine) as session:
            return session.exec(
                select(Bill.bill_reference).where(
                    Bill.portal_reference == bill.key, Bill.dossier_code == bill.dossier_code
                )
            ).first()

    def _find_attempt(self, bill: PlannedBill, number: int) -> Payment | None:
        reference = f"{self._reference(bill)}-{number}"
        with reading(self._engine) as session:
            return session.exec(
                select(Payment).where(Payment.merchant_reference == reference)
            ).first()


def _stripe(bill: PlannedBill) -> dict[str, str]:
    contract = _WARDS[bill.office_code].contracts[Rail.STRIPE]
    return {"Authorization": f"Bearer {contract.secrets['api_key']}"}


def _as_banks_write(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.replace("đ", "d").replace("Đ", "D"))
    return folded.encode("ascii", "ignore").decode().upper()


def _with_two_wrong(purpose: str, key: str) -> str:
    """Return a purpose whose reference has two wrong symbols, which nobody can correct."""
    reference, _, rest = purpose.partition(" ")
    symbols = list(reference)
    for place in (4, 8):
        step = 1 + draw(SEED, "wrong", key, str(place)) % (len(CROCKFORD) - 1)
        symbols[place] = CROCKFORD[(CROCKFORD.index(symbols[place]) + step) % len(CROCKFORD)]
    return f"{''.join(symbols)} {rest}".strip()
