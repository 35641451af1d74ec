"""The portal's ear believes only what is signed with its own secret."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from adapters.notifications.webhook import sign
from app.demo.city import PortalKeys, keep_portal_keys
from app.demo.places import Places
from app.demo.simulators import create_portal

SECRET = b"the portal's webhook secret"
BODY = b'{"type":"bill.paid"}'


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[TestClient]:
    places = Places(tmp_path, 8000)
    keep_portal_keys(places, PortalKeys("dsk_key", SECRET))
    with TestClient(create_portal(places)) as client:
        yield client


def _headers(secret: bytes) -> dict[str, str]:
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1790000000",
        "webhook-signature": sign("msg_1", "1790000000", BODY, secret),
    }


def test_a_signed_message_is_heard_once_however_often_it_comes(portal: TestClient) -> None:
    for _ in range(2):
        assert portal.post("/webhooks", content=BODY, headers=_headers(SECRET)).is_success

    assert portal.get("/_control/heard").json() == {"count": 1}


def test_a_forged_message_is_not_heard(portal: TestClient) -> None:
    answer = portal.post("/webhooks", content=BODY, headers=_headers(b"another secret"))

    assert answer.status_code == 401
    assert portal.get("/_control/heard").json() == {"count": 0}
