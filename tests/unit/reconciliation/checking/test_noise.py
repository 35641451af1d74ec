"""A result of every kind of noise that the generator knows has no finding."""

from pathlib import Path

import pytest

from benchmarks.matching.generate import write
from reconciliation import interchange
from reconciliation.checking.verdict import verify
from reconciliation.matching import engine


@pytest.mark.parametrize("seed", [3, 2026])
def test_every_match_of_a_noisy_world_is_verified_again(tmp_path: Path, seed: int) -> None:
    write(tmp_path, 3_000, seed, share=0.9)
    paths = {name: tmp_path / f"{name}.csv" for name in ("payments", "settlements", "bank")}
    paths["contracts"] = tmp_path / "contracts.json"
    inputs, digests = interchange.read_inputs(interchange.InputFiles(**paths))
    result = engine.run(inputs)
    summary = interchange.summary_document(result, engine="local", inputs=digests)
    interchange.write_result(tmp_path / "result", result, summary)
    verdict = verify(tmp_path / "result", paths)
    assert verdict.findings == []
    assert verdict.unverified == 0
    assert verdict.matches > 1_000
