"""A bank statement as a file, for tests that care how it arrives."""

from adapters.simulators.statement_files import PrintedLine, PrintedStatement, write_camt053
from core.clock import at_vietnam_time
from core.money import Money
from tests.support.evidence import DAY, World


def a_statement(world: World, message_id: str = "a", amount: int = 83_000) -> bytes:
    """Return a statement of a world's account with the transfer that it awaits."""
    line = PrintedLine(
        booking_date=DAY, amount=Money(amount), narrative=f"{world.bill.bill_reference} nop",
    )  # fmt: skip
    printed = PrintedStatement(
        account=world.account.account_number, number="1", from_date=DAY, to_date=DAY,
        opening=Money(0), lines=[line],
    )  # fmt: skip
    return write_camt053([printed], message_id=message_id, created_at=at_vietnam_time(DAY, 18))
