"""``doisoat ledger checkpoint|prove|key|rotate-key|verify-log``: the public log of the books."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def checkpoint(json: _Json = False) -> None:
    """Bring the log up to date, sign its head and print it. Exit status 1 if it contradicts."""
    from app.cli.context import open_context, print_json
    from scheduler.publishing import append_log, sign_log

    context = open_context()
    count = append_log(context)
    signed = sign_log(context)
    if json:
        said = {"size": signed.size, "root": signed.root, "note": signed.note} if signed else {}
        print_json({"appended": count, "size": 0} | said)
    elif signed is None:
        print("The log is empty: nothing to sign.")
    else:
        print(signed.note, end="")
        print(f"{count:,} leaves appended; kept in {context.checkpoint_file}")


def prove(
    entry: Annotated[str, typer.Argument(help="The id of a journal entry, as jrn_…")],
    out: Annotated[Path | None, typer.Option(help="Write the proof to this file.")] = None,
) -> None:
    """Print the proof (tlog-proof) that an entry is in the log; it opens the entry's leaf."""
    from app.cli.context import open_context
    from core.db import reading
    from payments.ledger.log.checkpoints import Checkpoint
    from payments.ledger.log.keys import verifiers
    from payments.ledger.log.proving import leaf_of, prove_entry

    with reading(open_context().engine) as session:
        proof = prove_entry(session, entry)
        head: Checkpoint = proof.check(leaf_of(proof), verifiers(session))
    if out is None:
        print(proof, end="")
        return
    out.write_text(str(proof), encoding="utf-8")
    print(f"{out}: entry {entry} is leaf {proof.index:,} of {head.size:,} in {head.origin}")


def key(json: _Json = False) -> None:
    """Print the keys that verify checkpoints, the one that signs now first."""
    from app.cli.context import open_context, print_json
    from core.db import reading
    from payments.ledger.log.keys import list_keys

    with reading(open_context().engine) as session:
        keys = list_keys(session)
    if not keys and not json:
        print("There is no key yet: the first checkpoint makes one.")
    for one in keys:
        until = one.retired_at.isoformat() if one.retired_at else None
        if json:
            said = {"key": one.verifier, "since": one.created_at.isoformat(), "until": until}
            print_json(said | {"endorsement": one.endorsement})
        else:
            print(f"{one.verifier}  {f'until {until}' if until else 'signs now'}")


def rotate_key() -> None:
    """Make a new key that signs from now on; the old one signs that it follows."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from payments.ledger.log import keys

    context = open_context()
    with transaction(context.engine) as session:
        new = keys.rotate_key(
            session,
            origin=context.log_origin,
            vault=context.vault,
            actor=operator(),
            clock=context.clock,
        )
    print(new.verifier())
    print("signs from the next checkpoint on; publish it, and keep the keys before it published.")


def verify_log(json: _Json = False) -> None:
    """Hold the whole log against the journal and all checkpoints. Exit status 1 if it fails."""
    from app.cli.context import open_context, print_json
    from core.db import reading
    from payments.ledger.log.kept import read_kept
    from payments.ledger.log.signing import find_checkpoint
    from payments.ledger.log.stored import log_size
    from payments.ledger.log.verification import contradictions

    context = open_context()
    with reading(context.engine) as session:
        found = list(contradictions(session, kept=read_kept(context.checkpoint_file)))
        size, last = log_size(session), find_checkpoint(session)
    signed = last.size if last else 0
    if json:
        print_json({"holds": not found, "broken": found, "leaves": size, "signed": signed})
    else:
        for sentence in found:
            print(f"BROKEN: {sentence}")
        if not found:
            print(f"The log holds: {size:,} leaves are those of the journal, {signed:,} signed.")
    raise typer.Exit(1 if found else 0)
