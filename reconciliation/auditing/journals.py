"""The books as plain-text journals that other people's programs check: hledger and beancount.

Each begins with the opening balances of the range and ends by asserting the closing ones, so that
a program that knows nothing of us finds out whether the range adds up.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final, TextIO

from core.money import Currency
from payments.ledger.models import AccountType
from reconciliation.auditing.books import Balance, Books
from reconciliation.auditing.columns import Row, as_text

_HLEDGER_ROOTS: Final = {
    AccountType.ASSET: "assets",
    AccountType.LIABILITY: "liabilities",
    AccountType.REVENUE: "revenues",
    AccountType.EXPENSE: "expenses",
}
_BEANCOUNT_ROOTS: Final = {
    AccountType.ASSET: "Assets",
    AccountType.LIABILITY: "Liabilities",
    AccountType.REVENUE: "Income",
    AccountType.EXPENSE: "Expenses",
}
_HLEDGER_TYPES: Final = {
    AccountType.ASSET: "A",
    AccountType.LIABILITY: "L",
    AccountType.REVENUE: "R",
    AccountType.EXPENSE: "X",
}
_LOCAL: Final = 5
_entry_of = itemgetter(1)


def write_hledger(books: Books, folder: Path) -> None:
    """Write ``books.journal`` for hledger: accounts and commodities declared, amounts plain."""
    names = account_names(books, _HLEDGER_ROOTS, _hledger_part)
    first, last = books.range.first, books.range.last
    with (folder / "books.journal").open("w", encoding="utf-8", newline="\n") as out:
        out.write("decimal-mark .\n")
        out.writelines(f"commodity {_digits(1000, money)} {money}\n" for money in Currency)
        for account in books.accounts:
            comment = _words(f"{account.name_en} / {account.name_vi}").replace(",", " ")
            out.write(
                f"account {names[account.code]}\n    ; type: {_HLEDGER_TYPES[account.type]}\n"
            )
            out.write(f"    ; code: {account.code}, name: {comment}\n")
        if opening := [balance for balance in books.opening if balance.balance_minor]:
            out.write(f"\n{first} * opening balances\n")
            for balance in opening:
                amount = _amount(balance.balance_minor, balance.currency)
                out.write(f"    {names[balance.account]}  {amount}\n")
        for entry in _entries(books):
            _write_hledger_entry(out, entry, names)
        out.write(f"\n{last} * closing balances\n")
        for balance in books.closing():
            nothing = _amount(0, balance.currency)
            amount = _amount(balance.balance_minor, balance.currency)
            out.write(f"    {names[balance.account]}  {nothing} = {amount}\n")


def _write_hledger_entry(out: TextIO, entry: list[Row], names: dict[str, str]) -> None:
    head = entry[0]
    words = _words(head[16]).replace(";", ",").replace("|", "/") or head[6]
    out.write(f"\n{head[3]} * ({head[1]}) {words}\n    ; event: {head[6]}\n")
    out.write(f"    ; event_key: {_words(head[7])}\n    ; posted: {as_text(head[_LOCAL])}\n")
    for tag, value in (("bill", head[13]), ("office", head[12]), ("reverses", head[14])):
        if value:
            out.write(f"    ; {tag}: {_words(value)}\n")
    for row in entry:
        money = Currency(row[11])
        out.write(f"    {names[row[8]]}  {_amount(row[10], money)}\n")
        out.write(f"    {names[row[9]]}  {_amount(-row[10], money)}\n")


def write_beancount(books: Books, folder: Path) -> None:
    """Write ``books.beancount``: each account opened on the first day with its code beside it."""
    names = account_names(books, _BEANCOUNT_ROOTS, _beancount_part)
    first, after = books.range.first, books.range.last + timedelta(days=1)
    with (folder / "books.beancount").open("w", encoding="utf-8", newline="\n") as out:
        out.write(f'option "title" "Books from {first} to {books.range.last}"\n')
        out.writelines(f'option "operating_currency" "{money}"\n' for money in Currency)
        out.writelines(f"{first} commodity {money}\n" for money in Currency)
        for account in books.accounts:
            out.write(f"{first} open {names[account.code]}\n  code: {_quoted(account.code)}\n")
            out.write(f"  name_vi: {_quoted(account.name_vi)}\n")
            out.write(f"  name_en: {_quoted(account.name_en)}\n")
        if opening := [balance for balance in books.opening if balance.balance_minor]:
            out.write(f'\n{first} * "opening balances"\n')
            for balance in opening:
                amount = _amount(balance.balance_minor, balance.currency)
                out.write(f"  {names[balance.account]}  {amount}\n")
        for entry in _entries(books):
            _write_beancount_entry(out, entry, names)
        out.write("\n")
        out.writelines(_beancount_balance(after, names, each) for each in books.closing())


def _beancount_balance(after: object, names: dict[str, str], balance: Balance) -> str:
    amount = _amount(balance.balance_minor, balance.currency)
    return f"{after} balance {names[balance.account]}  {amount}\n"


def _write_beancount_entry(out: TextIO, entry: list[Row], names: dict[str, str]) -> None:
    head = entry[0]
    out.write(f"\n{head[3]} * {_quoted(head[16] or head[6])}\n  entry: {_quoted(head[1])}\n")
    out.write(f"  event: {_quoted(head[6])}\n  event_key: {_quoted(head[7])}\n")
    out.write(f"  posted: {_quoted(as_text(head[_LOCAL]))}\n")
    for tag, value in (("bill", head[13]), ("office", head[12]), ("reverses", head[14])):
        if value:
            out.write(f"  {tag}: {_quoted(value)}\n")
    for row in entry:
        money = Currency(row[11])
        out.write(f"  {names[row[8]]}  {_amount(row[10], money)}\n")
        out.write(f"  {names[row[9]]}  {_amount(-row[10], money)}\n")


def account_names(
    books: Books, roots: dict[AccountType, str], part: Callable[[str], str]
) -> dict[str, str]:
    """Return a program's name for each account code: its type, then the code's own parts.

    Where the program's alphabet makes two codes the same, or had to alter one beyond the usual
    spelling, a piece of the code's SHA-256 keeps them apart; the code itself is written beside.
    """
    plain = {
        account.code: ":".join([roots[account.type], *map(part, account.code.split(":"))])
        for account in books.accounts
    }
    often = Counter(name.casefold() for name in plain.values())
    return {
        code: f"{name}-{hashlib.sha256(code.encode()).hexdigest()[:8]}"
        if often[name.casefold()] > 1 or not re.fullmatch(r"[A-Za-z0-9_:-]+", code)
        else name
        for code, name in plain.items()
    }


def _hledger_part(part: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", part) or "-"


def _beancount_part(part: str) -> str:
    """Return a part as beancount's lexer takes it: a capital or digit, letters, digits, hyphens."""
    plain = re.sub(r"[^A-Za-z0-9-]", "-", part)
    first = plain[:1].upper()
    return f"{first}{plain[1:]}" if first.isalnum() else f"X{plain}"


def _entries(books: Books) -> Iterator[list[Row]]:
    """Yield the transfers of one entry at a time; they follow each other in the books' order."""
    rows = (row for part in books.transfers() for row in part)
    for _, group in groupby(rows, key=_entry_of):
        yield list(group)


def _digits(amount_minor: int, currency: Currency) -> str:
    """Return an amount with all decimals of its currency, and the mark that hledger asks for."""
    places = currency.exponent
    sign, digits = "-" if amount_minor < 0 else "", str(abs(amount_minor)).zfill(places + 1)
    return f"{sign}{digits[: len(digits) - places]}.{digits[len(digits) - places :]}"


def _amount(amount_minor: int, currency: Currency) -> str:
    return f"{_digits(amount_minor, currency).removesuffix('.')} {currency}"


def _words(text: str) -> str:
    """Return a text on one line, without what cannot be printed."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _quoted(text: str) -> str:
    escaped = _words(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
