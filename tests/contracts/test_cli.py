"""The command line: help for everything, one-line errors, four exit statuses, JSON for programs."""

import csv
import json
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine
from sqlmodel import select

from adapters.simulators.statement_files import PrintedLine, PrintedStatement, write_camt053
from app.cli import _COMMANDS, _GROUPS
from app.cli.ledger_export import FORMATS
from core.actors import Actor, Role
from core.clock import at_vietnam_time
from core.db import transaction
from core.money import Money
from payments.channels import Rail
from payments.fees import COLUMNS
from payments.models import CollectingAccount
from payments.refunds import approve_refund, prepare_payment_order
from reconciliation.auditing.models import Format
from reconciliation.models import Mismatch
from tests.factories import (
    BENEFICIARY,
    a_bill,
    a_city,
    a_line,
    a_paid_payment,
    a_statement,
    ask_refund,
)
from tests.support.clock import FrozenClock
from tests.support.commandline import Doisoat, is_one_line
from tests.support.evidence import DAY, World, a_world

NOON = at_vietnam_time(DAY, 12)
COMMANDS = [
    [], *([name] for name in (*_COMMANDS, *_GROUPS)),
    *(
        [group, command.name or str(getattr(command.callback, "__name__", ""))]
        for group, (module, _) in _GROUPS.items()
        for command in import_module(module).app.registered_commands
    ),
]  # fmt: skip
"""Every one that there is; none can be left out here."""


@pytest.fixture
def installed(
    doisoat: Doisoat, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> tuple[Doisoat, World]:
    """Return the command line of an installation that awaits one transfer."""
    monkeypatch.setenv("DOISOAT_DATABASE_URL", str(sqlite_engine.url))
    with transaction(sqlite_engine) as session:
        world = a_world(session, clock=FrozenClock())
    return doisoat, world


def a_file(world: World, folder: Path, amount: int = 83_000, *, narrative: str = "") -> Path:
    line = PrintedLine(
        booking_date=DAY,
        amount=Money(amount),
        narrative=narrative or f"{world.bill.bill_reference} nop",
    )  # fmt: skip
    printed = PrintedStatement(
        account=world.account.account_number, number="1", from_date=DAY, to_date=DAY,
        opening=Money(0), lines=[line],
    )  # fmt: skip
    path = folder / "statement.xml"
    path.write_bytes(write_camt053([printed], message_id="m", created_at=NOON))
    return path


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(doisoat: Doisoat, words: list[str]) -> None:
    done = doisoat(*words, "--help")
    assert done.status == 0
    assert "Usage" in done.out
    assert done.err == ""


def test_the_commands_of_the_groups_are_among_them() -> None:
    assert len(COMMANDS) > 25
    assert ["gateways", "list"] in COMMANDS
    assert ["refunds", "file"] in COMMANDS


def test_the_help_of_all_names_every_command(doisoat: Doisoat) -> None:
    text = doisoat("--help").out
    assert all(name in text for name in (*_COMMANDS, *_GROUPS))


def test_without_a_command_the_help_is_shown_as_a_usage_error(doisoat: Doisoat) -> None:
    for words in ((), ("ledger",), ("users",)):
        done = doisoat(*words)
        assert (done.status, "Usage" in done.out + done.err) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ["bogus"],
        ["match"],
        ["ledger", "bogus"],
        ["ledger", "export"],
        ["ledger", "export", "--out", "x", "--from", "2026-13-01"],
        ["ledger", "export", "--out", "x", "--from", "2026-11-03", "--to", "2026-11-02"],
        ["ledger", "export", "--out", "x", "--to", "2999-12-31"],
        ["ledger", "export", "--out", "x", "--format", "bogus"],
        ["ledger", "export", "--out", "/dev/null/x"],
        ["ledger", "prove"],
        ["ledger", "prove", "jrn_none"],
        ["mismatches", "--status", "bogus"],
        ["mismatches", "--type", "bogus"],
        ["mismatches", "show", "mis_none"],
        ["refunds", "--status", "bogus"],
        ["refunds", "file", "ord_none", "--output", "order.xml"],
        ["refunds", "file", "ord_none", "--output", "order.exe"],
        ["reconcile", "--account", "none"],
        ["reconcile", "--as-of", "yesterday"],
        ["settlement", "import", "none.csv", "--provider", "vnpay"],
        ["statement", "inspect", "none.xml"],
        ["fees", "import", "none.csv"],
        ["users", "portal", "P", "--office", "none"],
    ],
    ids=" ".join,
)
def test_a_usage_error_is_one_line_and_status_2(
    installed: tuple[Doisoat, World], words: list[str]
) -> None:
    done = installed[0](*words)
    assert done.status == 2
    assert is_one_line(done.err), done.err
    assert done.out == ""


def test_a_database_without_tables_says_what_to_do(doisoat: Doisoat) -> None:
    done = doisoat("ledger", "verify")
    assert done.status == 2
    assert is_one_line(done.err)
    assert "doisoat migrate" in done.err
    assert doisoat("migrate").status == doisoat("migrate").status == 0
    assert doisoat("ledger", "verify").status == 0


def test_a_database_that_cannot_be_reached_is_one_line(
    doisoat: Doisoat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOISOAT_DATABASE_URL", "postgresql://127.0.0.1:1/none")
    done = doisoat("ledger", "verify")
    assert done.status == 2
    assert is_one_line(done.err)


def test_unusable_settings_are_one_line_that_names_no_value(
    doisoat: Doisoat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOISOAT_SMTP_PORT", "geheim")
    done = doisoat("ledger", "verify")
    assert done.status == 2
    assert is_one_line(done.err)
    assert "geheim" not in done.err
    assert "smtp_port" in done.err.lower()


def test_the_version_is_printed(doisoat: Doisoat) -> None:
    done = doisoat("version")
    assert done.status == 0
    assert done.out.startswith("doisoat ")


def test_from_a_statement_to_a_match(installed: tuple[Doisoat, World], tmp_path: Path) -> None:
    doisoat, world = installed
    path = a_file(world, tmp_path)
    first = doisoat("statement", "import", path, "--json")
    again = doisoat("statement", "import", path, "--json")
    assert (first.status, again.status) == (0, 0)
    assert (first.json[0]["lines_added"], first.json[0]["known_file"]) == (1, False)
    assert (again.json[0]["lines_added"], again.json[0]["known_file"]) == (0, True)

    number = world.account.account_number
    one = ["reconcile", "--account", number, "--json"]
    compared, repeated = doisoat(*one, "--out", tmp_path / "run"), doisoat(*one)
    assert compared.json[0] == {
        "account": number, "as_of": "2026-11-02", "changed": True, "matches": 1, "mismatches": {},
        "new_matches": 1, "new_mismatches": 0,
    }  # fmt: skip
    assert (repeated.json[0]["changed"], repeated.json[0]["matches"]) == (False, 1)
    assert [run["account"] for run in doisoat("reconcile", "--json").json] == [
        number, world.city.accounts[1].account_number,
    ]  # fmt: skip
    assert {file.name for file in (tmp_path / "run" / number).iterdir()} == {
        "payments.csv", "settlements.csv", "bank.csv", "contracts.json", "matches.csv",
        "mismatches.csv", "summary.json", "run.json",
    }  # fmt: skip


def test_a_chain_says_what_is_missing(
    installed: tuple[Doisoat, World], tmp_path: Path, sqlite_engine: Engine
) -> None:
    doisoat, world = installed
    assert doisoat("statement", "chain").status == 0
    with transaction(sqlite_engine) as session:
        for day, opening in ((DAY, 0), (DAY + timedelta(days=1), 9_000)):
            lines = [a_line(day, 5_000, "x")]
            a_statement(
                session, world.account, lines, day=day, opening=opening, clock=FrozenClock()
            )
    number = world.account.account_number
    told = doisoat("statement", "chain", number)
    assert told.status == 1
    assert f"{number} VND: 2 statements, 2026-11-02 to 2026-11-03: 1 gaps" in told.out
    assert "it opens with 9000, the one before it closed with 5000" in told.out
    (chain,) = doisoat("statement", "chain", number, "--json").json
    assert [gap["kind"] for gap in chain["gaps"]] == ["balance"]
    assert doisoat("statement", "chain", "none").status == 2


def test_a_layout_is_proposed_saved_used_and_withdrawn(
    installed: tuple[Doisoat, World], tmp_path: Path
) -> None:
    doisoat, world = installed
    table = tmp_path / "table.csv"
    table.write_text(
        "Ngày giao dịch;Diễn giải;Số tiền;Số dư\n13/02/2026;DX4KT7PQ2MNA;150.000;150.000\n"
    )
    said = ["--account", world.account.account_number, "--currency", "vnd", "--name", "new-bank"]

    assert doisoat("statement", "inspect", table).status == 3
    assert doisoat("statement", "propose", table).status == 1
    saved = doisoat("statement", "propose", table, *said, "--save")
    assert (saved.status, "saved as new-bank, version 1" in saved.out) == (0, True)
    assert "new-bank@1" in doisoat("statement", "profiles").out
    taken = doisoat("statement", "import", table, "--json")
    assert (taken.status, taken.json[0]["lines_added"]) == (0, 1)
    assert doisoat("statement", "profiles", "--withdraw", "new-bank").status == 0
    assert "new-bank" not in doisoat("statement", "profiles").out
    assert doisoat("statement", "inspect", table).status == 3
    assert doisoat("statement", "profiles", "--withdraw", "new-bank").status != 0


def test_an_import_is_taken_back(installed: tuple[Doisoat, World], tmp_path: Path) -> None:
    doisoat, world = installed
    path = a_file(world, tmp_path)
    file_id = doisoat("statement", "import", path, "--json").json[0]["file_id"]
    assert doisoat("statement", "undo", file_id, "--reason", "no").status != 0
    done = doisoat("statement", "undo", file_id, "--reason", "the wrong month")
    assert (done.status, file_id in done.out) == (0, True)
    assert doisoat("statement", "undo", file_id, "--reason", "the wrong month").status != 0
    assert doisoat("statement", "import", path, "--json").json[0]["lines_added"] == 1
    assert doisoat("ledger", "verify").status == 0


def test_what_a_run_writes_repeats_it(installed: tuple[Doisoat, World], tmp_path: Path) -> None:
    doisoat, world = installed
    doisoat("statement", "import", a_file(world, tmp_path, 50_000))
    doisoat("reconcile", "--out", tmp_path)
    run, again = tmp_path / world.account.account_number, tmp_path / "again"
    inputs = [w for n in ("payments", "settlements", "bank") for w in (f"--{n}", run / f"{n}.csv")]
    done = doisoat("match", *inputs, "--contracts", run / "contracts.json", "--out", again)

    assert done.status == 0, done.err
    for name in ("matches.csv", "mismatches.csv"):
        tables = [
            list(csv.reader((folder / name).read_text().splitlines())) for folder in (run, again)
        ]
        assert tables[0] == tables[1]
    assert len(tables[0]) == 3


def test_a_held_statement_is_1_and_a_refused_one_is_3(
    installed: tuple[Doisoat, World], tmp_path: Path
) -> None:
    doisoat, world = installed
    path = a_file(world, tmp_path)
    held = tmp_path / "held.xml"
    held.write_bytes(path.read_bytes().replace(b"83000", b"84000", 1))
    refused = tmp_path / "refused.xml"
    refused.write_text("nonsense")
    assert [doisoat("statement", "import", f, "--json").status for f in (held, refused)] == [1, 3]
    assert doisoat("statement", "inspect", refused, "--json").json[0]["outcome"] == "refused"
    report = doisoat("settlement", "import", refused, "--provider", "vnpay", "--json")
    assert (report.status, report.json[0]["outcome"]) == (3, "refused")


def test_mismatches_are_listed_and_shown(
    installed: tuple[Doisoat, World], tmp_path: Path, sqlite_engine: Engine
) -> None:
    doisoat, world = installed
    doisoat("statement", "import", a_file(world, tmp_path, 50_000))
    doisoat("reconcile")
    listed = doisoat("mismatches", "--json")
    assert [row["type"] for row in listed.json] == ["amount_mismatch"] * 2
    assert {row["age_days"] for row in listed.json} == {0}
    assert len(doisoat("mismatches").out.splitlines()) == 2
    assert doisoat("mismatches", "--type", "reversal").out == ""
    assert doisoat("mismatches", "--status", "resolved").out == ""
    with transaction(sqlite_engine) as session:
        mismatch_id = session.exec(select(Mismatch.id)).first()
    shown = doisoat("mismatches", "show", mismatch_id)
    assert shown.status == 0
    assert "amount_mismatch" in shown.out
    assert "opened" in shown.out


def test_a_bill_is_suggested_for_money_without_a_reference(
    installed: tuple[Doisoat, World], tmp_path: Path
) -> None:
    doisoat, world = installed
    path = a_file(world, tmp_path, narrative="chuyen tien")
    doisoat("statement", "import", path)
    doisoat("reconcile")
    reference = world.bill.bill_reference
    [said] = doisoat("mismatches", "suggest", "--json").json
    assert (said["bill_reference"], said["points"]["amount"]) == (reference, 0)
    assert said["gap"] > 0
    shown = doisoat("mismatches", "suggest", "--account", world.account.account_number)
    assert f"83,000 VND  bill {reference}" in shown.out
    unknown = doisoat("mismatches", "suggest", "--account", "0")
    assert (unknown.status, "not known" in unknown.err) == (2, True)


def test_the_ledger_is_exported_whole(installed: tuple[Doisoat, World], tmp_path: Path) -> None:
    doisoat, _ = installed
    done = doisoat("ledger", "export", "--out", tmp_path / "books")
    rows = list(csv.DictReader((tmp_path / "books" / "transfers.csv").read_text().splitlines()))
    assert done.status == 0
    assert [row["event"] for row in rows] == ["billed", "billed"]
    assert "1 entries, 2 transfers" in done.out
    assert "debits 83,000 = credits 83,000 VND" in done.out
    early = ("--from", "2026-10-01", "--to", "2026-11-01", "--json")
    empty = doisoat("ledger", "export", "--out", tmp_path / "none", *early)
    assert (empty.json[0]["from"], empty.json[0]["transfers"]) == ("2026-10-01", 0)
    assert len((tmp_path / "none" / "transfers.csv").read_text().splitlines()) == 1
    again = doisoat("ledger", "export", "--out", tmp_path / "books")
    assert (again.status, "R061" in again.err) == (2, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["books", "none", "var"]


def test_the_help_names_every_format_of_an_export() -> None:
    assert tuple(Format) == FORMATS


def test_broken_books_are_status_1(installed: tuple[Doisoat, World], sqlite_engine: Engine) -> None:
    """Somebody with the file in hands drops our triggers and takes an entry's transfers away."""
    doisoat, _ = installed
    whole = doisoat("ledger", "verify", "--json")
    assert (whole.status, whole.json[0]["holds"]) == (0, True)
    with sqlite_engine.begin() as connection:
        names = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'ledger_transfer'"
        )
        for (name,) in names.fetchall():
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
        connection.exec_driver_sql("DELETE FROM ledger_transfer")
    broken = doisoat("ledger", "verify", "--json")
    assert (broken.status, broken.json[0]["holds"]) == (1, False)
    assert broken.json[0]["broken"]
    assert "BROKEN" in doisoat("ledger", "verify").out


def a_fee(**changes: str) -> dict[str, str]:
    facts = {
        "procedure_code": "1.000001", "procedure_name_vi": "Thủ tục", "procedure_name_en": "A",
        "field_vi": "Hộ tịch", "fee_code": "LP", "kind": "le_phi", "fee_name_vi": "Lệ phí",
        "fee_name_en": "Charge", "amount": "75000", "currency": "VND", "legal_basis": "demo",
        "budget": "state_treasury", "effective_from": "2026-01-01", "effective_until": "",
        "demonstration": "yes",
    }  # fmt: skip
    return facts | changes


def test_a_fee_list_is_taken_but_for_its_refused_rows(
    installed: tuple[Doisoat, World], tmp_path: Path
) -> None:
    doisoat, _ = installed
    path = tmp_path / "fees.csv"
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, COLUMNS)
        writer.writeheader()
        writer.writerows([a_fee(), a_fee(fee_code="X", amount="75.000,5"), a_fee(fee_code="Y")])
    done = doisoat("fees", "import", path, "--json")
    assert done.status == 1
    assert done.json[0]["added"] == 2
    refused = done.json[0]["refused"]
    assert isinstance(refused, list)
    assert [(row["row"], row["column"]) for row in refused] == [(3, "amount")]
    assert "row 3, amount" in doisoat("fees", "import", path).out


def test_a_fee_list_that_is_no_list_is_status_3(
    installed: tuple[Doisoat, World], tmp_path: Path
) -> None:
    path = tmp_path / "fees.csv"
    path.write_bytes(b"\xff\xfe\x00")
    done = installed[0]("fees", "import", path)
    assert done.status == 3
    assert is_one_line(done.err)


def test_accounts_of_staff_are_made_and_listed_without_their_password(
    installed: tuple[Doisoat, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    doisoat, world = installed
    monkeypatch.setenv("PASSWORD", "a long enough password")
    words = ["users", "add", "lan", "--role", "officer", "--office", world.city.communes[0].code]
    made = doisoat(*words, "--name", "Lan")
    assert made.status == 0, made.err
    (user,) = doisoat("users", "list", "--json").json
    assert (user["username"], user["role"], user["active"]) == ("lan", "officer", True)
    assert "password" not in json.dumps(user)
    assert doisoat(*words, "--name", "Lan").status in {1, 2}, "the name is taken"


def test_a_portal_gets_a_key_and_a_secret_once(installed: tuple[Doisoat, World]) -> None:
    doisoat, world = installed
    done = doisoat("users", "portal", "One-stop", "--office", world.city.province.code)
    assert done.status == 0
    key, secret = (line.split()[-1] for line in done.out.splitlines()[:2])
    assert key != secret
    assert secret.startswith("whsec_")


def test_refunds_are_listed_and_their_files_fetched(
    doisoat: Doisoat, sqlite_engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOISOAT_DATABASE_URL", str(sqlite_engine.url))
    clock = FrozenClock(NOON)
    officer, approver = (
        Actor(f"usr_{role}", role, office_path="/") for role in (Role.OFFICER, Role.APPROVER)
    )
    with transaction(sqlite_engine) as session:
        bill = a_bill(session, a_city(session), clock=clock)
        payment = a_paid_payment(session, bill, clock=clock, rail=Rail.VIETQR)
        refund = ask_refund(
            session, payment, Money(83_000), actor=officer, clock=clock, waived_lines=[1, 2],
            beneficiary=BENEFICIARY,
        )  # fmt: skip
        approve_refund(session, refund, actor=approver, clock=clock)
        account = session.get_one(CollectingAccount, refund.account_id)
        order = prepare_payment_order(session, account, [refund], actor=officer, clock=clock)
        order_id, content, reference = order.id, order.content, refund.refund_reference

    [listed] = doisoat("refunds", "--json").json
    assert (listed["refund_reference"], listed["status"]) == (reference, "submitted")
    assert reference in doisoat("refunds", "--status", "submitted").out
    assert doisoat("refunds", "--status", "failed").out == ""
    [ordered] = doisoat("refunds", "orders", "--json").json
    assert (ordered["id"], ordered["amount_minor"]) == (order_id, 83_000)
    assert ordered["sha256"] in doisoat("refunds", "orders").out
    target = tmp_path / "order.xml"
    assert doisoat("refunds", "file", order_id, "--output", target).status == 0
    assert target.read_bytes() == content
    assert doisoat("refunds", "file", order_id, "--output", target).status == 2
    table = tmp_path / "order.csv"
    assert doisoat("refunds", "file", order_id, "--output", table).status == 0
    assert reference in table.read_text(encoding="utf-8")
