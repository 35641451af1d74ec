"""Dossier codes in both forms that are in use, and nothing else."""

import pytest

from payments.dossier import parse_dossier_code
from payments.errors import MalformedBillError


@pytest.mark.parametrize(
    "code",
    ["000.00.41.H49-230105-0007", "H15.50.05.13-261008-0975", "H49.22-261102-0001",
     "G22-261102-0000001"],
)  # fmt: skip
def test_both_forms_are_read(code: str) -> None:
    assert parse_dossier_code(code) == code
    assert parse_dossier_code(f"  {code.lower()} ") == code


@pytest.mark.parametrize(
    "code",
    ["", "H15.50.05.13-261308-0975", "H15.50.05.13-260230-0975", "H15.50.05.13-261008-097",
     "H15.50.05.13.99-261008-0975", "H1５-261008-0975", "H15-26１008-0975", "H15-261008-0975\nX",
     "00.00.41.H49-230105-0007"],
)  # fmt: skip
def test_what_is_neither_form_or_no_date_is_refused(code: str) -> None:
    with pytest.raises(MalformedBillError, match="dossier_code"):
        parse_dossier_code(code)
