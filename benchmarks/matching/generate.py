"""Write a labelled data set: ``python -m benchmarks.matching.generate FOLDER --payments N``.

Everything follows from the seed. A share of the payments goes through every kind of noise in turn
(``transfers``, ``nasty``, ``providers``, ``payouts``); the rest is plain (``bulk``). ``truth.csv``
says what must become of each item: its group and ``matched`` or ``may_match``, else the mismatch
types that are right, joined by ``|``, or ``*`` where any is.
"""

import argparse
import contextlib
import itertools
import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from benchmarks.matching import bulk
from benchmarks.matching.calendar import pay_out_daily
from benchmarks.matching.grading import TRUTH
from benchmarks.matching.noise import DIRECT, PROVIDER
from benchmarks.matching.world import CONTRACTS, Row, World

NOISE_SHARE: Final = 0.15


def noisy_world(
    payments: int,
    seed: int,
    *,
    part: int = 0,
    references: set[str] | None = None,
    ids: "itertools.count[int] | None" = None,
) -> World:
    """At least so many payments, through each kind of noise in turn; one part of a data set.

    ``references``: those that are taken. ``ids``: goes on where the part before ended.
    """
    days = payments // 200  # several noisy payouts a day and provider, as soon as there are enough
    world = World(
        random.Random(f"{seed} {part}"),
        span=min(max(25, days), bulk.DAYS),
        references=set() if references is None else references,
        ids=ids or itertools.count(1),
        part=part,
    )
    for number in itertools.count():
        if len(world.payments) >= payments:
            break
        for name, make in DIRECT.items():
            world.kind = name
            make(world)
        for place, (name, spoil) in enumerate(PROVIDER.items()):
            world.kind = name
            spoil(world, list(CONTRACTS["providers"])[(number + place) % 4])
    for provider in CONTRACTS["providers"]:
        pay_out_daily(world, provider)
    for copy, original in world.copies:
        copy |= {name: original[name] for name in ("payout_id", "payout_date", "fee", "net")}
    return world


def write(folder: Path, payments: int, seed: int, *, share: float = NOISE_SHARE) -> None:
    """Write the three inputs, the contracts and the truth of a world into a folder.

    A part of ``bulk.PART`` payments is in memory at a time; rows are shuffled within their part.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = bulk.numbers(payments, seed)
    references, ids = bulk.Taken(numbers), itertools.count(1)
    with contextlib.ExitStack() as stack:
        writers: dict[str, pacsv.CSVWriter] = {}
        for part, start in enumerate(range(0, payments, bulk.PART)):
            count = min(bulk.PART, payments - start)
            noisy = noisy_world(int(count * share), seed, part=part, references=references, ids=ids)
            chosen = numbers[start : start + max(count - len(noisy.payments), 0)]
            plain = bulk.draw(chosen, seed, part=part)
            order = np.random.default_rng([seed, part, 1])
            for name, table in _tables(plain, noisy):
                if name not in writers:
                    options = pacsv.WriteOptions(quoting_style="needed")
                    path = folder / f"{name}.csv"
                    writers[name] = stack.enter_context(
                        pacsv.CSVWriter(path, table.schema, write_options=options)
                    )
                writers[name].write_table(table.take(pa.array(order.permutation(table.num_rows))))
    text = json.dumps(CONTRACTS, ensure_ascii=False, indent=1)
    (folder / "contracts.json").write_text(text + "\n", encoding="utf-8")


def _tables(plain: bulk.Bulk, noisy: World) -> Iterator[tuple[str, pa.Table]]:
    truth = pa.table(dict(zip(TRUTH, _columns(noisy.truth(), len(TRUTH)), strict=True)))
    for name, table, spoilt in (
        ("payments", plain.payments, _table(noisy.payments, plain.payments)),
        ("settlements", plain.settlements, _table(noisy.settlements, plain.settlements)),
        ("bank", plain.bank, _table(noisy.bank, plain.bank)),
        ("truth", plain.truth, truth),
    ):
        yield name, pa.concat_tables([table, spoilt.cast(table.schema)])


def _columns(rows: Iterable[tuple[str, ...]], width: int) -> list[list[str]]:
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]


def _table(rows: list[Row], like: pa.Table) -> pa.Table:
    return pa.table(
        {name: pa.array([_said(row[name]) for row in rows]) for name in like.column_names}
    )


def _said(value: Any) -> Any:
    if isinstance(value, datetime):
        text = value.isoformat()
        return text.replace("+00:00", "Z") if value.tzinfo is UTC else text
    return value.isoformat() if isinstance(value, date) else value


def main() -> None:
    """Write one data set and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--payments", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--noise", type=float, default=NOISE_SHARE, help="share of the payments")
    options = parser.parse_args()
    write(options.folder, options.payments, options.seed, share=options.noise)
    for path in sorted(options.folder.iterdir()):
        print(f"{path.stat().st_size:>14,}  {path}")


if __name__ == "__main__":
    main()
