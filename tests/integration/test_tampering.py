"""Rows of an export flipped, deleted, put in, swapped, back-dated, cut off: every single one found.

Ordinary runs try 40 places of each kind in 600 entries, ``make tamper-test`` 1,000 in 10,000.
"""

import csv
import random
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from core.db import reading
from reconciliation.auditing import verify
from reconciliation.auditing.books import BookRange
from reconciliation.auditing.models import Format
from reconciliation.auditing.package import write_package
from scheduler.publishing import append_log, sign_log
from tests.support.clock import FrozenClock
from tests.support.jobs import a_context
from tests.support.log import post_many

FIRST = date(2026, 11, 2)
SEED = 20261128

Rows = list[list[str]]
Tamper = Callable[[Rows, random.Random, int], set[str]]
"""Tampers with so many places at once; returns the entries that have to be named."""


class World:
    """An exported package: its rows, and what the log has of them."""

    def __init__(self, engine: Engine, clock: FrozenClock, folder: Path, entries: int) -> None:
        context = a_context(engine, clock, folder)
        for day in range(10):
            count = entries // 10
            on = FIRST + timedelta(days=day)
            post_many(engine, count, clock=clock, day=on, start=day * count)
            clock.advance(hours=24)
        append_log(context)
        sign_log(context)
        package = folder / "package"
        last = FIRST + timedelta(days=9)
        with reading(engine) as session:
            write_package(session, BookRange(FIRST, last, "/"), Format.DATAPACKAGE, package)
        assert verify.main([str(package)]) == 0
        problems: list[str] = []
        note = (package / "proof" / "checkpoint").read_text(encoding="utf-8").split("\n")
        signed = {int(note[1]): verify.base64.b64decode(note[2])}
        self.expected, self.erased, _ = verify.read_log(package / "proof", signed, problems)
        assert problems == []
        with (package / "transfers.csv").open(encoding="utf-8", newline="") as source:
            self.rows: Rows = list(csv.reader(source))[1:]
        assert len(self.rows) == entries

    def named(self, rows: Rows) -> set[str]:
        """The entries that the verifier names as not holding."""
        problems = verify.check_rows(iter(rows), self.expected, self.erased)
        return {found[1] for one in problems if (found := re.search(r"entry (\S+?):? ", one))}


def flip(rows: Rows, chance: random.Random, places: int) -> set[str]:
    """Flip a bit of a character of a cell of each of these rows."""
    named = set()
    for at in chance.sample(range(len(rows)), places):
        filled = [number for number, cell in enumerate(rows[at]) if cell]
        column = chance.choice(filled)
        cell = rows[at][column]
        character = chance.randrange(len(cell))
        other = chr(ord(cell[character]) ^ 1 << chance.randrange(6))
        named.add(rows[at][1])
        rows[at][column] = cell[:character] + other + cell[character + 1 :]
    return named


def delete(rows: Rows, chance: random.Random, places: int) -> set[str]:
    gone = set(chance.sample(range(len(rows)), places))
    named = {rows[at][1] for at in gone}
    rows[:] = [row for at, row in enumerate(rows) if at not in gone]
    return named


def put_in(rows: Rows, chance: random.Random, places: int) -> set[str]:
    """Put in copies of rows under ids of their own, each where it would stand."""
    named = set()
    for number, at in enumerate(sorted(chance.sample(range(len(rows)), places), reverse=True)):
        forged = list(rows[at])
        forged[0], forged[1] = f"trf_forged{number}", f"{rows[at][1]}0"
        named.add(forged[1])
        rows.insert(at + 1, forged)
    return named


def swap(rows: Rows, chance: random.Random, places: int) -> set[str]:
    """Swap the amounts of two rows."""
    named = set()
    chosen = chance.sample(range(len(rows)), min(2 * places, len(rows)))
    for one, other in zip(chosen[::2], chosen[1::2], strict=True):
        rows[one][10], rows[other][10] = rows[other][10], rows[one][10]
        named |= {rows[one][1], rows[other][1]}
    return named


def move(rows: Rows, chance: random.Random, places: int) -> set[str]:
    """Swap whole rows that follow each other."""
    named = set()
    for at in chance.sample(range(0, len(rows) - 1, 2), min(places, len(rows) // 2)):
        named.add(rows[at][1])
        rows[at], rows[at + 1] = rows[at + 1], rows[at]
    return named


def back_date(rows: Rows, chance: random.Random, places: int) -> set[str]:
    """Date entries a day earlier, in all of their instants, and sort them in where they belong."""
    named = set()
    for at in chance.sample(range(len(rows)), places):
        row = rows[at]
        for column in (3, 4, 5):
            day = date.fromisoformat(row[column][:10]) - timedelta(days=1)
            row[column] = day.isoformat() + row[column][10:]
        row[3] = max(row[3], FIRST.isoformat())
        named.add(row[1])
    rows.sort(key=lambda row: (row[3], row[4], row[1], row[2]))
    return named


KINDS: list[Tamper] = [flip, delete, put_in, swap, move, back_date]


@pytest.fixture(scope="module", params=[
    pytest.param((600, 40), id="600 entries"),
    pytest.param((10_000, 1_000), id="10000 entries", marks=pytest.mark.slow),
])  # fmt: skip
def world(
    request: pytest.FixtureRequest, sqlite_databases: Any, tmp_path_factory: Any
) -> Iterator[tuple[World, int]]:
    entries, places = request.param
    with sqlite_databases.copy() as engine:
        yield World(engine, FrozenClock(), tmp_path_factory.mktemp("tamper"), entries), places


def test_what_nobody_touched_holds(world: tuple[World, int]) -> None:
    assert world[0].named(world[0].rows) == set()


@pytest.mark.parametrize("tamper", KINDS, ids=lambda tamper: tamper.__name__)
def test_every_place_that_was_tampered_with_is_named(
    world: tuple[World, int], tamper: Tamper
) -> None:
    books, places = world
    rows = [list(row) for row in books.rows]
    tampered = tamper(rows, random.Random(f"{SEED}{tamper.__name__}"), places)
    assert len(tampered) >= places // 2
    named = books.named(rows)
    assert tampered - named == set()
    untouched = {row[1] for row in books.rows} - tampered
    if tamper in {flip, delete, put_in, swap}:  # the others move the neighbours' places as well
        assert len(untouched & named) <= len(tampered)


def test_every_truncation_is_found_with_all_that_is_missing(world: tuple[World, int]) -> None:
    books, places = world
    chance = random.Random(SEED)
    for cut in (chance.randrange(len(books.rows)) for _ in range(places)):
        kept = books.rows[:cut]
        assert books.named(kept) == {row[1] for row in books.rows[cut:]}
