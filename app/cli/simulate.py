"""``doisoat simulate RAIL``: a rail's provider, played for the contracts stored here."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from adapters.simulators.faults import FaultPlan
    from adapters.simulators.parties import PlayedContract
    from scheduler.context import JobContext


def simulate(
    rail: Annotated[str, typer.Argument(help="vnpay, momo, zalopay, stripe, payos, …")],
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8011,
    seed: Annotated[int, typer.Option(help="Decides what happens to which payment.")] = 0,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="name=per thousand, e.g. lost_notice=50; may be repeated."),
    ] = None,
    tick: Annotated[float, typer.Option(help="Seconds between two looks at what is due.")] = 1.0,
) -> None:
    """Play a rail's provider on loopback, in its real protocol, until interrupted.

    It knows the contracts and secrets that are stored here, sends its messages to this
    installation's address, and has pages on which a person approves or declines.
    """
    from adapters.simulators.parties import Stage, endpoints_of
    from adapters.simulators.server import create_server, run_server
    from app.cli.context import open_context
    from core.errors import SettingsError
    from core.settings import get_settings
    from payments.channels import Rail

    if rail not in set(Rail) - {Rail.VIETQR}:
        raise typer.BadParameter(f"{rail!r} has no provider to be played")
    settings, context = get_settings(), open_context()
    played = _played(context, Rail(rail), settings.base_url)
    if not played:
        raise SettingsError(f"there is no contract over {rail}: doisoat gateways contract --help")
    url = f"http://127.0.0.1:{port}"
    stage = Stage(
        clock=settings.clock,
        state_dir=settings.var_dir / "simulators",
        url=url,
        faults=_faults(seed, fault or []),
    )
    app = create_server(stage, played, environment=settings.environment, tick_seconds=tick)
    print(f"{rail} is played at {url}/{rail} for {', '.join(one.code for one in played)}")
    if endpoints := endpoints_of([Rail(rail)], url):
        print(f"the application finds it with DOISOAT_ENDPOINTS='{json.dumps(endpoints)}'")
    print(f"reports: {url}/{rail}/_control/settlements/MERCHANT/DAY; Ctrl-C stops it", flush=True)
    run_server(app, port=port)


def _played(context: JobContext, rail: object, base_url: str) -> list[PlayedContract]:
    from adapters.simulators.parties import PlayedContract
    from core.db import reading
    from payments.contracts import list_contracts
    from payments.secrets import find_access

    base = base_url.rstrip("/")
    with reading(context.engine) as session:
        return [
            PlayedContract(
                access=access,
                account=account.account_number,
                notice_url=f"{base}/channels/{merchant.rail}/{merchant.merchant_code}/notice",
                return_url=f"{base}/payments/return",
                bank_bin=account.bank_bin,
                account_name=account.account_name,
            )
            for merchant, account in list_contracts(session)
            if merchant.rail is rail
            and (
                access := find_access(
                    session, merchant.rail, merchant.merchant_code, vault=context.vault
                )
            )
        ]


def _faults(seed: int, wanted: list[str]) -> FaultPlan:
    from adapters.simulators.faults import Fault, FaultPlan

    rates = {}
    for one in wanted:
        name, _, rate = one.partition("=")
        if name not in set(Fault) or not rate.isdigit():
            raise typer.BadParameter(f"{one!r}: a fault is name=per thousand; {', '.join(Fault)}")
        rates[Fault(name)] = int(rate)
    return FaultPlan(seed, rates)
