"""What a provider may charge an account and from where it pays out, as agreed with it."""

from dataclasses import dataclass

from sqlmodel import Session

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.errors import InputUnusableError
from payments.channels import Channel, Rail
from payments.models import CollectingAccount
from reconciliation.models import ProviderContract

_MOST_BPS = 5_000


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """The contracted fee: round half up(gross × ``rate_bps`` / 10000) + ``fixed_minor``."""

    rate_bps: int
    fixed_minor: int = 0
    settlement_days: int = 1
    payout_accounts: tuple[str, ...] = ()
    payout_names: tuple[str, ...] = ()


def set_fee_terms(
    session: Session,
    account: CollectingAccount,
    rail: Rail,
    terms: FeeTerms,
    *,
    actor: Actor,
    clock: Clock,
) -> ProviderContract:
    """Write down what a provider may charge, or change it; later comparisons use the new terms.

    Raises:
        InputUnusableError: the rail brings the payer's own transfer, which nobody charges for; or
            the terms are no terms.
    """
    actor.require(Permission.ADMINISTER)
    if rail.channel is Channel.BANK_TRANSFER:
        raise InputUnusableError(f"{rail} brings the payer's own transfer: there is no fee on it")
    if not 0 <= terms.rate_bps <= _MOST_BPS or terms.fixed_minor < 0 or terms.settlement_days < 0:
        raise InputUnusableError("a fee is 0 to 50 per cent and a fixed part of 0 or more")
    found = session.get(ProviderContract, (account.id, rail.channel))
    contract = found or ProviderContract(
        account_id=account.id, provider=rail.channel, rate_bps=0, payout_accounts=[],
        payout_names=[],
    )  # fmt: skip
    contract.rate_bps, contract.fixed_minor = terms.rate_bps, terms.fixed_minor
    contract.settlement_days = terms.settlement_days
    contract.payout_accounts = list(terms.payout_accounts)
    contract.payout_names = list(terms.payout_names)
    session.add(contract)
    session.flush()
    record_audit(
        session,
        actor,
        "set_fee_terms",
        ("provider_contract", f"{account.id}:{rail.channel}"),
        clock=clock,
        after={"rate_bps": terms.rate_bps, "fixed_minor": terms.fixed_minor},
    )
    return contract
