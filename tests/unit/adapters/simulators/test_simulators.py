"""The simulators' own rules: seeds, fees, sessions, noise, memory, and where they refuse to run."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI

from adapters.gateways.vietqr import build_vietqr
from adapters.gateways.vnpay import VNPayConfig, VNPayGateway
from adapters.http import Caller, create_client
from adapters.simulators import refuse_outside_development
from adapters.simulators.bank import (
    BankSimulator,
    BankSimulatorConfig,
    CollectingAccount,
    Entry,
    Noise,
)
from adapters.simulators.faults import Fault, FaultPlan, force_faults
from adapters.simulators.parties import PlayedContract, Stage
from adapters.simulators.server import create_server
from adapters.simulators.settlement import FeeContract, Payout, SettlementBook
from adapters.simulators.store import Store
from adapters.simulators.stripe_api import nested
from adapters.simulators.vnpay import VNPaySimulator
from adapters.simulators.vnpay_config import VNPaySimulatorConfig, VNPayTerminal
from core.calendar import WorkingCalendar
from core.clock import at_vietnam_time
from core.errors import DoisoatError, InputUnusableError, NotFoundError, SettingsError
from core.money import Money
from payments.channels import Rail
from payments.errors import QRPayloadError
from payments.ports import MerchantAccess, StartRequest

FRIDAY = datetime(2026, 3, 6, 2, 0, tzinfo=UTC)
ACCOUNT = CollectingAccount("0071000123456", "970436", "UBND PHUONG MONG CAI 1", 1_000_000)
CODE = build_vietqr("970436", "0071000123456", Money(150_000), "MC1234567ABC LE PHI")
CALENDAR = WorkingCalendar(frozenset({date(2026, 3, 10)}))


@pytest.mark.parametrize("environment", ["production", "prod", "", "Development", "staging"])
def test_they_refuse_to_start_outside_development(environment: str) -> None:
    with pytest.raises(SettingsError):
        refuse_outside_development(environment)


def contracts(account: str = ACCOUNT.number) -> list[PlayedContract]:
    secrets = {
        Rail.VNPAY: {"hash_secret": "s"},
        Rail.STRIPE: {"api_key": "sk_test_1", "webhook_secret": "whsec_1"},
    }
    return [
        PlayedContract(MerchantAccess(rail, "M1", "MC", {}, known), account, "http://x/")
        for rail, known in secrets.items()
    ]


def server(folder: Path, played: list[PlayedContract], environment: str = "test") -> FastAPI:
    stage = Stage(lambda: FRIDAY, folder, "http://127.0.0.1")
    bank = BankSimulatorConfig((ACCOUNT,))
    return create_server(stage, played, bank=bank, environment=environment)


def test_the_server_refuses_production_before_it_writes_anything(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        server(tmp_path, contracts(), "production")
    assert list(tmp_path.iterdir()) == []


def test_the_server_refuses_payouts_into_the_void(tmp_path: Path) -> None:
    with pytest.raises(SettingsError):
        server(tmp_path, contracts("0"))


def test_a_contract_without_its_secret_is_not_played(tmp_path: Path) -> None:
    bare = PlayedContract(
        MerchantAccess(Rail.VNPAY, "M1", "MC", {}, {}), ACCOUNT.number, "http://x/"
    )
    with pytest.raises(SettingsError, match="hash_secret"):
        server(tmp_path, [bare])


def test_development_and_test_are_where_they_run() -> None:
    for environment in ("development", "test"):
        refuse_outside_development(environment)


# ---------------------------------------------------------------- faults


def test_a_seed_decides_the_same_faults_every_time() -> None:
    plan = FaultPlan(7, {Fault.DOUBLE_NOTICE: 200})
    references = [f"MC{number:07d}-1" for number in range(2000)]
    struck = [name for name in references if plan.strikes(Fault.DOUBLE_NOTICE, name)]

    assert struck == [name for name in references if plan.strikes(Fault.DOUBLE_NOTICE, name)]
    assert 330 < len(struck) < 470
    assert not any(plan.strikes(Fault.LATE_NOTICE, name) for name in references)
    other = FaultPlan(8, {Fault.DOUBLE_NOTICE: 200})
    assert struck != [name for name in references if other.strikes(Fault.DOUBLE_NOTICE, name)]


def test_forced_faults_win_over_the_rates(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    plan = FaultPlan(1, {Fault.LOST_NOTICE: 1000})
    with store.transaction() as records:
        force_faults(records, "calm", [])
        force_faults(records, "late", [Fault.LATE_NOTICE])
        assert not plan.strikes(Fault.LOST_NOTICE, "calm", records)
        assert plan.strikes(Fault.LATE_NOTICE, "late", records)
        assert plan.strikes(Fault.LOST_NOTICE, "other", records)
        once = [plan.strikes_once(Fault.LOST_NOTICE, "other", records) for _ in range(3)]
    store.close()
    assert once == [True, False, False]


def test_another_amount_is_other_and_above_nothing() -> None:
    for number in range(300):
        other = FaultPlan(3).other_amount(str(number), 2000)
        assert other != 2000
        assert other > 0


# ---------------------------------------------------------------- store


def test_a_broken_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")

    def break_off() -> None:
        with store.transaction() as records:
            records.put("kind", "1", {"x": 1})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    with store.transaction() as records:
        assert records.get("kind", "1") is None
    store.close()


def test_records_keep_their_order_label_and_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    with store.transaction() as records:
        records.put("k", "b", {"n": 1}, label="x", due=FRIDAY + timedelta(seconds=1))
        records.put("k", "a", {"n": 2}, label="x", due=FRIDAY)
        records.put("k", "b", {"n": 3}, label="x", due=FRIDAY + timedelta(seconds=1))
    store.close()
    reopened = Store(tmp_path / "s.sqlite")
    with reopened.transaction() as records:
        assert [record["n"] for record in records.every("k")] == [3, 2]
        assert [record["n"] for record in records.due("k", FRIDAY)] == [2]
        assert records.labelled("k", "y") == []
        assert records.get("k", "a", label="y") is None
        assert [records.next_number("n") for _ in range(3)] == [1, 2, 3]
    reopened.close()


# ---------------------------------------------------------------- settlement


@pytest.mark.parametrize(
    ("gross", "fee"), [(100_000, 1_100), (45, 0), (46, 1), (1_000_000, 11_000), (68_182, 750)]
)
def test_the_fee_is_rounded_half_up(gross: int, fee: int) -> None:
    assert FeeContract(110, 0, 1).fee(gross) == fee
    assert FeeContract(110, 7500, 1).fee(gross) == fee + 7500


def book(store: Store, *, faults: FaultPlan | None = None) -> SettlementBook:
    with store.transaction():
        return SettlementBook("vnpay", FeeContract(110, 0, 1), CALENDAR, faults or FaultPlan(), "P")


def enter(store: Store, own: SettlementBook, txn: str, gross: int, at: datetime) -> None:
    with store.transaction() as records:
        own.book(
            records,
            merchant="T1",
            account="1",
            kind="payment" if gross > 0 else "refund",
            provider_txn_id=txn,
            merchant_reference=f"MC{txn}-1",
            gross=gross,
            at=at,
        )


def test_a_weekend_belongs_to_the_next_working_day(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    own = book(store)
    for number, day in enumerate((6, 7, 8, 9)):
        enter(store, own, str(number), 100_000, at_vietnam_time(date(2026, 3, day), 23, 59, 59))
    with store.transaction() as records:
        own.close_sessions(records, at_vietnam_time(date(2026, 3, 11)))
        friday = own.rows(records, "T1", date(2026, 3, 6))
        monday = own.rows(records, "T1", date(2026, 3, 9))
        payouts = own.payouts(records)
    store.close()

    assert [row.provider_txn_id for row in friday] == ["0"]
    assert [row.provider_txn_id for row in monday] == ["1", "2", "3"]
    # 10 March is a holiday of this test's calendar.
    assert [payout.payout_date for payout in payouts] == [date(2026, 3, 9), date(2026, 3, 11)]
    assert [payout.amount for payout in payouts] == [98_900, 296_700]


def test_a_session_is_reported_once_it_is_over_and_only_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    own = book(store)
    enter(store, own, "1", 100_000, FRIDAY)
    enter(store, own, "1", 100_000, FRIDAY)
    with store.transaction() as records:
        own.close_sessions(records, FRIDAY)
        assert own.payouts(records) == []
        own.close_sessions(records, FRIDAY + timedelta(days=1))
        own.close_sessions(records, FRIDAY + timedelta(days=2))
        assert len(own.payouts(records)) == 1
        assert len(own.rows(records, "T1", FRIDAY.date())) == 1
    store.close()


def test_a_session_that_nets_to_less_than_nothing_waits_for_the_next(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    own = book(store)
    enter(store, own, "r", -50_000, FRIDAY)
    enter(store, own, "p", 100_000, FRIDAY + timedelta(days=3))
    with store.transaction() as records:
        own.close_sessions(records, FRIDAY + timedelta(days=1))
        assert own.payouts(records) == []
        own.close_sessions(records, FRIDAY + timedelta(days=5))
        assert [payout.amount for payout in own.payouts(records)] == [48_900]
        assert {row.kind for row in own.rows(records, "T1", date(2026, 3, 9))} == {
            "payment",
            "refund",
        }
    store.close()


def test_a_line_that_comes_after_its_session_was_paid_waits_for_the_next(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    own = book(store)
    enter(store, own, "1", 100_000, FRIDAY)
    with store.transaction() as records:
        own.close_sessions(records, FRIDAY + timedelta(days=1))
    enter(store, own, "late", 200_000, FRIDAY)
    with store.transaction() as records:
        own.close_sessions(records, FRIDAY + timedelta(days=2))
        assert [payout.amount for payout in own.payouts(records)] == [98_900]
    enter(store, own, "2", 100_000, FRIDAY + timedelta(days=3))
    with store.transaction() as records:
        own.close_sessions(records, FRIDAY + timedelta(days=5))
        assert [payout.amount for payout in own.payouts(records)] == [98_900, 296_700]
        assert len(own.rows(records, "T1", FRIDAY.date())) == 1
    store.close()


def test_wrong_fees_and_missing_lines_are_faults(tmp_path: Path) -> None:
    store = Store(tmp_path / "s.sqlite")
    own = book(store)
    with store.transaction() as records:
        force_faults(records, "MC1-1", [Fault.WRONG_FEE])
        force_faults(records, "MC2-1", [Fault.UNREPORTED])
    for txn in ("1", "2", "3"):
        enter(store, own, txn, 100_000, FRIDAY)
    with store.transaction() as records:
        own.close_sessions(records, FRIDAY + timedelta(days=1))
        rows = {row.provider_txn_id: row for row in own.rows(records, "T1", FRIDAY.date())}
    store.close()

    assert set(rows) == {"1", "3"}
    assert rows["1"].fee > 1_100
    assert rows["1"].net == 100_000 - rows["1"].fee
    assert rows["3"].fee == 1_100


# ---------------------------------------------------------------- bank


@pytest.fixture
def bank(tmp_path: Path) -> BankSimulator:
    return BankSimulator(
        clock=lambda: FRIDAY,
        state_path=tmp_path / "bank.sqlite",
        config=BankSimulatorConfig((ACCOUNT,)),
    )


def test_one_transfer_is_booked_once(bank: BankSimulator) -> None:
    first = bank.transfer_by_code(CODE, transfer_id="a")
    second = bank.transfer_by_code(CODE, transfer_id="b")

    assert bank.transfer_by_code(CODE, transfer_id="a") == first
    assert second.bank_ref != first.bank_ref
    assert bank.lines(ACCOUNT.number, FRIDAY.date()) == [first, second]
    assert bank.balance_before(ACCOUNT.number, date(2026, 3, 7)) == 1_300_000
    assert bank.balance_before(ACCOUNT.number, FRIDAY.date()) == 1_000_000
    assert first.narrative == "MC1234567ABC LE PHI"
    assert first.counterparty_name


def test_two_banks_with_one_seed_book_the_same(tmp_path: Path) -> None:
    noise = {Noise.ONE_WRONG: 300, Noise.CUT: 300, Noise.PREFIXED: 300}
    books = []
    for name in ("x", "y"):
        own = BankSimulator(
            clock=lambda: FRIDAY,
            state_path=tmp_path / name,
            config=BankSimulatorConfig((ACCOUNT,), {}, FaultPlan(5), noise),
        )
        books.append([own.transfer_by_code(CODE, transfer_id=str(n)) for n in range(40)])
        own.close()

    assert books[0] == books[1]
    assert len({line.narrative for line in books[0]}) > 20


@pytest.mark.parametrize("noise", list(Noise))
def test_noise_spoils_as_it_says(bank: BankSimulator, noise: Noise) -> None:
    reference = "MC1234567ABC"
    for number in range(50):
        spoiled = bank.spoil(f"{reference} LE PHI", noise, str(number))
        squeezed = spoiled.upper().replace(" ", "")
        if noise in {Noise.PREFIXED, Noise.LOWER_CASE, Noise.SPLIT}:
            assert reference in squeezed
        elif noise is Noise.ONE_WRONG:
            token = spoiled.partition(" ")[0]
            assert len(token) == len(reference)
            assert sum(a != b for a, b in zip(token, reference, strict=True)) == 1
        elif noise is Noise.CUT:
            assert reference.startswith(spoiled)
            assert 1 <= len(reference) - len(spoiled) <= 3
        else:
            assert reference not in squeezed


def test_a_payer_may_change_amount_and_purpose(bank: BankSimulator) -> None:
    line = bank.transfer_by_code(CODE, transfer_id="a", amount=149_000, purpose="tien nha")

    assert (line.amount, line.narrative) == (149_000, "tien nha")


def test_another_amount_can_be_forced_by_reference(bank: BankSimulator) -> None:
    with bank.store.transaction() as records:
        force_faults(records, "MC1234567ABC", [Fault.OTHER_AMOUNT])
    assert bank.transfer_by_code(CODE, transfer_id="a").amount != 150_000


def test_codes_of_other_banks_and_damaged_ones_are_refused(bank: BankSimulator) -> None:
    foreign = build_vietqr("970415", ACCOUNT.number, Money(1), "X")
    with pytest.raises(InputUnusableError):
        bank.transfer_by_code(foreign, transfer_id="a")
    with pytest.raises(QRPayloadError):
        bank.transfer_by_code(CODE[:-1] + "_", transfer_id="a")
    with pytest.raises(InputUnusableError):
        bank.transfer_by_code(CODE, transfer_id="a", amount=0)
    assert bank.lines(ACCOUNT.number, FRIDAY.date()) == []


def test_a_payout_is_credited_once(bank: BankSimulator) -> None:
    day = FRIDAY.date()
    payout = Payout("P1", "vnpay", "T1", ACCOUNT.number, "R1", day, 98_900, "VND", day)
    bank.receive_payout(payout)
    bank.receive_payout(payout)

    lines = bank.lines(ACCOUNT.number, day)
    assert [line.amount for line in lines] == [98_900]
    assert "P1" in lines[0].narrative


def test_debits_are_booked_and_unknown_accounts_are_not(bank: BankSimulator) -> None:
    charge = Entry("fee-1", ACCOUNT.number, -5_500, "PHI QUAN LY TAI KHOAN")
    assert bank.book(charge) == bank.book(charge)
    assert bank.balance_before(ACCOUNT.number, date(2026, 3, 7)) == 994_500
    with pytest.raises(NotFoundError):
        bank.book(Entry("fee-2", "0", -1, "X"))
    with pytest.raises(NotFoundError):
        bank.lines("0", FRIDAY.date())


# ---------------------------------------------------------------- vnpay and stripe


def vnpay_pair(tmp_path: Path, now: list[datetime]) -> tuple[VNPaySimulator, str]:
    simulator = VNPaySimulator(
        clock=lambda: now[0],
        state_path=tmp_path / "vnpay.sqlite",
        config=VNPaySimulatorConfig((VNPayTerminal("DOISOAT1", "s", "http://127.0.0.1:9/", "1"),)),
    )
    gateway_config = VNPayConfig("DOISOAT1", "s", "http://x/pay", "http://x/api")
    http = Caller(create_client(), rail=Rail.VNPAY, merchant_code="DOISOAT1", clock=lambda: now[0])
    gateway = VNPayGateway(gateway_config, http)
    request = StartRequest(
        merchant_reference="MC1234567ABC-1",
        bill_reference="MC1234567ABC",
        amount=Money(10_000),
        description="Le phi",
        return_url="https://city.example/return?x=1",
        payer_ip="127.0.0.1",
        locale="en",
        created_at=FRIDAY,
        expires_at=FRIDAY + timedelta(minutes=15),
    )
    return simulator, str(gateway.start(request).redirect_url)


def test_vnpay_refuses_changed_late_and_foreign_pay_addresses(tmp_path: Path) -> None:
    now = [FRIDAY]
    simulator, url = vnpay_pair(tmp_path, now)
    for broken in (
        url.replace("vnp_Amount=1000000", "vnp_Amount=100000"),
        url.replace("DOISOAT1", "DOISOAT2"),
        url.partition("&vnp_SecureHash")[0],
        "http://x/pay",
    ):
        with pytest.raises(DoisoatError):
            simulator.act(broken, "pay")
    now[0] = FRIDAY + timedelta(minutes=15)
    with pytest.raises(InputUnusableError):
        simulator.act(url, "pay")
    simulator.close()


def test_a_finished_vnpay_order_cannot_be_decided_again(tmp_path: Path) -> None:
    simulator, url = vnpay_pair(tmp_path, [FRIDAY])
    cancelled = simulator.act(url, "cancel")

    assert cancelled == simulator.act(url, "pay")
    assert cancelled is not None
    assert cancelled.startswith("https://city.example/return?x=1&vnp_")
    assert simulator.order("DOISOAT1", "MC1234567ABC-1")["response_code"] == "24"
    with pytest.raises(NotFoundError):
        simulator.decide("nobody", "pay")
    with pytest.raises(NotFoundError):
        simulator.order("DOISOAT1", "nobody")
    simulator.close()


def test_bracketed_parameters_become_trees() -> None:
    text = "a=1&b[c][0][d]=x&b[c][1][d]=y&expand[0]=p&expand[1]=q&m[k]=v%26w&empty="

    assert nested(text) == {
        "a": "1",
        "b": {"c": [{"d": "x"}, {"d": "y"}]},
        "expand": ["p", "q"],
        "m": {"k": "v&w"},
        "empty": "",
    }
