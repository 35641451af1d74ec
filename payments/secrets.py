"""Secrets of merchants: sealed, two of a name while a rotation lasts, never shown again."""

from itertools import groupby

from sqlmodel import Session, col, select

from core.actors import Actor, Permission
from core.audit import record_audit
from core.clock import Clock
from core.crypto import Vault
from core.errors import InputUnusableError
from payments.channels import Rail
from payments.gateway_models import GatewaySecret
from payments.models import CollectingAccount, Merchant
from payments.ports import MerchantAccess

_LIVING = 2
"""The newest secret of a name signs and verifies, the one before it only verifies."""


def store_secret(
    session: Session,
    rail: Rail,
    merchant_code: str,
    name: str,
    value: str,
    *,
    vault: Vault,
    actor: Actor,
    clock: Clock,
) -> GatewaySecret:
    """Seal a new secret; the one before stays valid until :func:`retire_previous_secret`.

    Storing the same value again changes nothing. A third one retires the oldest.

    Raises:
        InputUnusableError: the value is empty, or has blanks around it as pasted texts do.
    """
    actor.require(Permission.ADMINISTER)
    if not value or value != value.strip() or not value.isprintable():
        raise InputUnusableError("a secret is not empty and has no blanks around it")
    living = _living(session, rail, merchant_code, name)
    if living and _open(living[0], vault) == value:
        return living[0]
    for old in living[_LIVING - 1 :]:
        old.retired_at = clock()
        session.add(old)
    secret = GatewaySecret(
        rail=rail,
        merchant_code=merchant_code,
        name=name,
        sealed=b"",
        created_by=actor.id,
        created_at=clock(),
    )
    secret.sealed = vault.encrypt(value.encode(), place=_place(secret))
    session.add(secret)
    session.flush()
    _audit(session, actor, "store_gateway_secret", secret, clock)
    return secret


def retire_previous_secret(
    session: Session, rail: Rail, merchant_code: str, name: str, *, actor: Actor, clock: Clock
) -> bool:
    """End a rotation: only the newest secret of a name is valid. False: there was no other."""
    actor.require(Permission.ADMINISTER)
    previous = _living(session, rail, merchant_code, name)[1:]
    for secret in previous:
        secret.retired_at = clock()
        session.add(secret)
        _audit(session, actor, "retire_gateway_secret", secret, clock)
    return bool(previous)


def find_access(
    session: Session, rail: Rail, merchant_code: str, *, vault: Vault
) -> MerchantAccess | None:
    """Return what is needed to speak as a merchant, or None where there is no such contract."""
    found = session.exec(
        select(Merchant, CollectingAccount.reference_prefix)
        .join(CollectingAccount, col(CollectingAccount.id) == col(Merchant.account_id))
        .where(Merchant.rail == rail, Merchant.merchant_code == merchant_code)
    ).first()
    if found is None:
        return None
    merchant, prefix = found
    current: dict[str, str] = {}
    previous: dict[str, str] = {}
    for name, secrets in groupby(_living(session, rail, merchant_code), key=lambda one: one.name):
        for place, secret in zip((current, previous), secrets, strict=False):
            place[name] = _open(secret, vault)
    return MerchantAccess(rail, merchant_code, prefix, merchant.settings, current, previous)


def list_secrets(session: Session) -> list[GatewaySecret]:
    """Return every living secret, sealed: who stored it and when may be shown, its value not."""
    query = (
        select(GatewaySecret)
        .where(col(GatewaySecret.retired_at).is_(None))
        .order_by(
            col(GatewaySecret.rail),
            col(GatewaySecret.merchant_code),
            col(GatewaySecret.name),
            col(GatewaySecret.created_at).desc(),
        )
    )
    return list(session.exec(query))


def _living(
    session: Session, rail: Rail, merchant_code: str, name: str | None = None
) -> list[GatewaySecret]:
    query = (
        select(GatewaySecret)
        .where(GatewaySecret.rail == rail, GatewaySecret.merchant_code == merchant_code)
        .where(col(GatewaySecret.retired_at).is_(None))
        .order_by(
            col(GatewaySecret.name),
            col(GatewaySecret.created_at).desc(),
            col(GatewaySecret.id).desc(),
        )
    )
    if name is not None:
        query = query.where(GatewaySecret.name == name)
    return list(session.exec(query))


def _open(secret: GatewaySecret, vault: Vault) -> str:
    return vault.decrypt(secret.sealed, place=_place(secret)).decode()


def _place(secret: GatewaySecret) -> str:
    return f"gateway_secret.sealed.{secret.rail}.{secret.merchant_code}.{secret.name}.{secret.id}"


def _audit(
    session: Session, actor: Actor, action: str, secret: GatewaySecret, clock: Clock
) -> None:
    record_audit(
        session,
        actor,
        action,
        ("gateway_secret", secret.id),
        clock=clock,
        after={
            "rail": secret.rail.value,
            "merchant_code": secret.merchant_code,
            "name": secret.name,
        },
    )
