"""What ``:86:`` says, in the dialects that banks write it in: purpose, references, counterparty.

Three are known: German sub-fields (``?20`` to ``?29``, ``?60`` to ``?63`` and names after a code
of three digits), Dutch words between slashes (``/REMI/…/EREF/…``), and plain text. SEPA words
(``EREF+``, ``SVWZ+``) stand inside the first. What none explains is kept as plain text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_SUB_FIELDS: Final = re.compile(r"(?:\d{3})?\s?([^\w\s/+:;,.-])\d{2}")
_SEPA: Final = re.compile(
    r"(EREF|KREF|MREF|CRED|DEBT|COAM|OAMT|SVWZ|ABWA|ABWE|IBAN|BIC|PREF|RREF)\+"
)
_WORDS: Final = (
    "TRTP|REMI|EREF|NAME|IBAN|BIC|CSID|MARF|PREF|CNTP|ORDP|BENM|ULTD|ULTC|ULTB|RTRN|ADDR|ISDT|ID|"
    "PURP|TRCD|CREF|SVCL|USTD|STRD|CHGS|OCMT|EXCH|ORDR|SUBID|UREF"
)
_SLASHED: Final = re.compile(rf"/(?P<word>{_WORDS})(?=/)")
_STARTS_SLASHED: Final = re.compile(rf"/(?:{_WORDS})/")
_PURPOSE: Final = (*range(20, 30), *range(60, 64))
_NAME: Final = (32, 33)
_ACCOUNT: Final = 31
_POSTING_TEXT: Final = 0
_FULL: Final = 65
"""A line of a narrative has 65 characters; one that is full goes on in the next."""
_NOT_GIVEN: Final = frozenset({"NOTPROVIDED", "NONREF"})


@dataclass(frozen=True, slots=True)
class Narrative:
    """What a ``:86:`` says of its line; empty where it says nothing."""

    text: str = ""
    reference: str = ""
    bank_reference: str = ""
    name: str = ""
    account: str = ""


def read_narrative(lines: list[str]) -> Narrative:
    """Read a narrative's lines by its dialect."""
    whole = "".join(lines)
    if (found := _SUB_FIELDS.match(whole)) is not None:
        sub_fields = _split(whole, found[1])
        if any(code in sub_fields for code in (*_PURPOSE, *_NAME, _ACCOUNT, _POSTING_TEXT)):
            return _structured(sub_fields)
    joined = join_lines(lines)
    if _STARTS_SLASHED.search(joined[:40]):
        return _slashed(joined)
    sepa = _keywords(_SEPA, joined)
    return Narrative(
        text=sepa.get("SVWZ", "") or joined,
        reference=_given(sepa.get("EREF", "")),
        bank_reference=_given(sepa.get("KREF", "")),
        name=sepa.get("ABWA", ""),
        account=sepa.get("IBAN", ""),
    )


def join_lines(lines: list[str]) -> str:
    """Join lines of a text: a full line goes on without a blank, so that no word is cut in two."""
    text, is_full = "", True
    for line in lines:
        text += line if is_full else f" {line}"
        is_full = len(line) >= _FULL
    return " ".join(text.split())


def _split(text: str, mark: str) -> Mapping[int, str]:
    """Sub-fields by their number; one that comes again goes on."""
    fields: dict[int, str] = {}
    for part in text.split(mark)[1:]:
        number = part[:2]
        if number.isdecimal():
            fields[int(number)] = fields.get(int(number), "") + part[2:]
        elif fields:  # the mark is also used in the text
            last = next(reversed(fields))
            fields[last] += mark + part
    return fields


def _structured(fields: Mapping[int, str]) -> Narrative:
    purpose = "".join(fields.get(number, "") for number in _PURPOSE)
    sepa = _keywords(_SEPA, purpose)
    name = "".join(fields.get(number, "") for number in _NAME)
    text = sepa.get("SVWZ", "") or purpose or fields.get(_POSTING_TEXT, "")
    return Narrative(
        text=" ".join(text.split()),
        reference=_given(sepa.get("EREF", "")),
        bank_reference=_given(sepa.get("KREF", "")),
        name=" ".join((name or sepa.get("ABWA", "")).split()),
        account=(fields.get(_ACCOUNT, "") or sepa.get("IBAN", "")).strip(),
    )


def _slashed(text: str) -> Narrative:
    words = _keywords(_SLASHED, text)
    counterparty = words.get("CNTP", "").strip("/").split("/")
    purpose = words.get("REMI", "").strip("/")
    for kind in ("USTD//", "STRD/CUR/", "STRD/"):
        purpose = purpose.removeprefix(kind)
    purpose = " ".join(filter(None, [purpose, words.get("USTD", "").strip("/")]))
    name = words.get("NAME", "").strip("/ ")
    if not name and len(counterparty) > 2:  # noqa: PLR2004 - account, bank, name
        name = counterparty[2]
    account = words.get("IBAN", "").strip("/ ") or counterparty[0]
    return Narrative(
        text=" ".join((purpose or text).split()),
        reference=_given(words.get("EREF", "").strip("/ ")),
        bank_reference=_given(words.get("PREF", "").strip("/ ")),
        name=" ".join(name.split()),
        account=account.strip(),
    )


def _keywords(pattern: re.Pattern[str], text: str) -> dict[str, str]:
    """What follows each word up to the next; the first of a word counts."""
    found = list(pattern.finditer(text))
    if not found:
        return {}
    ends = [one.start() for one in found[1:]] + [len(text)]
    values: dict[str, str] = {}
    for one, end in zip(found, ends, strict=True):
        values.setdefault(one[1], " ".join(text[one.end() : end].split()))
    return values


def _given(reference: str) -> str:
    return "" if reference.upper() in _NOT_GIVEN else reference
