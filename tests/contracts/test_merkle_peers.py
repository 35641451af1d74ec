"""Our trees beside other people's: pymerkle, run as a program in an environment of its own."""

import json
import random
import subprocess
from pathlib import Path

import pytest

from payments.ledger.log.merkle import Frontier, MerkleTree, leaf_hash
from tests.support.auditors import ENVIRONMENT

PROGRAM = Path(__file__).parents[1] / "auditors" / "merkle.py"
SIZES = 600


def test_pymerkle_has_the_same_roots_and_its_proofs_hold_under_ours() -> None:
    python = ENVIRONMENT / "python"
    if not (python.exists() and list(ENVIRONMENT.parent.glob("lib/*/site-packages/pymerkle"))):
        pytest.skip("pymerkle is not installed: make test-tools")
    chance = random.Random(9162)
    entries = [chance.randbytes(chance.randrange(60)) for _ in range(SIZES)]
    tree, edge, roots = MerkleTree(), Frontier(), []
    for entry in entries:
        tree.append(leaf_hash(entry))
        edge.append(leaf_hash(entry))
        assert tree.root() == edge.root()
        roots.append(tree.root().hex())
    given = {"entries": [entry.hex() for entry in entries], "roots": roots}
    done = subprocess.run(
        [str(python), str(PROGRAM)],
        check=False, capture_output=True, text=True, timeout=120, input=json.dumps(given),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counted = json.loads(done.stdout)
    assert counted == dict.fromkeys(("equal", "inclusions", "consistencies", "refused"), SIZES)
