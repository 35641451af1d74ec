"""The simulators as one real process: a browser's forms, time by itself, and a kill."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from adapters.gateways.vietqr import build_vietqr
from adapters.http import create_client
from core.money import Money
from tests.contracts.rigs.rig import ACCOUNT, BANK_BIN, MONDAY
from tests.contracts.rigs.serving import free_listener
from tests.contracts.rigs.world import World, open_world

ROOT = Path(__file__).parents[2]
CODE = build_vietqr(BANK_BIN, ACCOUNT, Money(150_000), "MC1234567ABC LE PHI")
PROGRAM = textwrap.dedent(
    """
    import sys
    from datetime import datetime
    from pathlib import Path
    from adapters.simulators.server import run_server
    from tests.contracts.rigs.all_parties import all_simulators

    port, state, now = int(sys.argv[1]), Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
    run_server(all_simulators(f"http://127.0.0.1:{port}", state, lambda: now), port=port)
    """
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with open_world("vietqr", tmp_path) as opened:
        yield opened


def test_a_browser_pays_a_code_on_the_banks_page(world: World) -> None:
    scan = f"{world.base}/sim/bank/scan"
    empty = world.client.get(scan)
    shown = world.client.get(scan, params={"payload": CODE})
    form = {
        "payload": CODE,
        "shown_at": MONDAY.isoformat(),
        "amount": "150000",
        "purpose": "MC1234567ABC LE PHI",
        "payer_name": "TRAN THI B",
    }
    for _ in range(2):
        done = world.client.post(scan, data=form)
        assert done.status_code == 200

    lines = world.client.get(f"{world.base}/sim/bank/_control/lines/{ACCOUNT}/2026-03-02").json()
    assert "<textarea" in empty.text
    assert 'value="150000"' in shown.text
    assert "UBND PHUONG MONG CAI 1" in shown.text
    assert [line["amount"] for line in lines["lines"]] == [150_000]
    assert lines["closing"] - lines["opening"] == 150_000
    assert lines["lines"][0]["counterparty_name"] == "TRAN THI B"


@pytest.mark.parametrize("payload", ["junk", '"><script>alert(1)</script>', CODE[:-1] + "_"])
def test_the_page_shows_a_bad_code_as_an_error(world: World, payload: str) -> None:
    shown = world.client.get(f"{world.base}/sim/bank/scan", params={"payload": payload})

    assert shown.status_code == 422
    assert "<script>alert" not in shown.text


def test_other_bookings_by_the_control_api(world: World) -> None:
    booking = {
        "entry_id": "fee-1",
        "account": ACCOUNT,
        "amount": -5_500,
        "narrative": "PHI QUAN LY TAI KHOAN",
    }
    url = f"{world.base}/sim/bank/_control/bookings"

    assert (
        world.client.post(url, json=booking).json() == world.client.post(url, json=booking).json()
    )
    assert (
        world.client.post(url, json={**booking, "entry_id": "2", "account": "0"}).status_code == 404
    )


@contextmanager
def running(port: int, state: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", PROGRAM, str(port), str(state), MONDAY.isoformat()]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # noqa: TID251 - starts a real program
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        with create_client(timeout_seconds=1) as client:
            for _ in range(200):
                try:
                    client.get(f"http://127.0.0.1:{port}/_control/health")
                except httpx2.TransportError:
                    time.sleep(0.05)
                else:
                    break
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_killed_process_still_knows_its_lines_and_stops_cleanly(tmp_path: Path) -> None:
    listener, port = free_listener()
    listener.close()
    bank = f"http://127.0.0.1:{port}/bank"
    with create_client() as client:
        with running(port, tmp_path) as process:
            for number in range(5):
                body = {"payload": CODE, "transfer_id": f"t{number}"}
                client.post(f"{bank}/_control/transfers", json=body)
            process.send_signal(signal.SIGKILL)
            process.wait()
        with running(port, tmp_path) as process:
            found = client.get(f"{bank}/_control/lines/{ACCOUNT}/2026-03-02").json()["lines"]
            process.send_signal(signal.SIGINT)
            ended = process.wait(timeout=10)

    assert len(found) == 5
    assert len({line["bank_ref"] for line in found}) == 5
    assert ended in {0, -signal.SIGINT}
