"""The demonstration as the real command plays it, and its fingerprint afterwards."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from app.demo.fingerprint import take_fingerprint
from core.db import make_engine, reading
from core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOISOAT = Path(sys.executable).parent / "doisoat"


def free_port() -> int:
    """Return a port that is free together with the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def demo_command(*options: str) -> list[str]:
    """Return the command line of a demonstration on free ports."""
    return [str(DOISOAT), "demo", "--port", str(free_port()), *options]


def demo_environment(var: Path, **more: str) -> dict[str, str]:
    """Return the environment of a demonstration that lives in ``var``."""
    inherited = os.environ.items()  # noqa: TID251 - a child needs the rest of it
    clean = {key: value for key, value in inherited if not key.startswith("DOISOAT_")}
    return clean | {"DOISOAT_VAR_DIR": str(var)} | more


def play_demo(
    var: Path, days: int, *, patience_seconds: int = 240, **more: str
) -> subprocess.CompletedProcess[str]:
    """Play ``days`` fee days to their end and return what was printed."""
    return subprocess.run(
        demo_command("--days", str(days), "--no-stay"),
        env=demo_environment(var, **more),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience_seconds,
        check=False,
    )


def demo_fingerprint(var: Path) -> dict[str, Any]:
    """Return bills, balances, matches and mismatches of a played demonstration."""
    engine = make_engine(Settings(var_dir=var).database)
    with reading(engine) as session:
        taken = take_fingerprint(session)
    engine.dispose()
    return taken
