"""The public log over the books: a Merkle tree, signed checkpoints, and proofs to check alone."""
