"""Checks an export of doisoat's books, or one proof, with nothing of doisoat but this file.

    python3 verify.py FOLDER [--key KEY] [--held CHECKPOINT]...
    python3 verify.py FILE.tlog-proof --key KEY

KEY is the log's verifier key as its office publishes it, or a file with it; without it the folder
is only held against itself. CHECKPOINT is one that you hold from elsewhere: a witness, an earlier
export. Exit status 0: all holds; 1: something does not, and is named. Needs Python 3.8 and, for
signatures, the package ``cryptography`` or the program ``openssl`` (1.1.1 or later).
"""

import argparse
import base64
import csv
import gzip
import hashlib
import json
import subprocess
import tempfile
from datetime import datetime, timedelta
from functools import reduce
from itertools import groupby
from pathlib import Path

COLUMNS = (
    "transfer_id entry_id position entry_date posted_at_utc posted_at_local event event_key "
    "debit_account credit_account amount_minor currency collecting_account office_code bill_id "
    "reverses_entry_id description"
).split()
PARTS = {"transfer": 0, "position": 2, "debit": 8, "credit": 9, "amount_minor": 10, "currency": 11}


class Refused(Exception):
    """What was given cannot be trusted at all."""


def main(words=None):
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("place", type=Path)
    options.add_argument("--key", default="")
    options.add_argument("--held", action="append", default=[], type=Path)
    given = options.parse_args(words)
    check, problems = check_folder if given.place.is_dir() else check_proof, []
    try:
        key = given.key if "+" in given.key or not given.key else Path(given.key).read_text("utf-8")
        check(given.place, [parse_key(key)] if key else [], given.held, problems)
    except (Refused, OSError, ValueError, KeyError, TypeError, IndexError, EOFError) as problem:
        problems.append(str(problem) if isinstance(problem, Refused) else f"unusable: {problem!r}")
    for problem in problems[:20]:
        print(f"FAILED: {problem}")
    print(f"{len(problems)} problems: DOES NOT HOLD" if problems else "HOLDS")
    return len(problems[:1])


def check_folder(folder, keys, held, problems):
    problems += check_manifest(folder)
    proof = folder / "proof"
    keys = trusted_keys(json.loads((proof / "keys.json").read_text("utf-8")), keys)
    origin, size, root = open_checkpoint((proof / "checkpoint").read_text("utf-8"), keys)
    print(f"{origin}: {size:,} leaves, signed by a key of {', '.join(key[3] for key in keys)}")
    signed = {size: root}
    for path in held:
        other, older, other_root = open_checkpoint(path.read_text("utf-8"), keys)
        if other != origin or older > size:
            problems.append(f"{path.name} is of {other} and covers {older:,} leaves: not these")
        elif signed.setdefault(older, other_root) != other_root:
            problems.append(f"{path.name} is of another log of this name: it was forked")
    expected, erased, early = read_log(proof, signed, problems)
    if (folder / "transfers.csv").exists():
        problems += check_rows(read_csv(folder / "transfers.csv", COLUMNS), expected, erased)
        problems += check_balances(folder, early)
    else:
        problems.append("only the rows of the format datapackage can be checked: ask for that")
    gone = sum(known["seq"] in erased for known in expected.values())
    print(f"{len(expected):,} entries of these days in the log, {gone:,} of them without person")


def check_manifest(folder):
    files = json.loads((folder / "manifest.json").read_text("utf-8"))["files"]
    listed = {file["path"]: file["sha256"] for file in files}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        digest = hashlib.sha256()
        with path.open("rb") as source:
            for piece in iter(lambda: source.read(1 << 20), b""):
                digest.update(piece)
        if name != "manifest.json" and listed.pop(name, None) != digest.hexdigest():
            yield f"{name} is not the file that the manifest lists"
    yield from (f"{name} is missing" for name in listed)


def read_log(proof, signed, problems):
    scope = json.loads((proof / "scope.json").read_text("utf-8"))
    openings = {int(row["seq"]): row for row in read_csv(proof / "openings.csv", None)}
    expected, erased, early, edge, size = {}, set(), False, [], 0
    total, places = max(signed), scope["places"]
    with gzip.open(proof / "leaves.jsonl.gz", "rb") as lines:
        for line in lines:
            leaf, seq = json.loads(line), size
            size = grow(edge, size, hashlib.sha256(b"\0" + line.rstrip(b"\n")).digest())
            if leaf["v"] != "1" or leaf["seq"] != str(seq):
                problems.append(f"leaf {seq} says that it is {leaf['seq']}")
            if size in signed and reduce(lambda a, b: node_hash(b, a), edge[::-1]) != signed.pop(
                size
            ):
                problems.append(f"the first {size:,} leaves are not those that were signed")
            if "erases" in leaf:
                erased.add(int(leaf["erases"]))
            elif places is None or (leaf["office"] or "account:" + leaf["account"]) in places:
                early = early or leaf["day"] < scope["from"]
                if scope["from"] <= leaf["day"] <= scope["to"]:
                    known = openings.pop(seq, {"entry_id": f"leaf {seq}", "books_salt": ""})
                    twice = known["entry_id"] in expected
                    problems += [f"leaf {seq} is opened as an entry of another leaf"] * twice
                    expected[known["entry_id"]] = {**known, "seq": seq, "leaf": leaf}
    problems += [f"{total:,} leaves were signed, {size:,} are here"] * (size != total)
    problems += [f"the opening of leaf {seq} is of no entry of these days" for seq in openings]
    return expected, erased, early


def check_rows(rows, expected, erased):
    missing, last = dict(expected), ()
    for _, group in groupby(rows, lambda row: row[1]):
        for row in (entry := list(group)):
            here = (row[3], row[4], row[1], row[2].zfill(9))
            if here <= last:
                yield f"transfer {row[0]} of entry {row[1]} is not in its place"
            last = here
        yield from check_entry(entry, expected, missing, erased)
    for entry, known in missing.items():
        yield f"entry {entry} is in the log, leaf {known['seq']}, and not here"


def check_entry(rows, expected, missing, erased):
    first, own = rows[0], set(PARTS.values())
    entry, known = first[1], expected.get(first[1])
    if known is None:
        yield f"entry {entry} is not in the log: put in, or posted after the checkpoint"
        return
    missing.pop(entry, None)  # were it here twice, one of them would not be in its place
    if any(row[at] != first[at] for row in rows for at in range(len(COLUMNS)) if at not in own):
        yield f"entry {entry}: its rows do not agree with each other"
    leaf = known["leaf"]
    if (leaf["day"], leaf["office"], leaf["account"]) != (first[3], first[13], first[12]):
        yield f"entry {entry}: day, office or account are not what the log says"
    books = {"entry": entry, "event": first[6], "posted_at": first[4], "reverses": first[15]}
    books["transfers"] = [{name: row[at] for name, at in PARTS.items()} for row in rows]
    told = commitment(known["books_salt"], books) == leaf["books"]
    if not told or first[5] != in_vietnam(first[4]):
        yield f"entry {entry}: transfers, event or instant are not what the log says"
    person = {"bill": first[14], "description": first[16], "event_key": first[7]}
    if not known.get("person_salt") and known["seq"] in erased:
        return  # nobody can tell any more whom it was about, as the log says
    if commitment(known.get("person_salt", ""), person) != leaf["person"]:
        yield f"entry {entry}: bill, key or description are not what the log says"


def check_balances(folder, early):
    opening, closing = (
        {
            (row["account"], row["currency"]): (int(row["debit_minor"]), int(row["credit_minor"]))
            for row in read_csv(folder.joinpath(f"{name}_balances.csv"), None)
        }
        for name in ("opening", "closing")
    )
    if not early and any(map(any, opening.values())):
        yield "there are opening balances, and no entry of the log is before these days"
    for row in read_csv(folder / "transfers.csv", COLUMNS):
        for account, debit in ((row[8], 1), (row[9], 0)):
            sums, amount = opening.get((account, row[11]), (0, 0)), int(row[10])
            opening[account, row[11]] = (sums[0] + amount * debit, sums[1] + amount * (1 - debit))
    for key in sorted(opening.keys() | closing.keys()):
        if opening.get(key) != closing.get(key):
            yield f"the closing balance of {' '.join(key)} is not opening plus transfers"


def read_csv(path, columns):
    with path.open(encoding="utf-8", newline="") as source:
        rows = csv.reader(source, strict=True)
        header = next(rows)
        for row in rows:
            if len(row) != len(header) or header != (columns or header):
                raise Refused(f"{path.name}: line {rows.line_num} or columns not as written")
            yield row if columns else dict(zip(header, row))


def check_proof(path, keys, held, problems):
    head, _, note = path.read_text("utf-8").partition("\n\n")
    title, extra, place, *hashes = head.split("\n")
    if title != "c2sp.org/tlog-proof@v1" or extra[:6] + place[:6] != "extra index " or held:
        raise Refused("not a proof that opens its leaf")
    said, index = json.loads(base64.b64decode(extra[6:], validate=True)), int(place[6:])
    origin, size, root = open_checkpoint(note, keys)
    leaf, hashed = json.loads(said["leaf"]), hashlib.sha256(b"\0" + said["leaf"].encode()).digest()
    path = [base64.b64decode(one, validate=True) for one in hashes]
    if {len(one) for one in path} - {32} or root_of_proof(hashed, index, size, path) != root:
        problems.append(f"the entry is not leaf {index} of this checkpoint")
    for part in ("books", "person"):
        if (part in said or part == "books") and commitment(
            said[part + "_salt"], said[part]
        ) != leaf[part]:
            problems.append(f"what the proof says of {part} is not what the leaf commits to")
        print(json.dumps(said.get(part, "erased"), indent=1, ensure_ascii=False))
    print(f"leaf {index:,} of {size:,} in {origin}, of {leaf['day']}, office {leaf['office']}")


def root_of_proof(leaf, index, size, hashes):
    if not 0 <= index < size or (size == 1) != (not hashes):
        raise Refused("the proof has not as many hashes as its place in the tree needs")
    if size == 1:
        return leaf
    left = 1 << ((size - 1).bit_length() - 1)
    if index < left:
        return node_hash(root_of_proof(leaf, index, left, hashes[:-1]), hashes[-1])
    return node_hash(hashes[-1], root_of_proof(leaf, index - left, size - left, hashes[:-1]))


def in_vietnam(utc):
    local = datetime.strptime(utc, "%Y-%m-%dT%H:%M:%S.%fZ") + timedelta(hours=7)
    return local.isoformat("T", "microseconds") + "+07:00"


def node_hash(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def grow(edge, size, found):
    at = size
    while at & 1:
        found, at = node_hash(edge.pop(), found), at >> 1
    edge.append(found)
    return size + 1


def commitment(salt, part):  # of canonical JSON (RFC 8785), whose values are all texts
    text = json.dumps(part, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(bytes.fromhex(salt) + text.encode()).hexdigest()


def parse_key(text):
    name, key_id, material = text.strip().split("+", 2)
    raw = base64.b64decode(material, validate=True)
    made = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    if raw[:1] != b"\1" or made.hex() != key_id:
        raise Refused(f"not a verifier key: {text.strip()}")
    return name, made, raw[1:], text.strip()


def trusted_keys(listed, given):
    if not given:
        print("WARNING: no --key: compare this key with the one that the office publishes")
        given = [parse_key(listed[0]["key"])]
    for one in [*listed, *reversed(listed)]:
        text, _, lines = one["endorsement"].partition("\n\n")
        if signers(text + "\n", lines, given):
            _, old, new = text.split("\n")
            given += [parse_key(old[len("key ") :]), parse_key(new[len("next key ") :])]
    return list(dict.fromkeys(given))


def open_checkpoint(note, keys):
    text, _, lines = note.rpartition("\n\n")
    origin, size, root = text.split("\n")
    if origin not in signers(text + "\n", lines, keys):
        raise Refused(f"the checkpoint of {origin} is by no key that is trusted")
    return origin, int(size), base64.b64decode(root, validate=True)


def signers(text, lines, keys):
    parts = [line.split(" ") for line in lines.splitlines()]
    made = [(name, base64.b64decode(raw, validate=True)) for _, name, raw in parts]
    mine = [(key, raw) for name, raw in made for key in keys if (name, raw[:4]) == key[:2]]
    return [key[0] for key, raw in mine if is_signature(key[2], raw[4:], text.encode())]


def is_signature(public, signature, message):
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return is_signature_by_openssl(public, signature, message)
    try:
        return Ed25519PublicKey.from_public_bytes(public).verify(signature, message) is None
    except InvalidSignature:
        return False


def is_signature_by_openssl(public, signature, message):
    key = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + public).decode()
    pem = f"-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----\n"
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("key", pem.encode()), ("signature", signature), ("text", message)):
            (Path(folder) / name).write_bytes(content)
        command = "openssl pkeyutl -verify -pubin -inkey key -rawin -in text -sigfile signature"
        return subprocess.run(command.split(), cwd=folder, capture_output=True).returncode == 0


if __name__ == "__main__":
    raise SystemExit(main())
