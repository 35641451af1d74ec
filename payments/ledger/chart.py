"""The chart of accounts: every account code the books may use, with its type and names."""

from dataclasses import dataclass
from typing import Final

from payments.channels import Channel
from payments.ledger.models import AccountType
from payments.models import Budget

RECEIVABLE: Final = "receivable"
SUSPENSE: Final = "suspense"
REFUNDS_PAYABLE: Final = "refunds_payable"
CLEARING_REMITTANCE: Final = "clearing:remittance"
OTHER_INCOME: Final = "other_income"
OTHER_EXPENSE: Final = "other_expense"
WRITE_OFF: Final = "write_off"


@dataclass(frozen=True, slots=True)
class ChartEntry:
    """Type and names of an account or of a family of accounts (``clearing:…``)."""

    type: AccountType
    name_vi: str
    name_en: str


CHART: Final[dict[str, ChartEntry]] = {
    RECEIVABLE: ChartEntry(AccountType.ASSET, "Phải thu phí, lệ phí", "Fees receivable"),
    "bank": ChartEntry(AccountType.ASSET, "Tiền gửi ngân hàng", "Bank"),
    "clearing": ChartEntry(AccountType.ASSET, "Tiền đang chuyển", "Clearing"),
    "fee_expense": ChartEntry(AccountType.EXPENSE, "Phí kênh thanh toán", "Channel fees"),
    "surcharge": ChartEntry(AccountType.REVENUE, "Phụ thu phí kênh thanh toán", "Surcharges"),
    SUSPENSE: ChartEntry(AccountType.LIABILITY, "Chờ xử lý", "Suspense"),
    REFUNDS_PAYABLE: ChartEntry(AccountType.LIABILITY, "Phải hoàn trả", "Refunds payable"),
    "revenue": ChartEntry(AccountType.REVENUE, "Thu phí được để lại", "Fee revenue"),
    "payable": ChartEntry(AccountType.LIABILITY, "Phải nộp ngân sách", "Payable to the budget"),
    OTHER_INCOME: ChartEntry(AccountType.REVENUE, "Thu khác", "Other income"),
    OTHER_EXPENSE: ChartEntry(AccountType.EXPENSE, "Chi khác", "Other expense"),
    WRITE_OFF: ChartEntry(AccountType.EXPENSE, "Xóa nợ", "Write-offs"),
}


def bank(account_number: str) -> str:
    """Return the code of a collecting account's bank balance."""
    return f"bank:{account_number}"


def clearing(channel: Channel) -> str:
    """Return the code for money collected by a channel and not yet on the bank account."""
    return f"clearing:{channel}"


def fee_expense(channel: Channel) -> str:
    """Return the code for what a channel charges."""
    return f"fee_expense:{channel}"


def surcharge(channel: Channel) -> str:
    """Return the code for what payers paid on top to bear a channel's charge."""
    return f"surcharge:{channel}"


def earned(budget: Budget, fee_code: str) -> str:
    """Return the code a fee is credited to: the budget's, or our own revenue."""
    if budget is Budget.STATE_TREASURY:
        return f"payable:state_treasury:{fee_code}"
    return f"revenue:{fee_code}"


def describe(code: str) -> ChartEntry:
    """Return type and names of an account; an unknown family is a mistake in the program."""
    family, _, member = code.partition(":")
    entry = CHART.get(code) or CHART[family]
    if not member:
        return entry
    return ChartEntry(entry.type, f"{entry.name_vi}: {member}", f"{entry.name_en}: {member}")
