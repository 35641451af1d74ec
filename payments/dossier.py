"""Dossier codes of one-stop shops, in both forms that are in use.

Until 2020 unit codes ran small to large (``000.00.41.H49-230105-0007``, Circular
01/2018/TT-VPCP art. 19); since Decision 20/2020/QĐ-TTg large to small
(``H15.50.05.13-261008-0975``).
"""

import re
from datetime import date
from typing import Final

from payments.errors import MalformedBillError

_FORM: Final = re.compile(
    r"(?:[A-Z]\d{2}(?:\.\d{2}){0,3}|\d{3}\.\d{2}\.\d{2}\.[A-Z]\d{2})-(\d{2})(\d{2})(\d{2})-\d{4,7}",
    re.ASCII,
)


def parse_dossier_code(text: str) -> str:
    """Return the code in upper case without surrounding blanks.

    Raises:
        MalformedBillError: neither form, or its date does not exist.
    """
    code = text.strip().upper()
    found = _FORM.fullmatch(code)
    if found is None:
        raise MalformedBillError("dossier_code: neither form of a dossier code")
    year, month, day = (int(part) for part in found.groups())
    try:
        date(2000 + year, month, day)
    except ValueError:
        raise MalformedBillError("dossier_code: its date does not exist") from None
    return code
