"""Two installations that came to the same have the same fingerprint, whatever their ids."""

from app.demo.fingerprint import differences


def _fingerprint() -> dict[str, object]:
    return {
        "bills": [["H49", "paid", 1000], ["H50", "open", 0]],
        "balances": {"990001": {"receivable": 5, "suspense": -5}},
        "matches": [["direct", ["payment 1", "bank 1"]], ["direct", ["payment 1", "bank 1"]]],
    }


def test_equal_fingerprints_do_not_differ() -> None:
    assert differences(_fingerprint(), _fingerprint()) == []


def test_a_changed_balance_is_named_on_both_sides() -> None:
    other = _fingerprint()
    other["balances"] = {"990001": {"receivable": 6, "suspense": -5}}

    assert differences(_fingerprint(), other) == [
        "balances: only left: 990001 receivable 5",
        "balances: only right: 990001 receivable 6",
    ]


def test_how_often_counts() -> None:
    other = _fingerprint()
    other["matches"] = [["direct", ["payment 1", "bank 1"]]]

    found = differences(_fingerprint(), other)

    assert found == ['matches: only left: ["direct", ["payment 1", "bank 1"]]']


def test_a_missing_part_is_a_difference() -> None:
    other = _fingerprint()
    del other["bills"]

    assert len(differences(_fingerprint(), other)) == 2
