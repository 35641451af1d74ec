"""The benchmark of the matcher as a program, at a tiny size."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_race_grades_everybody_and_the_matcher_is_clean(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "benchmarks.matching.race", "--sizes", "600", "1200"),
            *("--rounds", "1", "--only", "floor", "cascade", "doisoat"),
            *("--folder", tmp_path, "--json", figures),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for size in ("600", "1200"):
        ones = json.loads(figures.read_text(encoding="utf-8"))["sizes"][size]
        assert [*ones] == ["floor", "cascade", "doisoat"]
        assert all(one["cpu"] > 0 and one["peak"] > 10 for one in ones.values())
        ours, naive = ones["doisoat"], ones["cascade"]
        assert (ours["false"], ours["lost"], ours["counted_twice"]) == (0, 0, 0)
        assert ours["found"] == ours["required"] > 300
        assert ours["flags_right"] == ours["flags_required"] > 100
        assert 0 < naive["found"] < ours["found"]
        assert naive["false"] > 0
    assert "cost per payment at 1,200 over 600, doisoat" in done.stdout


def test_a_contestant_that_fails_is_said_to_and_stops_nobody(tmp_path: Path) -> None:
    from benchmarks.matching.contest import Contestant, run  # noqa: PLC0415

    broken = Contestant(
        "broken", "", lambda _, __: [sys.executable, "-c", "raise SystemExit('no')"]
    )
    slow = Contestant("slow", "", lambda _, __: ["sleep", "30"])
    assert run(broken, tmp_path, tmp_path, timeout=20).failed == "no"
    assert run(slow, tmp_path, tmp_path, timeout=0.5).failed == "not finished in 0 s"
