"""What rails share: a plain refusal behind every capability that is not had."""

from datetime import date, datetime

from payments.errors import GatewayRefusedError
from payments.ports import (
    CheckResult,
    GatewayNotice,
    PaymentQuery,
    RefundOrder,
    ReportFile,
    StartedPayment,
    StartRequest,
)

NOT_FOUND = "not_found"
"""``reason_code`` of an answer that the channel knows no such attempt or refund."""


class GatewayBase:
    """Refuses what a rail cannot do; callers look at ``capabilities`` and never come here.

    A rail overrides what its capabilities name, and always ``rail``, ``capabilities``,
    ``verify_notice`` and ``answer`` where it sends messages.
    """

    def start(self, request: StartRequest) -> StartedPayment:
        """Refuse."""
        raise self._cannot("start", request.merchant_reference)

    def query(self, query: PaymentQuery) -> GatewayNotice:
        """Refuse."""
        raise self._cannot("query", query.merchant_reference)

    def confirm(self, query: PaymentQuery, *, capture: bool) -> GatewayNotice:
        """Refuse."""
        del capture
        raise self._cannot("confirm", query.merchant_reference)

    def cancel(self, query: PaymentQuery) -> GatewayNotice:
        """Refuse."""
        raise self._cannot("cancel", query.merchant_reference)

    def refund(self, order: RefundOrder) -> GatewayNotice:
        """Refuse."""
        raise self._cannot("refund", order.refund_reference)

    def query_refund(self, order: RefundOrder) -> GatewayNotice:
        """Refuse."""
        raise self._cannot("query_refund", order.refund_reference)

    def settlement_report(self, day: date) -> list[ReportFile]:
        """Refuse."""
        raise self._cannot("settlement_report", day.isoformat())

    def check(self, *, at: datetime) -> CheckResult:
        """Say that there is nothing to call."""
        del at
        return CheckResult(None, "This rail has no address to call: it only calls us.")

    def _cannot(self, what: str, about: str) -> GatewayRefusedError:
        return GatewayRefusedError(f"{type(self).__name__} has no {what} ({about})")
