"""Where a reference stands in a text, and how each kind of damage is named."""

import pytest

from payments.references import encode
from reconciliation.matching.certificates.sightings import find_reference
from reconciliation.matching.certificates.streams import find_dossier, find_payout_id
from reconciliation.matching.references import ReferenceReader

CODE = encode("", [1, 2, 3, 4, 5, 6, 7])
REF = "MC" + CODE
WRONG = CODE[:3] + "Z" + CODE[4:]
SWAPPED = CODE[:4] + CODE[5] + CODE[4] + CODE[6:]


def test_the_code_of_these_scenes_is_that_of_the_contract() -> None:
    assert CODE == "1234567XFJ"


@pytest.mark.parametrize(
    ("text", "said", "repairs"),
    [
        (f"phi {REF} nhe", REF, {}),
        (f"phi MC{WRONG}", f"MC{WRONG}", {"wrong": {"place": "4", "was": "Z", "meant": "4"}}),
        (
            f"phi MC{SWAPPED}",
            f"MC{SWAPPED}",
            {"swapped": {"place": "5", "other": "6", "was": "65", "meant": "56"}},
        ),
        (
            f"phi MC{CODE[:6]}K{CODE[6:]} x",
            f"MC{CODE[:6]}K{CODE[6:]}",
            {"added": {"place": "7", "was": "K"}},
        ),
        (
            f"MC{CODE[:2]}{CODE[3:]}",
            f"MC{CODE[:2]}{CODE[3:]}",
            {"dropped": {"place": "3", "meant": "3"}},
        ),
        (f"phi MC{CODE[:7]}", f"MC{CODE[:7]}", {"cut_end": {"count": "3", "meant": "XFJ"}}),
        (f"{CODE[3:]} phi", CODE[3:], {"cut_start": {"count": "5", "meant": "MC123"}}),
        (f"phi {CODE} x", CODE, {"prefix_lost": {"lost": "MC", "prefix": "MC"}}),
        (f"phi C{CODE} x", f"C{CODE}", {"prefix_lost": {"lost": "M", "prefix": "MC"}}),
        (f"phi NC{CODE} x", f"NC{CODE}", {"prefix_damaged": {"was": "NC", "prefix": "MC"}}),
        (f"phi CM{CODE} x", f"CM{CODE}", {"prefix_damaged": {"was": "CM", "prefix": "MC"}}),
        (
            f"phi M{CODE[0]}C{CODE[1:]} x",
            f"M{CODE[0]}C{CODE[1:]}",
            {"prefix_swapped": {"was": "M1C", "meant": "MC1"}},
        ),
        (f"phi MC{CODE[:-1]} {CODE[-1]}OI", f"MC{CODE[:-1]} {CODE[-1]}", {"runs_on": {}}),
        (
            f"phi MC{WRONG[:-1]}",
            f"MC{WRONG[:-1]}",
            {
                "wrong": {"place": "4", "was": "Z", "meant": "4"},
                "cut_end": {"count": "1", "meant": "J"},
            },
        ),
    ],
)  # fmt: skip
def test_each_damage_is_named_where_it_is(
    text: str, said: str, repairs: dict[str, dict[str, str]]
) -> None:
    found = find_reference(text, REF, "MC")
    assert found is not None
    assert found.text == said == text[found.start : found.end]
    assert {f.code.removeprefix("repair."): dict(f.parameters) for f in found.repairs} == repairs
    assert found.is_whole == (not repairs)


@pytest.mark.parametrize(
    "text", [f"phi MC{WRONG[:5]}Q{WRONG[6:]}", "phi", "", f"phi MC{CODE[:6]}", f"x{CODE[4:]} phi"]
)
def test_more_damage_is_no_sighting_as_it_is_no_reading(text: str) -> None:
    assert find_reference(text, REF, "MC") is None
    (reading,) = ReferenceReader([REF], "MC").read([text])
    assert not reading.exact
    assert not reading.repaired


def test_the_spelling_is_told_apart_from_damage() -> None:
    found = find_reference("phí mc i234567-xfj", REF, "MC")
    assert found is not None
    assert found.text == "mc i234567-xfj"
    assert found.is_whole
    assert [(f.code, f.parameters["was"], f.parameters["read"]) for f in found.folding] == [
        ("folding.separators", "mc i234567-xfj", REF),
        ("folding.look_alike", "I", "1"),
        ("folding.letters", "mc i234567-xfj", REF),
    ]


def test_the_least_damaged_place_is_the_evidence() -> None:
    found = find_reference(f"MC{WRONG} {REF}", REF, "MC")
    assert found is not None
    assert (found.start, found.is_whole) == (len(REF) + 1, True)


def test_a_reference_of_an_older_system_is_a_token_of_its_own() -> None:
    assert find_reference("phi HD-2024 x", "HD2024", "MC") is None
    found = find_reference("phi HD2024 x", "HD2024", "MC")
    assert found is not None
    assert found.text == "HD2024"


def test_a_payout_id_is_found_across_separators_and_not_inside_a_longer_number() -> None:
    assert find_payout_id("doi soat vn2026 0302", "VN20260302") == (9, 20)
    assert find_payout_id("TT VN202603021", "VN20260302") is None
    assert find_payout_id("TT 12345 x", "1234") is None


def test_a_dossier_code_may_lack_its_end_only_where_the_narrative_ends() -> None:
    code = "H49.24-260315-000131"
    assert find_dossier("phi h4924260315000131 x", code) == (4, 21, 0)
    assert find_dossier("phi H49.24-260315-0001", code) == (4, 22, 2)
    assert find_dossier("phi H49.24-260315-0001 x", code) is None
