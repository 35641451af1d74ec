"""Contracts with parties that speak a rail: what an office offers, to whom, within which limits."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.errors import InputUnusableError, NotFoundError
from payments.channels import Rail
from payments.models import CollectingAccount, FeeBearer, Merchant, Office

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
TELLS_ONLY: Final = frozenset({Rail.SEPAY, Rail.CASSO})
"""Parties that tell of credits and open no payments."""


@dataclass(frozen=True, slots=True)
class ContractTerms:
    """What is agreed with a party for one account; amounts in minor units of the account."""

    merchant_code: str
    min_minor: int = 0
    max_minor: int | None = None
    fee_bearer: FeeBearer = FeeBearer.OFFICE
    settings: Mapping[str, str] = field(default_factory=dict)
    active: bool = True


def set_contract(
    session: Session,
    account: CollectingAccount,
    rail: Rail,
    terms: ContractTerms,
    *,
    actor: Actor,
    clock: Clock,
) -> Merchant:
    """Write down a contract, or change the one there is; payments of before keep their merchant.

    Raises:
        InputUnusableError: a rail that needs no contract, a code that cannot stand in an address
            or is another account's, or limits that leave nothing.
    """
    actor.require(Permission.ADMINISTER)
    _check(session, account, rail, terms)
    merchant = session.exec(
        select(Merchant).where(Merchant.account_id == account.id, Merchant.rail == rail)
    ).first()
    before = None if merchant is None else _facts(merchant)
    if merchant is None:
        merchant = Merchant(account_id=account.id, rail=rail, merchant_code=terms.merchant_code)
    merchant.merchant_code = terms.merchant_code
    merchant.min_minor, merchant.max_minor = terms.min_minor, terms.max_minor
    merchant.fee_bearer, merchant.active = terms.fee_bearer, terms.active
    merchant.settings = dict(terms.settings)
    session.add(merchant)
    session.flush()
    record_audit(
        session,
        actor,
        "set_contract",
        ("merchant", merchant.id),
        clock=clock,
        before=before,
        after=_facts(merchant),
    )
    return merchant


def offer_rails(
    session: Session, office: Office, rails: Sequence[Rail], *, actor: Actor, clock: Clock
) -> Office:
    """Decide which rails an office offers, in the order citizens see them.

    Raises:
        InputUnusableError: a rail stands twice, or its party only tells of credits.
    """
    actor.require(Permission.ADMINISTER)
    if len(set(rails)) != len(rails):
        raise InputUnusableError("a rail stands twice")
    if only_told := [rail.value for rail in rails if rail in TELLS_ONLY]:
        raise InputUnusableError(f"nobody can pay over {', '.join(only_told)}: it only tells")
    before = list(office.rails)
    office.rails = [rail.value for rail in rails]
    session.add(office)
    record_audit(
        session,
        actor,
        "offer_rails",
        ("office", office.id),
        clock=clock,
        before={"rails": before},
        after={"rails": office.rails},
    )
    return office


def get_account(session: Session, account_number: str) -> CollectingAccount:
    """Return a collecting account by its number.

    Raises:
        NotFoundError: there is none.
    """
    found = session.exec(
        select(CollectingAccount).where(CollectingAccount.account_number == account_number)
    ).first()
    if found is None:
        raise NotFoundError(f"no collecting account {account_number[:40]!r}")
    return found


def list_contracts(
    session: Session, *, rail: Rail | None = None
) -> list[tuple[Merchant, CollectingAccount]]:
    """Return every contract with its account, by account and rail."""
    query = (
        select(Merchant, CollectingAccount)
        .join(CollectingAccount, col(CollectingAccount.id) == col(Merchant.account_id))
        .order_by(col(CollectingAccount.account_number), col(Merchant.rail))
    )
    if rail is not None:
        query = query.where(Merchant.rail == rail)
    return [(merchant, account) for merchant, account in session.exec(query)]


def _check(session: Session, account: CollectingAccount, rail: Rail, terms: ContractTerms) -> None:
    code = terms.merchant_code
    if rail is Rail.VIETQR:
        raise InputUnusableError("a plain VietQR code needs no contract: offer it")
    if not _CODE.fullmatch(code):
        raise InputUnusableError("a merchant code is 1 to 100 letters, digits, _, - and .")
    if terms.min_minor < 0 or (terms.max_minor or terms.min_minor) < terms.min_minor:
        raise InputUnusableError("the limits leave no amount")
    other = session.exec(
        select(Merchant)
        .where(Merchant.rail == rail, Merchant.merchant_code == code)
        .where(Merchant.account_id != account.id)
    ).first()
    if other is not None:
        raise InputUnusableError(f"{rail} {code} is the contract of another account")


def _facts(merchant: Merchant) -> dict[str, object]:
    return {
        "rail": merchant.rail.value,
        "merchant_code": merchant.merchant_code,
        "min_minor": merchant.min_minor,
        "max_minor": merchant.max_minor,
        "fee_bearer": merchant.fee_bearer.value,
        "settings": dict(merchant.settings),
        "active": merchant.active,
    }
