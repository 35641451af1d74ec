"""What the simulators' web faces share: plain pages, raw bodies, an answer that gets lost."""

from collections.abc import Iterable
from html import escape
from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from core.errors import DoisoatError

_FRAME: Final = """<!DOCTYPE html>
<html lang="vi"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font-family:sans-serif;max-width:36rem;margin:2rem auto;padding:0 1rem}}
dt{{font-weight:bold}}button,input,select,textarea{{font-size:1rem;padding:.5rem;margin:.25rem 0}}
.mark{{background:#fff3cd;padding:.5rem}}</style></head>
<body><p class="mark">Mô phỏng: không có tiền thật. / Simulator: no real money moves.</p>
<h1>{title}</h1>{body}</body></html>"""


async def read_body(request: Request) -> bytes:
    """Return the body exactly as it came, for synchronous routes."""
    return await request.body()


RawBody = Annotated[bytes, Depends(read_body)]


def form_fields(body: bytes) -> dict[str, str]:
    """Return the fields of a form-encoded body."""
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def page(title: str, body: str, *, status: int = 200) -> HTMLResponse:
    """Return a page; ``body`` is HTML whose texts are already escaped."""
    return HTMLResponse(_FRAME.format(title=escape(title), body=body), status)


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a description list of escaped texts."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f"<dl>{items}</dl>"


class LostAnswer(Response):
    """Begins to answer and breaks off: the request was carried out, nobody hears of it."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})


def install_errors(app: FastAPI) -> None:
    """Show expected failures as a short page with their status."""

    @app.exception_handler(DoisoatError)
    def explain(request: Request, error: Exception) -> HTMLResponse:
        del request
        status = error.status if isinstance(error, DoisoatError) else 500
        return page("Không thực hiện được", facts([("Lỗi / Error", str(error))]), status=status)
