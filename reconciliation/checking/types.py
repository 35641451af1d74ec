"""Whether each mismatch is what the definition of its type says, where that is plain to see."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from reconciliation.checking.files import Row, day_of
from reconciliation.checking.findings import Finding
from reconciliation.checking.provider import fee_is_agreed
from reconciliation.checking.references import plain
from reconciliation.checking.world import (
    CURRENCY,
    World,
    code_of,
    is_able,
    is_direct,
    is_due,
    signed,
)

Item = tuple[str, Row]
"""Kind and input row."""

_PLACES: Final[Mapping[str, frozenset[str]]] = {
    "not_settled": frozenset({"provider payment", "direct payment"}),
    "refund_missing": frozenset({"provider payment", "direct payment"}),
    "timing_difference": frozenset({"provider payment", "direct payment", "payout settlement"}),
    "status_mismatch": frozenset(
        {"provider payment", "provider settlement", "direct payment", "direct bank"}
    ),
    "amount_mismatch": frozenset(
        {
            "provider payment",
            "provider settlement",
            "payout settlement",
            "payout bank",
            "direct payment",
            "direct bank",
        }
    ),
    "fee_mismatch": frozenset({"provider payment", "provider settlement"}),
    "unrecorded_receipt": frozenset({"provider settlement", "payout bank", "direct bank"}),
    "unrecorded_refund": frozenset({"provider settlement"}),
    "chargeback": frozenset({"provider settlement"}),
    "duplicate_payment": frozenset({"provider settlement", "payout bank", "direct bank"}),
    "duplicate_line": frozenset(
        {"provider settlement", "payout settlement", "payout bank", "direct bank"}
    ),
    "payout_mismatch": frozenset({"payout settlement", "payout bank"}),
    "payout_missing": frozenset({"payout settlement"}),
    "reversal": frozenset({"direct bank"}),
    "ambiguous": frozenset(
        {
            "provider payment",
            "provider settlement",
            "payout settlement",
            "payout bank",
            "direct payment",
            "direct bank",
        }
    ),
    "not_a_fee": frozenset({"direct bank"}),
    "unrecorded_debit": frozenset({"direct bank"}),
}
_NAMING: Final = frozenset(
    {
        "status_mismatch",
        "fee_mismatch",
        "duplicate_payment",
        "duplicate_line",
        "payout_mismatch",
        "reversal",
        "ambiguous",
    }
)
"""Types that mean nothing without a related item."""
_WITHOUT: Final = frozenset({"not_settled", "refund_missing", "timing_difference"})


def check_types(world: World, mismatches: list[Row]) -> Iterable[Finding]:
    """Ids, places, related items and definitions of all mismatches."""
    for number, row in enumerate(mismatches, 1):
        for code, there in _doubts(world, row):
            yield Finding(code, "mismatches", number, row["item_id"], there)


def _doubts(world: World, row: Row) -> Iterable[tuple[str, str]]:
    type_, kind = row["type"], row["item_kind"]
    text = "|".join((row["layer"], kind, row["item_id"], type_))
    if row["mismatch_id"] != "x" + hashlib.sha256(text.encode()).hexdigest()[:16]:
        yield "mismatch_id", row["mismatch_id"]
    if f"{row['layer']} {kind}" not in _PLACES.get(type_, ()):
        yield "unknown_type", f"{type_!r} of a {kind} in {row['layer']}"
        return
    item = world.item(kind, row["item_id"])
    if item is None:
        return
    related: list[Item] = []
    for said in filter(None, row["related_items"].split(";")):
        of, _, item_id = said.partition(":")
        other = world.item(of, item_id)
        if other is None or (of, item_id) == (kind, row["item_id"]):
            yield "related_items", f"{said!r}"
        else:
            related.append((of, other))
    if type_ in _NAMING and not related:
        yield "related_items", "none"
    problem = _definition(world, row, item, related)
    if problem:
        yield "type_definition", f"{type_}: {problem}"
    if type_ in _WITHOUT and kind == "payment":
        yield from _evidence(world, row["layer"], item)
    if type_.startswith("unrecorded_") and row["layer"] != "payout":
        yield from _unused(world, row["layer"], item)


def _definition(world: World, row: Row, item: Row, related: list[Item]) -> str:
    """What contradicts the type's definition, or ""."""
    type_, kind = row["type"], row["item_kind"]
    if type_ in _WITHOUT or type_ == "payout_missing":
        return _by_days(world, type_, kind, item)
    if type_ == "duplicate_line":
        twins = (one for of, one in related if of == kind)
        return "" if any(_is_equal(item, twin) for twin in twins) else "no equal line is named"
    if type_ in _SIMPLE:
        return "" if _SIMPLE[type_](item, kind) else "its kind or sign is another"
    if type_ == "not_a_fee":
        return "" if _is_ruled(world, item) else "no narrative rule names it"
    return _together(world, type_, row["layer"], [(kind, item), *related])


def _together(world: World, type_: str, layer: str, items: list[Item]) -> str:
    """What contradicts the definition of a type that is about several items, or ""."""
    if type_ == "status_mismatch":
        pays = [one for of, one in items if of == "payment"]
        return "" if any(not is_due(pay) for pay in pays) else "every payment succeeded"
    if type_ == "fee_mismatch":
        lines = [one for of, one in items if of == "settlement"]
        agreed = all(fee_is_agreed(world, line) for line in lines)
        return "every fee is the contracted one, net = gross − fee" if agreed else ""
    if type_ == "reversal":
        amounts = [int(one["amount"]) for of, one in items if of == "bank"]
        return "" if any(amounts[0] == -other for other in amounts[1:]) else "no opposite amount"
    if type_ in {"amount_mismatch", "payout_mismatch"}:
        return _by_sums(layer, items)
    return ""


_SIMPLE: Final[Mapping[str, Callable[[Row, str], bool]]] = {
    "chargeback": lambda item, _: item["kind"] == "chargeback",
    "unrecorded_refund": lambda item, _: item["kind"] == "refund",
    "unrecorded_debit": lambda item, _: int(item["amount"]) < 0,
    "unrecorded_receipt": lambda item, kind: (
        int(item["amount"]) >= 0 if kind == "bank" else item["kind"] == "payment"
    ),
    "duplicate_payment": lambda item, kind: kind != "bank" or int(item["amount"]) > 0,
}


def _by_days(world: World, type_: str, kind: str, item: Row) -> str:
    column = "paid_at" if kind == "payment" else "payout_date"
    last = day_of(item[column]) + timedelta(days=world.terms.grace_days)
    late = world.terms.as_of > last
    if (type_ == "timing_difference") == late:
        return f"as_of {world.terms.as_of}, last day of grace {last}"
    if kind == "payment" and not is_due(item):
        return f"the payment is {item['status']}"
    if kind == "payment" and late and (type_ == "refund_missing") != (item["kind"] == "refund"):
        return f"it is a {item['kind']}"
    return ""


def _by_sums(layer: str, items: list[Item]) -> str:
    """Whether both sides are there and differ; another currency differs from any amount."""
    if any(one["currency"] != CURRENCY for _, one in items):
        return ""
    sides: dict[str, int] = defaultdict(int)
    for kind, one in items:
        if kind == "payment":
            sides["left"] += signed(one)
        elif kind == "settlement" and layer == "payout":
            sides["left"] += int(one["net"])
        else:
            sides["right"] += int(one["gross" if kind == "settlement" else "amount"])
    if len(sides) != 2:  # noqa: PLR2004 - two sides
        return "one side only"
    return "both sides are equal" if sides["left"] == sides["right"] else ""


def _is_ruled(world: World, line: Row) -> bool:
    side = "credit" if int(line["amount"]) >= 0 else "debit"
    texts = (line["narrative"], plain(line["narrative"]))
    return any(
        type_ == "not_a_fee"
        and of == side
        and any(re.search(pattern, text, re.IGNORECASE) for text in texts)
        for pattern, of, type_ in world.terms.rules
    )


def _is_equal(line: Row, other: Row) -> bool:
    """Whether two lines say the same in all but their ids and the report they stand in."""
    apart = {"line_id", "report_id"}
    return all(
        _meant(name, said) == _meant(name, other[name])
        for name, said in line.items()
        if name not in apart
    )


def _meant(name: str, said: str) -> object:
    """What a cell says, however it is spelt: one instant has many spellings."""
    if name == "occurred_at" and said:
        return datetime.fromisoformat(said)
    return int(said) if name in {"amount", "gross", "fee", "net"} else said


def _evidence(world: World, layer: str, pay: Row) -> Iterable[tuple[str, str]]:
    """Open lines of the amount that bear the identifier of a payment flagged as without."""
    if layer == "provider":
        key = (pay["channel"], pay["kind"], pay["provider_txn_id"])
        for line in world.lines_by_id.get(key, ()):
            if int(line["gross"]) == signed(pay) and _is_unexplained(
                world, layer, "settlement", line
            ):
                yield "type_evidence", f"{line['line_id']} bears its id and amount"
        return
    for line in world.lines_by_code.get(code_of(pay), ()):
        if (
            is_direct(pay)
            and int(line["amount"]) == signed(pay)
            and line["currency"] == pay["currency"] == CURRENCY
            and _is_unexplained(world, layer, "bank", line)
        ):
            yield "type_evidence", f"{line['line_id']} bears its reference and amount"


def _unused(world: World, layer: str, line: Row) -> Iterable[tuple[str, str]]:
    """Open payments of the amount whose identifier a line bears that is flagged as unrecorded."""
    if layer == "provider":
        key = (line["provider"], line["kind"], line["provider_txn_id"])
        pays, amount = world.payments_by_id.get(key, []), int(line["gross"])
    else:
        codes = world.codes_in[line["line_id"]]
        pays = [pay for code in sorted(codes) for pay in world.payments_by_code[code]]
        pays, amount = [pay for pay in pays if is_direct(pay)], int(line["amount"])
    for pay in pays:
        place = (layer, "payment", pay["payment_id"])
        open_ = is_able(pay) and place not in world.match_of and place not in world.type_of
        if open_ and signed(pay) == amount and line["currency"] == pay["currency"] == CURRENCY:
            yield "type_evidence", f"it bears the identifier of {pay['payment_id']}"


def _is_unexplained(world: World, layer: str, kind: str, line: Row) -> bool:
    return world.flag(layer, kind, line).startswith("unrecorded_")
