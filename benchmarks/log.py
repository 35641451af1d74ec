"""A million leaves of the public log: tree, root and proofs, beside hashing the same bytes flat.

Run by ``make bench-log``. The leaves are as long as those of real entries. *Flat* is one SHA-256
over all of them, the least that anybody who looks at every byte has to pay.
"""

import argparse
import hashlib
import resource
import time
from collections.abc import Callable
from typing import Any, Final

from payments.ledger.log.leaves import EntryContent, entry_leaf
from payments.ledger.log.merkle import Frontier, MerkleTree, is_included, leaf_hash

PROOFS: Final = 1_000
MEGABYTE: Final = 1_000_000


def main() -> None:
    """Measure, and print a table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--leaves", type=int, default=1_000_000)
    count: int = options.parse_args().leaves
    leaves, made = _timed(lambda: _leaves(count))
    size = sum(map(len, leaves))
    print(f"{count:,} leaves, {size / MEGABYTE:.0f} MB, with a commitment: made in {made:.2f} s")
    _, flat = _timed(lambda: _flat(leaves))
    print(f"{'flat SHA-256':<34}{flat:8.2f} s   1.0 x")
    edge, streamed = _timed(lambda: _streamed(leaves))
    print(f"{'root only, right edge in memory':<34}{streamed:8.2f} s {streamed / flat:5.1f} x")
    tree, built = _timed(lambda: _built(leaves))
    print(f"{'tree with every complete subtree':<34}{built:8.2f} s {built / flat:5.1f} x")
    if edge.root() != tree.root():
        raise SystemExit("two ways to the root differ")
    root = tree.root()
    places = [place * (count // PROOFS) for place in range(PROOFS)]
    proofs, proved = _timed(lambda: [tree.prove_inclusion(place, count) for place in places])
    held, checked = _timed(
        lambda: sum(
            is_included(leaf_hash(leaves[place]), place, count, proof, root)
            for place, proof in zip(places, proofs, strict=True)
        )
    )
    print(f"{held:,} proofs of {max(map(len, proofs))} hashes: {proved / PROOFS * 1e6:.0f} µs each")
    print(f"and {checked / PROOFS * 1e6:.0f} µs to check")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEGABYTE
    print(f"peak memory, leaves included: {peak:.0f} MB")


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    started = time.process_time()
    result = work()
    return result, time.process_time() - started


def _leaves(count: int) -> list[bytes]:
    return [
        entry_leaf(
            seq,
            EntryContent("2026-11-28", "22001", "112000000001", _books(seq), {}),
            books_salt=b"s" * 32,
            person="0" * 64,
        ).encode()
        for seq in range(count)
    ]


def _books(seq: int) -> dict[str, Any]:
    transfer = {
        "amount_minor": str(10_000 + seq % 90_000),
        "credit": "payable:state_treasury:LP-HOTICH",
        "currency": "VND",
        "debit": "receivable",
        "position": "1",
        "transfer": f"trf_{seq:026x}",
    }
    return {
        "entry": f"jrn_{seq:026x}",
        "event": "billed",
        "posted_at": "2026-11-28T02:00:00.000000Z",
        "reverses": "",
        "transfers": [transfer],
    }


def _flat(leaves: list[bytes]) -> bytes:
    digest = hashlib.sha256()
    for leaf in leaves:
        digest.update(leaf)
    return digest.digest()


def _streamed(leaves: list[bytes]) -> Frontier:
    edge = Frontier()
    for leaf in leaves:
        edge.append(leaf_hash(leaf))
    edge.root()
    return edge


def _built(leaves: list[bytes]) -> MerkleTree:
    tree = MerkleTree()
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
    tree.root()
    return tree


if __name__ == "__main__":
    main()
