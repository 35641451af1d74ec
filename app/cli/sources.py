"""``doisoat sources``: where statement files are fetched from beside the watched folder."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from reconciliation.ports import SourceAccess, SourceKind
    from reconciliation.source_models import ConfiguredSource
    from scheduler.context import JobContext

app = typer.Typer(name="sources", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="What it is called here: a to z, 0 to 9 and -.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.callback()
def _root() -> None:
    """Where statement files are fetched from beside the watched folder."""


@app.command("list")
def list_all(json: AsJson = False) -> None:
    """List sources, with how their last fetch went."""
    from app.cli.context import open_context, print_json
    from core.clock import VIETNAM
    from core.db import reading
    from reconciliation.sources import list_sources

    with reading(open_context().engine) as session:
        found = list_sources(session)
    for source in found:
        if json:
            print_json(_facts(source))
            continue
        at = source.last_fetch_at
        last = f"last {at.astimezone(VIETNAM):%Y-%m-%d %H:%M:%S}" if at else "never fetched"
        failed = f", FAILED: {source.last_error_code} {source.last_error}"
        print(
            f"{source.name:<20} {source.kind:<5} {_place(source)}  "
            f"{'' if source.active else 'INACTIVE '}{source.files_count:,} files, {last}"
            f"{failed if source.last_error_code else ''}"
        )
    if not found and not json:
        print("There is no source yet: doisoat sources add --help")


def _facts(source: ConfiguredSource) -> dict[str, Any]:
    return source.model_dump(mode="json", exclude={"id", "sealed"})


def _place(source: ConfiguredSource) -> str:
    return source.config.get("host") or source.config.get("bucket", "")


@app.command()
def add(
    name: Name,
    kind: Annotated[str, typer.Argument(help="sftp, imap or s3.")],
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="name=value, a setting of its kind.")
    ] = None,
    setting_file: Annotated[
        list[str] | None, typer.Option("--set-file", help="name=FILE, a setting from a file.")
    ] = None,
    secret_file: Annotated[
        list[str] | None,
        typer.Option("--secret-file", help="name=FILE (- reads standard input), a secret."),
    ] = None,
) -> None:
    """Write down a source, or change it. A secret that is not in a file is asked for."""
    from app.cli.context import open_context, operator
    from core.db import reading, transaction
    from reconciliation.ports import SourceAccess
    from reconciliation.sources import find_source, open_access, set_source

    context, wanted = open_context(), _kind(kind)
    config = _pairs(setting) | {key: _read(path) for key, path in _pairs(setting_file).items()}
    secrets = {key: _read(path) for key, path in _pairs(secret_file).items()}
    with reading(context.engine) as session:
        known = find_source(session, name)
        stored = open_access(known, vault=context.vault).secrets if known else {}
    if not secrets and not stored:
        asked = "secret_key" if wanted.value == "s3" else "password"
        secrets = {asked: _ask(asked)}
    access = SourceAccess(name, wanted, config, secrets)
    _try(context, SourceAccess(name, wanted, config, secrets or stored))
    with transaction(context.engine) as session:
        set_source(session, access, vault=context.vault, actor=operator(), clock=context.clock)
    print(f"{name}: written down; see what waits there: doisoat sources check {name}")


@app.command()
def secret(
    name: Name,
    what: Annotated[str, typer.Argument(help="password, private_key or secret_key.")],
    file: Annotated[
        str, typer.Option(help="Where it stands (- reads standard input); else it is asked for.")
    ] = "",
) -> None:
    """Store another secret instead of the one there is. It is never shown again."""
    from app.cli.context import open_context, operator
    from core.db import reading, transaction
    from reconciliation.ports import SourceAccess
    from reconciliation.sources import get_source, open_access, set_source

    context = open_context()
    with reading(context.engine) as session:
        access = open_access(get_source(session, name), vault=context.vault)
    new = {what: _read(file) if file else _ask(what)}
    access = SourceAccess(name, access.kind, access.config, new)
    _try(context, access)
    with transaction(context.engine) as session:
        set_source(session, access, vault=context.vault, actor=operator(), clock=context.clock)
    print(f"{name}: {what} is stored")


@app.command()
def check(
    name: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    json: AsJson = False,
) -> None:
    """Look what would be taken, and take nothing. Status 1 if a source does not work."""
    from app.cli.context import open_context, print_json
    from core.db import reading
    from core.errors import DoisoatError
    from reconciliation.ports import WaitingFile
    from reconciliation.sources import get_source, list_sources
    from scheduler.fetching import open_known

    context = open_context()
    with reading(context.engine) as session:
        if name is not None and name not in context.sources:
            get_source(session, name)
        names = [*context.sources, *(source.name for source in list_sources(session))]
    failed = False
    for one in names if name is None else [name]:
        waiting: list[WaitingFile] = []
        code, says = "", ""
        try:
            source = context.sources.get(one) or open_known(context, one)
            waiting = list(source.look())
        except DoisoatError as problem:
            failed, code, says = True, problem.code, problem.detail
        if json:
            files = [{"name": f.name, "size": f.size, "left": f.left} for f in waiting]
            print_json(
                {"name": one, "works": not code, "code": code, "says": says, "waiting": files}
            )
            continue
        taken = sum(not file.left for file in waiting)
        print(f"{one}: DOES NOT WORK. {code} {says}" if code else f"{one}: works, {taken} to take")
        for file in waiting:
            print(f"  {file.name}  {file.size:,} bytes{f', left: {file.left}' * bool(file.left)}")
    if not names and not json:
        print("There is no source to check.")
    raise typer.Exit(1 if failed else 0)


@app.command()
def switch(
    name: Name,
    on: Annotated[bool, typer.Option("--on/--off", help="Fetch from it, or no more.")],
) -> None:
    """Fetch from a source from now on, or no more."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from reconciliation.sources import get_source, switch_source

    context = open_context()
    with transaction(context.engine) as session:
        source = get_source(session, name)
        switch_source(session, source, active=on, actor=operator(), clock=context.clock)
    print(f"{name}: {'on' if on else 'off'}")


@app.command()
def remove(name: Name) -> None:
    """Forget a source and its secrets; the files that came from it stay."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from reconciliation.sources import get_source, remove_source

    context = open_context()
    with transaction(context.engine) as session:
        source = get_source(session, name)
        remove_source(session, source, actor=operator(), clock=context.clock)
    print(f"{name}: removed")


def _try(context: JobContext, access: SourceAccess) -> None:
    """Refuse what no source can be made of, before it is stored; nobody is called."""
    from reconciliation.errors import SourceInvalidError

    try:
        context.open_source(access, set())
    except SourceInvalidError as problem:
        raise typer.BadParameter(problem.detail) from problem


def _kind(word: str) -> SourceKind:
    from reconciliation.ports import SourceKind

    if word not in set(SourceKind):
        raise typer.BadParameter(f"{word!r} is no kind of source: {', '.join(SourceKind)}")
    return SourceKind(word)


def _pairs(said: list[str] | None) -> dict[str, str]:
    found = dict(pair.partition("=")[::2] for pair in said or [])
    if not all(found) or not all(found.values()):
        raise typer.BadParameter("each is name=value")
    return found


def _read(path: str) -> str:
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise typer.BadParameter(f"{path}: cannot be read") from problem
    return text.strip("\r\n")


def _ask(name: str) -> str:
    value: str = typer.prompt(name, hide_input=True)
    return value
