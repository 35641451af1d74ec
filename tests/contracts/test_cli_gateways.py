"""``doisoat gateways vectors`` as a program: a table or JSON, and its exit statuses."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapters.gateways import vnpay_signing
from adapters.gateways.vectors_file import MAX_VECTORS_BYTES
from adapters.gateways.vietqr import build_vietqr
from core.money import Money

ROOT = Path(__file__).resolve().parents[2]
SHARED = next(
    (
        path
        for parent in ROOT.parents
        if (path := parent / "shared" / "rails" / "vectors.json").exists()
    ),
    None,
)
INPUTS = {"vnp_Amount": "1000000", "vnp_ResponseCode": "00", "vnp_TxnRef": "MC1234567ABC-1"}
TEXT = vnpay_signing.encode_query(INPUTS)
SIGNED = {
    "name": "result",
    "group": "vnpay",
    "inputs": INPUTS,
    "string_to_sign": TEXT,
    "secret": "key",
    "expected": vnpay_signing.hmac_sha512(TEXT, "key"),
    "verified": True,
}
CODE = build_vietqr("970436", "0071000123456", Money(150_000), "MC1234567ABC")


def vectors(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from app.cli import main; main()"]
    return subprocess.run(
        [*program, "gateways", "vectors", str(path), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def file_of(folder: Path, *entries: dict[str, Any]) -> Path:
    path = folder / "vectors.json"
    path.write_text(json.dumps({"vectors": entries}), encoding="utf-8")
    return path


def test_what_holds_ends_with_0_and_says_what_was_not_checked(tmp_path: Path) -> None:
    done = vectors(file_of(tmp_path, SIGNED, {**SIGNED, "group": "pigeon", "name": "bird"}))

    head, first, second, summary = done.stdout.splitlines()
    assert done.returncode == 0
    assert done.stderr == ""
    assert head.split() == ["name", "group", "what", "it", "is", "result", "note"]
    assert first.split() == ["result", "vnpay", "verified", "holds"]
    assert "not checked" in second
    assert summary == "2 vectors; 0 failed; verified: 1 holds, 1 not checked"


def test_a_flipped_byte_of_a_verified_value_ends_with_1(tmp_path: Path) -> None:
    wrong = f"{int(SIGNED['expected'][0], 16) ^ 1:x}{SIGNED['expected'][1:]}"
    done = vectors(file_of(tmp_path, SIGNED, {**SIGNED, "expected": wrong}))

    assert done.returncode == 1
    assert "differs (FAILS)" in done.stdout
    assert "2 vectors; 1 failed" in done.stdout


def test_a_value_nobody_published_may_differ_and_is_said_to(tmp_path: Path) -> None:
    changed = {"expected": "00", "verified": False, "computed_only": True}
    done = vectors(file_of(tmp_path, {**SIGNED, **changed}))

    assert done.returncode == 0
    assert "computed only: 1 differs" in done.stdout


@pytest.mark.parametrize("mark", ["crc_valid", "tlv_wellformed", "napas_structure_ok"])
def test_a_sound_code_marked_as_wrong_ends_with_1(tmp_path: Path, mark: str) -> None:
    entry = {
        "name": "code",
        "group": "vietqr",
        "inputs": {"payload": CODE},
        "expected": CODE[-4:],
        "verified": False,
        mark: False,
    }
    assert vectors(file_of(tmp_path, entry)).returncode == 1


def test_programs_get_one_object(tmp_path: Path) -> None:
    done = vectors(file_of(tmp_path, SIGNED, {**SIGNED, "expected": "00"}), "--json")

    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert done.stdout.count("\n") == 1
    assert [one["result"] for one in told["vectors"]] == ["holds", "differs"]
    assert [one["fails"] for one in told["vectors"]] == [False, True]
    assert set(told["vectors"][0]) == {"name", "group", "standing", "result", "fails", "note"}
    assert told["summary"] == {
        "vectors": 2,
        "failed": 1,
        "by_standing": {"verified": {"differs": 1, "holds": 1}},
    }


@pytest.mark.parametrize("content", [b"", b"{}", b'{"vectors": [{}]}', b"\xff"])
def test_an_unusable_file_is_one_line_and_3(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "vectors.json"
    path.write_bytes(content)
    done = vectors(path)

    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert str(path) in done.stderr


def test_a_file_that_is_not_there_or_too_long_is_one_line_and_3(tmp_path: Path) -> None:
    long = tmp_path / "long.json"
    with long.open("wb") as opened:
        opened.truncate(MAX_VECTORS_BYTES + 1)
    for path in (tmp_path / "none.json", tmp_path, long):
        done = vectors(path)
        assert done.returncode == 3
        assert done.stderr.count("\n") == 1


def test_the_published_file_passes() -> None:
    if SHARED is None:
        pytest.skip("no published vectors beside the checkout")
    done = vectors(SHARED)

    assert done.returncode == 0, done.stdout
    assert " 0 failed" in done.stdout
