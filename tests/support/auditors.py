"""Other people's programs that read what we export, each in an environment of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest

ENVIRONMENT = Path(__file__).parents[2] / ".venv-auditors" / "bin"


def hledger(*words: object) -> subprocess.CompletedProcess[str]:
    """Run hledger (GPL, from the system's packages), or skip with a message."""
    found = shutil.which("hledger")
    if found is None:
        pytest.skip("hledger is not installed: make test-tools")
    return _run(found, *words)


def auditor(name: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run a program of the auditors' environment, or skip with a message."""
    program = ENVIRONMENT / name
    if not program.exists():
        pytest.skip(f"{name} is not installed: make test-tools")
    return _run(program, *words)


def _run(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in words], check=False, capture_output=True, text=True, timeout=120
    )
