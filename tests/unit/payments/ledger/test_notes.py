"""Signed notes, checkpoints and proofs as files."""

from dataclasses import replace

import pytest

from payments.errors import NoteInvalidError, ProofInvalidError
from payments.ledger.log.checkpoints import Checkpoint
from payments.ledger.log.merkle import MerkleTree, leaf_hash
from payments.ledger.log.notes import COSIGNATURE, SignedNote, SignerKey, VerifierKey
from payments.ledger.log.proofs import InclusionProof

# The published example of the note format.
EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngot"
    "pRZb6KE6RyyBwJnAM=\n"
)
KEY = SignerKey("books.example/mong-cai", bytes(range(32)))
OTHER = SignerKey("audit.example/witness", bytes(range(1, 33)))


def head(size: int = 5) -> tuple[MerkleTree, Checkpoint]:
    tree = MerkleTree()
    for number in range(size):
        tree.append(leaf_hash(b"%d" % number))
    return tree, Checkpoint(KEY.name, size, tree.root())


def signed(checkpoint: Checkpoint) -> SignedNote:
    return SignedNote(checkpoint.text, (KEY.sign(checkpoint.text),))


def test_the_published_example_verifies() -> None:
    key = VerifierKey.parse(EXAMPLE_KEY)
    note = SignedNote.parse(EXAMPLE)
    assert str(key) == EXAMPLE_KEY
    assert note.signed_by([key]) == [key]
    assert str(note) == EXAMPLE


def test_a_changed_text_is_refused_and_an_unknown_key_ignored() -> None:
    key = VerifierKey.parse(EXAMPLE_KEY)
    with pytest.raises(NoteInvalidError, match="PeterNeumann"):
        SignedNote.parse(EXAMPLE.replace("answer", "Answer")).signed_by([key])
    assert SignedNote.parse(EXAMPLE).signed_by([KEY.verifier()]) == []


def test_a_witness_adds_its_signature_with_a_time() -> None:
    _, checkpoint = head()
    note = signed(checkpoint).with_signature(OTHER.cosign(checkpoint.text, 1_790_000_000))
    keys = [KEY.verifier(), OTHER.verifier(COSIGNATURE)]
    assert SignedNote.parse(str(note)).signed_by(keys) == keys
    assert note.signed_by([OTHER.verifier()]) == []
    assert note.with_signature(note.signatures[1]) == note


@pytest.mark.parametrize(
    "note",
    [
        "",
        "no signature\n",
        "text\n\n",
        "text\n\nnot a line\n",
        "text\n\n\u2014 name AAAA\n",
        "text\n\n\u2014 na+me AAAAAAAAAAA=\n",
        "text\n\n\u2014 name AAAAAAAAAAA=",
        "te\txt\n\n\u2014 name AAAAAAAAAAA=\n",
    ],
)
def test_what_is_no_note_is_refused(note: str) -> None:
    with pytest.raises(NoteInvalidError):
        SignedNote.parse(note)


@pytest.mark.parametrize(
    "text",
    ["", "o\n5\n", "o\n05\n{}\n", "o\n+5\n{}\n", "o\n5\nAAAA\n", "\n5\n{}\n", "o\n5\n{}\nmore\n"]
    + [f"o\n{size}\n{{}}\n" for size in ("9" * 5000, str(2**63))],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    root = Checkpoint("o", 5, bytes(32)).text.split("\n")[2]
    with pytest.raises(NoteInvalidError):
        Checkpoint.parse(text.format(root))


def test_a_key_whose_id_is_not_its_own_is_refused() -> None:
    with pytest.raises(NoteInvalidError, match="id of PeterNeumann"):
        VerifierKey.parse(EXAMPLE_KEY.replace("c74f20a3", "c74f20a4"))
    with pytest.raises(NoteInvalidError):
        SignerKey("two words", bytes(32))
    assert "0001" not in repr(KEY)


def test_a_proof_goes_through_its_file_and_its_short_form() -> None:
    tree, checkpoint = head()
    proof = InclusionProof(3, tuple(tree.prove_inclusion(3, 5)), signed(checkpoint))
    keys = [OTHER.verifier(), KEY.verifier()]
    for copy in (
        InclusionProof.parse(str(proof)),
        replace(InclusionProof.parse(str(replace(proof, extra=b"opens it"))), extra=b""),
        InclusionProof.from_short(proof.short(KEY.verifier()), keys),
    ):
        assert copy == proof
        assert copy.check(b"3", keys) == checkpoint
    assert "\nextra b3BlbnMgaXQ=\nindex 3\n" in str(replace(proof, extra=b"opens it"))
    with pytest.raises(ProofInvalidError, match="no base64"):
        InclusionProof.parse(str(proof).replace("index", "extra !\nindex", 1))
    assert len(proof.short(KEY.verifier())) == 121 + 32 * len(proof.hashes)


def test_a_proof_holds_for_its_entry_its_place_and_its_signer_only() -> None:
    tree, checkpoint = head()
    hashes = tuple(tree.prove_inclusion(3, 5))
    proof = InclusionProof(3, hashes, signed(checkpoint))
    keys = [KEY.verifier()]
    with pytest.raises(ProofInvalidError, match="not leaf 3"):
        proof.check(b"4", keys)
    with pytest.raises(ProofInvalidError, match="not leaf 2"):
        InclusionProof(2, hashes, signed(checkpoint)).check(b"3", keys)
    with pytest.raises(ProofInvalidError, match="no known key"):
        proof.check(b"3", [OTHER.verifier()])
    foreign = Checkpoint(OTHER.name, 5, tree.root()).text
    with pytest.raises(ProofInvalidError, match="no known key"):
        InclusionProof(3, hashes, SignedNote(foreign, (KEY.sign(foreign),))).check(b"3", keys)
    with pytest.raises(ProofInvalidError, match="not signed"):
        proof.short(OTHER.verifier())


def test_the_size_is_what_was_signed_and_no_other() -> None:
    tree, checkpoint = head()
    hashes = tuple(tree.prove_inclusion(0, 5))
    for size in range(1, 20):
        claimed = Checkpoint(KEY.name, size, checkpoint.root)
        note = SignedNote(claimed.text, signed(checkpoint).signatures)
        if size != checkpoint.size:
            with pytest.raises(ProofInvalidError):
                InclusionProof(0, hashes, note).check(b"0", [KEY.verifier()])


def test_every_changed_byte_of_a_short_proof_is_noticed() -> None:
    tree, checkpoint = head()
    proof = InclusionProof(3, tuple(tree.prove_inclusion(3, 5)), signed(checkpoint))
    raw, keys = proof.short(KEY.verifier()), [KEY.verifier()]
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]
        with pytest.raises(ProofInvalidError):
            InclusionProof.from_short(changed, keys).check(b"3", keys)
    for size in range(len(raw)):
        with pytest.raises(ProofInvalidError):
            InclusionProof.from_short(raw[:size], keys)
