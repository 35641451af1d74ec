"""Noise of two slips at once, of money in unusual parts, and of ids that spreadsheets spoil."""

import datetime as dt
from collections.abc import Callable

from benchmarks.matching.providers import online
from benchmarks.matching.world import AS_OF, World
from payments.references import ALPHABET, CODE_LENGTH, encode

DIRECT: dict[str, Callable[[World], None]] = {}
PROVIDER: dict[str, Callable[[World, str], None]] = {}


def _direct(make: Callable[[World], None]) -> Callable[[World], None]:
    DIRECT[make.__name__] = make
    return make


def _provider(make: Callable[[World, str], None]) -> Callable[[World, str], None]:
    PROVIDER[make.__name__] = make
    return make


# --- narratives -----------------------------------------------------------------------------------


@_direct
def ideographic_and_thin_spaces(world: World) -> None:
    pay = world.pay()
    code = pay["bill_reference"]
    text = f"NOP\u3000PHI\u2009{code[:4]}\u202f{code[4:8]}\u3000{code[8:]}\u2003HO SO"
    world.match("direct", pay, world.line(pay["amount"], text))


@_direct
def wrapped_mid_line(world: World) -> None:
    """Cells wrapped after every so many characters, with a carriage return and an indent."""
    pay = world.pay()
    text = f"CT DEN 0123 NOP PHI {pay['bill_reference']} NGUYEN VAN AN"
    cell = "\r\n  ".join(text[at : at + 9] for at in range(0, len(text), 9))
    world.match("direct", pay, world.line(pay["amount"], cell))


@_direct
def glued_on_both_sides(world: World) -> None:
    pay = world.pay()
    text = f"TRANTHUHANHNOPPHI{pay['bill_reference']}UBNDPHUONG"
    world.match("direct", pay, world.line(pay["amount"], text))


@_direct
def digits_glued_before(world: World) -> None:
    pay = world.pay()
    text = f"MBVCB{world.rng.randrange(10**9):09}{pay['bill_reference']} CT tu 0123"
    world.match("direct", pay, world.line(pay["amount"], text))


@_direct
def swapped_over_the_prefix(world: World) -> None:
    """The prefix's last letter and the code's first symbol have changed places."""
    while True:
        reference = world.reference()
        if reference[2] != reference[1]:
            break
    pay = world.pay(reference=reference)
    typed = reference[0] + reference[2] + reference[1] + reference[3:]
    world.match("direct", pay, world.line(pay["amount"], f"NOP PHI {typed} HO SO"))


@_direct
def prefix_lost_and_a_wrong_symbol(world: World) -> None:
    pay = world.pay()
    code = list(pay["bill_reference"][2:])
    at = world.rng.randrange(CODE_LENGTH)
    code[at] = world.rng.choice([c for c in ALPHABET if c != code[at]])
    world.match("direct", pay, world.line(pay["amount"], f"NOP PHI {''.join(code)} CAM ON"))


@_direct
def wrong_symbol_fullwidth_and_wrapped(world: World) -> None:
    pay = world.pay()
    code = list(pay["bill_reference"])
    at = world.rng.randrange(2, len(code))
    code[at] = world.rng.choice([c for c in ALPHABET if c != code[at]])
    wide = "".join(chr(ord(c) + 0xFEE0) for c in code)
    world.match("direct", pay, world.line(pay["amount"], f"Nộp phí {wide[:7]}\n{wide[7:]} hồ sơ"))


@_direct
def three_wrong_symbols(world: World) -> None:
    """Three wrong symbols may lead within one of another code: nothing to be seen in the text."""
    pay = world.pay(status="succeeded")
    code = list(pay["bill_reference"])
    for at in world.rng.sample(range(2, len(code)), 3):
        code[at] = world.rng.choice([c for c in ALPHABET if c != code[at]])
    line = world.line(pay["amount"], f"NOP PHI {''.join(code)} HO SO")
    world.flag("unrecorded_receipt|ambiguous", "direct", line)
    world.flag("not_settled|ambiguous", "direct", pay)


@_direct
def cut_four(world: World) -> None:
    """Six symbols are left: 32 bills may begin so, and nothing says which."""
    pay = world.pay(status="succeeded")
    line = world.line(pay["amount"], f"CHUYEN KHOAN NOP PHI {pay['bill_reference'][:-4]}")
    world.flag("unrecorded_receipt|ambiguous", "direct", line)
    world.flag("not_settled|ambiguous", "direct", pay)


@_direct
def cut_of_another_amount(world: World) -> None:
    """Three symbols are lost and the amount is not the bill's: nothing is proved."""
    pay = world.pay(amount=50_000, status="succeeded")
    line = world.line(75_000, f"CHUYEN KHOAN NOP PHI {pay['bill_reference'][:-3]}")
    world.flag("unrecorded_receipt|ambiguous", "direct", line)
    world.flag("not_settled", "direct", pay)


@_direct
def telephone_that_is_a_reference(world: World) -> None:
    """A number of ten digits is, by chance, another open bill's code; the amount is both bills'."""
    while True:
        data = [world.rng.randrange(10) for _ in range(7)]
        rival = encode("MC", data)
        if rival[2:].isdigit() and rival not in world.references:
            break
    world.references.add(rival)
    pay = world.pay(amount=50_000)
    world.pay(reference=rival, amount=50_000)
    line = world.line(50_000, f"NOP PHI {pay['bill_reference']} SDT {rival[2:]}")
    world.may_match("direct", pay, line)


@_direct
def references_of_two_where_one_is_nobodys(world: World) -> None:
    pay = world.pay(amount=50_000)
    while True:
        unknown = encode("MC", [world.rng.randrange(32) for _ in range(7)])
        if unknown not in world.references:
            break
    text = f"{pay['bill_reference']} {unknown}"
    world.may_match("direct", pay, world.line(50_000, text))
    short = world.pay(amount=60_000, status="succeeded")
    line = world.line(90_000, f"{short['bill_reference']} {unknown}")
    world.flag("amount_mismatch|ambiguous", "direct", short, line)


# --- parts ----------------------------------------------------------------------------------------


@_direct
def instalments_unfinished(world: World) -> None:
    pay = world.pay(amount=100_000)
    lines = [world.line(part, f"PHI {pay['bill_reference']}") for part in (40_000, 25_000)]
    world.flag("amount_mismatch", "direct", pay, *lines)


@_direct
def paid_three_times(world: World) -> None:
    pay = world.pay()
    days = [AS_OF - dt.timedelta(days=n) for n in (20, 14, 9)]
    text = f"PHI {pay['bill_reference']}"
    first, *again = [world.line(pay["amount"], text, day=day) for day in days]
    world.match("direct", pay, first)
    world.flag("duplicate_payment", "direct", *again)


@_direct
def four_bills_in_one(world: World) -> None:
    pays = [world.pay(status="succeeded") for _ in range(4)]
    text = ", ".join(pay["bill_reference"] for pay in pays)
    world.match("direct", *pays, world.line(sum(pay["amount"] for pay in pays), text))


@_direct
def two_transfers_for_two_bills(world: World) -> None:
    """Each names both bills and pays a part of both: right as one match, right as a flag."""
    one, two = world.pay(amount=50_000), world.pay(amount=75_000)
    text = f"{one['bill_reference']} {two['bill_reference']}"
    lines = [world.line(part, text) for part in (100_000, 25_000)]
    world.may_match("direct", one, two, *lines)


@_direct
def returned_without_a_reference(world: World) -> None:
    """The debit bears the amount and no reference: that is no proof of which money went back."""
    pay = world.pay(amount=3_111_000)
    day = world.day()
    came = world.line(3_111_000, f"PHI {pay['bill_reference']}", day=day)
    world.match("direct", pay, came)
    back = world.line(-3_111_000, "HOAN TRA GIAO DICH", day=day + dt.timedelta(days=1))
    world.flag("unrecorded_debit", "direct", back)


@_direct
def returned_of_another_amount(world: World) -> None:
    pay = world.pay(amount=100_000)
    day = world.day()
    world.match("direct", pay, world.line(100_000, f"PHI {pay['bill_reference']}", day=day))
    text = f"HOAN TRA {pay['bill_reference']}"
    back = world.line(-90_000, text, day=day + dt.timedelta(days=1))
    world.flag("unrecorded_debit|amount_mismatch|unrecorded_refund", "direct", back)


# --- ids and reports ------------------------------------------------------------------------------

MANGLED: dict[str, Callable[[str], str]] = {
    "id_grouped": lambda text: f"{int(text):,}",
    "id_decimal_comma": lambda text: f"{text},0",
    "id_scientific_comma": lambda text: f"{int(text):.5E}".replace(".", ","),
    "id_cut": lambda text: text[:-4],
    "id_hashes": lambda _: "########",
}


def _mangled(name: str) -> Callable[[World, str], None]:
    def make(world: World, provider: str) -> None:
        pay = online(world, provider)
        line = world.settle(pay, "", provider_txn_id=MANGLED[name](pay["provider_txn_id"]))
        world.match("provider", pay, line)

    return make


PROVIDER.update({name: _mangled(name) for name in MANGLED})


@_provider
def mangled_id_and_wrapped_reference(world: World, provider: str) -> None:
    pay = online(world, provider)
    code = pay["bill_reference"]
    given = {
        "provider_txn_id": "2.6E+17",
        "bill_reference": f" {code[:5]}\n{code[5:].lower()}\u00a0",
    }
    world.match("provider", pay, world.settle(pay, "", **given))


@_provider
def mangled_to_one_id(world: World, provider: str) -> None:
    """A spreadsheet rounds a row of ids to one number; the references still tell them apart."""
    for _ in range(3):
        pay = online(world, provider, amount=50_000)
        world.match("provider", pay, world.settle(pay, "", provider_txn_id="2.60302E+17"))


@_provider
def lost_zeros_are_anothers_id(world: World, provider: str) -> None:
    """Without its zeros an id is another payment's, whose own line is not there."""
    number = f"{next(world.ids)}{world.rng.randrange(10**6):06}"
    pay = online(world, provider, provider_txn_id=f"00{number}", amount=50_000)
    other = online(world, provider, provider_txn_id=number, amount=75_000)
    line = world.settle(pay, "", provider_txn_id=number)
    world.may_match("provider", pay, line)
    world.flag("not_settled|amount_mismatch|ambiguous", "provider", other)


@_provider
def reported_three_times(world: World, provider: str) -> None:
    """Reports of a day, a week and a month overlap."""
    pay = online(world, provider)
    line = world.settle(pay, "")
    world.match("provider", pay, line)
    for report in ("-W", "-M"):
        copy = line | {
            "line_id": f"S{next(world.ids):08}", "report_id": line["report_id"] + report
        }  # fmt: skip
        world.settlements.append(copy)
        world.copies.append((copy, line))
        world.flag("duplicate_line", "provider", copy)
        world.flag("duplicate_line", "payout", copy)


@_provider
def refunded_in_two(world: World, provider: str) -> None:
    pay = online(world, provider, amount=150_000)
    world.match("provider", pay, world.settle(pay, ""))
    for number, amount in enumerate((50_000, 30_000)):
        back = {"kind": "refund", "reference": pay["bill_reference"], "amount": amount}
        refund = online(world, provider, parent_payment_id=pay["payment_id"], **back)
        line = world.settle(refund, "", provider_txn_id=f"{refund['provider_txn_id']}R{number}")
        world.match("provider", refund, line)


@_provider
def refunded_twice_by_the_provider(world: World, provider: str) -> None:
    """We recorded one refund, the provider paid two of its amount."""
    pay = online(world, provider, amount=150_000)
    world.match("provider", pay, world.settle(pay, ""))
    back = {"kind": "refund", "reference": pay["bill_reference"], "amount": 60_000}
    refund = online(world, provider, parent_payment_id=pay["payment_id"], **back)
    world.match("provider", refund, world.settle(refund, ""))
    again = world.settle(refund, "", provider_txn_id=f"9{refund['provider_txn_id']}")
    world.flag("unrecorded_refund|duplicate_payment", "provider", again)


@_provider
def charged_back_without_id(world: World, provider: str) -> None:
    pay = online(world, provider)
    world.match("provider", pay, world.settle(pay, ""))
    given = {"kind": "chargeback", "gross": -pay["amount"], "provider_txn_id": ""}
    world.flag("chargeback", "provider", world.settle(pay, "", **given))
