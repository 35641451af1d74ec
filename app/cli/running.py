"""``doisoat serve``, ``scheduler``, ``simulators``, ``demo``, ``migrate`` and ``version``."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from importlib.metadata import version as package_version
from typing import Annotated

import typer


def version() -> None:
    """Print the version."""
    print(f"doisoat {package_version('doisoat')}")


def migrate() -> None:
    """Bring the database to the present tables; doing it twice changes nothing."""
    from core.db import make_engine
    from core.migrations import migrate as migrate_database
    from core.settings import get_settings

    migrate_database(make_engine(get_settings().database))
    print("The database is up to date.")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
) -> None:
    """Run the web application until interrupted."""
    import uvicorn

    from app.main import create_app
    from core.logging import start_logging
    from core.settings import get_settings
    from scheduler.wiring import make_context

    settings = get_settings()
    start_logging()
    context = make_context(settings)
    uvicorn.run(
        create_app(settings, context),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=True,
        timeout_graceful_shutdown=5,
    )


def scheduler(
    beat: Annotated[float, typer.Option(help="Seconds between two looks at what is due.")] = 1.0,
) -> None:
    """Run the scheduler until interrupted; a second one waits for the first to end."""
    from core.logging import start_logging
    from core.settings import get_settings
    from scheduler.process import run_scheduler
    from scheduler.wiring import make_context

    start_logging()
    run_scheduler(make_context(get_settings()), beat_seconds=beat)


def simulators(
    port: Annotated[
        int, typer.Option(help="Port of the web application that they talk to.")
    ] = 8000,
) -> None:
    """Run the demonstration's VNPay, Stripe, bank and portal, one port above its pages."""
    from adapters.simulators.server import run_server
    from app.demo.places import Places
    from app.demo.simulators import create_simulators
    from core.settings import get_settings

    settings = get_settings()
    places = Places.of(settings, port)
    run_server(create_simulators(settings, places), port=places.simulators_port)


def demo(
    port: Annotated[int, typer.Option(help="Port of the web application.")] = 8000,
    days: Annotated[int, typer.Option(help="Business days to play.", min=1, max=20)] = 10,
    stay: Annotated[bool, typer.Option(help="Keep running until interrupted.")] = True,
) -> None:
    """Play fee days of a demonstration city, then stay open for visitors."""
    from app.demo.play import play

    raise typer.Exit(play(port=port, days=days, stay=stay))
