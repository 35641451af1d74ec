"""The tree of RFC 9162: published roots, and proofs that hold for nothing but what they prove."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.ledger.log.merkle import (
    MerkleTree,
    is_consistent,
    is_included,
    leaf_hash,
    node_hash,
    root_from_inclusion,
)

# The eight entries of Certificate Transparency's reference tree, and the root after each.
ENTRIES = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    bytes(range(0x50, 0x58)),
    bytes(range(0x60, 0x70)),
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def tree_of(size: int) -> MerkleTree:
    tree = MerkleTree()
    for number in range(size):
        tree.append(leaf_hash(b"%d" % number))
    return tree


def test_the_reference_tree_has_its_published_roots() -> None:
    tree = MerkleTree()
    assert tree.root() == hashlib.sha256(b"").digest()
    for entry, root in zip(ENTRIES, ROOTS, strict=True):
        tree.append(leaf_hash(entry))
        assert tree.root().hex() == root
    assert [tree.root(size).hex() for size in range(1, 9)] == ROOTS


def test_a_leaf_is_never_a_node() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)


def test_every_leaf_of_every_small_tree_is_proved_and_no_other() -> None:
    tree = tree_of(40)
    for size in range(1, 41):
        root = tree.root(size)
        for index in range(size):
            proof, leaf = tree.prove_inclusion(index, size), leaf_hash(b"%d" % index)
            assert is_included(leaf, index, size, proof, root)
            assert not is_included(leaf_hash(b"x"), index, size, proof, root)
            other = (index + 1) % size
            assert index == other or not is_included(leaf, other, size, proof, root)


def test_every_small_tree_is_consistent_with_each_before_it() -> None:
    tree = tree_of(40)
    for second in range(1, 41):
        for first in range(1, second + 1):
            proof = tree.prove_consistency(first, second)
            roots = tree.root(first), tree.root(second)
            assert is_consistent(first, second, *roots, proof)
            assert not is_consistent(first, second, leaf_hash(b"x"), roots[1], proof)
            assert not is_consistent(first, second, roots[0], leaf_hash(b"x"), proof)


@given(st.data())
def test_no_altered_proof_of_inclusion_holds(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    tree = tree_of(size)
    proof, leaf, root = tree.prove_inclusion(index, size), leaf_hash(b"%d" % index), tree.root()
    forged = _altered(data, proof)
    assert not is_included(leaf, index, size, forged, root)


@given(st.data())
def test_no_altered_proof_of_consistency_holds(data: st.DataObject) -> None:
    second = data.draw(st.integers(2, 70))
    first = data.draw(st.integers(1, second - 1))
    tree = tree_of(second)
    proof = tree.prove_consistency(first, second)
    forged = _altered(data, proof)
    assert not is_consistent(first, second, tree.root(first), tree.root(), forged)


def _altered(data: st.DataObject, proof: list[bytes]) -> list[bytes]:
    """One bit flipped, one hash left out, put in, cut short, or two in another order."""
    ways = ["add"]
    if proof:
        ways += ["flip", "drop", "cut", "empty"]
    if len(proof) > 1:
        ways.append("swap")
    way, forged = data.draw(st.sampled_from(ways)), list(proof)
    at = data.draw(st.integers(0, max(len(proof) - 1, 0)))
    if way == "add":
        forged.insert(at, leaf_hash(b"more"))
    elif way == "flip":
        bit = data.draw(st.integers(0, 255))
        number = int.from_bytes(proof[at], "big") ^ (1 << bit)
        forged[at] = number.to_bytes(32, "big")
    elif way == "drop":
        del forged[at]
    elif way == "cut":
        forged[at] = forged[at][:-1]
    elif way == "swap":
        other = (at + 1) % len(forged)
        forged[at], forged[other] = forged[other], forged[at]
    else:
        forged = []
    return forged


def test_there_is_no_proof_of_what_is_not_there() -> None:
    tree = tree_of(5)
    for ask in (
        lambda: tree.root(6),
        lambda: tree.prove_inclusion(5, 5),
        lambda: tree.prove_inclusion(-1, 5),
        lambda: tree.prove_consistency(0, 5),
        lambda: tree.prove_consistency(4, 3),
        lambda: tree.prove_consistency(1, 6),
    ):
        with pytest.raises(ValueError, match=r"leaf|leaves|tree"):
            ask()
    assert root_from_inclusion(leaf_hash(b"0"), 5, 5, []) is None
    assert not is_consistent(0, 5, tree.root(0), tree.root(), [])
    assert not is_consistent(6, 5, tree.root(), tree.root(), [])
    assert not is_consistent(3, 5, tree.root(3), tree.root(), [])
    assert not is_consistent(5, 5, tree.root(), tree.root(), [tree.root()])
