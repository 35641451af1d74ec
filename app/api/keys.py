"""API keys of portals: shown once, stored as a hash, found by their prefix."""

from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlmodel import Session, select

from app.dependencies import get_engine
from core.actors import Actor, Role
from core.clock import Clock
from core.crypto import Vault, same_secret, sha256_hex
from core.db import reading
from core.errors import DoisoatError
from core.ids import new_token
from payments.models import ApiClient, Office

_MARK: Final = "dsk_"
_PREFIX_LENGTH: Final = 12
_SECRET_BYTES: Final = 32


class ApiKeyError(DoisoatError):
    """The request bears no valid API key."""

    code = "A010"
    status = HTTPStatus.UNAUTHORIZED
    title = "A valid API key is needed"


def create_client(
    session: Session,
    name: str,
    office: Office,
    *,
    webhook_url: str = "",
    vault: Vault,
    clock: Clock,
) -> tuple[ApiClient, str, bytes]:
    """Register a portal; returns it with its key and webhook secret, shown only now."""
    key = _MARK + new_token()
    secret = new_token(_SECRET_BYTES).encode()
    client = ApiClient(
        name=name,
        office_id=office.id,
        key_prefix=key[:_PREFIX_LENGTH],
        key_sha256=sha256_hex(key.encode()),
        webhook_url=webhook_url,
        created_at=clock(),
    )
    place = f"api_client.webhook_secret_sealed.{client.id}"
    client.webhook_secret_sealed = vault.encrypt(secret, place=place)
    session.add(client)
    session.flush()
    return client, key, secret


def portal_actor(request: Request) -> Actor:
    """Return the portal whose key stands in ``Authorization: Bearer …``.

    Raises:
        ApiKeyError: none, unknown, or switched off.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.startswith(_MARK):
        raise ApiKeyError
    with reading(get_engine(request)) as session:
        client = session.exec(
            select(ApiClient).where(ApiClient.key_prefix == key[:_PREFIX_LENGTH])
        ).first()
        if client is None or not client.active:
            raise ApiKeyError
        if not same_secret(client.key_sha256, sha256_hex(key.encode())):
            raise ApiKeyError
        office = session.get_one(Office, client.office_id)
        return Actor(id=client.id, role=Role.PORTAL, name=client.name, office_path=office.path)


PortalActor = Annotated[Actor, Depends(portal_actor)]
