"""Application and scheduler are killed at seeded moments: afterwards all is as undisturbed."""

import random
from pathlib import Path

import pytest

from app.demo.fingerprint import differences
from app.demo.scenes import count_steps, make_scenes
from tests.support.demo import demo_fingerprint, play_demo

pytestmark = pytest.mark.e2e

SEED = 20261005


def _kills(days: int, count: int) -> str:
    """Return ``count`` kills at seeded steps, every third of them the scheduler's."""
    drawn = random.Random(SEED).sample(range(2, count_steps(make_scenes(days)) * 9 // 10), count)
    names = ("app", "scheduler", "app")
    return ",".join(f"{names[i % 3]}:{step}" for i, step in enumerate(sorted(drawn)))


def _same_after_kills(folder: Path, *, days: int, count: int) -> None:
    undisturbed = play_demo(folder / "undisturbed", days, patience_seconds=600)
    assert undisturbed.returncode == 0, undisturbed.stdout + undisturbed.stderr
    killed = play_demo(
        folder / "killed", days, patience_seconds=2400, DOISOAT_DEMO_KILL=_kills(days, count)
    )
    assert killed.returncode == 0, killed.stdout + killed.stderr
    assert killed.stdout.count("Killed ") == count, killed.stdout
    one, other = demo_fingerprint(folder / "undisturbed"), demo_fingerprint(folder / "killed")
    assert differences(one, other) == []


def test_three_kills_change_nothing(tmp_path: Path) -> None:
    _same_after_kills(tmp_path, days=2, count=3)


@pytest.mark.slow
def test_thirty_kills_change_nothing(tmp_path: Path) -> None:
    _same_after_kills(tmp_path, days=10, count=30)
