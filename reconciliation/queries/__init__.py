"""Every SELECT on evidence, runs and mismatches that a page needs; staff see one office subtree.

``scope`` is the office path of the reader. A mismatch belongs to its office or, where none is
known, to its collecting account; statements and reports belong to their collecting account.
"""

from reconciliation.queries.evidence import (
    MAX_LINES,
    Evidence,
    PaymentEvidence,
    load_evidence,
    parse_items,
)
from reconciliation.queries.files import (
    FileRow,
    count_files,
    file_in,
    get_file,
    list_files,
    list_settlement_lines,
    list_statement_lines,
    states_of_items,
)
from reconciliation.queries.mismatches import (
    LIVE,
    MismatchFilter,
    MismatchRow,
    MismatchView,
    get_mismatch,
    get_mismatch_view,
    get_resolution,
    list_decisions,
    list_history,
    list_mismatches,
    mismatch_in,
)
from reconciliation.queries.payer import payer_account
from reconciliation.queries.remitted import debits_of
from reconciliation.queries.today import (
    AGE_BANDS,
    Ageing,
    LayerSum,
    ageing,
    count_by_type,
    count_lines_of_day,
    latest_runs,
    layer_sums,
)
from reconciliation.queries.trail import (
    MatchView,
    Trail,
    bank_lines_of_payment,
    payments_of_line,
    search_lines,
    trail_of_payment,
)

__all__ = [
    "AGE_BANDS",
    "LIVE",
    "MAX_LINES",
    "Ageing",
    "Evidence",
    "FileRow",
    "LayerSum",
    "MatchView",
    "MismatchFilter",
    "MismatchRow",
    "MismatchView",
    "PaymentEvidence",
    "Trail",
    "ageing",
    "bank_lines_of_payment",
    "count_by_type",
    "count_files",
    "count_lines_of_day",
    "debits_of",
    "file_in",
    "get_file",
    "get_mismatch",
    "get_mismatch_view",
    "get_resolution",
    "latest_runs",
    "layer_sums",
    "list_decisions",
    "list_files",
    "list_history",
    "list_mismatches",
    "list_settlement_lines",
    "list_statement_lines",
    "load_evidence",
    "mismatch_in",
    "parse_items",
    "payer_account",
    "payments_of_line",
    "search_lines",
    "states_of_items",
    "trail_of_payment",
]
