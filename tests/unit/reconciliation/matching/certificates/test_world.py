"""On a generated world every decision has a certificate, and what it states is so."""

from pathlib import Path

import pytest

from benchmarks.matching.generate import write
from reconciliation import interchange
from reconciliation.matching.certificates.certify import Certifier
from reconciliation.matching.certificates.model import Certificate
from reconciliation.matching.engine import run
from reconciliation.matching.model import MatchInputs, Rule
from reconciliation.states import Layer, MismatchType
from tests.support.certificate_checks import Checker
from tests.support.labelled import build, inputs_of

PROOF = {
    Rule.TXN_ID: {"txn_id.equal"},
    Rule.TXN_ID_PARTS: {"txn_id.equal"},
    Rule.BILL_REFERENCE: {"reference.field"},
    Rule.PAYOUT_ID: {"payout.id"},
    Rule.PAYOUT_SUM: {"payout.sender", "payout.combination.payouts", "payout.combination.credits"},
    Rule.BANK_REFERENCE: {"bank_ref.equal"},
    Rule.NARRATIVE_REFERENCE: {"reference.whole"},
    Rule.NARRATIVE_REFERENCE_PARTS: {"reference.whole"},
    Rule.NARRATIVE_REFERENCE_BILLS: {"reference.narrative"},
    Rule.NARRATIVE_REFERENCE_REPAIRED: {"reference.narrative", "dossier.read", "dossier.cut"},
    Rule.DOSSIER_CODE: {"dossier.read", "dossier.cut"},
}
"""What has to be stated of each line, one of these."""


Certified = tuple[Checker, list[Certificate]]


def generated(folder: Path) -> MatchInputs:
    """All kinds of noise among plain payments, in files."""
    write(folder, 2_000, 7, share=0.9)
    paths = (folder / f"{name}.csv" for name in ("payments", "settlements", "bank"))
    files = interchange.InputFiles(*paths, contracts=folder / "contracts.json")
    return interchange.read_inputs(files)[0]


def many_payouts(_: Path) -> MatchInputs:
    """Few providers and many payouts, paid in every way."""
    return inputs_of(build(2026, size=6))


@pytest.fixture(scope="module", params=[generated, many_payouts])
def certified(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Certified:
    inputs = request.param(tmp_path_factory.mktemp("world"))
    result = run(inputs)
    certifier = Certifier(inputs, result)
    decisions = [*certifier.records.matches, *certifier.records.mismatches]
    found = [certifier.certificates(one) for one in decisions]
    assert all(len(one) == 1 for one in found)
    assert len(found) == result.summary["matches"] + sum(result.summary["mismatches"].values())
    return Checker(inputs, result), [certificate for (certificate,) in found]


def test_what_certificates_state_is_true_of_the_inputs(
    certified: Certified,
) -> None:
    checker, certificates = certified
    for certificate in certificates:
        checker.check(certificate)
    assert len(checker.sorts) > 45, sorted(checker.sorts)


def test_the_world_has_every_rule_and_every_type(
    certified: Certified,
) -> None:
    because = {certificate.because for certificate in certified[1]}
    absent = {*map(str, Rule), *map(str, MismatchType)} - because
    # scenes of their own show these
    assert absent <= {"bank_reference", "payout_sum", "payout_mismatch"}


def test_every_line_of_a_match_has_its_evidence(
    certified: Certified,
) -> None:
    for certificate in certified[1]:
        if not certificate.is_match:
            continue
        side = "settlement" if certificate.layer is Layer.PROVIDER else "bank"
        lines = {item.id for item in certificate.items if item.kind == side}
        wanted = PROOF[Rule(certificate.because)]
        proved = {
            finding.parameters["line"] for finding in certificate.evidence if finding.code in wanted
            and "line" in finding.parameters
        }  # fmt: skip
        assert proved == lines, certificate
        assert any(finding.code.startswith("sum.") for finding in certificate.evidence)


def test_every_repaired_match_says_what_was_repaired(
    certified: Certified,
) -> None:
    for certificate in certified[1]:
        if certificate.because == Rule.NARRATIVE_REFERENCE_REPAIRED:
            codes = {finding.code for finding in certificate.evidence}
            assert any(code.startswith(("repair.", "dossier.")) for code in codes), certificate


def test_every_mismatch_has_evidence(certified: tuple[Checker, list[Certificate]]) -> None:
    assert [c.id for c in certified[1] if not c.evidence] == []


def test_every_ambiguity_says_what_else_fits(
    certified: Certified,
) -> None:
    for certificate in certified[1]:
        if certificate.because == MismatchType.AMBIGUOUS:
            codes = {finding.code for finding in certificate.evidence}
            assert codes & {"ambiguous.count", "ambiguous.bills", "ambiguous.payouts"}, certificate
