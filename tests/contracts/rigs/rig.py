"""What a rail must bring to the contract suite: its ``Rig``.

A rig is one module, ``tests/contracts/rigs/<rail>.py``, with one class of the rail's name and
``Rig``, listed in ``registry.py``. It builds the simulator and the gateway on a
:class:`Site`, plays the payer, reads the provider's own truth, and spoils messages. The tests
know no rail by name: what differs by a provider's own rules stands in :class:`Traits`, what does
not apply in ``not_applicable``. ``RedirectRig`` serves providers with a payer's page and the
control API that all simulators share, ``TransferRig`` transfers to the collecting account;
``services.py`` adds what services are that tell of such transfers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Final

import httpx2
from starlette.types import ASGIApp
from typing_extensions import override

from adapters.gateways.vietqr import VietQRGateway
from adapters.http import Caller
from adapters.simulators.bank import BankLine, BankSimulator
from adapters.simulators.faults import Fault, force_faults
from adapters.simulators.settlement import Payout, SettlementRow
from core.clock import business_day
from payments.channels import Rail
from payments.ports import Outcome, PaymentGateway, RawEvent, StartedPayment
from payments.references import encode
from tests.contracts.rigs.inbox import bill_of
from tests.contracts.rigs.serving import SettableClock

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
"""09:00 in Vietnam on a working day."""

ACCOUNT = "0071000123456"
OTHER_ACCOUNT = "0071000999999"
BANK_BIN = "970436"
HOLDER = "UBND PHUONG MONG CAI 1"


def reference_of(number: int) -> str:
    """Return the first attempt at a bill whose reference is a real one, check symbols and all."""
    return f"{encode('MC', (1, 2, 3, 4, 5, 6, number))}-1"


REFERENCE, OTHER = reference_of(7), reference_of(8)


class DeedRefusedError(Exception):
    """The provider, or the payer's bank, does not let the payer do this (any more)."""


@dataclass
class Site:
    """Where a rig is built: addresses, clocks, a folder, the bank, and the way out."""

    base: str
    clock: SettableClock
    provider_clock: SettableClock
    state_dir: Path
    bank: BankSimulator
    client: httpx2.Client
    http: Caller

    def provider_url(self, rail: Rail) -> str:
        """Return where a rail's simulator is mounted."""
        return f"{self.base}/sim/{rail.value}"

    def notice_url(self, rail: Rail) -> str:
        """Return where a rail sends its messages."""
        return f"{self.base}/notices/{rail.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a provider does by its own rules, where providers differ.

    ``start_calls``: opening an attempt is a call, not just an address or a code.
    ``same_start_known``: the same start sent again is answered like the first (elsewhere its page
    is not told twice, and the attempt ends unpaid if the first answer was lost).
    ``declined``, ``turned_back`` and ``expired``: what asking tells after the payer's bank has
    refused, after the payer has turned back, and after the page has closed.
    ``tells_decline`` and ``tells_expiry``: what a notice says of it, None where none is sent.
    ``page_life``: after which time the page of an attempt is certainly closed.
    ``tries_again``: the page stays open after a refusal.
    ``dates_signature``: messages bear a signed sending time, so that old and early ones are
    refused; elsewhere a replay is harmless by its key.
    ``notice_calls``: how often a message is sent that nobody takes.
    ``refund_at_once``: what the answer to a refund is. ``refund_days``: within how many days a
    slow one ends. ``same_refund_known``: the same order sent again the same day is answered like
    the first (elsewhere it is unknown). ``late_refund_known``: days later an order that has
    arrived is found by our reference alone. ``late_refund_sent``: days later one that has not
    arrived is certainly not there and is sent (elsewhere a person decides).
    ``holds``: it can hold money until we confirm (``Rig.two_steps``).
    ``fees``: what is kept of payments of 100,000, 100,001 and 100,002 VND together; None where
    the money comes in whole. ``tells_debits``: money out is told too, as what it is.
    """

    start_calls: bool = True
    same_start_known: bool = True
    declined: Outcome = Outcome.FAILED
    turned_back: Outcome = Outcome.CANCELLED
    expired: Outcome = Outcome.EXPIRED
    tells_decline: Outcome | None = Outcome.FAILED
    tells_expiry: Outcome | None = Outcome.EXPIRED
    page_life: timedelta = timedelta(hours=1)
    tries_again: bool = False
    dates_signature: bool = False
    notice_calls: int = 1
    refund_at_once: Outcome = Outcome.PENDING
    refund_days: int = 3
    same_refund_known: bool = True
    late_refund_known: bool = True
    late_refund_sent: bool = True
    holds: bool = False
    fees: int | None = None
    tells_debits: bool = False


class Rig(ABC):
    """One rail with its provider, built anew for every test."""

    rail: ClassVar[Rail]
    traits: ClassVar[Traits]
    merchant: ClassVar[str] = ""
    """What the provider calls us: terminal, partner, account."""

    secrets: ClassVar[tuple[str, ...]] = ()
    """What must never be kept or shown."""

    not_applicable: ClassVar[Mapping[str, str]] = {}
    """Cases that this rail cannot have, and why; what capabilities rule out need not be named."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.gateway = self.connect(site.base, site.http)

    @property
    def starter(self) -> PaymentGateway:
        """What opens attempts: the gateway itself, unless it only tells of credits."""
        return self.gateway

    @abstractmethod
    def connect(self, base: str, http: Caller, *, wrong_secret: bool = False) -> PaymentGateway:
        """Return a gateway for a provider at ``base``, perhaps with another merchant's secret."""

    @abstractmethod
    def open(self) -> Mapping[str, ASGIApp]:
        """Build the provider on its files; return what to mount under ``/sim/``, by path."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""

    @abstractmethod
    def act(self, started: StartedPayment, deed: str) -> str | None:
        """Be the payer: ``pay``, ``decline``, ``cancel`` or ``abandon``; return where to go on.

        Who transfers to the account may also ``underpay``, send the ``rest``, or pay by a code
        ``kept`` from a page that has closed.

        Raises:
            DeedRefusedError: the attempt has ended.
        """

    @abstractmethod
    def page(self, started: StartedPayment) -> str:
        """Return the address of the page on which a person pays."""

    @abstractmethod
    def collected(self, bill_reference: str) -> int:
        """Return what the provider itself has taken from payers, in VND.

        Of all bills whose reference begins so: of every one, if it is empty.
        """

    def refunded(self, merchant_reference: str) -> int:
        """Return what the provider itself has agreed to send back, in VND."""
        del merchant_reference
        return 0

    @abstractmethod
    def force(self, reference: str, *faults: Fault) -> None:
        """Let exactly these faults befall an attempt."""

    def deliver_due(self, now: datetime) -> int:
        """Do what time brings at the provider; return the number of messages sent."""
        del now
        return 0

    def hear(self, line: BankLine) -> None:
        """Learn what the bank has just booked, where the provider watches the account."""
        del line

    def slow_refunds(self) -> None:
        """Let refunds take days, where they do not anyway."""
        return

    def two_steps(self) -> PaymentGateway:
        """Return a gateway whose payments are held until they are confirmed."""
        raise NotImplementedError

    def settlement(self, day: date) -> list[SettlementRow]:
        """Return the provider's report of a day."""
        del day
        return []

    def payouts(self) -> list[Payout]:
        """Return what the provider has paid out."""
        return []

    def forged(self, event: RawEvent) -> list[RawEvent]:
        """Return the message with another amount (and whatever else matters) and its signature."""
        raise NotImplementedError

    def unsigned(self, event: RawEvent) -> list[RawEvent]:
        """Return the message without a signature, with an empty one, with nonsense as one."""
        raise NotImplementedError

    def foreign(self, event: RawEvent) -> list[RawEvent]:
        """Return messages well signed, but by or for another merchant of the provider."""
        raise NotImplementedError

    def elsewhere(self, event: RawEvent) -> RawEvent:
        """Return a message of its own, well signed, of as much money on an account not ours."""
        raise NotImplementedError

    def in_dollars(self, event: RawEvent) -> RawEvent:
        """Return the message well signed and about as many US cents."""
        raise NotImplementedError


class RedirectRig(Rig):
    """A provider with a payer's page and the control API that simulators share."""

    simulator: Any
    deeds: ClassVar[Mapping[str, str]] = {"decline": "insufficient"}
    """How the simulator calls a deed, where it does not by its own name."""

    @override
    def close(self) -> None:
        self.simulator.close()

    @override
    def act(self, started: StartedPayment, deed: str) -> str | None:
        body = {"url": started.redirect_url, "outcome": self.deeds.get(deed, deed)}
        url = f"{self.site.provider_url(self.rail)}/_control/act"
        answer = self.site.client.post(url, json=body)
        if 400 <= answer.status_code < 500:
            raise DeedRefusedError(answer.text)
        assert answer.status_code == 200, answer.text
        return answer.json()["return_url"]  # type: ignore[no-any-return]

    @override
    def page(self, started: StartedPayment) -> str:
        return str(started.redirect_url)

    @override
    def force(self, reference: str, *faults: Fault) -> None:
        with self.simulator.store.transaction() as records:
            force_faults(records, reference, faults)

    @override
    def deliver_due(self, now: datetime) -> int:
        return int(self.simulator.deliver_due(now))

    @override
    def refunded(self, merchant_reference: str) -> int:
        return int(self.simulator.refunded(self.merchant, merchant_reference))

    @override
    def settlement(self, day: date) -> list[SettlementRow]:
        return self.simulator.settlement(self.merchant, day)  # type: ignore[no-any-return]

    @override
    def payouts(self) -> list[Payout]:
        return self.simulator.payouts()  # type: ignore[no-any-return]


PARTS: Final[Mapping[str, Callable[[int], int]]] = {
    "underpay": lambda asked: asked // 3,
    "rest": lambda asked: asked - asked // 3,
}
"""What a payer types into the bank's app who pays in two transfers."""


class TransferRig(Rig):
    """Transfers from the payer's bank to the collecting account; the bank is the truth."""

    @property
    @override
    def starter(self) -> PaymentGateway:
        return VietQRGateway()

    @override
    def act(self, started: StartedPayment, deed: str) -> str | None:
        if deed == "abandon":
            return None
        self._transfers = getattr(self, "_transfers", 0) + 1
        body: dict[str, Any] = {
            "payload": started.qr_payload,
            "transfer_id": f"t{self._transfers}",
        }
        if deed in PARTS:
            order = self.site.bank.read_code(str(started.qr_payload))
            assert order.amount is not None
            body["amount"] = PARTS[deed](order.amount.amount_minor)
        else:
            assert deed in {"pay", "kept"}, deed
        answer = self.site.client.post(f"{self.site.base}/sim/bank/_control/transfers", json=body)
        assert answer.status_code == 200, answer.text
        return None

    @override
    def page(self, started: StartedPayment) -> str:
        query = httpx2.QueryParams({"payload": str(started.qr_payload)})
        return f"{self.site.base}/sim/bank/scan?{query}"

    @override
    def collected(self, bill_reference: str) -> int:
        return transferred(self.site, bill_reference)

    @override
    def force(self, reference: str, *faults: Fault) -> None:
        with self.site.bank.store.transaction() as records:
            force_faults(records, bill_of(reference), faults)

    @override
    def close(self) -> None:
        pass


def transferred(site: Site, bill_reference: str) -> int:
    """Return what payers have transferred for a bill, by the bank's own lines."""
    day, last = business_day(MONDAY), business_day(site.provider_clock())
    found = 0
    while day <= last:
        lines = site.bank.lines(ACCOUNT, day)
        found += sum(
            line.amount
            for line in lines
            if line.amount > 0 and line.narrative.startswith(bill_reference)
        )
        day += timedelta(days=1)
    return found


def with_header(event: RawEvent, name: str, value: str | None) -> RawEvent:
    """Return the event with one header (of any case) set, or without it."""
    kept = {key: text for key, text in event.headers.items() if key.lower() != name.lower()}
    return replace(event, headers=kept if value is None else {**kept, name.lower(): value})


def bodies(event: RawEvent, texts: Iterable[bytes]) -> list[RawEvent]:
    """Return the event with each of these bodies; every one must differ from its own."""
    changed = [replace(event, body=text) for text in texts]
    assert all(other.body != event.body for other in changed)
    return changed
