"""A payment order as a file: an ISO 20022 credit transfer initiation, and the same as a table.

The message is pain.001.001.09. A bank is named by its BIN, the six digits that transfer codes
name it by, as clearing system member; what a bank asks for beyond that is agreed with it. Each
refund is booked by itself (no batch booking), so that every debit on the statement names its bill.
"""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.etree import ElementTree as ET

from core.clock import VIETNAM, business_day
from core.money import Money
from payments.references import fold
from payments.refunds.beneficiary import Beneficiary

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
SHEET_COLUMNS: Final = (
    "order", "from_account", "end_to_end_id", "beneficiary_name", "beneficiary_account",
    "beneficiary_bank_bin", "amount", "currency", "narrative",
)  # fmt: skip
_MAX_ID: Final = 35
_MAX_NAME: Final = 140


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One transfer: ``end_to_end_id`` and ``narrative`` carry the bill reference."""

    end_to_end_id: str
    amount: Money
    beneficiary: Beneficiary
    narrative: str


@dataclass(frozen=True, slots=True)
class OrderFile:
    """What stands in a payment order; the same facts always give the same bytes."""

    number: str
    account: str
    account_name: str
    bank_bin: str
    created_at: datetime
    rows: tuple[OrderRow, ...]

    @property
    def total(self) -> Money:
        """The sum of all rows."""
        return sum((row.amount for row in self.rows), start=Money(0, self.rows[0].amount.currency))

    @property
    def message_id(self) -> str:
        """Unique for ever at the bank: the account, and the number of the file."""
        return f"{self.account[-(_MAX_ID - len(self.number) - 1) :]}-{self.number}"


def write_pain001(file: OrderFile) -> bytes:
    """Return the order as ISO 20022 pain.001.001.09."""
    document = ET.Element("Document", xmlns=NAMESPACE)
    initiation = ET.SubElement(document, "CstmrCdtTrfInitn")
    name = fold(file.account_name)[:_MAX_NAME]
    header = ET.SubElement(initiation, "GrpHdr")
    _leaf(header, "MsgId", file.message_id)
    _leaf(header, "CreDtTm", file.created_at.astimezone(VIETNAM).isoformat(timespec="seconds"))
    _sums(header, file)
    _leaf(header, "InitgPty/Nm", name)
    block = ET.SubElement(initiation, "PmtInf")
    _leaf(block, "PmtInfId", file.message_id)
    _leaf(block, "PmtMtd", "TRF")
    _leaf(block, "BtchBookg", "false")
    _sums(block, file)
    _leaf(block, "ReqdExctnDt/Dt", business_day(file.created_at).isoformat())
    _leaf(block, "Dbtr/Nm", name)
    debtor = ET.SubElement(block, "DbtrAcct")
    _leaf(debtor, "Id/Othr/Id", file.account)
    _leaf(debtor, "Ccy", file.total.currency.value)
    _leaf(block, "DbtrAgt/FinInstnId/ClrSysMmbId/MmbId", file.bank_bin)
    _leaf(block, "ChrgBr", "DEBT")
    for row in file.rows:
        _transfer(ET.SubElement(block, "CdtTrfTxInf"), row)
    ET.indent(document)
    body: bytes = ET.tostring(document, encoding="UTF-8", xml_declaration=True)
    return body + b"\n"


def write_sheet(file: OrderFile) -> bytes:
    """Return the same rows as a CSV table (RFC 4180, UTF-8) for banks that want one."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(SHEET_COLUMNS)
    for row in file.rows:
        to = row.beneficiary
        writer.writerow(
            (
                file.number, file.account, row.end_to_end_id, to.name, to.account, to.bank_bin,
                row.amount.decimal, row.amount.currency.value, row.narrative,
            )
        )  # fmt: skip
    return text.getvalue().encode()


def _sums(parent: ET.Element, file: OrderFile) -> None:
    _leaf(parent, "NbOfTxs", str(len(file.rows)))
    _leaf(parent, "CtrlSum", file.total.decimal)


def _transfer(parent: ET.Element, row: OrderRow) -> None:
    names = ET.SubElement(parent, "PmtId")
    _leaf(names, "InstrId", row.end_to_end_id)
    _leaf(names, "EndToEndId", row.end_to_end_id)
    amount = ET.SubElement(ET.SubElement(parent, "Amt"), "InstdAmt", Ccy=row.amount.currency.value)
    amount.text = row.amount.decimal
    _leaf(parent, "CdtrAgt/FinInstnId/ClrSysMmbId/MmbId", row.beneficiary.bank_bin)
    _leaf(parent, "Cdtr/Nm", row.beneficiary.name)
    _leaf(parent, "CdtrAcct/Id/Othr/Id", row.beneficiary.account)
    _leaf(parent, "RmtInf/Ustrd", row.narrative)


def _leaf(parent: ET.Element, path: str, text: str) -> None:
    for name in path.split("/"):
        parent = ET.SubElement(parent, name)
    parent.text = text
