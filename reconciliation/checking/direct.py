"""Evidence of matches between transfers, refunds or remittances and the lines of the account."""

from collections.abc import Iterable, Mapping
from typing import Final

from reconciliation.checking.files import Row, day_of
from reconciliation.checking.references import SHORTEST, Damage, compact, damage_in, plain
from reconciliation.checking.world import (
    CURRENCY,
    Doubt,
    Group,
    World,
    code_of,
    is_able,
    is_direct,
    is_due,
    names,
    signed,
)

_LAYER: Final = "direct"
_EXPLAINED: Final = frozenset({"duplicate_payment", "duplicate_line", "reversal"})


def doubts(world: World, group: Group) -> Iterable[Doubt]:
    """What speaks against a match of this layer."""
    for pay in group.payments:
        if not is_able(pay) or pay["currency"] != CURRENCY or not is_direct(pay):
            yield "evidence_terms", f"{pay['payment_id']} {pay['status']} {pay['currency']}"
    for line in group.bank:
        if line["currency"] != CURRENCY or world.provider_of(line):
            yield "evidence_terms", f"{line['line_id']} {line['currency']}"
    if group.rule == "bank_reference":
        yield from _by_bank_reference(world, group)
    elif group.rule == "dossier_code":
        yield from _by_dossier(world, group)
    else:
        yield from _by_narrative(world, group)
    yield from _rival_bills(world, group)
    yield from _rival_lines(world, group)


def _by_narrative(world: World, group: Group) -> Iterable[Doubt]:
    codes = {code_of(pay) for pay in group.payments}
    if len(codes) > 1 and group.rule != "narrative_reference_bills":
        yield "evidence_missing", f"{group.rule} with {len(codes)} bills"
    for line in group.bank:
        text = line["narrative"]
        found = []
        for pay in group.payments:
            damage = damage_in(text, pay["bill_reference"], world.terms.prefix)
            if damage is None:
                there = f"{pay['bill_reference']} is not in {line['line_id']}'s narrative"
                yield "evidence_missing", there
            else:
                found.append(damage)
        damaged = [damage for damage in found if damage > Damage.WHOLE]
        if damaged and group.rule in {"narrative_reference", "narrative_reference_parts"}:
            yield (
                "evidence_missing",
                f"a reference of {line['line_id']} is {damaged[0].name.lower()}",
            )
        if damaged:
            yield from _rival_readings(world, group, line, text)


def _rival_readings(world: World, group: Group, line: Row, text: str) -> Iterable[Doubt]:
    """Other references of the same amount that stand damaged in the narrative as well."""
    codes = {code_of(pay) for pay in group.payments}
    for other in world.direct_near(int(line["amount"]), text):
        damage = damage_in(text, other["bill_reference"], world.terms.prefix)
        if code_of(other) not in codes and damage is not None:
            yield "evidence_rival", f"{line['line_id']} may be {other['payment_id']}'s as well"


def _by_bank_reference(world: World, group: Group) -> Iterable[Doubt]:
    for pay in group.payments:
        for line in group.bank:
            if not line["bank_ref"] or pay["provider_txn_id"] != line["bank_ref"]:
                yield "evidence_missing", f"{pay['provider_txn_id']!r}, {line['bank_ref']!r}"
    said = {line["bank_ref"] for line in group.bank}
    for other in _all(world.direct_by_txn_id, said):
        if is_due(other) and other not in group.payments:
            yield "evidence_rival", f"{other['payment_id']} bears the same bank_ref"
    for other in _all(world.bank_by_ref, said):
        again = world.flag(_LAYER, "bank", other) == "duplicate_line"
        own = other in group.bank or world.is_matched("payout", "bank", other)
        if not own and not again and not world.flag("payout", "bank", other):
            yield "evidence_rival", f"{other['line_id']} bears the same bank_ref"


def _all(index: Mapping[str, list[Row]], keys: Iterable[str]) -> Iterable[Row]:
    return (row for key in sorted(keys) for row in index.get(key, ()))


def _by_dossier(world: World, group: Group) -> Iterable[Doubt]:
    codes = {code_of(pay) for pay in group.payments}
    for line in group.bank:
        text = plain(line["narrative"])
        for pay in group.payments:
            if not _bears(text, pay["dossier_code"]):
                yield "evidence_missing", f"{pay['dossier_code']} is not in {line['line_id']}"
        joined = compact(text)
        known = world.dossiers
        borne = {
            code for code in known.inside(joined) | known.cut_off(joined) if _bears(text, code)
        }
        for dossier in sorted(borne | {pay["dossier_code"] for pay in group.payments}):
            for other in world.direct_by_dossier.get(dossier, ()):
                free = not world.is_matched(_LAYER, "payment", other)
                same_side = (signed(other) > 0) == (int(line["amount"]) > 0)
                equal = signed(other) == int(line["amount"])
                if code_of(other) not in codes and free and same_side and equal:
                    yield "evidence_rival", f"{other['payment_id']} of {dossier} is open as well"


def _bears(text: str, dossier: str) -> bool:
    """Whether a narrative bears a dossier code, whole or cut off at its end."""
    if names(text, dossier):
        return True
    code, joined = compact(dossier), compact(text)
    return len(code) >= SHORTEST and (
        code in joined or any(joined.endswith(code[:size]) for size in range(SHORTEST, len(code)))
    )


def _rival_bills(world: World, group: Group) -> Iterable[Doubt]:
    """Other known bills that a narrative of the match names whole and that are still owed money."""
    codes = {code_of(pay) for pay in group.payments}
    for line in group.bank:
        for code in sorted(world.codes_in[line["line_id"]] - codes):
            for other in world.payments_by_code[code]:
                same_side = (signed(other) > 0) == (int(line["amount"]) > 0)
                free = not world.is_matched(_LAYER, "payment", other)
                if is_direct(other) and is_due(other) and same_side and free:
                    yield "evidence_rival", f"{line['line_id']} names {other['bill_reference']}"
    for pay in group.payments:
        for other in world.payments_by_code[code_of(pay)]:
            equal = is_direct(other) and signed(other) == signed(pay)
            as_good = is_due(other) or (is_able(other) and not is_due(pay))
            if equal and as_good and not world.is_matched(_LAYER, "payment", other):
                yield "evidence_rival", f"{other['payment_id']} of the bill is open as well"


def _rival_lines(world: World, group: Group) -> Iterable[Doubt]:
    """Other credits of the amount that name the bill whole: the earlier settles it."""
    if len(group.payments) != 1 or len(group.bank) != 1 or group.rule == "bank_reference":
        return
    (pay,), (line,) = group.payments, group.bank
    for other in world.lines_by_code.get(code_of(pay), ()):
        if other is line or int(other["amount"]) != int(line["amount"]) or int(line["amount"]) < 0:
            continue
        if world.is_matched(_LAYER, "bank", other) or other["currency"] != CURRENCY:
            continue
        flag = world.flag(_LAYER, "bank", other)
        if flag not in _EXPLAINED:
            yield "evidence_rival", f"{other['line_id']} names the bill as well"
        elif flag == "duplicate_payment" and _order(other) < _order(line):
            yield "evidence_rival", f"{other['line_id']} is earlier and settles the bill"


def _order(line: Row) -> tuple[str, str]:
    return day_of(line["value_date"]).isoformat(), line["line_id"]
