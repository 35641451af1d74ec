"""Noise that sets traps: rivals one slip away, numbers that look like references, sums by chance.

What must become of each follows from the contract alone.
"""

import datetime as dt
import unicodedata
from collections.abc import Callable, Iterator

from benchmarks.matching.providers import online
from benchmarks.matching.world import AS_OF, LEVELS, ZONE, Row, World
from payments.references import ALPHABET, CODE_LENGTH, correct

DIRECT: dict[str, Callable[[World], None]] = {}
PROVIDER: dict[str, Callable[[World, str], None]] = {}

PREFIX = 2
"""Characters of the prefix in every world."""


def _direct(make: Callable[[World], None]) -> Callable[[World], None]:
    DIRECT[make.__name__] = make
    return make


def _provider(make: Callable[[World, str], None]) -> Callable[[World, str], None]:
    PROVIDER[make.__name__] = make
    return make


# --- bills that one slip of the fingers would turn into each other --------------------------------


def _dropped_rivals(code: str) -> Iterator[tuple[str, str]]:
    """What is typed if one symbol of the code is left out, with another code that gives it too."""
    for at in range(CODE_LENGTH):
        typed = code[:at] + code[at + 1 :]
        for place in range(CODE_LENGTH):
            other = correct(typed[:place] + ALPHABET[0] + typed[place:])
            if other and other != code and other[:place] + other[place + 1 :] == typed:
                yield typed, other


def _doubled_rivals(code: str) -> Iterator[tuple[str, str]]:
    """What is typed if one symbol is added, with the code that its beginning nearly is."""
    for at in range(1, CODE_LENGTH):
        for symbol in ALPHABET:
            typed = code[:at] + symbol + code[at:]
            other = correct(typed[:CODE_LENGTH])
            if other and other not in (code, typed[:CODE_LENGTH]):  # whole, it would be named
                yield typed, other


def _rivals(
    world: World, slips: Callable[[str], Iterator[tuple[str, str]]], amounts: tuple[int, int]
) -> tuple[Row, Row]:
    """A payment and the line that was meant for it, with a rival that the line may mean as well."""
    while True:
        mine = world.reference()
        found = next(slips(mine[PREFIX:]), None)
        if found and mine[:PREFIX] + found[1] not in world.references:
            break
    typed, rival = found
    world.references.add(mine[:PREFIX] + rival)
    pay = world.pay(reference=mine, amount=amounts[0])
    world.pay(reference=mine[:PREFIX] + rival, amount=amounts[1])
    return pay, world.line(amounts[0], f"NOP PHI {mine[:PREFIX]}{typed} HO SO")


_SLIPS = {"dropped": _dropped_rivals, "doubled": _doubled_rivals}
"""Wrong and swapped symbols have no rivals: the code keeps what they lead to apart."""


def _rival_kind(slip: str, amounts: tuple[int, int]) -> Callable[[World], None]:
    def make(world: World) -> None:
        pay, line = _rivals(world, _SLIPS[slip], amounts)
        if amounts[0] == amounts[1]:
            world.flag("ambiguous", "direct", line)
        else:
            world.match("direct", pay, line)

    return make


for _slip in _SLIPS:
    DIRECT[f"{_slip}_rival_of_one_amount"] = _rival_kind(_slip, (50_000, 50_000))
    DIRECT[f"{_slip}_rival_of_another"] = _rival_kind(_slip, (50_000, 75_000))


@_direct
def two_wrong_symbols(world: World) -> None:
    """Detected and not corrected: nearer to nothing than to two bills."""
    pay = world.pay()
    code = list(pay["bill_reference"])
    for at in world.rng.sample(range(PREFIX, len(code)), 2):
        code[at] = world.rng.choice([c for c in ALPHABET if c != code[at]])
    line = world.line(pay["amount"], f"NOP PHI {''.join(code)} HO SO")
    world.flag("unrecorded_receipt|ambiguous", "direct", line)


# --- numbers that only look like references -------------------------------------------------------


@_direct
def numbers_like_references(world: World) -> None:
    pay = world.pay(status="succeeded")
    draw = world.rng.randrange
    letters = "".join(world.rng.choices(ALPHABET, k=CODE_LENGTH - 1))
    texts = (
        f"NAP DT 09{draw(10**8):08} CHO ME",
        f"CCCD 0{draw(10**11):011} NOP TIEN",
        f"FT26{draw(10**9):09}{draw(1000):03} CK",
        f"MC{letters}U HOA DON",
        f"SO TK {draw(10**13):013} - {draw(10**10):010}",
    )
    for text in texts:
        line = world.line(pay["amount"], text, counterparty_name="VO DANH")
        world.flag("unrecorded_receipt", "direct", line)
    world.flag("not_settled", "direct", pay)


@_direct
def digits_glued_behind(world: World) -> None:
    pay = world.pay()
    text = f"MBVCB.{world.rng.randrange(10**9)}.{pay['bill_reference']}20260302-{pay['amount']}"
    world.match("direct", pay, world.line(pay["amount"], text))


@_direct
def prefix_in_other_words(world: World) -> None:
    pay = world.pay()
    text = f"CTY MCMC MC DONALD tra phi MC{pay['bill_reference']} MC"
    world.match("direct", pay, world.line(pay["amount"], text))


@_direct
def decomposed_and_quoted(world: World) -> None:
    pay = world.pay(payer_name='Trần "Bé" Hai, con')
    said = unicodedata.normalize("NFD", 'Trần "Bé" Hai, con nộp lệ phí,\r\n')
    text = f"{said}{pay['bill_reference'].lower()}; cảm ơn"
    world.match("direct", pay, world.line(pay["amount"], text))


@_direct
def right_to_left_marks(world: World) -> None:
    pay = world.pay()
    code = pay["bill_reference"]
    text = f"\u200fphí\u202c {code[:3]}\u00ad{code[3:8]}\u2060{code[8:]}\u200e xin cám ơn"
    world.match("direct", pay, world.line(pay["amount"], text))


# --- sums ----------------------------------------------------------------------------------------


@_direct
def equal_fees_and_a_sum_of_some(world: World) -> None:
    """Twenty open bills of one fee: a nameless transfer of three fees is three of any of them."""
    for _ in range(20):
        world.pay(amount=20_000)
    line = world.line(60_000, "CHUYEN TIEN NOP PHI HO SO", counterparty_name="VO DANH")
    world.flag("unrecorded_receipt", "direct", line)


@_direct
def three_bills_wrapped(world: World) -> None:
    pays = [world.pay(status="succeeded") for _ in range(3)]
    text = "\n".join(f"{p['bill_reference'][:6]}\n{p['bill_reference'][6:]}" for p in pays)
    world.match("direct", *pays, world.line(sum(p["amount"] for p in pays), text))


@_direct
def instalments_equal(world: World) -> None:
    pay = world.pay(amount=100_000)
    day = world.day()
    lines = [world.line(50_000, f"PHI {pay['bill_reference']}", day=day) for _ in range(2)]
    world.match("direct", pay, *lines)


@_direct
def instalments_too_much(world: World) -> None:
    pay = world.pay(amount=100_000)
    lines = [world.line(60_000, f"PHI {pay['bill_reference']}") for _ in range(2)]
    world.flag("amount_mismatch", "direct", pay, *lines)


@_direct
def two_bills_short_by_a_charge(world: World) -> None:
    one, two = world.pay(amount=50_000), world.pay(amount=75_000)
    text = f"{one['bill_reference']} {two['bill_reference']}"
    world.flag("amount_mismatch", "direct", one, two, world.line(121_700, text))


@_direct
def two_bills_of_which_one_was_paid(world: World) -> None:
    """The line has the open bill's amount and names a paid one too: right or flagged, not lost."""
    one = world.pay(amount=50_000)
    two = world.pay(amount=75_000)
    first = world.line(50_000, f"PHI {one['bill_reference']}", day=AS_OF - dt.timedelta(days=20))
    world.match("direct", one, first)
    text = f"{one['bill_reference']} {two['bill_reference']}"
    world.may_match("direct", two, world.line(75_000, text, day=AS_OF - dt.timedelta(days=9)))


# --- money that came back, or came twice by two ways ----------------------------------------------


@_direct
def mistyped_and_taken_back(world: World) -> None:
    pay = world.pay()
    code = pay["bill_reference"]
    wrong = code[:5] + ("7" if code[5] != "7" else "9") + code[6:]
    day = world.day()
    came = world.line(pay["amount"], f"NOP PHI {wrong}", day=day)
    back = world.line(-pay["amount"], f"HOAN TRA {wrong}", day=day + dt.timedelta(days=1))
    world.flag("reversal", "direct", came, back)


@_direct
def taken_back_of_two(world: World) -> None:
    """Paid twice, and the bank took the later one back: the earlier one settles."""
    pay = world.pay()
    text = f"PHI {pay['bill_reference']}"
    days = [AS_OF - dt.timedelta(days=n) for n in (20, 15, 14)]
    world.match("direct", pay, world.line(pay["amount"], text, day=days[0]))
    again = world.line(pay["amount"], text, day=days[1])
    back = world.line(-pay["amount"], f"TRA LAI {text}", day=days[2])
    world.flag("reversal", "direct", again, back)


@_direct
def by_a_provider_and_by_transfer(world: World) -> None:
    pay = online(world, "vnpay")
    world.match("provider", pay, world.settle(pay, ""))
    line = world.line(pay["amount"], f"PHI {pay['bill_reference']}")
    world.flag("duplicate_payment|unrecorded_receipt", "direct", line)


@_direct
def refund_that_bounced(world: World) -> None:
    pay = world.pay(amount=150_000, status="succeeded")
    reference = pay["bill_reference"]
    days = [AS_OF - dt.timedelta(days=n) for n in (20, 12, 10)]
    world.match("direct", pay, world.line(150_000, f"PHI {reference}", day=days[0]))
    parent = pay["payment_id"]
    back = {"kind": "refund", "status": "succeeded", "amount": 50_000, "day": days[1]}
    refund = world.pay(reference=reference, parent_payment_id=parent, **back)
    sent = world.line(-50_000, f"HOAN PHI {reference}", day=days[1])
    world.may_match("direct", refund, sent)
    world.free("direct", world.line(50_000, f"TRA LAI HOAN PHI {reference}", day=days[2]))


# --- providers -----------------------------------------------------------------------------------


@_provider
def midnight_in_two_zones(world: World, provider: str) -> None:
    day = world.day(latest=9)
    pay = online(world, provider, day=day)
    pay["paid_at"] = dt.datetime.combine(day, dt.time(0, 10), ZONE)
    line = world.settle(pay, "")
    line["occurred_at"] = pay["paid_at"].astimezone(dt.UTC)
    world.match("provider", pay, line)


@_provider
def reported_late(world: World, provider: str) -> None:
    pay = online(world, provider, day=world.day(latest=15))
    line = world.settle(pay, "")
    line["report_id"] += "-LATE"
    line["payout_date"] += dt.timedelta(days=5)
    world.match("provider", pay, line)


@_provider
def settled_in_parts(world: World, provider: str) -> None:
    pay = online(world, provider, amount=100_000)
    parts = [world.settle(pay, "", gross=part) for part in (70_000, 30_000)]
    if provider == "stripe":  # a fixed fee is due once: the second part carries none
        parts[1]["fee"] -= 7_500
        parts[1]["net"] += 7_500
    world.match("provider", pay, *parts)


@_provider
def id_rounded(world: World, provider: str) -> None:
    number = f"{260302 * 10**12 + world.rng.randrange(10**12)}"
    pay = online(world, provider, provider_txn_id=number)
    line = world.settle(pay, "", provider_txn_id=number[:15] + "000")
    world.match("provider", pay, line)


@_provider
def id_with_blanks(world: World, provider: str) -> None:
    pay = online(world, provider)
    line = world.settle(pay, "", provider_txn_id=f" {pay['provider_txn_id']}\u00a0")
    world.match("provider", pay, line)


@_provider
def mangled_id_and_mistyped_reference(world: World, provider: str) -> None:
    pay = online(world, provider)
    code = pay["bill_reference"]
    wrong = code[:6] + ("4" if code[6] != "4" else "6") + code[7:]
    line = world.settle(pay, "", provider_txn_id="4.00E+9", bill_reference=wrong)
    world.match("provider", pay, line)


@_provider
def mangled_id_of_another_amount(world: World, provider: str) -> None:
    pay = online(world, provider, amount=50_000)
    line = world.settle(pay, "", gross=49_000, provider_txn_id="", bill_reference="")
    world.flag("unrecorded_receipt", "provider", line)
    world.flag("not_settled", "provider", pay)


@_provider
def refund_by_reference(world: World, provider: str) -> None:
    pay = online(world, provider, amount=150_000)
    world.match("provider", pay, world.settle(pay, ""))
    back = {"kind": "refund", "reference": pay["bill_reference"], "amount": 40_000}
    refund = online(world, provider, parent_payment_id=pay["payment_id"], **back)
    world.match("provider", refund, world.settle(refund, "", provider_txn_id="R.0"))


@_provider
def fee_at_the_half(world: World, provider: str) -> None:
    """Amounts whose fee ends in exactly one half: up is the contract's, down is a mismatch."""
    pay = online(world, provider, amount=500 * (2 * world.rng.randrange(1_000) + 1))
    world.match("provider", pay, world.settle(pay, ""))
    other = online(world, provider, amount=500 * (2 * world.rng.randrange(1_000) + 1))
    line = world.settle(other, "")
    world.flag("fee_mismatch", "provider", other, _deduct(line, line["fee"] - 1))


def _deduct(line: Row, fee: int) -> Row:
    line |= {"fee": fee, "net": line["gross"] - fee}
    return line


@_provider
def retried_after_a_failure_of_another_fee(world: World, provider: str) -> None:
    dead = online(world, provider, status="failed", amount=world.rng.choice(LEVELS))
    good = online(world, provider, reference=dead["bill_reference"], amount=dead["amount"] + 5_000)
    world.match("provider", good, world.settle(good, ""))
