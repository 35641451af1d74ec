"""Contracts, secrets and checks by the command line, against a provider that is really played."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.engine import Engine

from core.db import transaction
from tests.factories import City, a_city
from tests.support.commandline import Doisoat, Done, is_one_line
from tests.support.demo import free_port

SECRETS = {"access_key": "ak-4711", "secret_key": "sk-very-secret"}
SHOP = "MOMOTEST"
PROGRAM = [sys.executable, "-c", "from app.cli import main; main()"]


@pytest.fixture
def city(doisoat: Doisoat, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> City:
    """Return the offices of an installation whose command line is ``doisoat``."""
    assert doisoat
    monkeypatch.setenv("DOISOAT_DATABASE_URL", str(sqlite_engine.url))
    with transaction(sqlite_engine) as session:
        return a_city(session)


@pytest.fixture
def account(city: City) -> str:
    return city.accounts[0].account_number


def contract(doisoat: Doisoat, account: str, *more: object) -> None:
    """Write down a contract with MoMo and its secrets."""
    assert doisoat("gateways", "contract", "momo", account, SHOP, *more).status == 0
    for name, value in SECRETS.items():
        done = doisoat("gateways", "secret", "momo", SHOP, name, "--value", value)
        assert done.status == 0
        assert value not in done.out + done.err


def program(*words: str) -> Done:
    """Run a command as a program of its own, which calls out and ends."""
    done = subprocess.run([*PROGRAM, *words], capture_output=True, text=True, check=False)
    return Done(done.returncode, done.stdout, done.stderr)


@contextmanager
def played(rail: str, *options: str) -> Iterator[str]:
    """Run ``doisoat simulate`` as a program; yields the endpoints it says to use."""
    command = [*PROGRAM, "simulate", rail, "--port", str(free_port()), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout is not None
            said = ""
            while "Ctrl-C" not in said:
                line = program.stdout.readline()
                assert line, "it ended"
                said += line
            wait_for(said.split(" is played at ")[1].split()[0])
            yield said.split("DOISOAT_ENDPOINTS='")[1].split("'")[0]
        finally:
            program.terminate()


def wait_for(url: str) -> None:
    """Wait until somebody listens: the address is printed just before."""
    _, _, place = url.partition("://")
    host, _, port = place.partition("/")[0].partition(":")
    for _ in range(200):
        with socket.socket() as caller:
            if caller.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(url)


def test_a_contract_is_written_down_listed_and_changed(doisoat: Doisoat, account: str) -> None:
    contract(doisoat, account, "--most", 50_000_000, "--payer-bears-fee", "--set", "mode=wallet")
    [listed] = [row for row in doisoat("gateways", "list", "--json").json if row["rail"] == "momo"]
    assert listed == {
        "account": account, "rail": "momo", "merchant_code": SHOP, "active": True, "min_minor": 0,
        "max_minor": 50_000_000, "fee_bearer": "payer", "settings": {"mode": "wallet"},
        "secrets": sorted(SECRETS),
    }  # fmt: skip
    contract(doisoat, account, "--least", 1_000, "--inactive")
    said = next(line for line in doisoat("gateways", "list").out.splitlines() if SHOP in line)
    assert "INACTIVE from 1,000, fee borne by the office" in said


def test_a_rotation_keeps_two_secrets_until_it_is_ended(doisoat: Doisoat, account: str) -> None:
    contract(doisoat, account)
    doisoat("gateways", "secret", "momo", SHOP, "secret_key", "--value", "sk-newer")
    assert "secret_key (two: being rotated)" in doisoat("gateways", "list").out
    retire = ("gateways", "retire", "momo", SHOP, "secret_key")
    assert "only the newest secret_key is valid now" in doisoat(*retire).out
    assert "there was one secret_key only" in doisoat(*retire).out
    assert "rotated" not in doisoat("gateways", "list").out


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("contract", "momo", "0", SHOP), 2, "C004 no collecting account '0'"),
        (("contract", "pigeon", "0", SHOP), 2, "'pigeon' is no rail"),
        (("contract", "momo", "ACCOUNT", SHOP, "--set", "mode"), 2, "a setting is name=value"),
        (("offer", "99999", "vietqr"), 2, "no office '99999'"),
        (("offer", "22001", "pigeon"), 2, "'pigeon' is no rail"),
        (("check", "pigeon"), 2, "'pigeon' is no rail"),
        (("calls", "pigeon", SHOP), 2, "'pigeon' is no rail"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_wrong_is_said_in_a_line_and_changes_nothing(
    doisoat: Doisoat, account: str, words: tuple[str, ...], status: int, says: str
) -> None:
    before = doisoat("gateways", "list", "--json").out
    done = doisoat("gateways", *(account if word == "ACCOUNT" else word for word in words))
    assert (done.status, done.out) == (status, "")
    assert says in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert doisoat("gateways", "list", "--json").out == before


def test_what_an_office_offers_without_a_contract_is_said(doisoat: Doisoat, account: str) -> None:
    offer = ("gateways", "offer", "22001", "vietqr", "momo")
    early = doisoat(*offer)
    assert early.status == 0
    assert early.out.splitlines()[1:] == [
        "momo: shown to nobody before its account has an active contract"
    ]
    contract(doisoat, account, "--inactive")
    assert len(doisoat(*offer).out.splitlines()) == 2
    contract(doisoat, account)
    assert doisoat(*offer).out == "22001: vietqr, momo\n"
    for words in (("momo", "momo"), ("sepay",)):
        refused = doisoat("gateways", "offer", "22001", *words)
        assert refused.status != 0
        assert is_one_line(refused.err)


def test_a_secret_of_a_merchant_code_that_no_contract_has_is_said(
    doisoat: Doisoat, account: str
) -> None:
    contract(doisoat, account)
    done = doisoat("gateways", "secret", "momo", "MOMOTSET", "secret_key", "--value", "x")
    assert done.out.endswith("is stored; no contract has this merchant code yet\n")


def test_a_check_says_in_plain_words_what_is_wrong_and_what_works(
    doisoat: Doisoat, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert doisoat("gateways", "contract", "momo", account, SHOP).status == 0
    lacking = doisoat("gateways", "check", "momo")
    assert (lacking.status, "lacks the secret" in lacking.out) == (1, True)
    contract(doisoat, account)
    with played("momo") as endpoints:
        monkeypatch.setenv("DOISOAT_ENDPOINTS", endpoints)
        works = program("gateways", "check", "momo")
        assert works.status == 0, works.out
        assert works.out == f"momo {SHOP}: works. MoMo answered and took our signature.\n"
        doisoat("gateways", "secret", "momo", SHOP, "secret_key", "--value", "sk-mistyped")
        wrong = program("gateways", "check", "momo", "--json")
        [said] = wrong.json
        assert (wrong.status, said["works"]) == (1, False)
        assert said["says"] == (
            "MoMo says that partner code, access key and secret key do not fit."
        )
    silent = program("gateways", "check", "momo")
    assert (silent.status, "DOES NOT WORK" in silent.out) == (1, True)

    kept = doisoat("gateways", "calls", "momo", SHOP)
    assert kept.out.count("POST http://127.0.0.1") == 3
    for value in (*SECRETS.values(), "sk-mistyped"):
        assert value not in kept.out
    assert doisoat("gateways", "calls", "momo", SHOP, "--about", "nothing like it").out == (
        "No call is kept.\n"
    )
    assert len(doisoat("gateways", "calls", "momo", SHOP, "--json").json) == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("vietqr",), "has no provider to be played"),
        (("momo",), "there is no contract over momo"),
        (("momo", "--fault", "sunshine=1"), "sunshine"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_played_is_said(
    doisoat: Doisoat, account: str, words: tuple[str, ...], says: str
) -> None:
    if "--fault" in words:
        contract(doisoat, account)
    done = doisoat("simulate", *words)
    assert done.status == 2
    assert says in " ".join(done.err.split())


def test_the_endpoints_that_are_said_are_json(doisoat: Doisoat, account: str) -> None:
    contract(doisoat, account)
    with played("momo", "--seed", "7", "--fault", "lost_notice=50") as endpoints:
        assert list(json.loads(endpoints)) == ["momo.api"]
