"""Kinds of noise of bank transfers: spoilt references, parts, repetitions, disagreements."""

import datetime as dt
import random
from collections.abc import Callable

from benchmarks.matching.world import AS_OF, LEVELS, World
from payments.references import ALPHABET, new_reference

DIRECT: dict[str, Callable[[World], None]] = {}


def _direct(make: Callable[[World], None]) -> Callable[[World], None]:
    DIRECT[make.__name__] = make
    return make


# --- one payment, one line: what a narrative may look like ---------------------------------------

Spoil = Callable[[random.Random, str], str]


def _wrong(rng: random.Random, code: str) -> str:
    at = rng.randrange(2, len(code))
    other = rng.choice([c for c in ALPHABET if c != code[at]])
    return code[:at] + other + code[at + 1 :]


def _replaced(rng: random.Random, code: str, what: str) -> str:
    at = rng.randrange(2, len(code))
    return code[:at] + what + code[at + 1 :]


def _swapped(rng: random.Random, code: str) -> str:
    while True:
        at = rng.randrange(2, len(code) - 1)
        if code[at] != code[at + 1]:
            return code[:at] + code[at + 1] + code[at] + code[at + 2 :]


def _inserted(rng: random.Random, code: str, what: str) -> str:
    at = rng.randrange(3, len(code))
    return code[:at] + what + code[at:]


def _dropped(rng: random.Random, code: str) -> str:
    at = rng.randrange(2, len(code) - 1)
    return code[:at] + code[at + 1 :]


def _confused(_: random.Random, code: str) -> str:
    return code[:2] + code[2:].translate(str.maketrans("01", "OI"))


def _fullwidth(_: random.Random, code: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) for c in code)


SPOILS: dict[str, Spoil] = {
    "clean": lambda _, c: f"THANH TOAN PHI {c}",
    "bank_prefix": lambda r, c: f"MBVCB.{r.randrange(10**10)}.{r.randrange(10**6)}.{c}.CT tu 99",
    "lower": lambda _, c: f"nop phi {c.lower()} xin cam on",
    "separators": lambda _, c: f"PHI {c[:2]} {c[2:6]}-{c[6:9]}.{c[9:]} TRAN VAN AN",
    "spaced": lambda _, c: "CK " + " ".join(c),
    "wrapped": lambda _, c: f"NOP PHI {c[:7]}\n{c[7:]} HO SO",
    "no_break_space": lambda _, c: f"NOP PHI\u00a0{c[:5]}\u00a0{c[5:]}",
    "zero_width": lambda _, c: f"Nộp phí {c[:6]}\u200b{c[6:]}\ufeff cảm ơn",
    "fullwidth": lambda r, c: f"NOP PHI {_fullwidth(r, c)}",
    "diacritics": lambda _, c: f"Đặng Thị Hồng nộp lệ phí {c} hồ sơ",
    "glued": lambda _, c: f"PHI{c}TRANTHUHANH",
    "look_alikes": lambda r, c: f"TT {_confused(r, c)}",
    "wrong_symbol": lambda r, c: f"NOP PHI {_wrong(r, c)}",
    "letter_u": lambda r, c: f"NOP PHI {_replaced(r, c, 'U')} HO SO",
    "cut_one": lambda _, c: f"CHUYEN KHOAN NOP PHI {c[:-1]}",
    "cut_two": lambda _, c: f"CHUYEN KHOAN NOP PHI {c[:-2]}",
    "cut_three": lambda _, c: f"CHUYEN KHOAN NOP PHI {c[:-3]}",
    "cut_field": lambda _, c: f"MBVCB.77.{c[:-2]}.CT tu 0123",
    "cut_left": lambda r, c: f"{c[2 + r.randint(0, 3) :]} CHUYEN TIEN",
    "prefix_lost": lambda _, c: f"NOP PHI {c[2:]} CAM ON",
    "prefix_half": lambda _, c: f"NOP PHI {c[1:]} CAM ON",
    "prefix_mistyped": lambda _, c: f"NOP PHI NC{c[2:]} CAM ON",
    "prefix_swapped": lambda _, c: f"NOP PHI CM{c[2:]} CAM ON",
    "swapped": lambda r, c: f"NOP PHI {_swapped(r, c)} HO SO",
    "one_too_many": lambda r, c: f"NOP PHI {_inserted(r, c, r.choice(ALPHABET))} HO SO",
    "one_too_few": lambda r, c: f"NOP PHI {_dropped(r, c)} HO SO",
    "star_for_symbol": lambda r, c: f"PHI {_replaced(r, c, '*')} X",
}


def _spoiled(name: str) -> Callable[[World], None]:
    def make(world: World) -> None:
        pay = world.pay(status=world.rng.choice(["pending", "pending", "succeeded"]))
        text = SPOILS[name](world.rng, pay["bill_reference"])
        world.match("direct", pay, world.line(pay["amount"], text))

    return make


DIRECT.update({name: _spoiled(name) for name in SPOILS})


def _dossier(separate: Callable[[str], str]) -> Callable[[World], None]:
    def make(world: World) -> None:
        pay = world.pay()
        text = f"Le Van Nam nop phi ho so {separate(pay['dossier_code'])}"
        world.match("direct", pay, world.line(pay["amount"], text))

    return make


DIRECT["dossier"] = _dossier(lambda code: code)
DIRECT["dossier_spaces"] = _dossier(lambda code: code.replace(".", " ").replace("-", " "))
DIRECT["dossier_bare"] = _dossier(lambda code: code.replace("-", "").lower() + " cam on")


# --- bills, parts, repetitions --------------------------------------------------------------------


@_direct
def one_transfer_for_two_bills(world: World) -> None:
    one, two = world.pay(), world.pay(status="succeeded")
    text = f"{one['bill_reference']} VA {two['bill_reference']}"
    world.match("direct", one, two, world.line(one["amount"] + two["amount"], text))


@_direct
def two_bills_one_without_prefix(world: World) -> None:
    one, two = world.pay(), world.pay()
    text = f"PHI {one['bill_reference']}/{two['bill_reference'][2:]}"
    world.match("direct", one, two, world.line(one["amount"] + two["amount"], text))


@_direct
def two_bills_one_mistyped(world: World) -> None:
    one, two = world.pay(), world.pay()
    text = f"{one['bill_reference']} {_wrong(world.rng, two['bill_reference'])}"
    world.match("direct", one, two, world.line(one["amount"] + two["amount"], text))


@_direct
def two_bills_paid_as_one(world: World) -> None:
    one = world.pay(amount=50_000, status="succeeded")
    two = world.pay(amount=75_000, status="succeeded")
    text = f"{one['bill_reference']} {two['bill_reference']}"
    world.flag("ambiguous", "direct", one, two, world.line(50_000, text))


@_direct
def in_parts(world: World) -> None:
    pay = world.pay(amount=100_000)
    lines = [world.line(part, f"PHI {pay['bill_reference']}") for part in (60_000, 30_000, 10_000)]
    world.match("direct", pay, *lines)


@_direct
def in_parts_one_mistyped(world: World) -> None:
    pay = world.pay(amount=100_000)
    whole = world.line(60_000, f"PHI {pay['bill_reference']}")
    part = world.line(40_000, f"PHI {_wrong(world.rng, pay['bill_reference'])}")
    world.match("direct", pay, whole, part)


@_direct
def twice(world: World) -> None:
    pay = world.pay()
    first = world.line(pay["amount"], f"PHI {pay['bill_reference']}", day=world.day(latest=15))
    text = f"NOP PHI {pay['bill_reference'].lower()}"
    again = world.line(pay["amount"], text, day=AS_OF - dt.timedelta(days=world.rng.randint(1, 14)))
    world.match("direct", pay, first)
    world.flag("duplicate_payment", "direct", again)


@_direct
def two_equal_transfers_same_day(world: World) -> None:
    pay = world.pay(status="succeeded")
    day = world.day()
    first = world.line(pay["amount"], f"PHI {pay['bill_reference']}", day=day)
    again = world.line(pay["amount"], f"PHI {pay['bill_reference']}", day=day)
    world.match("direct", pay, first)
    world.flag("duplicate_payment", "direct", again)


@_direct
def twice_the_first_mistyped(world: World) -> None:
    pay = world.pay()
    text = f"PHI {_wrong(world.rng, pay['bill_reference'])}"
    first = world.line(pay["amount"], text, day=AS_OF - dt.timedelta(days=20))
    again = world.line(
        pay["amount"], f"PHI {pay['bill_reference']}", day=AS_OF - dt.timedelta(days=5)
    )
    world.match("direct", pay, first)
    world.flag("duplicate_payment", "direct", again)


@_direct
def repeated_line(world: World) -> None:
    pay = world.pay()
    line = world.line(pay["amount"], f"PHI {pay['bill_reference']}")
    copy = line | {"line_id": f"B{next(world.ids):08}"}
    world.bank.append(copy)
    world.match("direct", pay, line)
    world.flag("duplicate_line", "direct", copy)


@_direct
def reversal(world: World) -> None:
    pay = world.pay()
    day = world.day()
    text = f"PHI {pay['bill_reference']}"
    world.flag("reversal", "direct", world.line(pay["amount"], text, day=day))
    back = f"HOAN TRA GD {pay['bill_reference']}"
    later = day + dt.timedelta(days=1)
    world.flag("reversal", "direct", world.line(-pay["amount"], back, day=later))


@_direct
def reversal_then_paid_again(world: World) -> None:
    pay = world.pay(status="succeeded")
    text = f"PHI {pay['bill_reference']}"
    days = [AS_OF - dt.timedelta(days=n) for n in (20, 19, 12)]
    world.flag("reversal", "direct", world.line(pay["amount"], text, day=days[0]))
    world.flag("reversal", "direct", world.line(-pay["amount"], "TRA LAI " + text, day=days[1]))
    world.match("direct", pay, world.line(pay["amount"], text, day=days[2]))


# --- what does not agree --------------------------------------------------------------------------


@_direct
def underpaid(world: World) -> None:
    pay = world.pay(amount=100_000)
    line = world.line(99_000, f"PHI {pay['bill_reference']}")
    world.flag("amount_mismatch", "direct", pay, line)


@_direct
def overpaid(world: World) -> None:
    pay = world.pay(amount=100_000, status="succeeded")
    line = world.line(105_000, f"PHI {pay['bill_reference']}")
    world.flag("amount_mismatch", "direct", pay, line)


@_direct
def foreign_currency(world: World) -> None:
    pay = world.pay()
    line = world.line(pay["amount"], f"PHI {pay['bill_reference']}", currency="USD")
    world.flag("amount_mismatch", "direct", pay, line)


@_direct
def dead_payment(world: World) -> None:
    pay = world.pay(status=world.rng.choice(["failed", "expired", "cancelled"]))
    line = world.line(pay["amount"], f"PHI {pay['bill_reference']}")
    world.flag("status_mismatch", "direct", pay, line)


@_direct
def mistyped_and_underpaid(world: World) -> None:
    pay = world.pay(amount=100_000, status="succeeded")
    line = world.line(90_000, f"PHI {_wrong(world.rng, pay['bill_reference'])}")
    world.flag("not_settled", "direct", pay)
    world.flag("unrecorded_receipt|ambiguous", "direct", line)


@_direct
def second_attempt(world: World) -> None:
    dead = world.pay(status="expired")
    alive = world.pay(reference=dead["bill_reference"], amount=dead["amount"])
    world.match("direct", alive, world.line(dead["amount"], f"PHI {dead['bill_reference']}"))


@_direct
def notified_attempt_beside_a_pending_one(world: World) -> None:
    open_ = world.pay()
    told = world.pay(reference=open_["bill_reference"], amount=open_["amount"], status="succeeded")
    world.match("direct", told, world.line(told["amount"], f"PHI {told['bill_reference']}"))


@_direct
def two_pending_attempts(world: World) -> None:
    one = world.pay()
    world.pay(reference=one["bill_reference"], amount=one["amount"])
    world.flag("ambiguous", "direct", world.line(one["amount"], f"PHI {one['bill_reference']}"))


@_direct
def never_came(world: World) -> None:
    world.flag("not_settled", "direct", world.pay(status="succeeded"))
    world.flag("timing_difference", "direct", world.pay(status="succeeded", day=AS_OF))
    boundary = AS_OF - dt.timedelta(days=3)
    world.flag("timing_difference", "direct", world.pay(status="succeeded", day=boundary))
    over = AS_OF - dt.timedelta(days=4)
    world.flag("not_settled", "direct", world.pay(status="succeeded", day=over))
    world.pay()


@_direct
def nobodys_money(world: World) -> None:
    unknown = new_reference("MC", world.rng.randrange)
    for text in (f"NOP PHI {unknown}", "CHUYEN TIEN", f"CK {world.rng.randrange(10**12)}"):
        line = world.line(world.rng.choice(LEVELS), text, counterparty_name="VO DANH")
        world.flag("unrecorded_receipt", "direct", line)


@_direct
def name_and_amount_only(world: World) -> None:
    pay = world.pay(amount=3_000_000 + world.rng.randrange(10**6), status="succeeded")
    text = f"{pay['payer_name']} chuyen tien"
    line = world.line(pay["amount"], text, counterparty_name=pay["payer_name"])
    world.flag("unrecorded_receipt|ambiguous", "direct", line)
    world.flag("not_settled|ambiguous", "direct", pay)


@_direct
def dossier_with_two_open_bills(world: World) -> None:
    one = world.pay(amount=50_000)
    world.pay(amount=75_000, dossier_code=one["dossier_code"])
    world.flag("ambiguous", "direct", world.line(50_000, f"HO SO {one['dossier_code']}"))


@_direct
def dossier_with_one_bill_left(world: World) -> None:
    paid, left = world.pay(amount=50_000), world.pay(amount=75_000)
    left["dossier_code"] = paid["dossier_code"]
    world.match("direct", paid, world.line(50_000, f"PHI {paid['bill_reference']}"))
    world.match("direct", left, world.line(75_000, f"HO SO {left['dossier_code']}"))


@_direct
def dossier_that_begins_another(world: World) -> None:
    short, long = world.pay(amount=50_000), world.pay(amount=75_000)
    long["dossier_code"] = short["dossier_code"] + "7"
    world.match("direct", long, world.line(75_000, f"HO SO {long['dossier_code']} CAM ON"))
    world.match("direct", short, world.line(50_000, f"HO SO {short['dossier_code']}"))


@_direct
def dossier_cut_to_another(world: World) -> None:
    """At the narrative's end the last digit may be missing, and both would cost the same."""
    short, long = world.pay(amount=50_000), world.pay(amount=50_000)
    long["dossier_code"] = short["dossier_code"] + "7"
    world.flag("ambiguous", "direct", world.line(50_000, f"HO SO {short['dossier_code']}"))


@_direct
def money_out(world: World) -> None:
    for text, amount in (("THU PHI DICH VU SMS", -11_000), ("NOP NSNN KBNN", -9_000_001)):
        world.flag("not_a_fee", "direct", world.line(amount, text))
    world.flag("not_a_fee", "direct", world.line(4_321, "TRA LAI TIEN GUI"))
    world.flag("unrecorded_debit", "direct", world.line(-55_555, "CHI TIEN MAT"))


@_direct
def refunds_and_remittances(world: World) -> None:
    pay = world.pay(amount=150_000, status="succeeded")
    reference = pay["bill_reference"]
    world.match("direct", pay, world.line(150_000, f"PHI {reference}"))
    back = {"reference": reference, "kind": "refund", "status": "succeeded"}
    one = world.pay(amount=50_000, parent_payment_id=pay["payment_id"], **back)
    two = world.pay(amount=70_000, parent_payment_id=pay["payment_id"], **back)
    world.match("direct", one, world.line(-50_000, f"UBND HOAN PHI {reference}"))
    world.flag("refund_missing", "direct", two)
    sent = world.pay(kind="remittance", status="succeeded", amount=33_000_001, dossier_code="")
    text = f"NOP NSNN {sent['bill_reference']} KBNN"
    world.match("direct", sent, world.line(-33_000_001, text))
    other = world.pay(kind="remittance", status="succeeded", amount=21_000_000, dossier_code="")
    text = f"NOP NSNN {other['bill_reference']} KBNN"
    world.flag("amount_mismatch", "direct", other, world.line(-20_000_000, text))
