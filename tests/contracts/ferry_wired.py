"""Ferry in its tables: stored, made, offered, paid and played where its guide was followed.

Like ``ferry_rig.py`` it can be imported only there; ``test_new_rail_guide.py`` runs it as a test.
"""

import json
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import inspect
from sqlalchemy.engine import Engine
from sqlmodel import select

from adapters.gateways import ferry_signing as signing
from adapters.gateways.ferry import FerryConfig, FerryGateway
from adapters.http import Caller
from adapters.registry import GatewayRegistry
from adapters.simulators.parties import PlayedContract, Stage, endpoints_of
from adapters.simulators.server import create_server
from alembic import command
from app.pages.labels import name
from core import migrations
from core.actors import SYSTEM
from core.db import transaction
from core.money import Money
from core.settings import Settings
from payments.channels import Channel, Rail
from payments.contracts import ContractTerms, offer_rails, set_contract
from payments.errors import GatewayRefusedError, GatewayUnavailableError
from payments.models import Payment
from payments.ports import MerchantAccess, Outcome, PaymentQuery
from payments.secrets import find_access, store_secret
from payments.states import PaymentStatus
from tests.factories import VAULT, a_bill, a_city, a_paid_payment
from tests.support.clock import FrozenClock

SHOP = "SHOP1"


def stored(engine: Engine, clock: FrozenClock) -> MerchantAccess:
    """Store contract and secret, let an office offer it, and have a bill paid over it."""
    with transaction(engine) as session:
        city = a_city(session)
        set_contract(
            session, city.accounts[0], Rail.FERRY, ContractTerms(SHOP), actor=SYSTEM, clock=clock
        )
        store_secret(
            session, Rail.FERRY, SHOP, "secret", "s3cret", vault=VAULT, actor=SYSTEM, clock=clock
        )
        offer_rails(session, city.communes[0], [Rail.FERRY], actor=SYSTEM, clock=clock)
        a_paid_payment(session, a_bill(session, city, clock=clock), clock=clock, rail=Rail.FERRY)
    with transaction(engine) as session:
        access = find_access(session, Rail.FERRY, SHOP, vault=VAULT)
    assert access is not None
    return access


def test_the_database_takes_it_and_the_registry_makes_it(
    sqlite_engine: Engine, clock: FrozenClock, tmp_path: Path
) -> None:
    access = stored(sqlite_engine, clock)
    settings = Settings(var_dir=tmp_path, endpoints={"ferry.api": "http://127.0.0.1:9/ferry"})

    gateway = GatewayRegistry(settings, clock, lambda *_: access).get(Rail.FERRY, SHOP)

    assert isinstance(gateway, FerryGateway)
    assert name(Rail.FERRY) == "Ferry"
    with transaction(sqlite_engine) as session:
        payment = session.exec(select(Payment)).one()
    assert (payment.rail, payment.channel) == (Rail.FERRY, Channel.BANK_TRANSFER)
    assert payment.status is PaymentStatus.SUCCEEDED


def rails_checked(engine: Engine) -> set[bool]:
    """Return whether Ferry is among the rails, over all checks of rails."""
    inspector = inspect(engine)
    texts = [
        check["sqltext"]
        for table in inspector.get_table_names()
        for check in inspector.get_check_constraints(table)
    ]
    return {"'ferry'" in text for text in texts if "'vietqr'" in text}


def test_its_migration_can_be_taken_back(sqlite_engine: Engine) -> None:
    assert rails_checked(sqlite_engine) == {True}
    with sqlite_engine.begin() as connection:
        command.downgrade(migrations._config(connection=connection), "-1")
    assert rails_checked(sqlite_engine) == {False}


def test_it_is_played_like_the_others(
    sqlite_engine: Engine, clock: FrozenClock, tmp_path: Path
) -> None:
    access = stored(sqlite_engine, clock)
    stage = Stage(clock, tmp_path, "http://127.0.0.1:9")
    played = PlayedContract(access, "112000000001", "http://127.0.0.1:9/notice")

    server = create_server(stage, [played], environment="test")

    parties = server.state.parties
    assert parties.deliver_due() == {"ferry": 0}
    parties.close()
    assert endpoints_of([Rail.FERRY], stage.url) == {"ferry.api": "http://127.0.0.1:9/ferry"}


def answering(*, status: int = 200, **changes: object) -> FerryGateway:
    """Return a gateway to a Ferry that gives one answer, well signed."""
    order = {"shop": SHOP, "order": "MC-1", "state": "paid", "amount": 150_000, "txn": "F1",
             "at": 1_772_418_000, "page": "https://ferry.example/pay/MC-1"}  # fmt: skip
    body = json.dumps(order | changes).encode()
    signed = {signing.HEADER: signing.sign(body, "s3cret")}
    ferry = httpx2.MockTransport(lambda _: httpx2.Response(status, content=body, headers=signed))
    http = Caller(
        httpx2.Client(transport=ferry), rail=Rail.FERRY, merchant_code=SHOP, clock=FrozenClock()
    )
    return FerryGateway(FerryConfig(SHOP, "https://ferry.example", "s3cret"), http)


def asked() -> PaymentQuery:
    now = FrozenClock()()
    return PaymentQuery("MC-1", None, None, now, now, "1", Money(150_000))


@pytest.mark.parametrize(
    ("state", "outcome", "amount"),
    [
        ("paid", Outcome.SUCCEEDED, Money(150_000)),
        ("refused", Outcome.FAILED, None),
        ("expired", Outcome.EXPIRED, None),
        ("open", Outcome.PENDING, None),
        ("unknown", Outcome.PENDING, None),
        ("a word of next year", Outcome.PENDING, None),
    ],
)
def test_every_word_of_its_manual_means_one_thing(
    state: str, outcome: Outcome, amount: Money | None
) -> None:
    told = answering(state=state).query(asked())

    assert (told.outcome, told.amount) == (outcome, amount)


@pytest.mark.parametrize(
    "changes",
    [{"order": "MC-2"}, {"shop": "SHOP2"}, {"amount": 150_000.0}, {"amount": True}, {"at": "now"}],
    ids=str,
)
def test_an_answer_about_something_else_is_unknown(changes: dict[str, object]) -> None:
    with pytest.raises(GatewayUnavailableError):
        answering(**changes).query(asked())


def test_only_an_answer_that_certainly_did_nothing_is_a_refusal() -> None:
    with pytest.raises(GatewayRefusedError):
        answering(status=401).query(asked())
