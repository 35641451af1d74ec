"""The demonstration city: offices, accounts, contracts, fees and staff, loaded once."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from sqlmodel import Session, select

from adapters.statements.fee_lists import read_fee_list
from app.api.keys import create_client
from app.auth.accounts import create_user, find_user
from app.auth.passwords import Passwords
from app.demo.places import Places
from core.actors import SYSTEM, Role
from core.clock import Clock
from core.crypto import Vault
from core.errors import DoisoatError
from core.settings import DEVELOPMENT_MARK
from payments.channels import Channel, Rail
from payments.fees import import_fees
from payments.models import ApiClient, CollectingAccount, Merchant, Office, OfficeKind
from payments.secrets import store_secret
from reconciliation.models import NarrativeRule, ProviderContract

ROOT_CODE: Final = "22"
FEE_LIST: Final = Path(__file__).parent / "fees.csv"
PORTAL: Final = "Cổng dịch vụ công (minh họa)"
GRACE_DAYS: Final = 3
REFERENCE_PREFIX: Final = "MC"


@dataclass(frozen=True, slots=True)
class Bank:
    """A real bank by its BIN; ``spreadsheet``: its statements come in its own table layout."""

    bin: str
    name: str
    spreadsheet: bool = False


BIDV: Final = Bank("970418", "BIDV", spreadsheet=True)
VIETCOMBANK: Final = Bank("970436", "Vietcombank")
VIETINBANK: Final = Bank("970415", "VietinBank")
AGRIBANK: Final = Bank("970405", "Agribank")


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract with a party that speaks a rail."""

    merchant_code: str
    secrets: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ward:
    """A ward or commune with its collecting account; the account number is invented.

    ``told_at_once``: SePay watches the account and tells of each transfer when it is booked.
    """

    code: str
    name_vi: str
    name_en: str
    holder: str
    bank: Bank
    opening_balance: int
    told_at_once: bool = False

    @property
    def account_number(self) -> str:
        """An invented number; no bank of Vietnam starts one with 99 and an area code."""
        return f"9900{self.code}001"

    @property
    def contracts(self) -> Mapping[Rail, Contract]:
        """The ward's contracts: merchant codes, and secrets that production refuses."""
        contracts = {
            Rail.VNPAY: self._contract(f"DEMO{self.code[1:]}", "hash_secret"),
            Rail.MOMO: self._contract(f"MOMODEMO{self.code}", "access_key", "secret_key"),
            Rail.ZALOPAY: self._contract(f"99{self.code}", "key1", "key2"),
            Rail.STRIPE: self._contract(f"acct_demo{self.code}", "api_key", "webhook_secret"),
        }
        if self.told_at_once:
            contracts[Rail.SEPAY] = self._contract(f"sepay-{self.code}", "hmac_secret")
        return contracts

    def _contract(self, merchant_code: str, *secrets: str) -> Contract:
        return Contract(
            merchant_code, {name: f"{DEVELOPMENT_MARK}-{name}-{self.code}" for name in secrets}
        )


WARDS: Final = (
    Ward("06712", "Phường Móng Cái 1", "Mong Cai 1 Ward", "UBND PHUONG MONG CAI 1 MINH HOA",
         VIETCOMBANK, 128_400_000, told_at_once=True),
    Ward("06709", "Phường Móng Cái 2", "Mong Cai 2 Ward", "UBND PHUONG MONG CAI 2 MINH HOA",
         BIDV, 96_150_000, told_at_once=True),
    Ward("06736", "Phường Móng Cái 3", "Mong Cai 3 Ward", "UBND PHUONG MONG CAI 3 MINH HOA",
         VIETINBANK, 54_020_000),
    Ward("06724", "Xã Hải Sơn", "Hai Son Commune", "UBND XA HAI SON MINH HOA",
         AGRIBANK, 8_730_000),
    Ward("06733", "Xã Hải Ninh", "Hai Ninh Commune", "UBND XA HAI NINH MINH HOA",
         BIDV, 17_265_000),
    Ward("06757", "Xã Vĩnh Thực", "Vinh Thuc Commune", "UBND XA VINH THUC MINH HOA",
         AGRIBANK, 4_310_000),
)  # fmt: skip
"""Former Mong Cai since 1 July 2025, by statistics-office codes."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider's demonstration contract, and who it is at the bank when it pays out."""

    channel: Channel
    rate_bps: int
    fixed_minor: int
    settlement_days: int
    payout_name: str
    payout_account: str


PROVIDERS: Final = (
    Provider(Channel.VNPAY, 110, 0, 1, "CTCP GIAI PHAP THANH TOAN VN MINH HOA", "990000000110"),
    Provider(Channel.MOMO, 150, 0, 1, "CTCP DV DI DONG TRUC TUYEN MINH HOA", "990000000150"),
    Provider(Channel.ZALOPAY, 120, 0, 1, "CTCP ZION MINH HOA", "990000000120"),
    Provider(Channel.STRIPE, 290, 7_500, 2, "STRIPE PAYMENTS MINH HOA", "990000000290"),
)

RAILS: Final = (Rail.VIETQR, Rail.MOMO, Rail.ZALOPAY, Rail.VNPAY, Rail.STRIPE)
"""What every office offers, in the order citizens see it."""

NARRATIVE_RULES: Final = (
    (r"(?i)lai tien gui|interest", "credit", "Lãi tiền gửi / interest"),
    (r"(?i)phi (quan ly|duy tri|dich vu) tai khoan|account fee", "debit", "Phí ngân hàng / charge"),
)


@dataclass(frozen=True, slots=True)
class StaffAccount:
    """Somebody with a demonstration account; the password is no secret."""

    username: str
    name: str
    role: Role
    password: str


STAFF: Final = (
    StaffAccount("officer@demo", "Phạm Thị Lan (minh họa)", Role.OFFICER, "officer-mong-cai"),
    StaffAccount("approver@demo", "Vũ Văn Hải (minh họa)", Role.APPROVER, "approver-mong-cai"),
    StaffAccount("auditor@demo", "Trần Minh Thu (minh họa)", Role.AUDITOR, "auditor-mong-cai"),
    StaffAccount("admin@demo", "Lê Quang Sơn (minh họa)", Role.ADMIN, "admin-mong-cai"),
)


@dataclass(frozen=True, slots=True)
class PortalKeys:
    """What the one-stop portal knows of its access."""

    api_key: str
    webhook_secret: bytes


@cache
def procedure_codes() -> tuple[str, ...]:
    """Return the codes of the shipped procedures in the order of the list."""
    return tuple(dict.fromkeys(row["procedure_code"] for row in read_fee_list(FEE_LIST)))


def load_city(session: Session, *, vault: Vault, clock: Clock) -> None:
    """Load offices, accounts, contracts, fees and staff; what is there already stays.

    Raises:
        DoisoatError: a row of the shipped fee list was refused.
    """
    root = _ensure_office(session, ROOT_CODE, OfficeKind.PROVINCE, "Tỉnh Quảng Ninh (minh họa)",
                          "Quang Ninh Province (demonstration)", None)  # fmt: skip
    for ward in WARDS:
        office = _ensure_office(
            session, ward.code, OfficeKind.COMMUNE, ward.name_vi, ward.name_en, root
        )
        if office.account_id is None:
            _open_account(session, ward, office, vault=vault, clock=clock)
    report = import_fees(session, read_fee_list(FEE_LIST))
    if report.refused:
        raise DoisoatError(f"the demonstration's fee list: {report.refused[0]}")
    passwords = Passwords()
    for person in STAFF:
        if find_user(session, person.username) is None:
            create_user(
                session,
                username=person.username,
                name=person.name,
                role=person.role,
                office_code=ROOT_CODE,
                password=person.password,
                passwords=passwords,
                actor=SYSTEM,
                clock=clock,
            )


def register_portal(
    session: Session, places: Places, *, vault: Vault, clock: Clock
) -> PortalKeys | None:
    """Register the one-stop portal, or find it again and tell it where it is listening now.

    Returns its keys where they are new; they are shown only now. None: it has them already.
    """
    address = f"{places.simulators}/portal/webhooks"
    client = session.exec(
        select(ApiClient).where(ApiClient.name == PORTAL, ApiClient.active)
    ).first()
    if client is not None and places.portal_file.exists():
        client.webhook_url = address
        session.add(client)
        return None
    if client is not None:  # its keys are lost: it gets new ones under a new registration
        client.active = False
        session.add(client)
    root = session.exec(select(Office).where(Office.code == ROOT_CODE)).one()
    _, key, secret = create_client(
        session, PORTAL, root, webhook_url=address, vault=vault, clock=clock
    )
    return PortalKeys(key, secret)


def keep_portal_keys(places: Places, keys: PortalKeys) -> None:
    """Write the portal's keys where only this user reads them."""
    draft = places.portal_file.with_suffix(".draft")
    draft.touch(mode=0o600)
    secret = keys.webhook_secret.decode()
    draft.write_text(json.dumps({"api_key": keys.api_key, "webhook_secret": secret}))
    draft.replace(places.portal_file)


def read_portal_keys(places: Places) -> PortalKeys:
    """Return the portal's keys as they were kept."""
    kept = json.loads(places.portal_file.read_text())
    return PortalKeys(kept["api_key"], kept["webhook_secret"].encode())


def _ensure_office(
    session: Session,
    code: str,
    kind: OfficeKind,
    name_vi: str,
    name_en: str,
    parent: Office | None,
) -> Office:
    known = session.exec(select(Office).where(Office.code == code)).first()
    if known is not None:
        return known
    office = Office(
        code=code,
        kind=kind,
        name_vi=name_vi,
        name_en=name_en,
        parent_id=parent.id if parent else None,
        path=f"{parent.path if parent else '/'}{code}/",
        rails=[rail.value for rail in RAILS],
        demonstration=True,
    )
    session.add(office)
    session.flush()
    return office


def _open_account(
    session: Session, ward: Ward, office: Office, *, vault: Vault, clock: Clock
) -> None:
    account = CollectingAccount(
        account_number=ward.account_number,
        bank_bin=ward.bank.bin,
        bank_name=ward.bank.name,
        account_name=ward.holder,
        reference_prefix=REFERENCE_PREFIX,
        grace_days=GRACE_DAYS,
        statement_profile="bidv" if ward.bank.spreadsheet else "",
        treasury_name="KHO BAC NHA NUOC MINH HOA",
        treasury_account=f"3511{ward.account_number}",
        treasury_bank_bin=ward.bank.bin,
    )
    session.add(account)
    session.flush()
    office.account_id = account.id
    session.add(office)
    for rail, contract in ward.contracts.items():
        session.add(
            Merchant(account_id=account.id, rail=rail, merchant_code=contract.merchant_code)
        )
        for name, value in contract.secrets.items():
            store_secret(session, rail, contract.merchant_code, name, value, vault=vault,
                         actor=SYSTEM, clock=clock)  # fmt: skip
    for provider in PROVIDERS:
        session.add(
            ProviderContract(
                account_id=account.id,
                provider=provider.channel,
                rate_bps=provider.rate_bps,
                fixed_minor=provider.fixed_minor,
                settlement_days=provider.settlement_days,
                payout_accounts=[provider.payout_account],
                payout_names=[provider.payout_name],
            )
        )
    for position, (pattern, side, name) in enumerate(NARRATIVE_RULES, start=1):
        session.add(
            NarrativeRule(
                account_id=account.id,
                position=position,
                pattern=pattern,
                side=side,
                type="not_a_fee",
                name=name,
            )
        )
    session.flush()
