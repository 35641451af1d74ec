"""What the readers find in narratives, and what they leave alone."""

import random

import pytest

from payments.references import new_reference
from reconciliation.matching.arrays import text_array
from reconciliation.matching.dossiers import DossierReader
from reconciliation.matching.narrative import PayoutReader, Text
from reconciliation.matching.references import Reading, ReferenceReader

RNG = random.Random(3)
BILLS = [new_reference("MC", RNG.randrange) for _ in range(300)]
READER = ReferenceReader(BILLS, "MC")
UNKNOWN = new_reference("MC", RNG.randrange)


def read(narrative: str) -> Reading:
    return READER.read([narrative])[0]


@pytest.mark.parametrize(
    "narrative",
    [
        "THANH TOAN PHI {c}",
        "nop phi {lower} cam on",
        "PHI{c}TRANTHUHANH",
        "PHI {spaced}",
        "MBVCB.123.456.{c}.CT tu 0123456789",
        "123456789012-{c}-CHUYEN TIEN-OQCH12345678",
        "O@L_214740_0_0_{c}_",
        "ĐẶNG NỘP PHÍ {c}",
        "{c}01 lan 2",
    ],
)
def test_a_whole_reference_is_exact(narrative: str) -> None:
    code = BILLS[7]
    said = narrative.format(c=code, lower=code.lower(), spaced=" ".join(code))
    assert read(said).exact == (7,)


def test_two_whole_references_are_both_read() -> None:
    assert read(f"{BILLS[4]}, {BILLS[2]}").exact == (2, 4)


def test_a_whole_reference_of_no_bill_is_unknown_and_repairs_to_nothing() -> None:
    assert read(f"NOP PHI {UNKNOWN}") == Reading(unknown=(UNKNOWN[2:],))


@pytest.mark.parametrize("narrative", ["", "CHUYEN TIEN", "MC", "MC 12", "THANG 3 2026", "🙂"])
def test_text_without_reference_names_nothing(narrative: str) -> None:
    assert read(narrative) == Reading()


def test_numbers_that_look_like_references_name_nothing() -> None:
    rng = random.Random(11)
    for _ in range(2_000):
        digits = "".join(rng.choice("0123456789") for _ in range(30))
        reading = read(f"MC{digits} TK {digits}")
        assert not reading.exact
        assert not reading.repaired


def test_random_words_after_the_prefix_almost_never_name_a_bill() -> None:
    """700 · N / 32^10 expects 2e-10 per window at 300 bills: none in five thousand."""
    rng = random.Random(12)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    for _ in range(5_000):
        text = "MC" + "".join(rng.choice(alphabet) for _ in range(20))
        assert not read(text).repaired


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_truncated_reference_is_repaired_at_the_end_of_the_narrative(lost: int) -> None:
    assert read(f"NOP PHI THU TUC {BILLS[9][:-lost]}").repaired == (9,)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_reference_cut_at_the_start_of_the_narrative_is_repaired(lost: int) -> None:
    assert read(f"{BILLS[9][2 + lost :]} CHUYEN TIEN").repaired == (9,)


def test_a_symbol_glued_behind_may_make_it_another_bills_reference() -> None:
    reader = ReferenceReader(["MC0ARMHJ4FE0", "MC00ARMHJ4FE"], "MC")
    assert reader.read(["NOP PHI MC00ARMHJ4FE0 HO SO"]) == [Reading(repaired=(0, 1))]
    assert reader.read(["NOP PHI MC00ARMHJ4FE 0 HO SO"]) == [Reading((1,), repaired=(0,))]
    assert reader.read(["NOP PHI MC00ARMHJ4FEHO SO"]) == [Reading(exact=(1,))]
    assert ReferenceReader(["MC00ARMHJ4FE"], "MC").read(["MC00ARMHJ4FE0"]) == [Reading((0,))]


def test_four_lost_symbols_are_too_many() -> None:
    assert not read(f"NOP PHI {BILLS[9][:-4]}").repaired
    assert not read(f"{BILLS[9][6:]} CHUYEN TIEN").repaired


def test_a_cut_end_with_a_wrong_symbol_is_repaired_while_the_code_can() -> None:
    code = BILLS[9]
    wrong = "A" if code[4] != "A" else "B"
    assert read(f"PHI {code[:4]}{wrong}{code[5:-1]}").repaired == (9,)


def test_two_wrong_symbols_are_not_repaired() -> None:
    code = BILLS[9]
    other = ["A" if symbol != "A" else "B" for symbol in code]
    assert not read(f"PHI {code[:3]}{other[3]}{code[4:8]}{other[8]}{code[9:]} X").repaired


def test_references_of_another_shape_stand_as_words() -> None:
    reader = ReferenceReader(["OLD-77001", "MCBROKEN"], "MC")
    broken, whole = reader.read(["nop phi OLD-77001", "nop phi OLD77001"])
    assert broken.exact == ()
    assert whole.exact == (0,)


def test_dossier_codes_are_found_with_and_without_separators() -> None:
    reader = DossierReader(["H49.61-260324-0024", "000.00.41.H49-230105-0007"])
    for text in ("H49.61-260324-0024", "h49 61 260324 0024", "HOSOH49612603240024 x"):
        assert reader.read([text]) == [((0,),)]
    assert reader.read(["HS 000.00.41.H49-230105-0007."]) == [((1,),)]


def test_a_longer_number_is_another_dossier() -> None:
    reader = DossierReader(["H49.61-260324-1041", "H49.61-260324-10415"])
    assert reader.read(["H49.61-260324-10415 cam on"]) == [((1,),)]
    assert reader.read(["H49.61-260324-10419 cam on"]) == [()]
    assert reader.read(["H49.61-260324-1041 cam on"]) == [((0,),)]


def test_a_dossier_at_the_narratives_end_may_have_lost_digits() -> None:
    reader = DossierReader(["H49.61-260324-1041", "H49.61-260324-10415"])
    assert reader.read(["HS H49.61-260324-1041"]) == [((0, 1),)]


def test_a_dossier_behind_other_digits_is_not_read_into_them() -> None:
    reader = DossierReader(["000.00.41.H49-230105-0007"])
    assert reader.read(["TK 99000.00.41.H49-230105-0007"]) == [()]


def test_payout_ids_are_found_whole() -> None:
    reader = PayoutReader(["MO20260302", "MO2026030", "po_1NxYz77"])
    assert reader.read(Text.of("TT DOI SOAT MO20260302 NGAY"), from_provider=False) == (0,)
    assert reader.read(Text.of("tt mo2026 0302"), from_provider=False) == (0,)
    assert reader.read(Text.of("MO20260302MO2026030"), from_provider=False) == (0, 1)
    assert reader.read(Text.of("MO202603021"), from_provider=True) == ()
    assert reader.read(Text.of("PAYOUT PO_1NXYZ77"), from_provider=False) == (2,)


def test_numeric_payout_ids_count_only_as_words_in_a_providers_credit() -> None:
    reader = PayoutReader(["20260302", "P7"])
    assert reader.read(Text.of("NGAY 20260302 P7"), from_provider=False) == ()
    assert reader.read(Text.of("NGAY 20260302 P7"), from_provider=True) == (0, 1)
    assert reader.read(Text.of("NGAY 120260302"), from_provider=True) == ()


def test_the_cheap_look_finds_every_place_where_an_id_may_stand() -> None:
    reader = PayoutReader(["MO20260302"])
    texts = text_array(["tt doi soat m.o 2 0 260302", "nop phi MC1234567XFJ", "ＭＯ２０２６"])
    assert reader.may_stand_in(texts).tolist() == [True, False, True]
    assert not PayoutReader([]).may_stand_in(texts).any()
