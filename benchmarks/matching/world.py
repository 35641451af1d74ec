"""A world of labelled data for the matcher: payments, lines, and what must become of them."""

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from payments.references import new_reference

Key = tuple[str, str, str]
"""Layer, kind and id of an item."""
Row = dict[str, Any]

AS_OF = dt.date(2026, 3, 31)
ZONE = dt.timezone(dt.timedelta(hours=7))
LEVELS = (8_000, 10_000, 15_000, 20_000, 50_000, 75_000, 100_000, 150_000, 500_000, 1_500_000)
NAMES = ("NGUYEN VAN A", "TRAN THI BINH", "LE HUU CUONG", "PHAM THU DUNG", "HOANG MINH GIANG")
ACCOUNT = "0141000888999"
CONTRACTS: dict[str, Any] = {
    "as_of": AS_OF.isoformat(),
    "account": ACCOUNT,
    "reference_prefix": "MC",
    "grace_days": 3,
    "narrative_rules": [
        {"pattern": "TRA LAI TIEN GUI", "side": "credit", "type": "not_a_fee", "name": "interest"},
        {"pattern": "THU PHI DICH VU", "side": "debit", "type": "not_a_fee", "name": "charge"},
        {"pattern": "NOP NSNN", "side": "debit", "type": "not_a_fee", "name": "State Treasury"},
    ],
    "providers": {
        "vnpay": {
            "rate_bps": 110,
            "fixed": 0,
            "rounding": "half_up",
            "settlement_days": 1,
            "payout_accounts": ["1120000012"],
            "payout_names": ["CTY CP GIAI PHAP THANH TOAN"],
        },
        "momo": {
            "rate_bps": 130,
            "fixed": 0,
            "rounding": "half_up",
            "settlement_days": 1,
            "payout_accounts": ["1120000034"],
            "payout_names": ["CTY CP DICH VU DI DONG"],
        },
        "zalopay": {
            "rate_bps": 120,
            "fixed": 0,
            "rounding": "half_up",
            "settlement_days": 1,
            "payout_accounts": ["1120000056"],
            "payout_names": ["CTY CP ZION"],
        },
        "stripe": {
            "rate_bps": 290,
            "fixed": 7_500,
            "rounding": "half_up",
            "settlement_days": 2,
            "payout_accounts": ["1120000078"],
            "payout_names": ["STRIPE PAYMENTS"],
        },
    },
}


@dataclass(slots=True)
class World:
    """Rows of the three inputs, and the truth about them."""

    rng: random.Random = field(default_factory=lambda: random.Random(1))
    payments: list[Row] = field(default_factory=list)
    settlements: list[Row] = field(default_factory=list)
    bank: list[Row] = field(default_factory=list)
    noise: dict[Key, str] = field(default_factory=dict)
    required: list[frozenset[Key]] = field(default_factory=list)
    allowed: list[frozenset[Key]] = field(default_factory=list)
    """Matches that are right and need not be made."""
    flagged: dict[Key, frozenset[str]] = field(default_factory=dict)
    references: set[str] = field(default_factory=set)
    copies: list[tuple[Row, Row]] = field(default_factory=list)
    """Settlement lines reported twice: the copy and its original."""
    kind: str = ""
    span: int = 25
    """As many days before the run the first item may lie."""
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    part: int = 0
    """Which part of a very large data set this is; names of payouts and groups differ by it."""

    # --- raw material -----------------------------------------------------------------------

    def reference(self) -> str:
        """A reference no bill has yet."""
        while True:
            drawn = new_reference("MC", self.rng.randrange)
            if drawn not in self.references:
                self.references.add(drawn)
                return drawn

    def day(self, *, latest: int = 8) -> dt.date:
        """A day long enough before the run to be overdue."""
        return AS_OF - dt.timedelta(days=self.rng.randint(latest, self.span))

    def pay(self, **given: Any) -> Row:
        """Record a payment; what is not given is plain."""
        number = next(self.ids)
        day = given.pop("day", None) or self.day()
        moment = dt.datetime.combine(day, dt.time(self.rng.randint(7, 17), 5), ZONE)
        row = {
            "payment_id": f"P{number:08}",
            "bill_reference": given.pop("reference", None) or self.reference(),
            "kind": "payment",
            "parent_payment_id": "",
            "channel": "bank_transfer",
            "provider_txn_id": "",
            "amount": self.rng.choice(LEVELS),
            "currency": "VND",
            "status": "pending",
            "paid_at": moment,
            "payer_name": self.rng.choice(NAMES),
            "dossier_code": f"H49.{24 + number // 10**6}-{day:%y%m%d}-{number % 10**6:06}",
            "office_code": "24",
        } | given
        self.payments.append(row)
        return row

    def line(self, amount: int, narrative: str, **given: Any) -> Row:
        """Put a line on the statement."""
        number = next(self.ids)
        day = given.pop("day", None) or self.day()
        row = {
            "line_id": f"B{number:08}",
            "account": ACCOUNT,
            "booking_date": day,
            "value_date": day,
            "amount": amount,
            "currency": "VND",
            "narrative": narrative,
            "counterparty_name": self.rng.choice(NAMES),
            "counterparty_account": f"{self.rng.randrange(10**11):012}",
            "bank_ref": f"FT{number:012}",
        } | given
        self.bank.append(row)
        return row

    def settle(self, pay: Row, payout: str, **given: Any) -> Row:
        """Report a payment or refund by its provider."""
        sign = 1 if pay["kind"] == "payment" else -1
        gross = given.pop("gross", sign * pay["amount"])
        terms = CONTRACTS["providers"][pay["channel"]]
        share = (abs(gross) * terms["rate_bps"] + 5_000) // 10_000 + terms["fixed"]
        fee = given.pop("fee", share if gross > 0 else 0)
        row = {
            "line_id": f"S{next(self.ids):08}",
            "provider": pay["channel"],
            "report_id": f"R-{pay['paid_at']:%Y%m%d}",
            "kind": pay["kind"],
            "provider_txn_id": pay["provider_txn_id"],
            "bill_reference": pay["bill_reference"],
            "gross": gross,
            "fee": fee,
            "net": gross - fee,
            "currency": "VND",
            "occurred_at": pay["paid_at"] + dt.timedelta(seconds=40),
            "payout_id": payout,
            "payout_date": pay["paid_at"].date() + dt.timedelta(days=1),
        } | given
        self.settlements.append(row)
        return row

    # --- truth ------------------------------------------------------------------------------

    @staticmethod
    def key(layer: str, row: Row) -> Key:
        """The item a row is in a layer."""
        if "payment_id" in row:
            return layer, "payment", row["payment_id"]
        return layer, "settlement" if "provider" in row else "bank", row["line_id"]

    def match(self, layer: str, *rows: Row) -> None:
        """These rows have to come out as exactly one match."""
        keys = frozenset(self.key(layer, row) for row in rows)
        self.required.append(keys)
        for key in keys:
            self.noise[key] = self.kind

    def may_match(self, layer: str, *rows: Row) -> None:
        """These rows are rightly one match, and rightly flagged."""
        self.allowed.append(frozenset(self.key(layer, row) for row in rows))
        self.free(layer, *rows)

    def free(self, layer: str, *rows: Row) -> None:
        """These rows may be flagged as anything."""
        for row in rows:
            self.noise[self.key(layer, row)] = self.kind

    def flag(self, types: str, layer: str, *rows: Row) -> None:
        """Each of these rows has to be flagged with one of the types, joined by ``|``."""
        for row in rows:
            key = self.key(layer, row)
            self.flagged[key] = frozenset(types.split("|"))
            self.noise[key] = self.kind

    def truth(self) -> Iterator[tuple[str, str, str, str, str, str]]:
        """Layer, group, kind, id, label and noise of every item that anything is said of.

        The label is ``matched`` or ``may_match`` with a group, else the right mismatch types, or
        ``*`` where any is right.

        Raises:
            ValueError: an item must be matched and flagged; a mistake in a kind of noise.
        """
        spoken: set[Key] = set()
        labelled = [(keys, "matched") for keys in self.required]
        labelled += [(keys, "may_match") for keys in self.allowed]
        head = f"n{self.part}-" if self.part else "n"
        for number, (keys, label) in enumerate(labelled):
            for key in sorted(keys):
                if key in self.flagged or key in spoken:
                    raise ValueError(f"{key} has two ends: {self.noise[key]}")
                spoken.add(key)
                yield (key[0], f"{head}{number}", *key[1:], label, self.noise[key])
        for key, noise in self.noise.items():
            if key not in spoken:
                label = "|".join(sorted(self.flagged.get(key, {"*"})))
                yield (key[0], "", *key[1:], label, noise)
