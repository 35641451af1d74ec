"""The web side of a witness: ``POST /add-checkpoint`` and its key, nothing else."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse
from starlette.concurrency import run_in_threadpool

from payments.ledger.log.witness import MOST_BYTES, Witness

_SIZE: str = "text/x.tlog.size"


def create_witness_app(witness: Witness) -> FastAPI:
    """Return the application of one witness."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    def show_key() -> PlainTextResponse:
        """Say by which key this witness's signatures are checked."""
        return PlainTextResponse(f"{witness.verifier}\n")

    @app.post("/add-checkpoint")
    async def add_checkpoint(request: Request) -> PlainTextResponse:
        """Sign a head, or say why not."""
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_BYTES:
                return PlainTextResponse("too long\n", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        answer = await run_in_threadpool(witness.add_checkpoint, body)
        conflict = answer.status is HTTPStatus.CONFLICT
        kind = _SIZE if conflict else "text/plain"
        return PlainTextResponse(answer.body, answer.status, media_type=kind)

    return app
