"""Small makers of things that exist: a city with offices and fees, bills, payments, evidence.

They go through the use cases where there is one, so that books and rows agree.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlmodel import Session

from adapters.gateways.vietqr import build_vietqr, transfer_purpose
from app.auth.accounts import create_user
from app.auth.models import StaffUser
from app.auth.passwords import Passwords
from core.actors import SYSTEM, Actor, Role
from core.clock import Clock, business_day
from core.crypto import Vault
from core.money import Money
from core.settings import Settings
from payments.billing import BillDraft, issue_bill
from payments.channels import Rail
from payments.checkout import open_attempt, record_started
from payments.collection import confirm_payment
from payments.models import (
    Bill,
    Budget,
    CollectingAccount,
    FeeKind,
    FeeSchedule,
    Merchant,
    Office,
    OfficeKind,
    Payment,
    Procedure,
    Refund,
)
from payments.ports import StartedPayment
from payments.refunds import Beneficiary, RefundDraft, request_refund
from reconciliation.intake import Delivery, ImportReport, import_settlement, import_statement
from reconciliation.ports import (
    BalanceCheck,
    Outcome,
    ParsedFile,
    ParsedLine,
    ParsedSettlement,
    ParsedSettlementLine,
    ParsedStatement,
)

PASSWORD = "a long enough password"
BENEFICIARY = Beneficiary("NGUYEN THI ANH TUYET", "0011004567890", "970436")
VAULT = Vault.from_text(Settings().encryption_keys.get_secret_value())


@dataclass(frozen=True, slots=True)
class City:
    """A small city: a province with two communes that collect on an account each."""

    province: Office
    communes: list[Office]
    accounts: list[CollectingAccount]
    procedure: Procedure


def quick_passwords() -> Passwords:
    """Passwords of the cheapest hashing, for tests only."""
    return Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))


def a_city(session: Session) -> City:
    """Make the province, its communes, an account for each, and a procedure with two fees."""
    province = Office(
        code="22", kind=OfficeKind.PROVINCE, name_vi="Tỉnh Quảng Ninh",
        name_en="Quang Ninh Province", path="/22/", demonstration=True,
    )  # fmt: skip
    session.add(province)
    session.flush()
    communes, accounts = [], []
    names = (("Phường Móng Cái 1", "Mong Cai 1 Ward"), ("Xã Hải Sơn", "Hai Son Commune"))
    for number, (name_vi, name_en) in enumerate(names, start=1):
        account = CollectingAccount(
            account_number=f"112000{number:06d}", bank_bin="970415", bank_name="VietinBank",
            account_name=f"UBND {name_en.upper()}", reference_prefix="MC",
        )  # fmt: skip
        session.add(account)
        session.flush()
        commune = Office(
            code=f"2200{number}", kind=OfficeKind.COMMUNE, name_vi=name_vi, name_en=name_en,
            parent_id=province.id, path=f"/22/2200{number}/", account_id=account.id,
            rails=["vietqr", "vnpay"], demonstration=True,
        )  # fmt: skip
        merchant = Merchant(
            account_id=account.id, rail=Rail.VNPAY, merchant_code=f"DEMO{number:04d}"
        )
        session.add_all([commune, merchant])
        communes.append(commune)
        accounts.append(account)
    procedure = Procedure(
        code="1.001193", name_vi="Đăng ký khai sinh có yếu tố nước ngoài",
        name_en="Registration of a birth with a foreign element", demonstration=True,
    )  # fmt: skip
    session.add(procedure)
    session.flush()
    session.add_all(
        [
            _fee(
                procedure, "LP-HOTICH", FeeKind.LE_PHI, 75_000,
                ("Lệ phí hộ tịch", "Civil status charge"),
            ),
            _fee(procedure, "P-BANSAO", FeeKind.PHI, 8_000, ("Phí bản sao", "Copy fee")),
        ]
    )  # fmt: skip
    session.flush()
    return City(province, communes, accounts, procedure)


def _fee(
    procedure: Procedure, code: str, kind: FeeKind, amount_minor: int, names: tuple[str, str]
) -> FeeSchedule:
    return FeeSchedule(
        procedure_id=procedure.id, fee_code=code, kind=kind, name_vi=names[0], name_en=names[1],
        amount_minor=amount_minor, legal_basis="demonstration", budget=Budget.STATE_TREASURY,
        effective_from=date(2020, 1, 1), demonstration=True,
    )  # fmt: skip


def a_bill(
    session: Session,
    city: City,
    *,
    clock: Clock,
    commune: int = 0,
    number: int = 1,
    payer_name: str = "Nguyễn Thị Ánh Tuyết",
) -> Bill:
    """Issue a bill of 83,000 VND for a dossier of a commune."""
    today = business_day(clock())
    draft = BillDraft(
        dossier_code=f"H49.22-{today:%y%m%d}-{number:04d}",
        office_code=city.communes[commune].code,
        procedure_code=city.procedure.code,
        due_date=today + timedelta(days=5),
        payer_name=payer_name,
        payer_email="payer@example.vn",
    )
    return issue_bill(session, draft, actor=SYSTEM, clock=clock)


def a_payment(session: Session, bill: Bill, *, clock: Clock, rail: Rail = Rail.VNPAY) -> Payment:
    """Open an attempt at a channel and have the channel accept it: it is pending."""
    payment = open_attempt(session, bill.id, rail, minutes=15, try_again=True, clock=clock)
    account = session.get_one(CollectingAccount, payment.account_id)
    if rail is Rail.VIETQR:
        purpose = transfer_purpose(bill.bill_reference, "le phi")
        payload = build_vietqr(account.bank_bin, account.account_number, payment.amount, purpose)
        started = StartedPayment(qr_payload=payload)
    else:
        started = StartedPayment(redirect_url="http://127.0.0.1:9/pay")
    return record_started(session, payment, started, clock=clock)


def a_paid_payment(
    session: Session,
    bill: Bill,
    *,
    clock: Clock,
    rail: Rail = Rail.VNPAY,
    collected_minor: int | None = None,
) -> Payment:
    """Open an attempt and have the channel report that it collected."""
    payment = a_payment(session, bill, clock=clock, rail=rail)
    collected = payment.amount_minor if collected_minor is None else collected_minor
    confirm_payment(
        session, payment, Money(collected, payment.currency),
        provider_txn_id=None if rail is Rail.VIETQR else f"14{payment.id[-8:]}",
        occurred_at=clock(), clock=clock,
    )  # fmt: skip
    return payment


def ask_refund(
    session: Session,
    payment: Payment,
    amount: Money,
    reason: str = "paid twice",
    *,
    actor: Actor,
    clock: Clock,
    **more: Any,
) -> Refund:
    """Ask that some of a payment go back, on evidence of the tests' own."""
    draft = RefundDraft(amount, reason, evidence="QĐ 12/2026", **more)
    return request_refund(session, payment, draft, actor=actor, clock=clock)


def a_line(
    day: date, amount: int, narrative: str, *, bank_ref: str = "", payer: str = ""
) -> ParsedLine:
    """Make a booked line of a statement; a credit is positive."""
    return ParsedLine(
        position="row 1", booking_date=day, value_date=day, amount=Decimal(amount),
        currency="VND", narrative=narrative, bank_reference=bank_ref, counterparty_name=payer,
    )  # fmt: skip


def a_statement(
    session: Session,
    account: CollectingAccount,
    lines: Sequence[ParsedLine],
    *,
    day: date,
    clock: Clock,
    opening: int = 0,
) -> ImportReport:
    """Import a statement of one day whose balances add up."""
    closing = opening + sum(int(line.amount) for line in lines)
    statement = ParsedStatement(
        account=account.account_number, currency="VND", number=f"{day:%j}", from_date=day,
        to_date=day, opening_balance=Decimal(opening), closing_balance=Decimal(closing),
        balance_check=BalanceCheck.OK, lines=list(lines),
    )  # fmt: skip
    content = repr(statement).encode()
    parsed = ParsedFile(
        file=f"{account.account_number}-{day}.xml", sha256=hashlib.sha256(content).hexdigest(),
        format="camt.053.001.08", outcome=Outcome.OK, statements=[statement],
    )  # fmt: skip
    delivery = Delivery(content=content, source="test", actor=SYSTEM)
    return import_statement(session, parsed, delivery, vault=VAULT, clock=clock)


def a_settlement(
    session: Session, account: CollectingAccount, payments: Sequence[Payment], *, clock: Clock
) -> ImportReport:
    """Import a VNPay report that settles these payments, at a fee of 1 %, for the next day."""
    day = business_day(clock())
    lines = [_settled(payment, position, day) for position, payment in enumerate(payments, start=2)]
    content = repr(lines).encode()
    parsed = ParsedSettlement(
        file=f"vnpay-{day}.csv", sha256=hashlib.sha256(content).hexdigest(), format="vnpay",
        provider="vnpay", report_id=f"R{day:%Y%m%d}", outcome=Outcome.OK, lines=lines,
    )  # fmt: skip
    delivery = Delivery(content=content, source="test", actor=SYSTEM)
    return import_settlement(session, parsed, delivery, vault=VAULT, clock=clock, account=account)


def _settled(payment: Payment, position: int, day: date) -> ParsedSettlementLine:
    gross = Money(payment.collected_minor or payment.amount_minor, payment.currency)
    fee = Money((gross.amount_minor * 100 + 5000) // 10000, payment.currency)
    paid_at: datetime = payment.paid_at or payment.created_at
    return ParsedSettlementLine(
        position=f"row {position}", kind="payment", provider_txn_id=payment.provider_txn_id or "",
        bill_reference=payment.merchant_reference.rpartition("-")[0], gross=gross, fee=fee,
        net=gross - fee, occurred_at=paid_at.isoformat(), payout_id=f"PO{day:%Y%m%d}",
        payout_date=day + timedelta(days=1),
    )  # fmt: skip


def a_user(
    session: Session, username: str, role: Role, *, office: Office, clock: Clock
) -> StaffUser:
    """Make an account of staff whose password is ``PASSWORD``."""
    return create_user(
        session, username=username, name=username.replace(".", " ").title(), role=role,
        office_code=office.code, password=PASSWORD, passwords=quick_passwords(), actor=SYSTEM,
        clock=clock,
    )  # fmt: skip
