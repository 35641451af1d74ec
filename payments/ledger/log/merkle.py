"""The Merkle tree of RFC 9162, section 2.1 (as in RFC 6962): roots, proofs, and their checks.

A leaf is SHA-256(0x00 ‖ entry), a node SHA-256(0x01 ‖ left ‖ right); every hash has 32 bytes.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from typing import Final

from typing_extensions import override

HASH_BYTES: Final = 32
_LEAF: Final = b"\x00"
_NODE: Final = b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one entry's bytes."""
    return hashlib.sha256(_LEAF + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees."""
    return hashlib.sha256(_NODE + left + right).digest()


class Tree(ABC):
    """An append-only tree, read by the hashes of its complete subtrees."""

    @abstractmethod
    def __len__(self) -> int:
        """How many leaves there are."""

    @abstractmethod
    def complete(self, level: int, index: int) -> bytes:
        """The hash over the 2^``level`` leaves from ``index`` × 2^``level``, which all exist."""

    def root(self, size: int | None = None) -> bytes:
        """The root of the first ``size`` leaves (of all, unless told); of none, SHA-256 of nothing.

        Raises:
            ValueError: there are not so many leaves.
        """
        size = self._checked(len(self) if size is None else size)
        return self._range(0, size) if size else hashlib.sha256().digest()

    def prove_inclusion(self, index: int, size: int) -> list[bytes]:
        """The hashes that lead from leaf ``index`` to the root of ``size`` leaves (2.1.3.1).

        Raises:
            ValueError: that tree has no such leaf.
        """
        if not 0 <= index < self._checked(size):
            raise ValueError(f"a tree of {size} has no leaf {index}")
        proof: list[bytes] = []
        low, high = 0, size
        while high - low > 1:
            middle = low + _split(high - low)
            if index < middle:
                proof.append(self._range(middle, high))
                high = middle
            else:
                proof.append(self._range(low, middle))
                low = middle
        return proof[::-1]

    def prove_consistency(self, first: int, second: int) -> list[bytes]:
        """The hashes that show the tree of ``first`` leaves within that of ``second`` (2.1.4.1).

        Raises:
            ValueError: the first is empty or larger than the second.
        """
        if not 0 < first <= self._checked(second):
            raise ValueError(f"no tree of {first} within one of {second}")
        proof: list[bytes] = []
        low, high, whole = 0, second, True
        while first != high:
            middle = low + _split(high - low)
            if first <= middle:
                proof.append(self._range(middle, high))
                high = middle
            else:
                proof.append(self._range(low, middle))
                low, whole = middle, False
        if not whole:
            proof.append(self._range(low, high))
        return proof[::-1]

    def _checked(self, size: int) -> int:
        if not 0 <= size <= len(self):
            raise ValueError(f"there are {len(self)} leaves, not {size}")
        return size

    def _range(self, low: int, high: int) -> bytes:
        """The hash over leaves from ``low`` to before ``high``; ``low`` begins a subtree."""
        size = high - low
        if size & (size - 1) == 0:
            level = size.bit_length() - 1
            return self.complete(level, low >> level)
        middle = low + _split(size)
        return node_hash(self._range(low, middle), self._range(middle, high))


class MerkleTree(Tree):
    """A tree in memory. It keeps the hash of every complete subtree: 64 bytes for each leaf."""

    def __init__(self) -> None:
        self._levels: list[bytearray] = [bytearray()]

    @override
    def __len__(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    @override
    def complete(self, level: int, index: int) -> bytes:
        at = index * HASH_BYTES
        return bytes(self._levels[level][at : at + HASH_BYTES])

    def append(self, leaf: bytes) -> None:
        """Add the next leaf, by its hash."""
        hashed, level = leaf, 0
        while True:
            if level == len(self._levels):
                self._levels.append(bytearray())
            row = self._levels[level]
            row += hashed
            if len(row) // HASH_BYTES % 2:
                return
            hashed = node_hash(bytes(row[-2 * HASH_BYTES : -HASH_BYTES]), hashed)
            level += 1


class Frontier:
    """The right edge of a growing tree: enough for its root, in memory that hardly grows."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        """Add the next leaf, by its hash."""
        at = self.size
        while at & 1:
            leaf, at = node_hash(self._edge.pop(), leaf), at >> 1
        self._edge.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The root of all leaves so far; of none, SHA-256 of nothing."""
        if not self._edge:
            return hashlib.sha256().digest()
        return reduce(lambda right, left: node_hash(left, right), reversed(self._edge))


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that a proof leads to from a leaf's hash; None if no such proof exists (2.1.3.2)."""
    if not 0 <= index < size or any(len(one) != HASH_BYTES for one in proof):
        return None
    at, last, found = index, size - 1, leaf
    for other in proof:
        if last == 0:
            return None
        if at & 1 or at == last:
            found = node_hash(other, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, other)
        at, last = at >> 1, last >> 1
    return found if last == 0 else None


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the proof shows this leaf's hash at this place of the tree with this root.

    The size has to come from where the root does, a signed checkpoint: a proof alone does not tell
    trees of all sizes apart.
    """
    return root_from_inclusion(leaf, index, size, proof) == root


def is_consistent(
    first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether the proof shows that the second tree only adds leaves to the first (2.1.4.2)."""
    if not 0 < first <= second or any(len(one) != HASH_BYTES for one in proof):
        return False
    if first == second:
        return not proof and first_root == second_root
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(other, old), node_hash(other, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = node_hash(new, other)
        at, last = at >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)
