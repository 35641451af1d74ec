"""Every SELECT on bills, payments and books that a page needs; staff reads see one office subtree.

``scope`` is always the office path of the reader (``Actor.office_path``): ``/`` sees all, an
empty one nothing.
"""

from payments.queries.attempts import (
    ChannelSum,
    PaymentView,
    find_attempt,
    get_payment_view,
    list_gateway_events,
    list_in_doubt,
    list_receipts,
    search_payments,
    sums_by_channel,
)
from payments.queries.bills import (
    BillView,
    find_bills,
    get_bill_view,
    list_attempts,
    read_reference,
    refunds_of_bill,
    search_bills,
)
from payments.queries.books import (
    BalanceRow,
    EntryView,
    list_balances,
    list_entries_about,
    list_entries_of_bill,
)
from payments.queries.messages import (
    find_message,
    list_audit,
    list_messages,
)
from payments.queries.receipts import ReceiptView, find_receipt_view, find_standing_receipt
from payments.queries.refunds import (
    Orderable,
    OrderView,
    RefundView,
    get_payment_order,
    get_refund_view,
    list_orderable,
    list_payment_orders,
    list_refunds,
)
from payments.queries.remittances import (
    RemittanceView,
    get_remittance_view,
    list_remittances,
)
from payments.queries.scope import (
    MAX_HITS,
    PAGE_SIZE,
    ROOT,
    Page,
    account_in,
    by_id,
    list_accounts,
    list_offices,
    office_ids,
    office_in,
    paginate,
)

__all__ = [
    "MAX_HITS",
    "PAGE_SIZE",
    "ROOT",
    "BalanceRow",
    "BillView",
    "ChannelSum",
    "EntryView",
    "OrderView",
    "Orderable",
    "Page",
    "PaymentView",
    "ReceiptView",
    "RefundView",
    "RemittanceView",
    "account_in",
    "by_id",
    "find_attempt",
    "find_bills",
    "find_message",
    "find_receipt_view",
    "find_standing_receipt",
    "get_bill_view",
    "get_payment_order",
    "get_payment_view",
    "get_refund_view",
    "get_remittance_view",
    "list_accounts",
    "list_attempts",
    "list_audit",
    "list_balances",
    "list_entries_about",
    "list_entries_of_bill",
    "list_gateway_events",
    "list_in_doubt",
    "list_messages",
    "list_offices",
    "list_orderable",
    "list_payment_orders",
    "list_receipts",
    "list_refunds",
    "list_remittances",
    "office_ids",
    "office_in",
    "paginate",
    "read_reference",
    "refunds_of_bill",
    "search_bills",
    "search_payments",
    "sums_by_channel",
]
