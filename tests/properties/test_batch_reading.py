"""Many narratives read at once are read as each of them is alone."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.references import ALPHABET, new_reference
from reconciliation.matching.dossiers import DossierReader
from reconciliation.matching.narrative import Text
from reconciliation.matching.references import ReferenceReader
from tests.support.plain_reader import PlainDossierReader, PlainReader

WORDS = ("NOP PHI", "mbvcb.123.456.", "Đặng", "HO SO 12", "\u200b", "１２", "0901234567", "-", " ")
ODD = ["OLD-77001", "MCBROKEN"]


def _spoil(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    other = rng.choice(ALPHABET + "OILU .-")
    return rng.choice(
        (
            text,
            text.lower(),
            text[:at],
            text[at:],
            text[:at] + text[at + 1 :],
            text[:at] + other + text[at:],
            text[:at] + other + text[at + 1 :],
            text[:at] + text[at : at + 2][::-1] + text[at + 2 :],
            " ".join(text),
        )
    )


def _narrative(rng: random.Random, bills: list[str]) -> str:
    parts: list[str] = []
    for _ in range(rng.randrange(1, 4)):
        parts.append(rng.choice(WORDS))
        parts.append(_spoil(rng, _spoil(rng, rng.choice(bills))))
    return rng.choice(("", " ")).join(parts)


@pytest.mark.parametrize("prefix", ["MC", "HCM", "X"])
@given(seed=st.integers(0, 2**32))
def test_a_batch_reads_what_each_narrative_says_alone(prefix: str, seed: int) -> None:
    rng = random.Random(seed)
    bills = [new_reference(prefix, rng.randrange) for _ in range(20)] + ODD
    bills += [f"{prefix}0ARMHJ4FE0", f"{prefix}00ARMHJ4FE"]  # one is the other with one too many
    strangers = [new_reference(prefix, rng.randrange) for _ in range(3)]
    narratives = [_narrative(rng, bills + strangers) for _ in range(40)]
    plain = PlainReader(bills, prefix)
    batch = ReferenceReader(bills, prefix).read(narratives)
    for narrative, reading in zip(narratives, batch, strict=True):
        assert reading == plain.read(Text.of(narrative)), narrative


@given(seed=st.integers(0, 2**32))
def test_dossier_codes_are_found_as_one_by_one(seed: int) -> None:
    rng = random.Random(seed)
    offices = ("H49.61", "000.00.41.H49", "Đ12-", "7", "2026")
    codes = sorted(
        {
            f"{rng.choice(offices)}-26{rng.randrange(99)}-{rng.randrange(10 ** rng.randrange(5))}"
            for _ in range(rng.randrange(1, 60))
        }
    )
    texts = []
    for _ in range(40):
        parts = [_spoil(rng, rng.choice([*codes, *WORDS])) for _ in range(rng.randrange(1, 4))]
        texts.append(rng.choice(("", " ", "HS")).join(parts))
    plain = PlainDossierReader(codes)
    assert DossierReader(codes).read(texts) == [plain.read(Text.of(text)) for text in texts]
