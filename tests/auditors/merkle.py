"""Holds roots and proofs that came by standard input against pymerkle (GPL: a program of its own).

Reads JSON: ``entries`` (hex) and ``roots`` (hex, of the first 1, 2, … entries). Prints JSON: at how
many sizes the roots are equal, and how many of pymerkle's own proofs hold under our roots.
"""

import json
import sys

from pymerkle import InmemoryTree, InvalidProof, verify_consistency, verify_inclusion


def main() -> None:
    """Compare, and print what was counted."""
    given = json.load(sys.stdin)
    roots = [bytes.fromhex(root) for root in given["roots"]]
    tree = InmemoryTree(algorithm="sha256")
    equal = inclusions = consistencies = refused = 0
    for size, (entry, root) in enumerate(zip(given["entries"], roots, strict=True), 1):
        tree.append_entry(bytes.fromhex(entry))
        equal += tree.get_root(size) == root
        index = (size * 7) // 10 + 1
        leaf, proof = tree.get_leaf(index), tree.prove_inclusion(index, size)
        verify_inclusion(leaf, root, proof)
        inclusions += 1
        steps = tree.prove_consistency(index, size)
        verify_consistency(roots[index - 1], root, steps)
        consistencies += 1
        try:
            verify_inclusion(leaf, bytes(32), proof)
        except InvalidProof:
            refused += 1
    counted = {"equal": equal, "inclusions": inclusions, "consistencies": consistencies}
    print(json.dumps(counted | {"refused": refused}))  # noqa: T201


if __name__ == "__main__":
    main()
