"""What closes a pair, and what opens it again."""

import random

from benchmarks.matching.world import Row, World
from payments.references import canonical
from reconciliation.matching import closed, payout
from reconciliation.matching.closed import Pairs
from reconciliation.matching.engine import run
from reconciliation.matching.said import Said
from reconciliation.matching.tables import Tables
from tests.support.labelled import inputs_of


def world() -> World:
    return World(random.Random(11))


def transfer(world: World, **given: object) -> tuple[Row, Row]:
    """A bill and the line that pays it."""
    pay = world.pay(amount=50_000, status="succeeded", **given)
    return pay, world.line(50_000, f"NOP PHI {pay['bill_reference']}")


def online(world: World, **given: object) -> tuple[Row, Row]:
    """A payment by a provider and its line."""
    number = f"26{len(world.payments):09}"
    pay = world.pay(channel="vnpay", provider_txn_id=number, status="succeeded", amount=50_000)
    return pay, world.settle(pay, "", **given)


def closed_ids(world: World) -> set[tuple[str, str]]:
    """The ids of all closed pairs; and the run does not depend on them."""
    inputs = inputs_of(world)
    whole, parts = run(inputs, closing=closed.nothing), run(inputs)
    assert parts.matches.equals(whole.matches)
    assert parts.mismatches.equals(whole.mismatches)
    tables = Tables.of(inputs)
    side = payout.split(tables, inputs.contracts)
    said = Said.of(tables, inputs.contracts, side.bank)
    found = closed.find(tables, inputs.contracts, said, side.bank)

    def ids(pairs: Pairs, lines: object) -> set[tuple[str, str]]:
        ours = tables.payments.ids.take(pairs.pays).to_pylist()
        return set(zip(ours, lines.ids.take(pairs.rows).to_pylist(), strict=True))  # type: ignore[attr-defined]

    return ids(found.provider, tables.settlements) | ids(found.direct, tables.bank)


def pair(pay: Row, line: Row) -> tuple[str, str]:
    return pay["payment_id"], line["line_id"]


def test_one_payment_and_one_line_are_closed() -> None:
    some = world()
    assert closed_ids(some) == set()
    one, other = transfer(some), online(some)
    assert closed_ids(some) == {pair(*one), pair(*other)}


def test_an_id_that_another_provider_bears_as_well_closes_nothing() -> None:
    some = world()
    pay, line = online(some)
    chargeback = some.settle(pay, "", kind="chargeback", gross=-50_000, provider="momo")
    assert closed_ids(some) == set()
    some.settlements.remove(line)
    chargeback |= {"kind": "payment", "gross": 50_000, "fee": line["fee"], "net": line["net"]}
    assert closed_ids(some) == set()  # one payment, one line, and still another provider's
    chargeback["provider"] = "vnpay"
    assert closed_ids(some) == {pair(pay, chargeback)}


def test_a_line_of_another_amount_fee_or_status_closes_nothing() -> None:
    some = world()
    online(some, gross=50_001)
    online(some, fee=1)
    online(some, net=1)
    online(some)[0]["status"] = "pending"
    transfer(some)[0]["amount"] = 49_999
    transfer(some)[0]["status"] = "failed"
    assert closed_ids(some) == set()


def test_a_bank_reference_on_two_lines_closes_neither_for_a_notice() -> None:
    """If the closed line went unseen, the notice would seem to tell of the other alone."""
    some = world()
    told = some.pay(amount=50_000, status="succeeded", provider_txn_id="FT1")
    _, line = transfer(some)
    line["bank_ref"] = "FT1"
    some.line(50_000, "CHUYEN TIEN", bank_ref="FT1")
    assert closed_ids(some) == set()
    told["provider_txn_id"] = "FT2"
    assert len(closed_ids(some)) == 1


def test_a_notice_of_the_very_line_closes_the_pair() -> None:
    some = world()
    pay, line = transfer(some)
    pay["provider_txn_id"] = line["bank_ref"]
    assert closed_ids(some) == {pair(pay, line)}
    rules = set(run(inputs_of(some)).matches["rule"])
    assert rules == {"bank_reference"}


def test_a_damaged_reference_elsewhere_opens_the_pair() -> None:
    some = world()
    for pay, line in (transfer(some), online(some)):
        assert pair(pay, line) in closed_ids(some)
        some.line(1_000, f"NOP {pay['bill_reference'][:-1]}")
        assert pair(pay, line) not in closed_ids(some)


def test_a_dossier_code_elsewhere_opens_all_bills_of_the_dossier() -> None:
    some = world()
    one, other = transfer(some), online(some)
    other[0]["dossier_code"] = one[0]["dossier_code"]
    some.line(1_000, f"NOP PHI HO SO {one[0]['dossier_code']}")
    assert closed_ids(some) == set()


def test_a_pair_that_is_opened_opens_what_its_own_line_may_name() -> None:
    some = world()
    one, other = transfer(some), transfer(some)
    code = canonical(other[0]["bill_reference"]).removeprefix("MC")
    one[1]["narrative"] += f" {code}"  # the prefix is lost
    assert closed_ids(some) == {pair(*one), pair(*other)}
    some.line(1_000, f"NOP {one[0]['bill_reference'][:-1]}")
    assert closed_ids(some) == set()


def test_a_repeated_line_closes_nothing() -> None:
    some = world()
    for rows, line in ((some.bank, transfer(some)[1]), (some.settlements, online(some)[1])):
        rows.append(line | {"line_id": "Z" + line["line_id"]})
    assert closed_ids(some) == set()
