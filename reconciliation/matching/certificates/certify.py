"""Certificates of a run's decisions, each worked out when it is asked for."""

from collections.abc import Mapping, Sequence

import pandas as pd

from reconciliation.matching.certificates import matched, payouts
from reconciliation.matching.certificates.case import Case
from reconciliation.matching.certificates.flagged import flagged
from reconciliation.matching.certificates.matched import Findings
from reconciliation.matching.certificates.model import Certificate, CertifiedItem, Finding
from reconciliation.matching.certificates.payouts import Payouts
from reconciliation.matching.certificates.records import BANK, PAYMENT, SETTLEMENT, Records
from reconciliation.matching.model import VERSION, MatchInputs, MatchResult, Rule
from reconciliation.states import ItemKind, Layer, MismatchType

_SIDES = {
    Layer.PROVIDER: (PAYMENT, SETTLEMENT),
    Layer.PAYOUT: (SETTLEMENT, BANK),
    Layer.DIRECT: (PAYMENT, BANK),
}

_SHARED = {
    MismatchType.STATUS_MISMATCH,
    MismatchType.AMOUNT_MISMATCH,
    MismatchType.FEE_MISMATCH,
    MismatchType.PAYOUT_MISMATCH,
    MismatchType.AMBIGUOUS,
}
"""Several items are flagged with one and the same disagreement."""


def certify(inputs: MatchInputs, result: MatchResult, wanted: str) -> tuple[Certificate, ...]:
    """The certificate of a match or mismatch; of an item, one for each layer it passes through.

    ``result`` is what the engine made of ``inputs``. Empty where neither knows the id. For many
    ids keep a ``Certifier``.
    """
    return Certifier(inputs, result).certificates(wanted)


class Certifier:
    """Certificates of one run."""

    def __init__(self, inputs: MatchInputs, result: MatchResult) -> None:
        self.records = Records(inputs, result)
        self._payouts = Payouts(self.records)

    def certificates(self, wanted: str) -> tuple[Certificate, ...]:
        """See ``certify``."""
        if wanted in self.records.matches:
            return (self._match(wanted),)
        if wanted in self.records.mismatches:
            return (self._mismatch(wanted),)
        decisions = self.records.decisions_of(wanted)
        return tuple(one for decision in decisions for one in self.certificates(decision))

    def knows_item(self, wanted: str) -> bool:
        """Whether the inputs have an item of this id; what is not due may have no decision."""
        return bool(self.records.kinds_of(wanted))

    def _match(self, match: str) -> Certificate:
        frame, places = self.records.result.matches, self.records.matches[match]
        rows = [_row(frame, place) for place in places]
        layer, rule = Layer(rows[0]["layer"]), Rule(rows[0]["rule"])
        items = [self._item(layer, row["item_kind"], row["item_id"]) for row in rows]
        left, right = ([item.row for item in items if item.kind is kind] for kind in _SIDES[layer])
        evidence, others = self._evidence(layer, rule, left, right)
        return Certificate(
            id=match, layer=layer, because=rule.value, confidence=rule.confidence, version=VERSION,
            items=tuple(items), candidates=(), expected="", actual="", reason=None,
            evidence=tuple(evidence), rivals=tuple(others),
        )  # fmt: skip

    def _evidence(
        self, layer: Layer, rule: Rule, left: Sequence[int], right: Sequence[int]
    ) -> Findings:
        if layer is Layer.PROVIDER:
            return matched.provider(self.records, rule, left, right)
        if layer is Layer.PAYOUT:
            return payouts.matched(self._payouts, rule, left, right)
        return matched.direct(self.records, rule, left, right)

    def _mismatch(self, mismatch: str) -> Certificate:
        frame, place = self.records.result.mismatches, self.records.mismatches[mismatch]
        row = _row(frame, place)
        layer, type_ = Layer(row["layer"]), MismatchType(row["type"])
        item = self._item(layer, row["item_kind"], row["item_id"])
        related = self._related(row)
        code, parameters = self.records.result.reasons[mismatch]
        group = self._group(place) if type_ in _SHARED else ()
        case = Case(self.records, self._payouts, layer, item, related, group, code)
        evidence, others = flagged(case, type_)
        return Certificate(
            id=mismatch, layer=layer, because=type_.value, confidence="", version=VERSION,
            items=(item,), candidates=related, expected=row["expected"], actual=row["actual"],
            reason=Finding(code, parameters), evidence=tuple(evidence), rivals=tuple(others),
        )  # fmt: skip

    def _group(self, place: int) -> tuple[CertifiedItem, ...]:
        """All that the mismatches of one type and layer are about that name each other."""
        records = self.records
        found, waiting = {place}, [place]
        while waiting:
            for other in records.related_to(waiting.pop()):
                if other not in found:
                    found.add(other)
                    waiting.append(other)
        rows = [_row(records.result.mismatches, one) for one in sorted(found)]
        own = [self._item(Layer(row["layer"]), row["item_kind"], row["item_id"]) for row in rows]
        return (*own, *(item for row in rows for item in self._related(row)))

    def _related(self, row: Mapping[str, str]) -> tuple[CertifiedItem, ...]:
        named = (one.partition(":") for one in row["related_items"].split(";") if one)
        return tuple(self._item(Layer(row["layer"]), kind, item) for kind, _, item in named)

    def _item(self, layer: Layer, kind: str, item: str) -> CertifiedItem:
        named = ItemKind(kind)
        return self.records.item(layer, named, self.records.row_of(named, item))


def _row(frame: pd.DataFrame, place: int) -> dict[str, str]:
    return {str(name): str(frame[name].iloc[place]) for name in frame.columns}
