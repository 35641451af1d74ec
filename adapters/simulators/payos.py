"""payOS played on loopback: links and their payers, transfers to the account, webhooks."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx2

from adapters.gateways import payos_signing as signing
from adapters.gateways.payos_references import order_code, reference_of
from adapters.gateways.vietqr import build_vietqr
from adapters.http import create_client, send
from adapters.simulators.bank import Entry
from adapters.simulators.faults import Fault, draw
from adapters.simulators.notices import NoticeQueue, Reply
from adapters.simulators.payos_config import (
    Deed,
    PayOSChannel,
    PayOSSimulatorConfig,
    TransferSink,
)
from adapters.simulators.settlement import Payout, SettlementRow
from adapters.simulators.store import Record, Records, Store
from core.clock import VIETNAM, Clock, business_day
from core.errors import InputUnusableError, NotFoundError
from core.money import Money
from payments.errors import GatewayUnavailableError

LINK: Final = "link"
WEBHOOK: Final = "webhook"
_OPEN: Final = frozenset({"PENDING", "UNDERPAID"})
_ID_CHARACTERS: Final = 32
_BANK: Final = "970422"
_PAYERS: Final = ("NGUYEN VAN AN", "TRAN THI BINH", "LE QUOC CUONG", "PHAM THU DUNG")


class PayOSSimulator:
    """payOS's side of every link, kept in one file; the money goes past it to the bank."""

    def __init__(
        self,
        *,
        clock: Clock,
        state_path: Path,
        config: PayOSSimulatorConfig,
        transfer_sink: TransferSink | None = None,
        client: httpx2.Client | None = None,
    ) -> None:
        self.clock = clock
        self.config = config
        self.store = Store(state_path)
        self.channels = {channel.client_id: channel for channel in config.channels}
        self._client = client or create_client(timeout_seconds=config.webhook_timeout_seconds)
        self._transfer_sink = transfer_sink
        self._notices = NoticeQueue(self.store, config.webhook_gaps, config.faults, config.late_by)

    def open_link(
        self, records: Records, channel: PayOSChannel, request: Mapping[str, Any]
    ) -> Record:
        """Keep a new link."""
        code = request["orderCode"]
        key = f"{channel.client_id}:{code}"
        now = self.clock()
        prefix = channel.virtual_prefix
        link = {
            "key": key,
            "id": signing.hmac_sha256(key, channel.checksum_key)[:_ID_CHARACTERS],
            "client_id": channel.client_id,
            "order_code": code,
            "reference": reference_of(code, channel.reference_prefix) or str(code),
            "amount": request["amount"],
            "amount_paid": 0,
            "description": request["description"],
            "return_url": request["returnUrl"],
            "cancel_url": request["cancelUrl"],
            "expired_at": request.get("expiredAt"),
            "created_at": _local(now),
            "status": "PENDING",
            "virtual_account": f"{prefix}{records.next_number('virtual'):08d}" if prefix else "",
            "transactions": [],
            "canceled_at": None,
            "cancellation_reason": None,
        }
        self._keep(records, link)
        return link

    def _keep(self, records: Records, link: Record) -> None:
        expires = link["expired_at"]
        wakes = expires is not None and link["status"] in _OPEN
        due = datetime.fromtimestamp(expires, UTC) if wakes else None
        records.put(LINK, link["key"], link, label=link["id"], due=due)

    def advance(self, records: Records, now: datetime) -> None:
        """Close the links whose time is over; nothing tells of it but the answer to a question."""
        for link in records.due(LINK, now):
            self._keep(records, {**link, "status": "EXPIRED"})

    def find(self, records: Records, channel: PayOSChannel, name: str) -> Record | None:
        """Return the link of this channel with this order code or id."""
        found = records.get(LINK, f"{channel.client_id}:{name}")
        if found is None:
            found = next(iter(records.labelled(LINK, name)), None) if name else None
        ours = found is not None and found["client_id"] == channel.client_id
        return found if ours else None

    def page_url(self, link: Record) -> str:
        """Return the address of the page on which a link is paid."""
        return f"{self.config.public_url}/web/{link['id']}"

    def code_of(self, link: Record) -> str:
        """Return the VietQR text of a link: what is asked, to its account."""
        channel = self.channels[link["client_id"]]
        account = link["virtual_account"] or channel.account
        return build_vietqr(
            channel.bank_bin, account, Money(link["amount"]), link["description"].upper()
        )

    def shown_link(self, link_id: str) -> Record:
        """Return the link whose page is opened.

        Raises:
            NotFoundError: no link has this address.
        """
        with self.store.transaction() as records:
            self.advance(records, self.clock())
            return self._by_id(records, link_id)

    def _by_id(self, records: Records, link_id: str) -> Record:
        found = records.labelled(LINK, link_id) if link_id else []
        if not found:
            raise NotFoundError("no link has this address")
        return found[0]

    def decide(self, link_id: str, deed: str, amount: int | None = None) -> str | None:
        """Let the payer act; return where the browser goes back to, None if it stays.

        ``amount`` is what the payer types into the bank's app instead of what is asked.

        Raises:
            NotFoundError: no such link or deed.
            InputUnusableError: the link is paid or closed, or the amount is not above 0.
        """
        now = self.clock()
        if deed not in set(Deed):
            raise NotFoundError(f"no outcome {deed[:20]!r}")
        with self.store.transaction() as records:
            self.advance(records, now)
            link = self._by_id(records, link_id)
            if deed != Deed.SAVED_CODE and link["status"] not in _OPEN:
                raise InputUnusableError(f"the link is {link['status']}")
            if deed in {Deed.INSUFFICIENT, Deed.ABANDON}:
                return None
            if deed == Deed.CANCEL:
                link = self.cancel(records, link, "Cancelled by the payer")
            else:
                sent = self._sum(records, link, Deed(deed)) if amount is None else amount
                link = self._transfer(records, link, sent, now)
        if self.config.deliver_at_once:
            self._notices.deliver_due(now, self._call_webhook)
        return None if link["status"] in _OPEN else _return_address(link)

    def act(self, page_url: str, outcome: str) -> str | None:
        """Be the payer: open the page and do something there, or ``abandon`` it."""
        link_id = urlsplit(page_url).path.rpartition("/")[2]
        self.shown_link(link_id)
        return self.decide(link_id, outcome)

    def _sum(self, records: Records, link: Record, deed: Deed) -> int:
        left = int(link["amount"]) - int(link["amount_paid"])
        if deed is Deed.UNDERPAY:
            return max(left // 2, 1)
        if deed is Deed.SAVED_CODE:
            return int(link["amount"])
        faults, reference = self.config.faults, str(link["reference"])
        if not faults.strikes(Fault.OTHER_AMOUNT, reference, records):
            return left
        return faults.other_amount(faults.drawn_as(reference, records), left)

    def _transfer(self, records: Records, link: Record, amount: int, now: datetime) -> Record:
        """Let money arrive on the account, and tell of it."""
        if amount <= 0:
            raise InputUnusableError("a transfer needs an amount above 0")
        entry = self._entry(records, link, amount)
        # Booked within the transaction: after a crash the same entry is booked again, as one.
        sink = self._transfer_sink
        bank_ref = sink(entry) if sink else _own_reference(records, now)
        transfer = _told_transfer(self.channels[link["client_id"]], link, entry, bank_ref, now)
        paid = link["amount_paid"] + amount
        done = {**link, "amount_paid": paid, "transactions": [*link["transactions"], transfer]}
        if link["status"] in _OPEN:
            done["status"] = "PAID" if paid >= link["amount"] else "UNDERPAID"
        self._keep(records, done)
        body = {"client_id": link["client_id"], "message": self.webhook(done, transfer)}
        notice_id = f"webhook:{link['id']}:{len(done['transactions'])}"
        self._notices.announce(records, notice_id, link["reference"], body, now)
        return done

    def _entry(self, records: Records, link: Record, amount: int) -> Entry:
        seed, name = (
            self.config.faults.seed,
            self.config.faults.drawn_as(link["reference"], records),
        )
        payer = _PAYERS[draw(seed, "payer", name) % len(_PAYERS)]
        return Entry(
            entry_id=f"payos:{link['id']}:{len(link['transactions']) + 1}",
            account=self.channels[link["client_id"]].account,
            amount=amount,
            narrative=link["description"],
            counterparty_name=payer,
            counterparty_account=str(10**9 + draw(seed, "account", payer) % 10**9),
        )

    def webhook(self, link: Record, transfer: Record) -> Record:
        """Return the signed message that tells of a transfer."""
        told = {name: "" if value is None else value for name, value in transfer.items()}
        moment = datetime.fromisoformat(transfer["transactionDateTime"])
        data = {
            **told,
            "transactionDateTime": f"{moment:%Y-%m-%d %H:%M:%S}",
            "orderCode": link["order_code"],
            "currency": "VND",
            "paymentLinkId": link["id"],
            "code": "00",
            "desc": "success",
        }
        key = self.channels[link["client_id"]].checksum_key
        return signed({"code": "00", "desc": "success", "success": True, "data": data}, key)

    def cancel(self, records: Records, link: Record, reason: str) -> Record:
        """Close an open link."""
        moment = _local(self.clock())
        done = {**link, "status": "CANCELLED", "canceled_at": moment}
        done["cancellation_reason"] = reason
        self._keep(records, done)
        return done

    def call_once(self, url: str, message: Record) -> Reply:
        """Send one webhook; any 2xx accepts it."""
        try:
            answer = send(
                self._client,
                "POST",
                url,
                idempotent=False,
                headers={"Content-Type": "application/json"},
                content=json.dumps(message, ensure_ascii=False).encode(),
            )
        except GatewayUnavailableError as error:
            return Reply(accepted=False, text=type(error).__name__)
        accepted = httpx2.codes.is_success(answer.status)
        return Reply(accepted=accepted, text=str(answer.status))

    def _call_webhook(self, body: Record, now: datetime) -> Reply:
        del now  # a repeated webhook is the same message
        channel = self.channels[body["client_id"]]
        with self.store.transaction() as records:
            confirmed = records.get(WEBHOOK, channel.client_id)
        url = confirmed["url"] if confirmed else channel.webhook_url
        if not url:
            return Reply(accepted=False, text="no webhook url")
        return self.call_once(url, body["message"])

    def deliver_due(self, now: datetime) -> int:
        """Do all that time brings until ``now``; return the number of webhook calls made."""
        with self.store.transaction() as records:
            self.advance(records, now)
        return self._notices.deliver_due(now, self._call_webhook)

    def order(self, client_id: str, merchant_reference: str) -> Record:
        """Return a link with its webhook calls; payOS sends nothing back.

        Raises:
            NotFoundError: nobody ever opened it.
        """
        channel = self.channels.get(client_id)
        with self.store.transaction() as records:
            link = channel and self.find(records, channel, _code_text(channel, merchant_reference))
            if not link:
                raise NotFoundError(f"no order {merchant_reference[:80]!r}")
            notices = self._notices.sent(records, link["reference"])
            return {**link, "refunds": [], "notices": notices}

    def refunded(self, client_id: str, merchant_reference: str) -> int:
        """Return what was sent back, in VND: payOS moves no money, so it is the sum of nothing."""
        return sum(
            refund["amount"] for refund in self.order(client_id, merchant_reference)["refunds"]
        )

    def settlement(self, client_id: str, day: date) -> list[SettlementRow]:
        """Return no line: the money never was payOS's."""
        del client_id, day
        return []

    def payouts(self) -> list[Payout]:
        """Return no payout, for the same reason."""
        return []

    def close(self) -> None:
        """Close connections and file."""
        self._client.close()
        self.store.close()


def signed(body: Record, checksum_key: str) -> Record:
    """Return a body with the signature of its ``data``."""
    return {**body, "signature": signing.sign_data(body["data"], checksum_key)}


def _own_reference(records: Records, now: datetime) -> str:
    """Return a reference such as the bank would give, where no bank books the transfer."""
    return f"FT{business_day(now):%y%j}{records.next_number('transfer'):06d}"


def _local(moment: datetime) -> str:
    return moment.astimezone(VIETNAM).isoformat(timespec="seconds")


def _told_transfer(
    channel: PayOSChannel, link: Record, entry: Entry, bank_ref: str, now: datetime
) -> Record:
    """Return a transfer as the list of a link tells it."""
    virtual = link["virtual_account"]
    return {
        "accountNumber": channel.account,
        "amount": entry.amount,
        "counterAccountBankId": _BANK,
        "counterAccountBankName": None,
        "counterAccountName": entry.counterparty_name,
        "counterAccountNumber": entry.counterparty_account,
        "description": entry.narrative,
        "reference": bank_ref,
        "transactionDateTime": _local(now),
        "virtualAccountName": channel.account_name if virtual else None,
        "virtualAccountNumber": virtual or None,
    }


def _code_text(channel: PayOSChannel, merchant_reference: str) -> str:
    try:
        return str(order_code(merchant_reference, channel.reference_prefix))
    except ValueError:
        return merchant_reference


def _return_address(link: Record) -> str:
    """Return where the browser goes back to; nothing of it is signed."""
    cancelled = link["status"] == "CANCELLED"
    address = link["cancel_url"] if cancelled else link["return_url"]
    query = urlencode(
        {
            "code": "00",
            "id": link["id"],
            "cancel": "true" if cancelled else "false",
            "status": link["status"],
            "orderCode": link["order_code"],
        }
    )
    return f"{address}{'&' if urlsplit(address).query else '?'}{query}"
