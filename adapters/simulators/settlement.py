"""How a provider settles: sessions by working day, contracted fees, one net payout each."""

from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Final

from adapters.simulators.faults import Fault, FaultPlan, draw
from adapters.simulators.store import Record, Records
from core.calendar import WorkingCalendar
from core.clock import VIETNAM, at_vietnam_time, business_day

_BASIS_POINTS: Final = 10_000
_PAYOUT_HOUR: Final = 9
_LINE: Final = "settlement_line"
_PAYOUT: Final = "payout"
_OPEN: Final = "open"


@dataclass(frozen=True, slots=True)
class FeeContract:
    """What the provider keeps (VAT included) and after how many working days it pays."""

    rate_bps: int
    fixed_minor: int
    settlement_days: int

    def fee(self, gross: int) -> int:
        """Return the fee of a payment, rounded half up to whole units."""
        return (gross * self.rate_bps + _BASIS_POINTS // 2) // _BASIS_POINTS + self.fixed_minor


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """One line of a provider's report; money going back is negative and bears no fee."""

    line_id: str
    provider: str
    report_id: str
    kind: str
    provider_txn_id: str
    merchant_reference: str
    gross: int
    fee: int
    net: int
    currency: str
    occurred_at: datetime
    payout_id: str
    payout_date: date


@dataclass(frozen=True, slots=True)
class Payout:
    """The net sum of one report, paid by one transfer to the merchant's ``account``."""

    payout_id: str
    provider: str
    merchant: str
    account: str
    report_id: str
    report_day: date
    amount: int
    currency: str
    payout_date: date


@dataclass(frozen=True, slots=True)
class SettlementBook:
    """The settlement side of one provider, kept in its store."""

    provider: str
    contract: FeeContract
    calendar: WorkingCalendar
    faults: FaultPlan
    payout_prefix: str

    def book(
        self,
        records: Records,
        *,
        merchant: str,
        account: str,
        kind: str,
        provider_txn_id: str,
        merchant_reference: str,
        gross: int,
        at: datetime,
    ) -> Record:
        """Enter one movement; entering the same one again changes nothing."""
        line_id = f"{kind}:{provider_txn_id}"
        if known := records.get(_LINE, line_id):
            return known
        fee = self.contract.fee(gross) if kind == "payment" else 0
        if fee and self.faults.strikes(Fault.WRONG_FEE, merchant_reference, records):
            name = self.faults.drawn_as(merchant_reference, records)
            fee += 100 * (1 + draw(self.faults.seed, "fee", name) % 20)
        line = {
            "line_id": line_id,
            "merchant": merchant,
            "account": account,
            "kind": kind,
            "provider_txn_id": provider_txn_id,
            "merchant_reference": merchant_reference,
            "gross": gross,
            "fee": fee,
            "net": gross - fee,
            "currency": "VND",
            "occurred_at": at.astimezone(VIETNAM).isoformat(),
            "session_day": self.calendar.working_day_from(business_day(at)).isoformat(),
            "payout_id": "",
        }
        unreported = self.faults.strikes(Fault.UNREPORTED, merchant_reference, records)
        records.put(_LINE, line_id, line, label="" if unreported else _OPEN)
        return line

    def close_sessions(self, records: Records, now: datetime) -> None:
        """Make the report and the payout of every session that is over.

        A session that nets to nothing or less is not paid: its lines go into the next one.
        """
        today = business_day(now).isoformat()
        lines = [line for line in records.labelled(_LINE, _OPEN) if line["session_day"] < today]
        for merchant in sorted({line["merchant"] for line in lines}):
            own = [line for line in lines if line["merchant"] == merchant]
            self._close_merchant(records, merchant, own)

    def _close_merchant(self, records: Records, merchant: str, lines: list[Record]) -> None:
        carried: list[Record] = []
        for day in sorted({line["session_day"] for line in lines}):
            carried += [line for line in lines if line["session_day"] == day]
            # A line that came after its session was paid waits for the next one.
            paid = records.get(_PAYOUT, self._payout_id(merchant, date.fromisoformat(day)))
            if paid is None and sum(line["net"] for line in carried) > 0:
                self._pay_out(records, merchant, date.fromisoformat(day), carried)
                carried = []

    def _pay_out(self, records: Records, merchant: str, day: date, lines: list[Record]) -> None:
        payout_id = self._payout_id(merchant, day)
        payout_date = self.calendar.working_day_after(day, self.contract.settlement_days)
        report_id = f"{self.provider}-{merchant}-{day:%Y%m%d}"
        settled = {
            "payout_id": payout_id,
            "report_id": report_id,
            "payout_date": payout_date.isoformat(),
        }
        for line in lines:
            records.put(_LINE, line["line_id"], {**line, **settled}, label=report_id)
        payout = {
            **settled,
            "merchant": merchant,
            "account": lines[-1]["account"],
            "report_day": day.isoformat(),
            "amount": sum(line["net"] for line in lines),
            "currency": "VND",
            "paid": False,
        }
        due = at_vietnam_time(payout_date, _PAYOUT_HOUR)
        records.put(_PAYOUT, payout_id, payout, label=report_id, due=due)

    def _payout_id(self, merchant: str, day: date) -> str:
        number = draw(self.faults.seed, self.provider, merchant, day.isoformat()) % 10**6
        return f"{self.payout_prefix}{day:%y%m%d}{number:06d}"

    def rows(self, records: Records, merchant: str, day: date) -> list[SettlementRow]:
        """Return the report of a session day, empty before it is over or without payout."""
        found = records.labelled(_LINE, f"{self.provider}-{merchant}-{day:%Y%m%d}")
        return [self._row(line) for line in found]

    def payouts(self, records: Records) -> list[Payout]:
        """Return every payout, paid or announced, in order."""
        return [self._payout(payout) for payout in records.every(_PAYOUT)]

    def lines(self, records: Records) -> list[Record]:
        """Return every movement as kept, settled or not."""
        return records.every(_LINE)

    def due_payouts(self, records: Records, now: datetime) -> list[Payout]:
        """Return the payouts to be transferred by ``now`` and not yet marked as paid."""
        return [self._payout(payout) for payout in records.due(_PAYOUT, now)]

    def mark_paid(self, records: Records, payout: Payout) -> None:
        """Note that the bank has taken the transfer."""
        known = records.get(_PAYOUT, payout.payout_id)
        if known is not None:
            paid = {**known, "paid": True}
            records.put(_PAYOUT, payout.payout_id, paid, label=payout.report_id)

    def _row(self, line: Record) -> SettlementRow:
        return SettlementRow(
            line_id=line["line_id"],
            provider=self.provider,
            report_id=line["report_id"],
            kind=line["kind"],
            provider_txn_id=line["provider_txn_id"],
            merchant_reference=line["merchant_reference"],
            gross=line["gross"],
            fee=line["fee"],
            net=line["net"],
            currency=line["currency"],
            occurred_at=datetime.fromisoformat(line["occurred_at"]),
            payout_id=line["payout_id"],
            payout_date=date.fromisoformat(line["payout_date"]),
        )

    def _payout(self, payout: Record) -> Payout:
        return Payout(
            payout_id=payout["payout_id"],
            provider=self.provider,
            merchant=payout["merchant"],
            account=payout["account"],
            report_id=payout["report_id"],
            report_day=date.fromisoformat(payout["report_day"]),
            amount=payout["amount"],
            currency=payout["currency"],
            payout_date=date.fromisoformat(payout["payout_date"]),
        )


def as_json(row: SettlementRow | Payout) -> Record:
    """Return a row or payout as JSON values; days and instants as ISO 8601 texts."""
    return {
        name: value.isoformat() if isinstance(value, date) else value
        for name, value in asdict(row).items()
    }
