"""A second opinion on Stripe by somebody else's fake, installed apart because it is GPL."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import stripe
from starlette.applications import Starlette
from starlette.routing import Route

from adapters.gateways.stripe import StripeConfig, StripeGateway
from adapters.gateways.stripe_transport import StripeTransport
from adapters.http import Caller, create_client
from core.clock import utc_now
from core.money import Money
from payments.channels import Rail
from payments.errors import GatewayRefusedError, InvalidSignatureError
from payments.ports import NoticeKind, Outcome, PaymentGateway, RefundOrder
from tests.contracts.rigs.inbox import SmallBooks
from tests.contracts.rigs.serving import free_listener, serving
from tests.contracts.rigs.world import receiver

pytestmark = pytest.mark.slow
KEY = "sk_test_second"
SECRET = "whsec_second"


@pytest.fixture(scope="module")
def localstripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Install the program into an environment of its own and run it on loopback."""
    home = tmp_path_factory.mktemp("localstripe")
    subprocess.run([sys.executable, "-m", "venv", home / "venv"], check=True)
    python = home / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "localstripe==1.15.10"]
    if subprocess.run(install, check=False).returncode:
        pytest.skip("localstripe cannot be installed here")
    listener, port = free_listener()
    listener.close()
    command = [home / "venv" / "bin" / "localstripe", "--port", str(port), "--from-scratch"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=home, stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"
    try:
        wait_for(base, home / "log")
        yield base
    finally:
        process.terminate()
        process.wait(timeout=10)


def wait_for(base: str, log: Path) -> None:
    with create_client(timeout_seconds=1) as client:
        for _ in range(100):
            try:
                client.get(base)
            except httpx2.TransportError:
                time.sleep(0.1)
            else:
                return
    raise AssertionError(log.read_text())


@pytest.fixture
def client() -> Iterator[httpx2.Client]:
    with create_client() as opened:
        yield opened


def caller(client: httpx2.Client) -> Caller:
    return Caller(client, rail=Rail.STRIPE, merchant_code="second", clock=utc_now)


@pytest.fixture
def sdk(localstripe: str, client: httpx2.Client) -> stripe.StripeClient:
    return stripe.StripeClient(
        KEY,
        base_addresses={"api": localstripe},
        max_network_retries=0,
        http_client=StripeTransport(caller(client)),
    )


def collected(sdk: stripe.StripeClient) -> stripe.PaymentIntent:
    card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    method = sdk.v1.payment_methods.create({"type": "card", "card": card})  # type: ignore[typeddict-item]
    return sdk.v1.payment_intents.create(
        {
            "amount": 150_000,
            "currency": "vnd",
            "payment_method": method.id,
            "confirm": True,
            "metadata": {"merchant_reference": "MC1-1"},
        }
    )


def order(intent: str, amount: int) -> RefundOrder:
    return RefundOrder(
        refund_reference=f"refund-{intent}-{amount}",
        merchant_reference="MC1-1",
        provider_reference=None,
        provider_txn_id=intent,
        amount=Money(amount),
        paid_amount=Money(150_000),
        paid_created_at=utc_now(),
        asked_at=utc_now(),
        operator="officer-7",
        description="Hoan le phi",
    )


def test_refunds_mean_the_same_there(
    localstripe: str, sdk: stripe.StripeClient, client: httpx2.Client
) -> None:
    config = StripeConfig(api_key=KEY, webhook_secret=SECRET, api_url=localstripe)
    gateway = StripeGateway(config, caller(client))
    intent = collected(sdk)
    assert intent.status == "succeeded"

    refund = gateway.refund(order(intent.id, 50_000))

    assert refund.kind is NoticeKind.REFUND
    assert refund.outcome is Outcome.SUCCEEDED
    assert refund.amount == Money(50_000)
    with pytest.raises(GatewayRefusedError):
        gateway.refund(order("pi_none", 1))


def test_its_signed_events_are_accepted_and_ours_to_refuse(
    localstripe: str, sdk: stripe.StripeClient, client: httpx2.Client
) -> None:
    config = StripeConfig(api_key=KEY, webhook_secret=SECRET, api_url=localstripe)
    gateway: PaymentGateway = StripeGateway(config, caller(client))
    inbox = SmallBooks(gateway.verify_notice)
    receive = receiver(lambda: gateway, inbox, utc_now, lambda: True)
    app = Starlette(routes=[Route("/notices/stripe", receive, methods=["POST"])])
    listener, port = free_listener()
    with serving(app, listener):
        hook = {
            "url": f"http://127.0.0.1:{port}/notices/stripe",
            "secret": SECRET,
            "events": ["payment_intent.succeeded"],
        }
        client.post(f"{localstripe}/_config/webhooks/doisoat", json=hook)
        collected(sdk)
        for _ in range(100):
            if inbox.notices:
                break
            time.sleep(0.1)

    assert inbox.notices[0].kind is NoticeKind.PAYMENT
    assert (inbox.notices[0].outcome, inbox.notices[0].amount) == (
        Outcome.SUCCEEDED,
        Money(150_000),
    )
    assert inbox.notices[0].merchant_reference == "MC1-1"
    other = StripeConfig(api_key=KEY, webhook_secret="whsec_other")
    stolen = StripeGateway(other, caller(client))
    with pytest.raises(InvalidSignatureError):
        stolen.verify_notice(inbox.raw[0])
