"""``doisoat gateways``: contracts, secrets and checks of the rails, and published vectors."""

# ruff: noqa: PLC0415 - what a command needs is imported when it runs, so that --help stays quick
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from payments.channels import Rail
    from payments.models import CollectingAccount, Merchant

app = typer.Typer(name="gateways", no_args_is_help=True)

RailName = Annotated[str, typer.Argument(help="vnpay, momo, zalopay, stripe, payos, sepay, …")]
MerchantCode = Annotated[str, typer.Argument(help="Our code at the provider.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@app.callback()
def _root() -> None:
    """Contracts, secrets and checks of the rails, and published vectors."""


@app.command("list")
def list_all(json: AsJson = False) -> None:
    """List contracts, with the names of the secrets that are stored for each."""
    from app.cli.context import open_context, print_json
    from core.db import reading
    from payments.contracts import list_contracts
    from payments.secrets import list_secrets

    with reading(open_context().engine) as session:
        names: dict[tuple[str, str], list[str]] = {}
        for secret in list_secrets(session):
            names.setdefault((secret.rail, secret.merchant_code), []).append(secret.name)
        rows = [
            _contract(merchant, account, names.get((merchant.rail, merchant.merchant_code), []))
            for merchant, account in list_contracts(session)
        ]
    for row in rows:
        if json:
            print_json(row)
            continue
        most = "" if row["max_minor"] is None else f" to {row['max_minor']:,}"
        print(
            f"{row['account']}  {row['rail']:<15} {row['merchant_code']:<20} "
            f"{'' if row['active'] else 'INACTIVE '}from {row['min_minor']:,}{most}, "
            f"fee borne by the {row['fee_bearer']}, secrets: {', '.join(row['secrets']) or 'none'}"
        )
    if not rows and not json:
        print("There is no contract yet: doisoat gateways contract --help")


def _contract(merchant: Merchant, account: CollectingAccount, names: list[str]) -> dict[str, Any]:
    return {
        "account": account.account_number,
        "rail": merchant.rail.value,
        "merchant_code": merchant.merchant_code,
        "active": merchant.active,
        "min_minor": merchant.min_minor,
        "max_minor": merchant.max_minor,
        "fee_bearer": merchant.fee_bearer.value,
        "settings": dict(merchant.settings),
        "secrets": [
            f"{name} (two: being rotated)" if names.count(name) > 1 else name
            for name in dict.fromkeys(names)
        ],
    }


@app.command()
def contract(  # noqa: PLR0917 - each is an option by name
    rail: RailName,
    account: Annotated[str, typer.Argument(help="Number of the collecting account.")],
    merchant_code: MerchantCode,
    least: Annotated[int, typer.Option(help="Least to be asked at once, in đồng.")] = 0,
    most: Annotated[int | None, typer.Option(help="Most to be asked at once, in đồng.")] = None,
    payer_bears: Annotated[
        bool, typer.Option("--payer-bears-fee", help="Ask the payer for the channel's fee.")
    ] = False,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="name=value, a setting of the rail's own.")
    ] = None,
    rate_bps: Annotated[
        int | None, typer.Option(help="Contracted fee in hundredths of a per cent.")
    ] = None,
    fixed: Annotated[int, typer.Option(help="Fixed part of the fee, in đồng.")] = 0,
    settlement_days: Annotated[int, typer.Option(help="Working days until it pays out.")] = 1,
    payout_account: Annotated[
        list[str] | None, typer.Option(help="Account that it pays out from.")
    ] = None,
    payout_name: Annotated[
        list[str] | None, typer.Option(help="Name that it pays out under.")
    ] = None,
    inactive: Annotated[bool, typer.Option("--inactive", help="Offer it to nobody.")] = False,
) -> None:
    """Write down a contract, or change it. A rail that pays out net needs its fee (--rate-bps)."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from payments.contracts import ContractTerms, get_account, set_contract
    from payments.models import FeeBearer
    from reconciliation.contracts import FeeTerms, set_fee_terms

    context, wanted = open_context(), _rail(rail)
    terms = ContractTerms(
        merchant_code=merchant_code,
        min_minor=least,
        max_minor=most,
        fee_bearer=FeeBearer.PAYER if payer_bears else FeeBearer.OFFICE,
        settings=_settings(setting or []),
        active=not inactive,
    )
    with transaction(context.engine) as session:
        found = get_account(session, account)
        who = operator()
        set_contract(session, found, wanted, terms, actor=who, clock=context.clock)
        if rate_bps is not None:
            fees = FeeTerms(
                rate_bps, fixed, settlement_days, tuple(payout_account or ()),
                tuple(payout_name or ()),
            )  # fmt: skip
            set_fee_terms(session, found, wanted, fees, actor=who, clock=context.clock)
    print(f"{account}: {rail} {merchant_code}")


@app.command()
def offer(
    office: Annotated[str, typer.Argument(help="Code of the office.")],
    rails: Annotated[list[str], typer.Argument(help="Rails in the order citizens see them.")],
) -> None:
    """Decide which ways to pay an office offers; vietqr needs no contract."""
    from sqlmodel import select

    from app.cli.context import open_context, operator
    from core.db import transaction
    from core.errors import NotFoundError
    from payments.billing import account_of_office
    from payments.channels import Rail
    from payments.contracts import list_contracts, offer_rails
    from payments.models import Office

    context, wanted = open_context(), [_rail(rail) for rail in rails]
    with transaction(context.engine) as session:
        found = session.exec(select(Office).where(Office.code == office)).first()
        if found is None:
            raise NotFoundError(f"no office {office[:20]!r}")
        offer_rails(session, found, wanted, actor=operator(), clock=context.clock)
        account = account_of_office(session, found)
        ready = {
            merchant.rail
            for merchant, owner in list_contracts(session)
            if merchant.active and account is not None and owner.id == account.id
        } | {Rail.VIETQR}
    print(f"{office}: {', '.join(rails)}")
    for one in wanted:
        if one not in ready:
            print(f"{one}: shown to nobody before its account has an active contract")


@app.command()
def secret(
    rail: RailName,
    merchant_code: MerchantCode,
    name: Annotated[str, typer.Argument(help="hash_secret, api_key, webhook_secret, …")],
    value: Annotated[
        str,
        typer.Option(prompt=True, hide_input=True, envvar="SECRET", help="Asked for if left out."),
    ],
) -> None:
    """Store a secret; the one before stays valid until ``retire``. It is never shown again."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from payments.contracts import list_contracts
    from payments.secrets import store_secret

    context, wanted = open_context(), _rail(rail)
    with transaction(context.engine) as session:
        store_secret(
            session, wanted, merchant_code, name, value, vault=context.vault, actor=operator(),
            clock=context.clock,
        )  # fmt: skip
        known = {one.merchant_code for one, _ in list_contracts(session, rail=wanted)}
    more = "" if merchant_code in known else "; no contract has this merchant code yet"
    print(f"{rail} {merchant_code}: {name} is stored{more}")


@app.command()
def retire(
    rail: RailName,
    merchant_code: MerchantCode,
    name: Annotated[str, typer.Argument(help="Name of the secret.")],
) -> None:
    """End a rotation: only the newest secret of this name stays valid."""
    from app.cli.context import open_context, operator
    from core.db import transaction
    from payments.secrets import retire_previous_secret

    context, wanted = open_context(), _rail(rail)
    with transaction(context.engine) as session:
        retired = retire_previous_secret(
            session, wanted, merchant_code, name, actor=operator(), clock=context.clock
        )
    said = f"only the newest {name} is valid now" if retired else f"there was one {name} only"
    print(f"{rail} {merchant_code}: {said}")


@app.command()
def check(
    rail: Annotated[str | None, typer.Argument(help="Only this rail.")] = None,
    json: AsJson = False,
) -> None:
    """Make a signed call that moves no money for each contract. Status 1 if one does not work."""
    from app.cli.context import open_context, print_json
    from core.db import reading
    from core.errors import DoisoatError
    from payments.contracts import list_contracts
    from payments.ports import CheckResult

    context = open_context()
    with reading(context.engine) as session:
        contracts = list_contracts(session, rail=_rail(rail) if rail else None)
    failed = False
    for merchant, account in contracts:
        try:
            gateway = context.gateways.get(merchant.rail, merchant.merchant_code)
            result = gateway.check(at=context.clock())
        except DoisoatError as problem:
            result = CheckResult(False, f"{problem.detail}.")
        failed |= result.works is False
        word = {True: "works", False: "DOES NOT WORK", None: "nothing to call"}[result.works]
        if json:
            facts = _contract(merchant, account, [])
            print_json(
                {"rail": facts["rail"], "merchant_code": facts["merchant_code"],
                 "account": facts["account"], "works": result.works, "says": result.sentence}
            )  # fmt: skip
        else:
            print(f"{merchant.rail} {merchant.merchant_code}: {word}. {result.sentence}")
    if not contracts and not json:
        print("There is no contract to check.")
    raise typer.Exit(1 if failed else 0)


@app.command()
def calls(
    rail: RailName,
    merchant_code: MerchantCode,
    about: Annotated[str, typer.Option(help="Only calls that mention this reference.")] = "",
    json: AsJson = False,
) -> None:
    """Show the newest calls to a provider and its answers, with secrets masked."""
    from app.cli.context import open_context, print_json
    from core.clock import VIETNAM
    from core.db import reading
    from payments.exchanges import list_exchanges

    with reading(open_context().engine) as session:
        found = list_exchanges(session, _rail(rail), merchant_code, about=about)
        for call in found:
            if json:
                print_json(call.model_dump(mode="json"))
                continue
            at = call.started_at.astimezone(VIETNAM)
            print(f"{at:%Y-%m-%d %H:%M:%S}  {call.method} {call.url}  {call.duration_ms} ms")
            print(f"  asked     {call.request}")
            print(f"  answered  {call.status or call.error}  {call.answer}")
    if not found and not json:
        print("No call is kept.")


def _rail(name: str) -> Rail:
    from payments.channels import Rail

    if name not in set(Rail):
        raise typer.BadParameter(f"{name!r} is no rail: {', '.join(Rail)}")
    return Rail(name)


def _settings(pairs: list[str]) -> dict[str, str]:
    found = dict(pair.partition("=")[::2] for pair in pairs)
    if not all(found) or not all(found.values()):
        raise typer.BadParameter("a setting is name=value")
    return found


@app.command()
def vectors(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Vectors file (.json).")],
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Verify published signatures and codes with the adapters' own code.

    Exit status: 1 if a verified vector fails or one that is marked as wrong is accepted, 3 if the
    file is unusable. A vector of a group nobody here speaks is not checked, which is no pass.
    """
    from adapters.gateways.vectors import verify
    from adapters.gateways.vectors_file import MAX_VECTORS_BYTES, read_vectors
    from app.cli.context import print_json
    from app.cli.vectors_table import as_json, print_table
    from core.errors import InputUnusableError

    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_VECTORS_BYTES + 1)
    except OSError as error:
        raise InputUnusableError(f"{file}: {error.strerror}") from error
    if len(content) > MAX_VECTORS_BYTES:
        raise InputUnusableError(f"{file}: longer than {MAX_VECTORS_BYTES} bytes")
    try:
        findings = verify(read_vectors(content))
    except InputUnusableError as error:
        raise InputUnusableError(f"{file}: {error.detail}") from error
    if json:
        print_json(as_json(file, findings))
    else:
        print_table(findings)
    raise typer.Exit(1 if any(finding.fails for finding in findings) else 0)
