"""``doisoat witness``: sign heads of other offices' logs, and have others sign ours."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(name="witness", no_args_is_help=True)


@app.command()
def serve(
    log: Annotated[list[str], typer.Option(help="Key of a log to witness; may be repeated.")],
    name: Annotated[str, typer.Option(help="Name of this witness, as audit.example.vn/witness.")],
    folder: Annotated[Path, typer.Option("--dir", help="Where key and heads are kept.")] = Path(
        "witness"
    ),
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8090,
) -> None:
    """Sign heads of these logs, each only if it goes on from the last. Needs no database."""
    import uvicorn

    from app.witness import create_witness_app
    from core.clock import utc_now
    from payments.ledger.log.notes import VerifierKey
    from payments.ledger.log.witness import open_witness

    logs = [VerifierKey.parse(one) for one in log]
    witness = open_witness(folder, name, logs, clock=utc_now)
    print(f"{witness.verifier}")
    print(f"signs heads of {', '.join(sorted({key.name for key in logs}))} at http://{host}:{port}")
    print(
        f"their offices run: doisoat witness add URL '{witness.verifier}'; Ctrl-C stops", flush=True
    )
    uvicorn.run(create_witness_app(witness), host=host, port=port, log_level="warning")


@app.command()
def add(
    url: Annotated[str, typer.Argument(help="Where the witness is, without /add-checkpoint.")],
    key: Annotated[str, typer.Argument(help="Its key, as it prints it.")],
) -> None:
    """Have the job send every new head of our log to a witness."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from payments.ledger.log.cosigning import add_witness
    from payments.ledger.log.notes import VerifierKey

    context = open_context()
    with transaction(context.engine) as session:
        add_witness(
            session, VerifierKey.parse(key), url, actor=operator(), clock=context.clock
        )  # fmt: skip
    print(f"heads go to {url}")


@app.command(name="list")
def list_() -> None:
    """Print each witness and the newest head that it has signed."""
    from app.cli.context import open_context
    from core.db import reading
    from payments.ledger.log.cosigning import last_seen, list_witnesses

    with reading(open_context().engine) as session:
        for one in list_witnesses(session):
            seen = last_seen(session, one.verifier)
            state = f"{seen.size:,} leaves of {seen.signed_at.isoformat()}" if seen else "nothing"
            print(f"{one.url} {one.verifier}: signed {state}")
