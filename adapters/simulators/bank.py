"""A bank played on loopback: collecting accounts, transfers from scanned codes, payouts, debits."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from adapters.gateways.vietqr import TransferOrder, parse_vietqr
from adapters.simulators.faults import Fault, FaultPlan, draw
from adapters.simulators.settlement import Payout
from adapters.simulators.store import Record, Records, Store
from core.clock import VIETNAM, Clock, business_day
from core.errors import InputUnusableError, NotFoundError
from core.ids import CROCKFORD

_LINE: Final = "bank_line"
_THOUSAND: Final = 1000
_PAYERS: Final = (
    "NGUYEN VAN AN",
    "TRAN THI BINH",
    "LE QUOC CUONG",
    "PHAM THU DUNG",
    "HOANG MINH DUC",
    "VU THI HANH",
    "DANG VAN KHOI",
    "BUI NGOC LAN",
)
"""Invented payers, as banks print names: capitals without diacritics."""


class Noise(StrEnum):
    """What payers' banks do to the purpose of a transfer on its way into the statement."""

    PREFIXED = "prefixed"
    LOWER_CASE = "lower_case"
    SPLIT = "split"
    ONE_WRONG = "one_wrong"
    CUT = "cut"
    NO_REFERENCE = "no_reference"


@dataclass(frozen=True, slots=True)
class CollectingAccount:
    """An account of an office at this bank; ``opening_balance`` is before its first line."""

    number: str
    bank_bin: str
    holder: str
    opening_balance: int = 0


@dataclass(frozen=True, slots=True)
class ProviderIdentity:
    """The name and account a provider pays from."""

    name: str
    account: str


@dataclass(frozen=True, slots=True)
class BankSimulatorConfig:
    """Accounts, who pays out, and how often narratives suffer, per thousand transfers."""

    accounts: tuple[CollectingAccount, ...]
    providers: dict[str, ProviderIdentity] = field(default_factory=dict)
    faults: FaultPlan = field(default_factory=FaultPlan)
    noise_per_mille: dict[Noise, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BankLine:
    """One booked line of an account; ``amount`` whole VND, money in positive."""

    number: int
    account: str
    booked_at: datetime
    booking_date: date
    value_date: date
    amount: int
    currency: str
    narrative: str
    counterparty_name: str
    counterparty_account: str
    bank_ref: str


LineSink = Callable[[BankLine], None]
"""Who is told of every line once it is booked, money in or out, as a notification service is."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be booked; ``entry_id`` makes booking it twice the same as once."""

    entry_id: str
    account: str
    amount: int
    narrative: str
    counterparty_name: str = ""
    counterparty_account: str = ""
    value_date: date | None = None


class BankSimulator:
    """The bank's books, kept in one file."""

    def __init__(
        self,
        *,
        clock: Clock,
        state_path: Path,
        config: BankSimulatorConfig,
        line_sink: LineSink | None = None,
    ) -> None:
        self.clock = clock
        self.config = config
        self._line_sink = line_sink
        self.store = Store(state_path)
        self.accounts = {account.number: account for account in config.accounts}

    def read_code(self, payload: str) -> TransferOrder:
        """Read a VietQR text as a bank app would before it asks the payer to confirm.

        Raises:
            QRPayloadError: not a well-formed code.
            InputUnusableError: it names no account of this bank.
        """
        order = parse_vietqr(payload)
        account = self.accounts.get(order.account)
        if account is None or account.bank_bin != order.bank_bin:
            raise InputUnusableError("the code names no account of this bank")
        return order

    def transfer_by_code(
        self,
        payload: str,
        *,
        transfer_id: str,
        payer_name: str = "",
        amount: int | None = None,
        purpose: str | None = None,
    ) -> BankLine:
        """Transfer as a QR text says; the payer may change amount and purpose.

        Without a name, amount or purpose of the payer's, seed and ``transfer_id`` decide who
        pays, whether another amount is sent, and what becomes of the narrative.

        Raises:
            QRPayloadError: not a well-formed code.
            InputUnusableError: not an account of this bank, or no amount above 0.
        """
        order = self.read_code(payload)
        reference = order.purpose.partition(" ")[0]
        asked = order.amount.amount_minor if order.amount else 0
        with self.store.transaction() as records:
            sent = amount
            if sent is None and self._strikes(records, Fault.OTHER_AMOUNT, reference):
                sent = self.config.faults.other_amount(transfer_id, asked)
            payer = payer_name or _PAYERS[self._draw("payer", transfer_id) % len(_PAYERS)]
            entry = Entry(
                entry_id=f"transfer:{transfer_id}",
                account=order.account,
                amount=asked if sent is None else sent,
                narrative=purpose if purpose is not None else self._narrative(order, transfer_id),
                counterparty_name=payer,
                counterparty_account=str(10**9 + self._draw("account", payer) % 10**9),
            )
            if entry.amount <= 0:
                raise InputUnusableError("a transfer needs an amount above 0")
            line, new = self._book(records, entry)
        return self._told(line, new=new)

    def receive_payout(self, payout: Payout) -> None:
        """Credit a provider's net sum; the same payout is credited once."""
        provider = self.config.providers.get(payout.provider)
        name = provider.name if provider else payout.provider.upper()
        entry = Entry(
            entry_id=f"payout:{payout.provider}:{payout.payout_id}",
            account=payout.account,
            amount=payout.amount,
            narrative=f"{name} THANH TOAN {payout.payout_id} NGAY {payout.report_day:%d%m%Y}",
            counterparty_name=name,
            counterparty_account=provider.account if provider else "",
            value_date=payout.payout_date,
        )
        self.book(entry)

    def book(self, entry: Entry) -> BankLine:
        """Book anything else: charges, interest, reversals, orders of the office.

        Raises:
            NotFoundError: not an account of this bank.
        """
        with self.store.transaction() as records:
            line, new = self._book(records, entry)
        return self._told(line, new=new)

    def _told(self, line: BankLine, *, new: bool) -> BankLine:
        """Tell of a line that is booked for good; no transaction is open meanwhile."""
        if new and self._line_sink:
            self._line_sink(line)
        return line

    def _book(self, records: Records, entry: Entry) -> tuple[BankLine, bool]:
        """Return the line of an entry, and whether it was booked just now."""
        if known := records.get(_LINE, entry.entry_id):
            return _line(known), False
        if entry.account not in self.accounts:
            raise NotFoundError(f"no account {entry.account[:40]!r}")
        now = self.clock()
        day = business_day(now)
        number = records.next_number(_LINE)
        line = BankLine(
            number=number,
            account=entry.account,
            booked_at=now.astimezone(VIETNAM),
            booking_date=day,
            value_date=entry.value_date or day,
            amount=entry.amount,
            currency="VND",
            narrative=entry.narrative,
            counterparty_name=entry.counterparty_name,
            counterparty_account=entry.counterparty_account,
            bank_ref=f"FT{day:%y%j}{number:06d}",
        )
        records.put(_LINE, entry.entry_id, _body(line), label=entry.account)
        return line, True

    def lines(self, account: str, day: date) -> list[BankLine]:
        """Return what was booked on an account on a day, in order.

        Raises:
            NotFoundError: not an account of this bank.
        """
        return [line for line in self._lines(account) if line.booking_date == day]

    def balance_before(self, account: str, day: date) -> int:
        """Return the balance with which ``day`` opens."""
        earlier = [line.amount for line in self._lines(account) if line.booking_date < day]
        return self.accounts[account].opening_balance + sum(earlier)

    def _lines(self, account: str) -> list[BankLine]:
        if account not in self.accounts:
            raise NotFoundError(f"no account {account[:40]!r}")
        with self.store.transaction() as records:
            return [_line(body) for body in records.labelled(_LINE, account)]

    def _strikes(self, records: Records, fault: Fault, reference: str) -> bool:
        return self.config.faults.strikes(fault, reference, records)

    def _draw(self, *names: str) -> int:
        return draw(self.config.faults.seed, *names)

    def _narrative(self, order: TransferOrder, transfer_id: str) -> str:
        number = self._draw("noise", transfer_id) % _THOUSAND
        for noise, rate in self.config.noise_per_mille.items():
            if number < rate:
                return self.spoil(order.purpose, noise, transfer_id)
            number -= rate
        return order.purpose

    def spoil(self, purpose: str, noise: Noise, transfer_id: str) -> str:
        """Return what ``noise`` makes of a purpose whose first token is the reference."""
        reference, _, rest = purpose.partition(" ")
        place = 2 + self._draw("place", transfer_id) % max(len(reference) - 3, 1)
        if noise is Noise.PREFIXED:
            trace = self._draw("trace", transfer_id) % 10**16
            digits = f"{trace:016d}"
            return f"MBVCB.{digits[:10]}.{digits[10:]}.{purpose}.CT tu khach hang"
        if noise is Noise.LOWER_CASE:
            return f"ck {purpose.lower()}"
        if noise is Noise.SPLIT:
            return f"{reference[:place]} {reference[place:]} {rest}".strip()
        if noise is Noise.ONE_WRONG:
            others = [symbol for symbol in CROCKFORD if symbol != reference[place]]
            wrong = others[self._draw("wrong", transfer_id) % len(others)]
            return f"{reference[:place]}{wrong}{reference[place + 1 :]} {rest}".strip()
        if noise is Noise.CUT:
            return reference[: len(reference) - 1 - self._draw("cut", transfer_id) % 3]
        return "chuyen tien le phi"

    def close(self) -> None:
        """Close the file."""
        self.store.close()


def _body(line: BankLine) -> Record:
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in asdict(line).items()
    }


def _line(body: Record) -> BankLine:
    dates = {name: date.fromisoformat(body[name]) for name in ("booking_date", "value_date")}
    booked_at = datetime.fromisoformat(body["booked_at"])
    return BankLine(**{**body, **dates, "booked_at": booked_at})
