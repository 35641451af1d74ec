"""The verifier that ships with every package: it holds for what we wrote, and for nothing else."""

import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine
from sqlmodel import select

from core.actors import SYSTEM
from core.db import reading, transaction
from payments.ledger.log.checkpoints import Checkpoint
from payments.ledger.log.keys import current_key, list_keys, rotate_key
from payments.ledger.log.models import LogCheckpoint, LogEntry
from payments.ledger.log.notes import SignedNote, SignerKey
from payments.ledger.log.proving import prove_entry
from payments.ledger.log.sequencer import erase_person
from payments.ledger.models import JournalEntry
from reconciliation.auditing import verify
from reconciliation.auditing.books import BookRange
from reconciliation.auditing.models import Format
from reconciliation.auditing.package import write_package
from scheduler.context import JobContext
from scheduler.publishing import append_log, sign_log
from tests.support.clock import FrozenClock
from tests.support.entries import FIRST, LAST, some_books
from tests.support.jobs import a_context
from tests.support.log import post_many

WHOLE = BookRange(FIRST, LAST, "/")
MIDDLE = BookRange(FIRST + timedelta(days=3), LAST - timedelta(days=2), "/")
COMMUNE = BookRange(FIRST, LAST, "/22/22001/")


@dataclass
class Books:
    """Books with their log, what exports them, and what the verifier says."""

    context: JobContext
    folder: Path
    clock: FrozenClock

    @property
    def engine(self) -> Engine:
        return self.context.engine

    def publish(self) -> LogCheckpoint:
        append_log(self.context)
        signed = sign_log(self.context)
        assert signed is not None
        return signed

    def export(
        self, name: str, wanted: BookRange = WHOLE, kind: Format = Format.DATAPACKAGE
    ) -> Path:
        with reading(self.engine) as session:
            write_package(session, wanted, kind, self.folder / name)
        return self.folder / name

    @property
    def key(self) -> str:
        """The key that signs now, as the office publishes it."""
        with reading(self.engine) as session:
            return list_keys(session)[0].verifier


def said(*words: object) -> tuple[int, str]:
    """What the verifier prints, run within this process."""
    with redirect_stdout(io.StringIO()) as out:
        status = verify.main([str(word) for word in words])
    return status, out.getvalue()


@pytest.fixture
def books(engine: Engine, clock: FrozenClock, tmp_path: Path) -> Books:
    some_books(engine)
    made = Books(a_context(engine, clock, tmp_path), tmp_path, clock)
    made.publish()
    return made


@pytest.fixture
def lite(sqlite_engine: Engine, clock: FrozenClock, tmp_path: Path) -> Books:
    some_books(sqlite_engine)
    made = Books(a_context(sqlite_engine, clock, tmp_path), tmp_path, clock)
    made.publish()
    return made


def reseal(folder: Path) -> None:
    """Do as a forger would: write the manifest anew over what lies in the folder."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = [
        {
            "path": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    ]
    (folder / "manifest.json").write_text(json.dumps(manifest))


def balance_anew(folder: Path) -> None:
    """Make the closing balances follow from the transfers that are there."""
    sums: dict[tuple[str, str], list[int]] = {}
    for row in rows_of(folder / "opening_balances.csv")[1:]:
        sums[row[0], row[1]] = [int(row[2]), int(row[3])]
    for row in rows_of(folder / "transfers.csv")[1:]:
        for side, account in enumerate(row[8:10]):
            sums.setdefault((account, row[11]), [0, 0])[side] += int(row[10])
    header, *_ = rows_of(folder / "closing_balances.csv")
    rows = [
        [*key, str(debit), str(credit), str(debit - credit)]
        for key, (debit, credit) in sorted(sums.items())
    ]
    write_rows(folder / "closing_balances.csv", [header, *rows])


def rows_of(path: Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_bytes().decode(), newline="")))


def write_rows(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(rows)


@pytest.mark.parametrize("wanted", [WHOLE, MIDDLE, COMMUNE], ids=["whole", "middle", "commune"])
def test_a_package_holds_with_the_key_of_the_log(books: Books, wanted: BookRange) -> None:
    folder = books.export("package", wanted)
    status, text = said(folder, "--key", books.key)
    assert (status, text.splitlines()[-1]) == (0, "HOLDS"), text
    with reading(books.engine) as session:
        entries = len(session.exec(select(JournalEntry.id)).all())
    if wanted is WHOLE:
        assert f"{entries} entries of these days in the log, 0 of them" in text
    assert "WARNING" not in text
    assert "WARNING" in said(folder)[1]


@pytest.mark.parametrize("by", ["cryptography", "openssl"])
def test_the_shipped_file_runs_alone(lite: Books, tmp_path: Path, by: str) -> None:
    folder = lite.export("package", MIDDLE)
    blocked = tmp_path / "blocked" / "cryptography"
    if by == "openssl":
        blocked.mkdir(parents=True)
        (blocked / "__init__.py").write_text("raise ImportError('not here')\n")
    done = subprocess.run(
        [sys.executable, str(folder / "verify.py"), str(folder), "--key", lite.key],
        check=False, capture_output=True, text=True, timeout=60, cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(blocked.parent)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    note = folder / "proof" / "checkpoint"
    note.write_text(note.read_text().replace("\n24\n", "\n25\n"))
    done = subprocess.run(
        [sys.executable, str(folder / "verify.py"), str(folder), "--key", lite.key],
        check=False, capture_output=True, text=True, timeout=60, cwd="/",
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(blocked.parent)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "by no key that is trusted" in done.stdout


def test_the_verifier_is_one_small_file_that_needs_nothing_of_ours() -> None:
    source = Path(verify.__file__).read_text(encoding="utf-8")
    assert source.count("\n") < 300
    imported = {line.split()[1].partition(".")[0] for line in source.splitlines()
                if line.strip().startswith(("import ", "from "))}  # fmt: skip
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


@pytest.mark.parametrize("kind", [kind for kind in Format if kind is not Format.DATAPACKAGE])
def test_other_formats_ship_the_proof_and_say_that_their_rows_are_not_checked(
    lite: Books, kind: Format
) -> None:
    status, text = said(lite.export(kind.value, WHOLE, kind), "--key", lite.key)
    assert status == 1
    failures = [line for line in text.splitlines() if line.startswith("FAILED")]
    assert len(failures) == 1
    assert "ask for that" in failures[0]


def test_without_a_checkpoint_nothing_is_proved(
    sqlite_engine: Engine, clock: FrozenClock, tmp_path: Path
) -> None:
    some_books(sqlite_engine)
    folder = Books(a_context(sqlite_engine, clock, tmp_path), tmp_path, clock).export("package")
    assert (folder / "verify.py").exists()
    assert said(folder)[0] == 1


def test_an_entry_posted_after_the_checkpoint_is_named(lite: Books) -> None:
    post_many(lite.engine, 1, clock=lite.clock, day=LAST)
    status, text = said(lite.export("package"), "--key", lite.key)
    assert status == 1
    assert "put in, or posted after the checkpoint" in text
    lite.publish()
    assert said(lite.export("again"), "--key", lite.key)[0] == 0


def test_an_erased_person_stays_unknown_and_the_package_holds(books: Books) -> None:
    with transaction(books.engine) as session:
        erased = session.exec(select(LogEntry).where(LogEntry.seq == 4)).one().entry_id
        erase_person(session, erased)
    assert "no key, bill" not in said(books.export("early"), "--key", books.key)[1]
    assert said(books.folder / "early", "--key", books.key)[0] == 1  # its leaf is not signed yet
    books.publish()
    folder = books.export("package")
    status, text = said(folder, "--key", books.key)
    assert status == 0, text
    assert "1 of them without person" in text
    opened = {row[1]: row for row in rows_of(folder / "proof" / "openings.csv")}
    assert opened[erased][3] == ""
    assert len(opened[erased][2]) == 64


@pytest.mark.parametrize("column", range(17))
def test_every_cell_of_a_transfer_is_covered(lite: Books, column: int) -> None:
    folder = lite.export("package")
    path = folder / "transfers.csv"
    rows = rows_of(path)
    for number in (1, 5, len(rows) - 1):
        changed = [list(row) for row in rows]
        changed[number][column] = _other(changed[number][column])
        write_rows(path, changed)
        reseal(folder)
        assert said(folder, "--key", lite.key)[0] == 1
    write_rows(path, rows)
    reseal(folder)
    assert said(folder, "--key", lite.key)[0] == 0


def _other(cell: str) -> str:
    if not cell:
        return "x"
    last = cell[-1]
    return cell[:-1] + ("1" if last != "1" else "2")


def _swap_lines(rows: list[list[str]]) -> None:
    rows[3], rows[8] = rows[8], rows[3]


ATTACKS: dict[str, Callable[[list[list[str]]], Any]] = {
    "delete a row": lambda rows: rows.pop(4),
    "delete the first": lambda rows: rows.pop(1),
    "delete the last": lambda rows: rows.pop(),
    "truncate": lambda rows: rows.__delitem__(slice(len(rows) // 2, None)),
    "empty": lambda rows: rows.__delitem__(slice(1, None)),
    "repeat a row": lambda rows: rows.insert(4, rows[4]),
    "insert a row": lambda rows: rows.insert(
        4, [*rows[4][:1], "jrn_forged", *rows[4][2:]]
    ),
    "swap two rows": _swap_lines,
    "another column name": lambda rows: rows[0].__setitem__(8, "debit"),
    "a column more": lambda rows: [row.append("x") for row in rows],
    "a cell more": lambda rows: rows[4].append("x"),
    "a cell less": lambda rows: rows[4].pop(),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_rows_are_neither_removed_nor_added_nor_moved(lite: Books, attack: str) -> None:
    folder = lite.export("package")
    rows = rows_of(folder / "transfers.csv")
    ATTACKS[attack](rows)
    write_rows(folder / "transfers.csv", rows)
    assert "is not the file that the manifest lists" in said(folder, "--key", lite.key)[1]
    reseal(folder)
    status, text = said(folder, "--key", lite.key)
    assert status == 1
    assert "manifest" not in text


@dataclass
class Proof:
    """The files that prove a package, as a forger would change them."""

    folder: Path

    def leaves(self) -> list[bytes]:
        return gzip.decompress((self.folder / "leaves.jsonl.gz").read_bytes()).splitlines()

    def write_leaves(self, leaves: list[bytes]) -> None:
        content = b"".join(leaf + b"\n" for leaf in leaves)
        (self.folder / "leaves.jsonl.gz").write_bytes(gzip.compress(content))

    def openings(self) -> list[list[str]]:
        return rows_of(self.folder / "openings.csv")

    def write_openings(self, rows: list[list[str]]) -> None:
        write_rows(self.folder / "openings.csv", rows)


def _hide_by_a_second_opening(package: Path, proof: Proof) -> None:
    """Open leaf 3 as the entry of leaf 4, and take the rows of the entry of leaf 3 away."""
    rows = proof.openings()
    hidden, rows[4] = rows[4][1], [rows[4][0], *rows[5][1:]]
    proof.write_openings(rows)
    path = package / "transfers.csv"
    write_rows(path, [row for row in rows_of(path) if row[1] != hidden])


def _put_a_leaf_behind(package: Path, proof: Proof) -> None:
    """Put an entry of our own behind the signed leaves, with rows that agree with it."""
    rows = rows_of(package / "transfers.csv")
    forged = ["trf_forged", "jrn_zforged", "1", *rows[-1][3:]]
    leaves, salt = proof.leaves(), "00" * 32
    books = {
        "entry": forged[1], "event": forged[6], "posted_at": forged[4], "reverses": forged[15],
        "transfers": [{"transfer": forged[0], "position": "1", "debit": forged[8],
                       "credit": forged[9], "amount_minor": forged[10], "currency": forged[11]}],
    }  # fmt: skip
    person = {"bill": forged[14], "description": forged[16], "event_key": forged[7]}
    leaf = {
        "account": forged[12], "books": verify.commitment(salt, books), "day": forged[3],
        "office": forged[13], "person": verify.commitment(salt, person),
        "seq": str(len(leaves)), "v": "1",
    }  # fmt: skip
    proof.write_openings([*proof.openings(), [str(len(leaves)), forged[1], salt, salt]])
    proof.write_leaves([*leaves, rfc8785.dumps(leaf)])
    write_rows(package / "transfers.csv", [*rows, forged])


def _erase(package: Path, proof: Proof) -> None:
    rows = proof.openings()
    rows[4][3] = ""
    proof.write_openings(rows)


def _claim_an_erasure(package: Path, proof: Proof) -> None:
    _erase(package, proof)
    leaves = proof.leaves()
    proof.write_leaves([*leaves, b'{"erases":"3","seq":"%d","v":"1"}' % len(leaves)])


FORGERIES: dict[str, Callable[[Path, Proof], Any]] = {
    "a leaf changed": lambda _, proof: proof.write_leaves(
        [leaf.replace(b"22001", b"22002") for leaf in proof.leaves()]
    ),
    "a leaf less": lambda _, proof: proof.write_leaves(proof.leaves()[:-1]),
    "leaves swapped": lambda _, proof: proof.write_leaves(
        [*proof.leaves()[1::-1], *proof.leaves()[2:]]
    ),
    "no leaves": lambda _, proof: proof.write_leaves([]),
    "an opening less": lambda _, proof: proof.write_openings(proof.openings()[:-1]),
    "an entry opened twice": _hide_by_a_second_opening,
    "a leaf put behind": _put_a_leaf_behind,
    "a person hidden": _erase,
    "an erasure claimed": _claim_an_erasure,
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_proves_a_package_cannot_be_forged(lite: Books, forgery: str) -> None:
    folder = lite.export("package")
    FORGERIES[forgery](folder, Proof(folder / "proof"))
    balance_anew(folder)
    reseal(folder)
    status, text = said(folder, "--key", lite.key)
    assert status == 1
    assert "balance" not in text
    assert "manifest" not in text
    assert "unusable" not in text or forgery == "no leaves", text


def test_days_or_offices_left_out_leave_entries_that_are_not_opened(lite: Books) -> None:
    folder = lite.export("package", MIDDLE)
    scope = json.loads((folder / "proof" / "scope.json").read_text())
    for change in ({"from": str(FIRST)}, {"to": str(LAST)}):
        (folder / "proof" / "scope.json").write_text(json.dumps(scope | change))
        reseal(folder)
        status, text = said(folder, "--key", lite.key)
        assert status == 1
        assert "and not here" in text


def test_a_log_signed_by_another_key_is_refused(lite: Books, tmp_path: Path) -> None:
    folder = lite.export("package")
    key = lite.key
    stranger = SignerKey(Checkpoint.parse(_note(folder).text).origin, b"7" * 32)
    forged = SignedNote(_note(folder).text, (stranger.sign(_note(folder).text),))
    (folder / "proof" / "checkpoint").write_text(str(forged))
    keys = [{"key": str(stranger.verifier()), "endorsement": ""}]
    (folder / "proof" / "keys.json").write_text(json.dumps(keys))
    reseal(folder)
    assert said(folder, "--key", key)[0] == 1
    status, text = said(folder)
    assert status == 0
    assert "WARNING" in text
    assert key not in text


def _note(folder: Path) -> SignedNote:
    return SignedNote.parse((folder / "proof" / "checkpoint").read_text(encoding="utf-8"))


def test_an_old_checkpoint_and_a_forked_log_are_found_by_one_that_somebody_holds(
    lite: Books, tmp_path: Path
) -> None:
    old, first = lite.export("old"), tmp_path / "first"
    post_many(lite.engine, 3, clock=lite.clock, day=LAST)
    lite.publish()
    new = lite.export("new")
    held_old, held_new = (folder / "proof" / "checkpoint" for folder in (old, new))
    assert said(new, "--key", lite.key, "--held", held_old, "--held", held_new)[0] == 0
    status, text = said(old, "--key", lite.key, "--held", held_new)
    assert status == 1
    assert "covers" in text
    head = Checkpoint.parse(_note(old).text)
    with transaction(lite.engine) as session:
        key = current_key(session, origin="", vault=lite.context.vault, clock=lite.clock)
    forked = Checkpoint(head.origin, head.size, b"f" * 32).text
    first.write_text(str(SignedNote(forked, (key.sign(forked),))))
    for folder in (old, new):
        status, text = said(folder, "--key", lite.key, "--held", first)
        assert status == 1
        assert "forked" in text or "not those that were signed" in text


def test_a_key_that_follows_is_trusted_because_the_one_before_says_so(
    lite: Books, tmp_path: Path
) -> None:
    old_key, old = lite.key, lite.export("old")
    lite.clock.advance(minutes=1)
    with transaction(lite.engine) as session:
        rotate_key(
            session, origin="", vault=lite.context.vault, actor=SYSTEM, clock=lite.clock
        )  # fmt: skip
    lite.publish()
    folder = lite.export("package")
    held = old / "proof" / "checkpoint"
    assert old_key != lite.key
    for key in (old_key, lite.key):
        assert said(folder, "--key", key, "--held", held)[0] == 0
    path = tmp_path / "key.txt"
    path.write_text(f"{lite.key}\n")
    assert said(folder, "--key", path)[0] == 0
    keys = json.loads((folder / "proof" / "keys.json").read_text())
    alone = json.dumps([keys[0] | {"endorsement": ""}, keys[1]])
    (folder / "proof" / "keys.json").write_text(alone)
    reseal(folder)
    assert said(folder, "--key", old_key)[0] == 1


def test_balances_that_do_not_follow_from_the_transfers_are_named(lite: Books) -> None:
    for name in ("opening", "closing"):
        folder = lite.export(name, MIDDLE)
        path = folder / f"{name}_balances.csv"
        rows = rows_of(path)
        rows[1][2] = str(int(rows[1][2]) + 1)
        write_rows(path, rows)
        reseal(folder)
        status, text = said(folder, "--key", lite.key)
        assert status == 1
        assert "closing balance of" in text
    folder = lite.export("invented")
    for name in ("opening", "closing"):
        rows = rows_of(folder / f"{name}_balances.csv")
        number = next((n for n, row in enumerate(rows) if row[0] == "receivable"), None)
        row = rows[number] if number else ["receivable", "VND", "0", "0", "0"]
        row[2] = str(int(row[2]) + 5)
        write_rows(folder / f"{name}_balances.csv", rows if number else [*rows, row])
    reseal(folder)
    assert "no entry of the log is before" in said(folder, "--key", lite.key)[1]


def test_a_single_proof_checks_alone_and_a_forged_one_does_not(lite: Books, tmp_path: Path) -> None:
    with reading(lite.engine) as session:
        entry = session.exec(select(LogEntry).where(LogEntry.seq == 6)).one()
        proof = prove_entry(session, entry.entry_id)
    path = tmp_path / "entry.tlog-proof"
    path.write_text(str(proof), encoding="utf-8")
    status, text = said(path, "--key", lite.key)
    assert (status, entry.entry_id in text) == (0, True), text
    assert "leaf 6 of" in text
    assert said(path)[0] == 1  # without a key nothing is proved
    extra = json.loads(proof.extra)
    amount = json.loads(json.dumps(extra))
    amount["books"]["transfers"][0]["amount_minor"] = "1"
    person = json.loads(json.dumps(extra))
    person["person"]["description"] = "forged"
    leaf = extra | {"leaf": extra["leaf"].replace("2026", "2025")}
    forged = [
        replace(proof, extra=rfc8785.dumps(amount)),
        replace(proof, extra=rfc8785.dumps(person)),
        replace(proof, extra=rfc8785.dumps(leaf)),
        replace(proof, extra=rfc8785.dumps({"leaf": extra["leaf"]})),
        replace(proof, index=5),
        replace(proof, hashes=proof.hashes[1:]),
        replace(proof, hashes=(*proof.hashes, b"x" * 32)),
        replace(proof, hashes=(b"x" * 32, *proof.hashes[1:])),
        replace(proof, checkpoint=SignedNote(proof.checkpoint.text.replace("\n", "x\n", 1),
                                             proof.checkpoint.signatures)),
    ]  # fmt: skip
    for wrong in forged:
        path.write_text(str(wrong), encoding="utf-8")
        assert said(path, "--key", lite.key)[0] == 1
    erased = {key: value for key, value in extra.items() if not key.startswith("person")}
    path.write_text(str(replace(proof, extra=rfc8785.dumps(erased))), encoding="utf-8")
    status, text = said(path, "--key", lite.key)
    assert (status, "erased" in text) == (0, True)


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.recursive(texts, lambda inner: st.dictionaries(texts, texts) | st.lists(inner)))
def test_the_verifier_writes_texts_as_rfc_8785_does(value: Any) -> None:
    part = {"b": value, "a": value}
    salt = b"s" * 32
    if _has_astral_names(value):
        return  # sorted by UTF-16 units there; our names are ASCII
    expected = hashlib.sha256(salt + rfc8785.dumps(part)).hexdigest()
    assert verify.commitment(salt.hex(), part) == expected


def _has_astral_names(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_astral_names, value))
    return isinstance(value, dict) and any(ord(c) > 0xFFFF for name in value for c in name)
