"""A forged result is found out at every place, also where ids and figures were forged with it."""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.matching.world import CONTRACTS
from reconciliation.checking.conservation import Population, population_of
from reconciliation.checking.figures import check_figures
from reconciliation.checking.files import Row, read_table
from reconciliation.checking.findings import CONTRACT, Finding
from reconciliation.checking.result import Result, Terms
from reconciliation.checking.verdict import judge
from reconciliation.interchange import csv_text, write_result
from reconciliation.matching import engine
from reconciliation.matching.columns import BANK, PAYMENTS, SETTLEMENTS
from tests.support.labelled import build, inputs_of

PLACES = 60
Forged = tuple[list[Row], list[Row], list[set[str]]]
"""Matches, mismatches, and for each place the names of which one has to be found."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Result:
    folder = tmp_path_factory.mktemp("sound")
    inputs = inputs_of(build(2027, size=5))
    for name, columns in (("payments", PAYMENTS), ("settlements", SETTLEMENTS), ("bank", BANK)):
        text = csv_text(getattr(inputs, name), columns)
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    result = engine.run(inputs)
    write_result(folder / "out", result, result.summary)
    return read(folder, result.summary["as_of"])


def read(folder: Path, as_of: str) -> Result:
    tables = {name: read_table(folder / f"{name}.csv", name) for name in TABLES}
    rows = {n: read_table(folder / "out" / f"{n}.csv", n) for n in ("matches", "mismatches")}
    terms = Terms.from_json(CONTRACTS, as_of)
    inputs = {name: {"rows": len(table), "sha256": name} for name, table in tables.items()}
    result = Result(
        **tables, **rows, terms=terms, summary={}, digests={name: name for name in TABLES}
    )
    return replace(result, summary=figures(result) | {"inputs": inputs})


TABLES = ("payments", "settlements", "bank")


def figures(result: Result) -> dict[str, object]:
    """The figures that a careful forger would write."""
    held = population_of(result.payments, result.settlements, result.bank)
    from reconciliation.checking import figures as counted  # noqa: PLC0415

    return {
        "layers": counted._layers(held, result.matches, result.mismatches),
        "matches": len({row["match_id"] for row in result.matches}),
        "mismatches": dict(Counter(row["type"] for row in result.mismatches)),
    }


def forge(sound: Result, matches: list[Row], mismatches: list[Row]) -> Result:
    """The result with forged tables, sorted, and with figures that agree with them."""

    def key(row: Row) -> tuple[str, ...]:
        id_ = row.get("match_id") or row["mismatch_id"]
        return row["layer"], id_, row["item_kind"], row["item_id"]

    forged = replace(
        sound, matches=sorted(matches, key=key), mismatches=sorted(mismatches, key=key)
    )
    summary = {**sound.summary, **figures(forged)}
    return replace(forged, summary=summary)


def renamed(rows: list[Row]) -> list[Row]:
    lines = "\n".join(sorted(f"{r['layer']}|{r['item_kind']}|{r['item_id']}" for r in rows))
    key = "m" + hashlib.sha256(lines.encode()).hexdigest()[:16]
    return [{**row, "match_id": key} for row in rows]


def flagged(row: Row, type_: str) -> Row:
    text = "|".join((row["layer"], row["item_kind"], row["item_id"], type_))
    return {
        "mismatch_id": "x" + hashlib.sha256(text.encode()).hexdigest()[:16],
        "type": type_,
        **{name: row[name] for name in ("layer", "item_kind", "item_id")},
        **dict.fromkeys(("related_items", "expected", "actual", "reason"), ""),
    }


def groups_of(matches: list[Row]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in matches:
        groups[row["match_id"]].append(dict(row))
    return groups


def some(seed: str, places: list[str]) -> list[str]:
    return random.Random(seed).sample(sorted(places), min(PLACES, len(places)))


def reference_of(result: Result, rows: list[Row]) -> str:
    bills = {row["payment_id"]: row["bill_reference"] for row in result.payments}
    return "".join(bills.get(row["item_id"], "") for row in rows)


# --- ways of forging --------------------------------------------------------------------------


def swap(result: Result) -> Forged:
    """Exchange the lines of two matches of one amount and one rule."""
    groups = groups_of(result.matches)
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for key, rows in groups.items():
        kinds = sorted(row["item_kind"] for row in rows)
        if len(rows) == 2 and rows[0]["layer"] != "payout":
            alike[rows[0]["layer"], rows[0]["rule"], *kinds, rows[0]["amount"]].append(key)
    pairs = []
    for keys in alike.values():
        random.Random(len(keys)).shuffle(keys)
        pairs += [
            (one, other)
            for one, other in zip(keys[::2], keys[1::2], strict=False)
            if reference_of(result, groups[one]) != reference_of(result, groups[other])
        ]
    expected = []
    for one, other in pairs[:PLACES]:
        first, second = groups.pop(one), groups.pop(other)
        for rows in (renamed([first[0], second[1]]), renamed([second[0], first[1]])):
            if rows[0]["item_kind"] == rows[1]["item_kind"]:
                raise AssertionError("sides are not in order")
            groups[rows[0]["match_id"]] = rows
            expected.append({rows[0]["match_id"]})
    return [row for rows in groups.values() for row in rows], result.mismatches, expected


def change_amount(result: Result) -> Forged:
    groups, expected = groups_of(result.matches), []
    for key in some("amount", list(groups)):
        groups[key][0]["amount"] = str(int(groups[key][0]["amount"]) + 1)
        expected.append({groups[key][0]["item_id"]})
    return [row for rows in groups.values() for row in rows], result.mismatches, expected


def drop_match(result: Result) -> Forged:
    groups = groups_of(result.matches)
    gone = [groups.pop(key) for key in some("drop", list(groups))]
    expected = [{row["item_id"] for row in rows} for rows in gone]
    return [row for rows in groups.values() for row in rows], result.mismatches, expected


def drop_row(result: Result) -> Forged:
    groups, expected = groups_of(result.matches), []
    for key in some("row", list(groups)):
        gone = groups[key].pop()
        expected.append({key, gone["item_id"]})
    return [row for rows in groups.values() for row in rows], result.mismatches, expected


def double_row(result: Result) -> Forged:
    groups, expected = groups_of(result.matches), []
    for key in some("double", list(groups)):
        groups[key].append(groups[key][0])
        expected.append({groups[key][0]["item_id"]})
    return [row for rows in groups.values() for row in rows], result.mismatches, expected


def drop_mismatch(result: Result) -> Forged:
    due = {row["payment_id"] for row in result.payments if row["status"] == "succeeded"}
    rows = [r for r in result.mismatches if r["item_kind"] != "payment" or r["item_id"] in due]
    gone = some("gone", [row["mismatch_id"] for row in rows])
    left = [row for row in result.mismatches if row["mismatch_id"] not in gone]
    expected = [{row["item_id"]} for row in rows if row["mismatch_id"] in gone]
    return result.matches, left, expected


def call_unmatched(result: Result) -> Forged:
    """Take matches on a whole identifier apart, and flag their items as without evidence."""
    due = {row["payment_id"]: row for row in result.payments}
    groups, flags, expected = groups_of(result.matches), list(result.mismatches), []
    plain = [
        key for key, rows in groups.items()
        if rows[0]["rule"] in {"txn_id", "narrative_reference"} and len(rows) == 2
    ]  # fmt: skip
    for key in some("unmatched", plain):
        rows = groups.pop(key)
        for row in rows:
            payment = due.get(row["item_id"]) if row["item_kind"] == "payment" else None
            if payment is None:
                out = int(row["amount"]) < 0
                debit = "unrecorded_debit" if row["item_kind"] == "bank" else "unrecorded_refund"
                flags.append(flagged(row, debit if out else "unrecorded_receipt"))
            elif payment["status"] == "succeeded":
                refund = payment["kind"] == "refund"
                flags.append(flagged(row, "refund_missing" if refund else "not_settled"))
        expected.append({row["item_id"] for row in rows})
    return [row for rows in groups.values() for row in rows], flags, expected


def change_type(result: Result) -> Forged:
    """Call a mismatch what its item can be called in its layer and is not."""
    other = {
        "not_settled": "timing_difference",
        "refund_missing": "timing_difference",
        "timing_difference": "not_settled",
        "chargeback": "unrecorded_refund",
        "unrecorded_refund": "chargeback",
        "duplicate_line": "ambiguous",
        "not_a_fee": "unrecorded_receipt",
        "payout_missing": "timing_difference",
        "unrecorded_debit": "not_a_fee",
        "unrecorded_receipt": "duplicate_line",
        "amount_mismatch": "fee_mismatch",
        "fee_mismatch": "amount_mismatch",
        "status_mismatch": "amount_mismatch",
        "reversal": "duplicate_line",
        "ambiguous": "duplicate_line",
        "payout_mismatch": "duplicate_line",
        "duplicate_payment": "duplicate_line",
    }
    # what two definitions allow at once, and a fee that a narrative rule might name
    rows = [r for r in result.mismatches if r["type"] not in {"duplicate_line", "status_mismatch"}]
    rows = [r for r in rows if r["type"] != "not_a_fee" or int(r["actual"]) < 0]
    places = some("type", [row["mismatch_id"] for row in rows])
    flags, expected = [], []
    for row in result.mismatches:
        if row["mismatch_id"] in places:
            new = flagged(row, other[row["type"]])
            flags.append({**new, "related_items": row["related_items"]})
            expected.append({row["item_id"]})
        else:
            flags.append(row)
    return result.matches, flags, expected


def change_rule(result: Result) -> Forged:
    """Name another rule of the layer, whose evidence is not there."""
    other = {
        "txn_id": "bill_reference",
        "txn_id_parts": "bill_reference",
        "bill_reference": "txn_id",
        "payout_id": "payout_sum",
        "payout_sum": "payout_id",
        "narrative_reference_repaired": "narrative_reference",
        "narrative_reference": "bank_reference",
        "narrative_reference_parts": "bank_reference",
        "narrative_reference_bills": "narrative_reference",
        "dossier_code": "narrative_reference",
        "bank_reference": "dossier_code",
    }
    groups, expected = groups_of(result.matches), []
    for key in some("rule", [k for k, r in groups.items() if r[0]["rule"] != "payout_id"]):
        for row in groups[key]:
            row["rule"] = other[row["rule"]]
        expected.append({key})
    return [row for rows in groups.values() for row in rows], result.mismatches, expected


def change_id(result: Result) -> Forged:
    groups, expected = groups_of(result.matches), []
    for key in some("id", list(groups)):
        new = "m" + hashlib.sha256(key.encode()).hexdigest()[:16]
        groups[key] = [{**row, "match_id": new} for row in groups[key]]
        expected.append({new})
    return [row for rows in groups.values() for row in rows], result.mismatches, expected


def change_mismatch_id(result: Result) -> Forged:
    places = some("xid", [row["mismatch_id"] for row in result.mismatches])
    flags = [
        {**row, "mismatch_id": "x" + "0" * 16} if row["mismatch_id"] in places else row
        for row in result.mismatches
    ]
    expected = [{r["item_id"]} for r in result.mismatches if r["mismatch_id"] in places]
    return result.matches, flags, expected


def match_on_amount(result: Result) -> Forged:
    """Match credits that nothing explains with open payments of the same amount."""
    taken = {row["item_id"] for row in (*result.matches, *result.mismatches)}
    free: dict[int, list[Row]] = defaultdict(list)
    for pay in result.payments:
        waits = pay["status"] == "pending" and pay["payment_id"] not in taken
        if waits and pay["channel"] == "bank_transfer" and pay["kind"] == "payment":
            free[int(pay["amount"])].append(pay)
    amounts = {line["line_id"]: int(line["amount"]) for line in result.bank}
    matches, flags = list(result.matches), list[Row]()
    expected: list[set[str]] = []
    for row in result.mismatches:
        amount = amounts.get(row["item_id"], 0)
        unexplained = row["type"] == "unrecorded_receipt" and row["layer"] == "direct"
        if not unexplained or not free[amount] or len(expected) == PLACES:
            flags.append(row)
            continue
        common = {
            "layer": "direct",
            "rule": "narrative_reference_repaired",
            "confidence": "0.99",
            "amount": str(amount),
        }
        pay = free[amount].pop()
        new = renamed(
            [
                {**common, "item_kind": "bank", "item_id": row["item_id"]},
                {**common, "item_kind": "payment", "item_id": pay["payment_id"]},
            ]
        )
        matches += new
        expected.append({new[0]["match_id"]})
    return matches, flags, expected


FORGERIES = (
    swap, change_amount, drop_match, drop_row, double_row, drop_mismatch, call_unmatched,
    change_type, change_rule, change_id, change_mismatch_id, match_on_amount,
)  # fmt: skip


def test_a_sound_result_has_no_finding(sound: Result) -> None:
    verdict = judge(sound)
    assert verdict.findings == []
    assert verdict.unverified == 0


@pytest.mark.parametrize("way", FORGERIES, ids=lambda way: way.__name__)
def test_every_forged_place_is_found(sound: Result, way: Callable[[Result], Forged]) -> None:
    matches, mismatches, expected = way(sound)
    forged = forge(sound, matches, mismatches)
    found = judge(forged).findings
    items = {finding.item for finding in found}
    missed = [names for names in expected if not names & items]
    assert len(expected) >= 20, len(expected)
    assert missed == []
    assert check_figures(forged.summary, *held(forged)) == []


def held(result: Result) -> tuple[Population, list[Row], list[Row]]:
    population = population_of(result.payments, result.settlements, result.bank)
    return population, result.matches, result.mismatches


def test_every_code_says_what_the_contract_says() -> None:
    for code, contract in CONTRACT.items():
        assert str(Finding(code, "matches", 3, "m1", "so")) == (
            f"{code}  matches row 3  m1: {contract}; here so"
        )
