"""Write a labelled data set: ``python -m benchmarks.matching.generate FOLDER --payments N``.

Everything follows from the seed. A share of the payments goes through every kind of noise in turn
(``transfers``, ``nasty``, ``providers``, ``payouts``); the rest is plain (``bulk``). ``truth.csv``
says what must become of each item: its group and ``matched`` or ``may_match``, else the mismatch
types that are right, joined by ``|``, or ``*`` where any is.
"""

import argparse
import itertools
import json
import random
from collections.abc import Iterable
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


def noisy_world(payments: int, seed: int) -> World:
    """At least so many payments, through each kind of noise in turn."""
    days = payments // 200  # several noisy payouts a day and provider, as soon as there are enough
    world = World(random.Random(seed), span=min(max(25, days), bulk.DAYS))
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
    """Write the three inputs, the contracts and the truth of a world into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    world = noisy_world(int(payments * share), seed)
    plain = bulk.draw(max(payments - len(world.payments), 0), seed, world.references)
    order = np.random.default_rng(seed)
    truth = pa.table(dict(zip(TRUTH, _columns(world.truth(), len(TRUTH)), strict=True)))
    for name, table, noisy in (
        ("payments", plain.payments, _table(world.payments, plain.payments)),
        ("settlements", plain.settlements, _table(world.settlements, plain.settlements)),
        ("bank", plain.bank, _table(world.bank, plain.bank)),
        ("truth", plain.truth, truth),
    ):
        whole = pa.concat_tables([table, noisy.cast(table.schema)])
        whole = whole.take(pa.array(order.permutation(whole.num_rows)))
        pacsv.write_csv(whole, folder / f"{name}.csv", pacsv.WriteOptions(quoting_style="needed"))
    text = json.dumps(CONTRACTS, ensure_ascii=False, indent=1)
    (folder / "contracts.json").write_text(text + "\n", encoding="utf-8")


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
