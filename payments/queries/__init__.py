"""Every SELECT on bills, payments and books that a page needs; staff reads see one office subtree.

``scope`` is always the office path of the reader (``Actor.office_path``): ``/`` sees all, an
empty one nothing.
"""

from payments.queries.attempts import (
    ChannelSum,
    PaymentView,
    find_attempt,
    find_payment_of_receipt,
    get_payment_view,
    get_refund,
    list_gateway_events,
    list_in_doubt,
    list_receipts,
    list_refunds,
    search_payments,
    sums_by_channel,
)
from payments.queries.bills import (
    BillView,
    find_bills,
    get_bill_view,
    list_attempts,
    read_reference,
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
    "Page",
    "PaymentView",
    "account_in",
    "by_id",
    "find_attempt",
    "find_bills",
    "find_message",
    "find_payment_of_receipt",
    "get_bill_view",
    "get_payment_view",
    "get_refund",
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
    "list_receipts",
    "list_refunds",
    "office_ids",
    "office_in",
    "paginate",
    "read_reference",
    "search_bills",
    "search_payments",
    "sums_by_channel",
]
