"""The tree as the database keeps it: complete tiles, and the leaves that no tile has yet."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import func
from sqlmodel import Session, col, select
from typing_extensions import override

from payments.ledger.log.merkle import HASH_BYTES, Tree, leaf_hash, node_hash
from payments.ledger.log.models import LogEntry, LogTile

TILE: Final = 256
"""Hashes in a complete tile."""

_HEIGHT: Final = 8
_MOST_ROWS: Final = 512
"""Rows of tiles that are kept in memory: at most 4 MiB."""


class StoredTree(Tree):
    """The tree of all leaves in the database; good for one transaction that appends nothing."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._size = log_size(session)
        self._rows: dict[tuple[int, int], list[bytes]] = {}

    @override
    def __len__(self) -> int:
        return self._size

    @override
    def complete(self, level: int, index: int) -> bytes:
        tile_level, above = divmod(level, _HEIGHT)
        place, offset = divmod(index << above, TILE)
        return fold(self.row(tile_level, place)[offset : offset + (1 << above)])

    def row(self, level: int, place: int) -> list[bytes]:
        """The hashes of a tile as far as they exist; a tile of the edge has fewer than 256."""
        known = self._rows.get((level, place))
        if known is None:
            if len(self._rows) >= _MOST_ROWS:
                self._rows.clear()
            known = self._rows[level, place] = self._read(level, place)
        return known

    def _read(self, level: int, place: int) -> list[bytes]:
        tile = self._session.get(LogTile, (level, place))
        if tile is not None:
            raw = tile.hashes
            return [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]
        return self.gather(level, place)

    def gather(self, level: int, place: int) -> list[bytes]:
        """The hashes that belong into a tile, from the leaves or from the tiles below."""
        low, high = place * TILE, (place + 1) * TILE
        if level == 0:
            seq = col(LogEntry.seq)
            leaves = select(LogEntry.leaf).where(seq >= low, seq < high).order_by(seq)
            return [leaf_hash(leaf.encode()) for leaf in self._session.exec(leaves)]
        below = col(LogTile.place)
        roots = select(LogTile.root).where(LogTile.level == level - 1)
        return list(self._session.exec(roots.where(below >= low, below < high).order_by(below)))


def log_size(session: Session) -> int:
    """How many leaves the log has."""
    last: int | None = session.scalar(select(func.max(col(LogEntry.seq))))
    return 0 if last is None else last + 1


def complete_tiles(session: Session, before: int) -> None:
    """Write every tile that leaves from number ``before`` on have completed, of every level."""
    tree = StoredTree(session)
    level, old, new = 0, before // TILE, len(tree) // TILE
    while new:
        for place in range(old, new):
            hashes = tree.gather(level, place)
            root = fold(hashes)
            session.add(LogTile(level=level, place=place, hashes=b"".join(hashes), root=root))
        session.flush()
        level, old, new = level + 1, old // TILE, new // TILE


def fold(hashes: Iterable[bytes]) -> bytes:
    """The hash over a power of two of hashes."""
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row), 2)]
    return row[0]
