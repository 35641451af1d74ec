"""MT940 as a bank writes it, from the same facts as the simulators' camt.053."""

from collections.abc import Iterator
from decimal import Decimal

from adapters.simulators.statement_files import PrintedLine, PrintedStatement
from core.money import Money

WIDTH = 65
_SUB_FIELD = 27


def write_mt940(statement: PrintedStatement, *, envelope: bool = False, end: str = "\r\n") -> bytes:
    """One MT940 message; narratives in German sub-fields, wrapped without regard to words."""
    lines = [
        ":20:STARTUMS",
        f":25:{statement.account}",
        f":28C:{statement.number}/1",
        f":60F:{_balance(statement.opening, statement, first=True)}",
    ]
    for line in statement.lines:
        lines += _line(line)
    lines.append(f":62F:{_balance(statement.final_balance, statement, first=False)}")
    text = end.join([*lines, ""])
    if envelope:
        text = f"{{1:F01BANKVNVXAXXX0000000000}}{{2:I940CITYVNVXXXXXN}}{{4:{end}{text}-}}"
    else:
        text += f"-{end}"
    return text.encode()


def _balance(amount: Money, statement: PrintedStatement, *, first: bool) -> str:
    day = statement.from_date if first else statement.to_date
    mark = "D" if amount.amount_minor < 0 else "C"
    return f"{mark}{day:%y%m%d}{amount.currency}{_amount(amount)}"


def _amount(amount: Money) -> str:
    text = str(abs(Decimal(amount.decimal))).replace(".", ",")
    return text if "," in text else f"{text},"


def _line(line: PrintedLine) -> Iterator[str]:
    credit = line.amount.amount_minor > 0
    mark = ("RC", "RD")[credit] if line.reversal else ("D", "C")[credit]
    days = f"{line.value_date or line.booking_date:%y%m%d}{line.booking_date:%m%d}"
    reference = line.reference or "NONREF"
    bank = f"//{line.bank_reference}" if line.bank_reference else ""
    yield f":61:{days}{mark}{_amount(line.amount)}NTRF{reference}{bank}"
    yield from _wrapped(":86:" + "".join(_sub_fields(line)))


def _sub_fields(line: PrintedLine) -> Iterator[str]:
    yield "166?00CHUYEN KHOAN"
    pieces = [line.narrative[at : at + _SUB_FIELD] for at in range(0, len(line.narrative), 27)]
    for number, piece in enumerate(pieces, start=20):
        yield f"?{number}{piece}"
    if line.counterparty_account:
        yield f"?31{line.counterparty_account}"
    if line.counterparty_name:
        yield f"?32{line.counterparty_name}"


def _wrapped(text: str) -> Iterator[str]:
    """Cut at the width; no line may begin as a field or an end does, nor lose a blank."""
    while text:
        at = min(WIDTH, len(text))
        while at > 1 and text[at : at + 1] and (text[at] in ":-{ " or text[at - 1] == " "):
            at -= 1
        yield text[:at]
        text = text[at:]
