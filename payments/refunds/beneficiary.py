"""Whose account a refund by transfer goes to, as a bank takes it."""

import re
from dataclasses import dataclass
from typing import Final, Self

from payments.errors import RefundNotAllowedError
from payments.models import Refund
from payments.references import fold

_NAME: Final = re.compile(r"[A-Z0-9][A-Z0-9 .,'&()/-]{1,69}")
_ACCOUNT: Final = re.compile(r"[0-9A-Z]{3,34}")
_BIN: Final = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Beneficiary:
    """Whose account a transfer goes to: name in plain capitals, account, the bank's BIN."""

    name: str = ""
    account: str = ""
    bank_bin: str = ""

    @classmethod
    def parse(cls, name: str, account: str, bank_bin: str) -> Self:
        """Read what was typed; what is still empty stays so.

        Raises:
            RefundNotAllowedError: something is there that no bank would take.
        """
        plain = re.sub(r"[\s.-]", "", account)
        if plain.isascii():  # an account is copied, never read: ß is no SS
            plain = plain.upper()
        read = cls(" ".join(fold(name).split()), plain, bank_bin.strip())
        forms = ((_NAME, read.name), (_ACCOUNT, read.account), (_BIN, read.bank_bin))
        if any(text and not form.fullmatch(text) for form, text in forms):
            raise RefundNotAllowedError("no bank would take this name, account or BIN")
        return read

    @property
    def is_complete(self) -> bool:
        """Whether a bank can be ordered to send money there."""
        return bool(self.name and self.account and self.bank_bin)


def beneficiary_of(refund: Refund) -> Beneficiary:
    """Return whose account a refund goes to."""
    return Beneficiary(
        refund.beneficiary_name, refund.beneficiary_account, refund.beneficiary_bank_bin
    )
