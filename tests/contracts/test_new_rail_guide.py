"""``docs/rails/new-rail.md`` is followed to the letter, and the rail it makes is judged.

In a copy of the project: what the page says is written is written where it says, a database is
migrated, and the contract suite runs on the new rail against its provider over real HTTP.
"""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.support.postgres import quick_folder

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/rails/new-rail.md").read_text(encoding="utf-8")
RIG = "tests/contracts/rigs/ferry.py"
CODE = re.compile(r"^```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(
    r"^(?:New file `(?P<new>[^`]+)`|In `(?P<old>[^`]+)`, below `(?P<below>[^`]+)`):\n\n"
    + CODE.pattern.removeprefix("^"),
    re.MULTILINE | re.DOTALL,
)
COPIED = ("adapters", "alembic", "app", "core", "docs", "payments", "reconciliation", "scheduler",
          "tests", "pyproject.toml")  # fmt: skip
LEFT = shutil.ignore_patterns("__pycache__", "node_modules", "static", "e2e", "golden", ".*_cache")
START, NOTICE, FORGED, QUERY, ANSWER = (
    f"test_gateways.py::{name}[ferry]"
    for name in (
        "test_start_gives_a_page_or_a_code",
        "test_a_success_is_told_with_amount_and_reference",
        "test_a_forged_notice_is_refused",
        "test_the_query_agrees_with_the_notice",
        "test_every_result_has_an_answer",
    )
)


def newest_revision() -> str:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "alembic"))
    return str(ScriptDirectory.from_config(config).get_current_head())


def follow(page: str, project: Path) -> list[Path]:
    """Do what the page says; return the files that are new."""
    newest = newest_revision()
    numbers = {"NNNN": f"{int(newest) + 1:04d}", "MMMM": newest}
    new = []
    for step in STEP.finditer(page):
        code, name = step["code"], step["new"] or step["old"]
        for placeholder, number in numbers.items():
            code, name = code.replace(placeholder, number), name.replace(placeholder, number)
        path = project / name
        if step["new"]:
            assert not path.exists(), f"{name} is there already"
            path.write_text(code, encoding="utf-8")
            new.append(path)
            continue
        text = path.read_text(encoding="utf-8")
        anchor = f"{step['below']}\n"
        assert text.count(f"\n{anchor}") == 1, f"{name} does not have once: {step['below']}"
        path.write_text(text.replace(f"\n{anchor}", f"\n{anchor}{code}"), encoding="utf-8")
    return new


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """Return a copy of the project in which the page was followed."""
    with TemporaryDirectory(prefix="doisoat-guide-", dir=quick_folder()) as folder:
        copy = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=LEFT)
            else:
                shutil.copy(ROOT / name, copy / name)
        follow(PAGE, copy)
        contracts = copy / "tests/contracts"
        shutil.copy(contracts / "ferry_rig.py", copy / RIG)
        shutil.copy(contracts / "ferry_wired.py", contracts / "test_ferry_wired.py")
        yield copy


def run(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={"PATH": "/usr/bin:/bin", "DOISOAT_VAR_DIR": str(project / "var")},
    )


def test_the_rail_is_under_150_lines_of_adapter_code() -> None:
    """Gateway, signature, registry and simulator together; empty lines are not counted."""
    counted: Counter[str] = Counter()
    for step in STEP.finditer(PAGE):
        lines = [line for line in step["code"].splitlines() if line.strip()]
        counted[step["new"] or step["old"]] += len(lines)

    assert sum(n for path, n in counted.items() if path.startswith("adapters/")) < 150
    assert {"adapters/gateways/ferry.py", "adapters/simulators/ferry.py"} <= counted.keys()
    assert max(len(line) for block in CODE.finditer(PAGE) for line in block[0].splitlines()) <= 100


def test_every_block_of_code_says_where_it_belongs() -> None:
    steps = [step["code"] for step in STEP.finditer(PAGE)]

    assert steps == [block["code"] for block in CODE.finditer(PAGE)]


def test_every_path_that_the_page_names_exists() -> None:
    made = {step["new"] for step in STEP.finditer(PAGE)} | {RIG}
    paths = set(re.findall(r"`((?:[a-z_]+/)+[a-z_0-9.]+(?:\.py|\.md|/))`", PAGE))

    assert len(paths) > 10
    assert [path for path in sorted(paths - made) if not (ROOT / path).exists()] == []


def test_the_new_rail_keeps_the_contract(project: Path) -> None:
    done = run(
        project, "-m", "pytest", "-v", "-p", "no:cacheprovider",
        "tests/contracts/test_gateways.py", "-k", "ferry",
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr
    ended = dict(re.findall(r"(test_gateways\.py::\S+\[ferry\]) (\S+)", done.stdout))
    assert set(ended.values()) <= {"PASSED", "N/A"}
    for needed in (START, NOTICE, FORGED, QUERY, ANSWER):
        assert ended[needed] == "PASSED", needed
    assert list(ended.values()).count("PASSED") >= 25


def test_the_new_rail_is_wired_like_the_others(project: Path) -> None:
    """Its migration goes up and down, contracts can be stored, it has a name, and is played."""
    done = run(
        project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not postgres",
        "tests/integration/test_migrations.py", "tests/contracts/test_ferry_wired.py",
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr


def test_the_guides_code_is_clean(project: Path) -> None:
    new = [step["new"] for step in STEP.finditer(PAGE) if step["new"]]
    files = [name for name in new if "NNNN" not in name]
    ruff = Path(sys.executable).parent / "ruff"
    if not ruff.exists():
        pytest.skip("ruff is not installed beside this Python")
    done = subprocess.run(
        # What costs the page a line each and teaches nothing about rails.
        [str(ruff), "check", "--no-cache", "--extend-ignore", "ARG002,PLR2004,TRY301", *files],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout
