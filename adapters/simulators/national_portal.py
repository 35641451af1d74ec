"""EXPERIMENTAL. The portal's payment platform played on loopback: INIT, page, result, QUERY, PDF.

It speaks what is known of version 1.0.6 and invents the rest, so it proves that gateway and
protocol description agree, not that the platform will.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2

from adapters.gateways import national_portal_signing as signing
from adapters.gateways.national_portal_fields import (
    CURRENCY,
    VERSION,
    format_time,
    parse_amount,
    parse_time,
    read_object,
    texts,
)
from adapters.http import create_client, send
from adapters.simulators.bank import Entry
from adapters.simulators.faults import Fault
from adapters.simulators.national_portal_config import (
    OUTCOMES,
    PAID,
    UNFINISHED,
    UNKNOWN_REFERENCE,
    WRONG_SIGNATURE,
    NationalPortalPartner,
    NationalPortalSimulatorConfig,
)
from adapters.simulators.notices import NoticeQueue, Reply
from adapters.simulators.plain_pdf import one_page_pdf
from adapters.simulators.settlement import Payout, SettlementRow
from adapters.simulators.store import Record, Records, Store
from core.clock import Clock
from core.errors import NotFoundError
from payments.errors import GatewayUnavailableError

__all__ = ["NationalPortalPartner", "NationalPortalSimulator", "NationalPortalSimulatorConfig"]

_ORDER: Final = "order"
_TRANSFER: Final = "transfer"
_FIRST_TRANSACTION: Final = 70_000_000
_DEMO_BANK: Final = "VCB"
_REQUIRED: Final = tuple(name for name in signing.INIT if name != "Ip")

TransferSink = Callable[[Entry], object]


class NationalPortalSimulator:
    """The platform's side of every order, kept in one file.

    Money goes straight to the collecting account that ``INIT`` named, by ``transfer_sink``.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        state_path: Path,
        config: NationalPortalSimulatorConfig,
        transfer_sink: TransferSink | None = None,
        client: httpx2.Client | None = None,
    ) -> None:
        self.clock = clock
        self.config = config
        self.store = Store(state_path)
        self._partners = {partner.partner_code: partner for partner in config.partners}
        self._client = client or create_client(timeout_seconds=config.call_timeout_seconds)
        self._transfer_sink = transfer_sink
        gaps = [config.call_gap] * (config.calls - 1)
        self._notices = NoticeQueue(self.store, gaps, config.faults, config.late_by)

    def init(self, body: bytes, authorization: str) -> tuple[dict[str, str], Fault | None]:
        """Answer INIT; the same message opens one order. The fault befalls the answer."""
        try:
            whole = read_object(body)
        except ValueError as error:
            return _envelope("2", f"Ban tin sai: {error}"), None
        fields = texts(whole)
        if problem := self._refusal(fields, signing.INIT, authorization):
            return _envelope("1", problem), None
        missing = [name for name in _REQUIRED if not fields.get(name)]
        receipt = whole.get("ThongTinBienLai")
        account = texts(receipt).get("TKThuHuong", "") if isinstance(receipt, dict) else ""
        try:
            parse_amount(fields.get("SoTien", ""))
        except ValueError:
            missing.append("SoTien")
        known_form = fields.get("PhienBan") == VERSION and fields.get("MaTienTe") == CURRENCY
        if missing or not account or not known_form or parse_time(fields["ThoiGianGD"]) is None:
            return _envelope("2", f"Ban tin sai: {', '.join(missing) or 'tham so'}"), None
        with self.store.transaction() as records:
            order = self._known_or_new(records, fields, account)
            reference = merchant_reference(order["reference"])
            lost = self.config.faults.strikes_once(Fault.LOST_START, reference, records)
        if order["opened_at"] != fields["ThoiGianGD"] or order["asked"] != fields["SoTien"]:
            return _envelope("3", "Ma tham chieu da ton tai"), None
        page = f"{self.config.base_url}/pay?{urlencode({'order': order['id']})}"
        content = json.dumps({"MaLoi": "00", "UrlThanhToan": page})
        return _envelope("0", content), Fault.LOST_START if lost else None

    def _known_or_new(self, records: Records, fields: Mapping[str, str], account: str) -> Record:
        order_id = f"{fields['MaDoiTac']}:{fields['MaThamChieu']}"
        if known := records.get(_ORDER, order_id):
            return known
        order = {
            "id": order_id,
            "partner_code": fields["MaDoiTac"],
            "reference": fields["MaThamChieu"],
            "asked": fields["SoTien"],
            "amount": int(fields["SoTien"]),
            "paid_amount": int(fields["SoTien"]),
            "opened_at": fields["ThoiGianGD"],
            "text": fields["ThongTinGiaoDich"],
            "account": account,
            "code": "",
            "status": UNFINISHED,
            "transaction": "",
            "ended_at": "",
        }
        records.put(_ORDER, order_id, order, due=self.clock() + self.config.page_lifetime)
        return order

    def _refusal(
        self, fields: Mapping[str, str], order: tuple[str, ...], authorization: str
    ) -> str:
        partner = self._partners.get(fields.get("MaDoiTac", ""))
        if partner is None:
            return "Khong tim thay doi tac"
        if partner.bearer_token and authorization != f"Bearer {partner.bearer_token}":
            return "Token khong hop le"
        return "" if signing.is_signed(order, fields, [partner.secret]) else "Sai ma xac thuc"

    def open_page(self, order_id: str) -> Record:
        """Return an order as the payer's page shows it.

        Raises:
            NotFoundError: no such order.
        """
        with self.store.transaction() as records:
            self._expire_orders(records, self.clock())
            order = records.get(_ORDER, order_id)
        if order is None:
            raise NotFoundError(f"no order {order_id[:80]!r}")
        return order

    def decide(self, order_id: str, outcome: str) -> str:
        """Let the payer act; return the registered address to which the browser goes back.

        Deciding a finished order changes nothing. ``outcome`` is a key of ``OUTCOMES``.

        Raises:
            NotFoundError: no such order or outcome.
        """
        now = self.clock()
        with self.store.transaction() as records:
            self._expire_orders(records, now)
            order = records.get(_ORDER, order_id)
            if order is None or outcome not in OUTCOMES:
                raise NotFoundError(f"no order {order_id[:80]!r} or outcome {outcome[:20]!r}")
            if order["code"] == "":
                order = self._finish(records, order, outcome, now)
        self._transfer_due(now)
        if self.config.deliver_at_once:
            self._notices.deliver_due(now, self._send_result)
        address = self._partners[order["partner_code"]].return_url
        joint = "&" if urlsplit(address).query else "?"
        return f"{address}{joint}{urlencode({'MaThamChieu': order['reference']})}"

    def act(self, page_url: str, outcome: str) -> str | None:
        """Be the payer: open the page and decide; ``abandon`` opens it and walks away."""
        order_id = parse_qs(urlsplit(page_url).query).get("order", [""])[0]
        order = self.open_page(order_id)
        return None if outcome == "abandon" else self.decide(order["id"], outcome)

    def _finish(self, records: Records, order: Record, outcome: str, now: datetime) -> Record:
        code, status = OUTCOMES[outcome]
        number = str(_FIRST_TRANSACTION + records.next_number("transaction"))
        ended = {"code": code, "status": status, "transaction": number}
        done = {**order, **ended, "ended_at": format_time(now)}
        reference = merchant_reference(order["reference"])
        if status == PAID:
            if self.config.faults.strikes(Fault.OTHER_AMOUNT, reference, records):
                name = self.config.faults.drawn_as(reference, records)
                done["paid_amount"] = self.config.faults.other_amount(name, order["amount"])
            records.put(_TRANSFER, order["id"], {"order": order["id"]}, due=now)
        records.put(_ORDER, order["id"], done)
        body = {"order": order["id"]}
        self._notices.announce(records, f"result:{order['id']}", reference, body, now)
        return done

    def deliver_due(self, now: datetime) -> int:
        """Do all that time brings until ``now``; return the number of calls made."""
        with self.store.transaction() as records:
            self._expire_orders(records, now)
        self._transfer_due(now)
        return self._notices.deliver_due(now, self._send_result)

    def _expire_orders(self, records: Records, now: datetime) -> None:
        for order in records.due(_ORDER, now):
            self._finish(records, order, "expire", now)

    def _transfer_due(self, now: datetime) -> None:
        """Move the money; the bank knows a transfer by its id, so a kill in between is safe."""
        with self.store.transaction() as records:
            waiting = records.due(_TRANSFER, now)
            orders = [records.get(_ORDER, transfer["order"]) for transfer in waiting]
        for order in orders:
            if order is None:
                raise AssertionError("a transfer without its order")
            if self._transfer_sink:
                self._transfer_sink(
                    Entry(
                        entry_id=f"national_portal:{order['id']}",
                        account=order["account"],
                        amount=order["paid_amount"],
                        narrative=f"{order['text']} {order['transaction']}",
                        counterparty_name="CONG DICH VU CONG QUOC GIA",
                    )
                )
            with self.store.transaction() as records:
                records.put(_TRANSFER, order["id"], {"order": order["id"]})

    def _send_result(self, body: Record, now: datetime) -> Reply:
        del now  # a result carries no sending time
        with self.store.transaction() as records:
            order = records.get(_ORDER, body["order"])
        if order is None:
            raise AssertionError(f"a notice without its order: {body}")
        partner = self._partners[order["partner_code"]]
        result = {
            "LoaiBanTin": self.config.result_message,
            "MaLoi": order["code"],
            "MaDoiTac": order["partner_code"],
            "MaThamChieu": order["reference"],
            "SoTien": str(order["paid_amount"]),
            "MaTienTe": CURRENCY,
            "MaGiaoDich": order["transaction"],
            "MaNganHang": _DEMO_BANK,
            "ThoiGianGD": order["ended_at"],
            "ThongTinGiaoDich": order["text"],
        }
        result[signing.SIGNATURE_FIELD] = signing.digest(signing.RESULT, result, partner.secret)
        headers = {"Content-Type": "application/json"}
        content = json.dumps(result).encode()
        try:
            answer = send(
                self._client,
                "POST",
                partner.result_url,
                idempotent=False,
                headers=headers,
                content=content,
            )
            fields = texts(read_object(answer.body))
        except (GatewayUnavailableError, ValueError) as error:
            return Reply(accepted=False, text=type(error).__name__)
        signed = signing.is_signed(signing.RESULT_ANSWER, fields, [partner.secret])
        code = fields.get("MaLoi", "")
        return Reply(accepted=signed and code == "00", text=code if signed else "unsigned")

    def query(self, body: bytes, authorization: str) -> tuple[dict[str, str], Fault | None]:
        """Answer QUERY; the fault says what is to happen to the answer."""
        try:
            fields = texts(read_object(body))
        except ValueError as error:
            return {"MaLoi": "99", "MoTaLoi": str(error)}, None
        if problem := self._refusal(fields, signing.QUERY, authorization):
            return {"MaLoi": WRONG_SIGNATURE, "MoTaLoi": problem}, None
        with self.store.transaction() as records:
            self._expire_orders(records, self.clock())
            order = self._order_of(records, fields)
            if order is None:
                return {"MaLoi": UNKNOWN_REFERENCE, "MoTaLoi": "Khong tim thay giao dich"}, None
            fault = self._query_fault(records, merchant_reference(order["reference"]))
        return {
            "MaLoi": "00",
            "MoTaLoi": "Thanh cong",
            "MaDoiTac": order["partner_code"],
            "MaThamChieu": order["reference"],
            "SoTien": str(order["paid_amount"]),
            "MaGiaoDich": order["transaction"],
            "TrangThaiGD": order["status"],
            "ThoiGianGD": order["ended_at"] or order["opened_at"],
        }, fault

    def receipt(self, body: bytes, authorization: str) -> bytes | None:
        """Return the receipt of a paid order as a small PDF, or None."""
        try:
            fields = texts(read_object(body))
        except ValueError:
            return None
        if self._refusal(fields, signing.QUERY, authorization):
            return None
        with self.store.transaction() as records:
            order = self._order_of(records, fields)
        paid = order is not None and order["status"] == PAID
        return one_page_pdf(f"Bien lai mo phong {order['reference']}") if order and paid else None

    def _order_of(self, records: Records, fields: Mapping[str, str]) -> Record | None:
        order = records.get(_ORDER, f"{fields.get('MaDoiTac')}:{fields.get('MaThamChieu')}")
        known = order is not None and order["opened_at"] == fields.get("ThoiGianGD")
        return order if known else None

    def _query_fault(self, records: Records, reference: str) -> Fault | None:
        for fault in (Fault.LOST_QUERY, Fault.SLOW_QUERY):
            if self.config.faults.strikes_once(fault, reference, records):
                return fault
        return None

    def order(self, partner_code: str, reference: str) -> Record:
        """Return the order of our merchant reference with its results; there are no refunds.

        Raises:
            NotFoundError: it was never opened.
        """
        with self.store.transaction() as records:
            order = records.get(_ORDER, f"{partner_code}:{reference.replace('-', 'U')}")
            if order is None:
                raise NotFoundError(f"no order {reference[:80]!r}")
            return {**order, "refunds": [], "notices": self._notices.sent(records, reference)}

    def refunded(self, partner_code: str, reference: str) -> int:
        """Return 0: version 1.0.6 has no refund.

        Raises:
            NotFoundError: the order was never opened.
        """
        self.order(partner_code, reference)
        return 0

    def settlement(self, partner_code: str, day: date) -> list[SettlementRow]:
        """Return nothing: money goes straight to the account, and no report is known."""
        del partner_code, day
        return []

    def payouts(self) -> list[Payout]:
        """Return nothing: nobody collects for us and pays out later."""
        return []

    def close(self) -> None:
        """Close connections and file."""
        self._client.close()
        self.store.close()


def merchant_reference(reference: str) -> str:
    """Return our own reference, by which faults are drawn and forced."""
    bill, _, attempt = reference.rpartition("U")
    return f"{bill}-{attempt}" if bill else reference


def _envelope(code: str, message: str) -> dict[str, str]:
    return {"error_code": code, "message": message}
