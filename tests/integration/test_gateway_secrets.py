"""Secrets of merchants: sealed, two at a time while a rotation lasts, and never shown."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, select

from core.actors import SYSTEM, Actor, PermissionDeniedError, Role
from core.audit import AuditEvent
from core.db import transaction
from core.errors import DecryptionError, InputUnusableError
from payments.channels import Rail
from payments.exchanges import KEPT_DAYS, forget_exchanges, list_exchanges
from payments.gateway_models import GatewayExchange, GatewaySecret
from payments.ports import GatewayCall
from payments.secrets import find_access, list_secrets, retire_previous_secret, store_secret
from scheduler.wiring import AccessLookup, ExchangeKeeper
from tests.factories import VAULT, a_city
from tests.support.clock import FrozenClock

MERCHANT = "DEMO0001"
Store = Callable[[str], GatewaySecret]


@pytest.fixture
def store(session: Session, clock: FrozenClock) -> Store:
    a_city(session)

    def one(value: str) -> GatewaySecret:
        clock.advance(seconds=1)
        return store_secret(
            session, Rail.VNPAY, MERCHANT, "hash_secret", value, vault=VAULT, actor=SYSTEM,
            clock=clock,
        )  # fmt: skip

    return one


def read(session: Session) -> tuple[dict[str, str], dict[str, str]]:
    access = find_access(session, Rail.VNPAY, MERCHANT, vault=VAULT)
    assert access is not None
    return dict(access.secrets), dict(access.previous)


def test_the_newest_signs_and_the_one_before_still_verifies(session: Session, store: Store) -> None:
    store("one")
    assert read(session) == ({"hash_secret": "one"}, {})
    store("two")
    assert read(session) == ({"hash_secret": "two"}, {"hash_secret": "one"})
    store("three")
    assert read(session) == ({"hash_secret": "three"}, {"hash_secret": "two"})


def test_storing_the_same_again_rotates_nothing(session: Session, store: Store) -> None:
    first = store("one")
    assert store("one").id == first.id
    assert len(list_secrets(session)) == 1


def test_a_rotation_is_ended_by_retiring_the_previous_one(
    session: Session, store: Store, clock: FrozenClock
) -> None:
    store("one")
    store("two")
    end = {"actor": SYSTEM, "clock": clock}
    assert retire_previous_secret(session, Rail.VNPAY, MERCHANT, "hash_secret", **end)
    assert read(session) == ({"hash_secret": "two"}, {})
    assert not retire_previous_secret(session, Rail.VNPAY, MERCHANT, "hash_secret", **end)


def test_what_is_stored_is_sealed_for_its_own_row(session: Session, store: Store) -> None:
    one, two = store("first-secret"), store("other-secret")
    assert b"secret" not in one.sealed
    one.sealed, two.sealed = two.sealed, one.sealed
    session.flush()
    with pytest.raises(DecryptionError):
        read(session)


def test_the_audit_names_who_and_which_but_no_value(session: Session, store: Store) -> None:
    store("a-very-secret-value")
    (event,) = session.exec(select(AuditEvent).where(AuditEvent.action == "store_gateway_secret"))
    assert event.after == {"rail": "vnpay", "merchant_code": MERCHANT, "name": "hash_secret"}


@pytest.mark.parametrize("value", ["", " x", "x\n", "a\x00b"])
def test_a_pasted_secret_with_blanks_around_it_is_refused(store: Store, value: str) -> None:
    with pytest.raises(InputUnusableError):
        store(value)


def test_only_who_administers_stores_secrets(session: Session, clock: FrozenClock) -> None:
    officer = Actor("u", Role.OFFICER, office_path="/22/")
    with pytest.raises(PermissionDeniedError):
        store_secret(
            session, Rail.VNPAY, MERCHANT, "x", "y", vault=VAULT, actor=officer, clock=clock
        )


def test_a_process_learns_of_a_rotation_within_seconds(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, clock: FrozenClock
) -> None:
    now = [0.0]
    monkeypatch.setattr("scheduler.wiring.time.monotonic", lambda: now[0])
    lookup = AccessLookup(engine, VAULT)
    assert lookup(Rail.VNPAY, MERCHANT) is None
    with transaction(engine) as session:
        a_city(session)
        store_secret(
            session, Rail.VNPAY, MERCHANT, "hash_secret", "one", vault=VAULT, actor=SYSTEM,
            clock=clock,
        )  # fmt: skip
    assert lookup(Rail.VNPAY, MERCHANT).secrets == {"hash_secret": "one"}  # type: ignore[union-attr]
    clock.advance(seconds=1)
    with transaction(engine) as session:
        store_secret(
            session, Rail.VNPAY, MERCHANT, "hash_secret", "two", vault=VAULT, actor=SYSTEM,
            clock=clock,
        )  # fmt: skip
    assert lookup(Rail.VNPAY, MERCHANT).secrets == {"hash_secret": "one"}  # type: ignore[union-attr]
    now[0] += 5
    assert lookup(Rail.VNPAY, MERCHANT).secrets == {"hash_secret": "two"}  # type: ignore[union-attr]


def a_call(clock: FrozenClock, request: str = "orderId=MC1-1") -> GatewayCall:
    return GatewayCall(
        Rail.MOMO, "M1", "POST", "https://momo.example/q", request, 200, "{}", "", clock(), 12
    )


def test_calls_are_kept_found_and_forgotten(engine: Engine, clock: FrozenClock) -> None:
    keep = ExchangeKeeper(engine)
    keep(a_call(clock))
    clock.advance(days=KEPT_DAYS)
    keep(a_call(clock, "orderId=MC2-1"))
    clock.advance(seconds=1)
    with transaction(engine) as session:
        assert len(list_exchanges(session, Rail.MOMO, "M1")) == 2
        assert len(list_exchanges(session, Rail.MOMO, "M1", about="MC1")) == 1
        assert forget_exchanges(session, now=clock()) == 1
        assert [e.request for e in session.exec(select(GatewayExchange))] == ["orderId=MC2-1"]


def test_a_call_is_not_lost_because_its_record_was(engine: Engine, clock: FrozenClock) -> None:
    engine.dispose()
    broken = a_call(clock)
    object.__setattr__(broken, "rail", "no such rail")
    ExchangeKeeper(engine)(broken)
