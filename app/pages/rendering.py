"""Templates to pages: the environment, what every page knows, and strictness about names."""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    PackageLoader,
    PrefixLoader,
    StrictUndefined,
    Undefined,
)
from jinja2.utils import missing

from app.auth.sessions import SignedIn
from app.i18n import LANGUAGE_COOKIE, LANGUAGE_NAMES, Language, Words, offered_languages
from app.pages import labels
from app.pages.listing import page_items
from app.pages.presentation import FOR_TEMPLATES
from core.crypto import sha256_hex

TEMPLATES: Final = Path(__file__).parent.parent / "templates"
ASSETS: Final = Path(__file__).parent.parent / "static" / "build"
_YEAR_SECONDS: Final = 365 * 24 * 3600


class CarefulUndefined(Undefined):
    """Forgiving where the component macros ask for an option that was not given, strict elsewhere.

    A missing key of a dictionary is an option; a misspelled name or attribute is a mistake.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        owner = kwargs.get("obj", args[1] if len(args) > 1 else missing)
        name = kwargs.get("name", args[2] if len(args) > 2 else None)  # noqa: PLR2004
        is_option = isinstance(owner, Mapping | Undefined) or name == "caller"
        return Undefined(*args, **kwargs) if is_option else StrictUndefined(*args, **kwargs)


@cache
def environment() -> Environment:
    """Return the template environment of this process."""
    templates = Environment(
        loader=ChoiceLoader(
            [
                FileSystemLoader(TEMPLATES),
                PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}),
            ]
        ),
        autoescape=True,
        undefined=CarefulUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.policies["json.dumps_kwargs"] = {"sort_keys": True, "ensure_ascii": False}
    templates.globals |= dict(FOR_TEMPLATES)
    # The component macros compare with these two words of the language they were ported from.
    templates.globals |= {"undefined": Undefined(), "null": None}
    templates.globals |= {"labels": labels, "asset": asset_address, "page_items": page_items}
    return templates


@cache
def asset_address(name: str) -> str:
    """Return the address of a built asset; it changes with its content, so browsers may keep it."""
    path = ASSETS / name
    version = sha256_hex(path.read_bytes())[:12] if path.exists() else "not-built"
    return f"/static/{name}?v={version}"


def render(
    request: Request,
    words: Words,
    template: str,
    *,
    status_code: int = HTTPStatus.OK,
    person: SignedIn | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a page in the reader's language; a language asked for by ``?lang=`` is remembered."""
    person = person or getattr(request.state, "person", None)
    page = (
        environment()
        .get_template(template)
        .render(
            words=words,
            _=words.say,
            count=words.count,
            pick=words.pick,
            legal_name=words.legal_name,
            money=words.money,
            minor=words.minor,
            number=words.number,
            day=words.day,
            instant=words.instant,
            duration=words.duration,
            settings=request.app.state.settings,
            now=request.app.state.clock(),
            person=person,
            path=request.url.path,
            language_links=_language_links(request, words.language),
            **values,
        )
    )
    answer = HTMLResponse(page, status_code, headers={"content-language": words.language.value})
    answer.headers["vary"] = "Accept-Language, Cookie"
    if request.query_params.get("lang") == words.language.value:
        _remember(request, answer, words.language)
    return answer


def _remember(request: Request, answer: HTMLResponse, language: Language) -> None:
    answer.set_cookie(
        LANGUAGE_COOKIE,
        language.value,
        max_age=_YEAR_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.app.state.settings.base_url.startswith("https://"),
    )


def _language_links(request: Request, current: Language) -> list[dict[str, str]]:
    """The other languages, each leading to this same page; after a form, to its start page."""
    kept = [(k, v) for k, v in request.query_params.multi_items() if k != "lang"]
    path = request.url.path if request.method == "GET" else "/"
    return [
        {
            "code": language.value,
            "name": LANGUAGE_NAMES[language],
            "href": f"{path}?{urlencode([*kept, ('lang', language.value)])}",
        }
        for language in offered_languages(path)
        if language is not current
    ]
