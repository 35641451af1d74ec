"""Evidence of matches between payments and the lines of their provider's reports."""

from collections.abc import Iterable, Sequence
from typing import Final

from reconciliation.checking.files import Row
from reconciliation.checking.references import Damage, compact, damage_in
from reconciliation.checking.world import CURRENCY, Doubt, Group, World, code_of, is_due, signed

_LAYER: Final = "provider"
_AGAIN: Final = frozenset({"duplicate_line", "duplicate_payment"})


def contracted_fee(world: World, line: Row, gross: int) -> int | None:
    """round(gross × rate_bps / 10000) + fixed on payments, half up; 0 on others."""
    terms = world.terms.providers.get(line["provider"])
    if terms is None:
        return None
    if line["kind"] != "payment":
        return 0
    return (gross * terms.rate_bps * 2 + 10_000) // 20_000 + terms.fixed


def fee_is_agreed(world: World, line: Row) -> bool:
    """Whether the fee is the contracted one and net = gross − fee."""
    return fees_are_agreed(world, [line])


def fees_are_agreed(world: World, lines: Sequence[Row]) -> bool:
    """Whether the fees of one payment's lines are the contracted one on their sum."""
    gross = sum(int(line["gross"]) for line in lines)
    fee = sum(int(line["fee"]) for line in lines)
    nets = all(int(line["net"]) == int(line["gross"]) - int(line["fee"]) for line in lines)
    return bool(lines) and nets and fee == contracted_fee(world, lines[0], gross)


def doubts(world: World, group: Group) -> Iterable[Doubt]:
    """What speaks against a match of this layer."""
    for pay in group.payments:
        if not is_due(pay) or pay["currency"] != CURRENCY:
            yield "evidence_terms", f"{pay['payment_id']} {pay['status']} {pay['currency']}"
    together = fees_are_agreed(world, group.settlements)
    for line in group.settlements:
        if line["currency"] != CURRENCY or not (together or fee_is_agreed(world, line)):
            yield "evidence_terms", f"{line['line_id']} {line['currency']} fee {line['fee']}"
    for pay in group.payments:
        for line in group.settlements:
            if (pay["channel"], pay["kind"]) != (line["provider"], line["kind"]):
                yield "evidence_missing", f"{line['provider']} {line['kind']}"
            elif group.rule == "bill_reference":
                yield from _by_reference(world, pay, line)
            else:
                yield from _by_id(world, group, pay, line)


def _by_id(world: World, group: Group, pay: Row, line: Row) -> Iterable[Doubt]:
    said = pay["provider_txn_id"]
    if not said or said != line["provider_txn_id"]:
        yield "evidence_missing", f"id {said!r} against {line['provider_txn_id']!r}"
        return
    key = (pay["channel"], pay["kind"], said)
    own = compact(line["bill_reference"])[-10:]
    for other in world.payments_by_id[key]:
        equal = is_due(other) and other not in group.payments and signed(other) == signed(pay)
        if equal and not (own == code_of(pay) != code_of(other)):
            yield "evidence_rival", f"{other['payment_id']} bears the same id"
    for rival in world.lines_by_id[key]:
        if rival not in group.settlements and _is_open_claim(world, rival, signed(pay)):
            yield "evidence_rival", f"{rival['line_id']} bears the same id"


def _is_open_claim(world: World, line: Row, amount: int) -> bool:
    """Whether a line of this amount is neither matched nor called a repetition."""
    return (
        int(line["gross"]) == amount
        and not world.is_matched(_LAYER, "settlement", line)
        and world.flag(_LAYER, "settlement", line) not in _AGAIN
    )


def _by_reference(world: World, pay: Row, line: Row) -> Iterable[Doubt]:
    prefix = world.terms.prefix
    said = line["bill_reference"]
    damage = damage_in(said, pay["bill_reference"], prefix)
    if damage is None:
        yield "evidence_missing", f"{pay['bill_reference']} against {line['bill_reference']!r}"
        return
    for other in world.payments_by_id.get(
        (line["provider"], line["kind"], line["provider_txn_id"]), ()
    ):
        yield "evidence_rival", f"its id is {other['payment_id']}'s"
    spoken = world.lines_by_id.get((pay["channel"], pay["kind"], pay["provider_txn_id"]), ())
    for rival in spoken:
        if _is_open_claim(world, rival, signed(pay)):
            yield "evidence_rival", f"{rival['line_id']} bears the payment's id"
    place = (line["provider"], line["kind"], signed(pay))
    for other in world.payments_by_amount.get(place, ()):
        if _fits_as_well(world, other, pay) and (
            code_of(other) == code_of(pay)
            if damage <= Damage.BARE
            else damage_in(said, other["bill_reference"], prefix) is not None
        ):
            yield "evidence_rival", f"{other['payment_id']} fits as well"


def _fits_as_well(world: World, other: Row, pay: Row) -> bool:
    place = (_LAYER, "payment", other["payment_id"])
    by_id = world.rule_of.get(world.match_of.get(place, ""), "").startswith("txn_id")
    return other is not pay and is_due(other) and not by_id
