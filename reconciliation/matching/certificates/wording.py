"""Certificates said in sentences, from one table for each language."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from reconciliation.matching.certificates.model import CODES, Certificate, CertifiedItem, Finding
from reconciliation.matching.model import CURRENCY
from reconciliation.states import ItemKind, MismatchType

_SUMS: Final = frozenset(
    {
        "amount", "amounts", "gross", "fee", "net", "left", "right", "difference", "contracted",
        "expected", "actual", "value", "sum", "fixed",
    }
)  # fmt: skip
_DAYS: Final = frozenset(
    {"day", "due", "last", "first", "as_of", "value_date", "credited", "debited"}
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands: the file, and the line of a CSV or the row of a parquet, from 1."""

    file: str
    number: int

    @property
    def code(self) -> str:
        """The sentence that says it."""
        return "place.parquet" if self.file.endswith(".parquet") else "place.csv"


Places = Mapping[tuple[ItemKind, int], Place]


@dataclass(frozen=True, slots=True)
class Wording:
    """One language: its table, the sentences of reasons, and how it writes numbers and days."""

    table: Mapping[str, str]
    reasons: Mapping[str, str]
    thousands: str
    day: str
    """A format of ``date``."""

    def say(self, finding: Finding) -> str:
        """One finding as a sentence.

        Raises:
            KeyError: the table lacks the code or a parameter; a programming error.
        """
        return self._said(self.table[finding.code], finding.parameters)

    def say_reason(self, reason: Finding) -> str:
        """The reason of a mismatch as a sentence."""
        return self._said(self.reasons[reason.code], reason.parameters)

    def money(self, item: CertifiedItem) -> str:
        """The amount of an item."""
        return self._money(str(item.amount), item.currency)

    def _said(self, sentence: str, parameters: Mapping[str, str]) -> str:
        said = {name: self._value(name, text, parameters) for name, text in parameters.items()}
        spoken = sentence.format_map(said)
        return spoken[0].upper() + spoken[1:] if sentence.startswith("{kind}") else spoken

    def _value(self, name: str, text: str, parameters: Mapping[str, str]) -> str:
        if name in CODES:
            return self._word(name, text, parameters)
        if name in _SUMS:
            currency = parameters.get("currency", CURRENCY)
            return ", ".join(self._money(one, currency) for one in text.split(", "))
        return self._date(text) if name in _DAYS else text

    def _word(self, name: str, text: str, parameters: Mapping[str, str]) -> str:
        if name == "fate" and text in set(MismatchType):
            flagged = {"type": text, "decision": parameters["decision"]}
            return self.table["fate.flagged"].format_map(flagged)
        return self.table.get(f"{name}.{text}", text).format_map(parameters)

    def _money(self, text: str, currency: str) -> str:
        if not text.removeprefix("-").isdigit():
            return self.table.get(f"status.{text}", text)
        if not currency:
            return text
        if currency != CURRENCY:
            return self.table["money.foreign"].format(units=text, currency=currency)
        return f"{int(text):,}".replace(",", self.thousands) + f" {CURRENCY}"

    def _date(self, text: str) -> str:
        try:
            return date.fromisoformat(text).strftime(self.day)
        except ValueError:
            return text


def lines_of(certificate: Certificate, wording: Wording, places: Places, as_of: date) -> list[str]:
    """A certificate as lines of text."""
    return list(_lines(certificate, wording, places, as_of))


def _lines(
    certificate: Certificate, wording: Wording, places: Places, as_of: date
) -> Iterator[str]:
    say = wording.say
    yield say(
        Finding.of(
            "title.match" if certificate.is_match else "title.mismatch",
            id=certificate.id,
            layer=wording.table[f"layer.{certificate.layer}"],
            because=certificate.because,
            confidence=certificate.confidence,
        )
    )
    yield "  " + say(Finding.of("title.version", version=certificate.version, as_of=as_of))
    yield from _listed(wording, "heading.items", certificate.items, places)
    yield from _listed(wording, "heading.candidates", certificate.candidates, places)
    if certificate.reason is not None:
        yield "  " + wording.table["heading.reason"]
        yield "    - " + wording.say_reason(certificate.reason)
        yield from _pair(wording, certificate)
    yield "  " + wording.table["heading.evidence"]
    yield from ("    - " + say(finding) for finding in certificate.evidence)
    yield "  " + wording.table["heading.rivals"]
    yield from ("    - " + say(finding) for finding in certificate.rivals)
    if not certificate.rivals:
        yield "    - " + wording.table["rivals.none"]


def _pair(wording: Wording, certificate: Certificate) -> Iterator[str]:
    """What was expected and what was found, where the result says so."""
    reason = certificate.reason
    foreign = reason is not None and reason.code.endswith(".currency")
    currency = "" if foreign else CURRENCY  # sums of several currencies have no unit
    for code, text in (("expected", certificate.expected), ("actual", certificate.actual)):
        if text:
            yield "    - " + wording.say(Finding.of(f"pair.{code}", value=text, currency=currency))


def _listed(
    wording: Wording, heading: str, items: Sequence[CertifiedItem], places: Places
) -> Iterator[str]:
    if items:
        yield "  " + wording.table[heading]
    for item in items:
        kind = wording.table[f"kind.{item.kind}"]
        amount = wording.money(item)
        place = places[item.kind, item.row]
        where = wording.say(Finding.of(place.code, file=place.file, number=place.number))
        yield f"    - {kind} {item.id}, {amount} ({where})"
