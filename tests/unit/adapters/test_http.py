"""The HTTP way out: what is repeated, what is unknown, what is masked."""

import logging

import httpx2
import pytest

from adapters.http import MAX_ANSWER_BYTES, Breaker, Caller, create_client, mask, send
from payments.channels import Rail
from payments.errors import GatewayRestingError, GatewayUnavailableError
from payments.ports import GatewayCall
from tests.support.clock import FrozenClock

URL = "https://party.example/api"


def client_of(answers: list[httpx2.Response | Exception]) -> httpx2.Client:
    def answer(_: httpx2.Request) -> httpx2.Response:
        step = answers.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    return create_client(transport=httpx2.MockTransport(answer))


def test_an_idempotent_request_is_sent_again_with_growing_jittered_pauses() -> None:
    steps = [httpx2.ConnectError("down"), httpx2.Response(503), httpx2.Response(200, text="ok")]
    pauses: list[float] = []

    answer = send(client_of(steps), "GET", URL, idempotent=True, sleep=pauses.append)

    assert (answer.status, answer.body) == (200, b"ok")
    assert 0.1 <= pauses[0] < 0.3
    assert 0.2 <= pauses[1] < 0.6


def test_any_other_request_is_sent_once() -> None:
    steps: list[httpx2.Response | Exception] = [httpx2.ReadTimeout("late"), httpx2.Response(200)]
    with pytest.raises(GatewayUnavailableError):
        send(client_of(steps), "POST", URL, idempotent=False)
    assert len(steps) == 1


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectTimeout("x"),
        httpx2.ReadError("x"),
        httpx2.RemoteProtocolError("x"),
        httpx2.PoolTimeout("x"),
        httpx2.DecodingError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_every_broken_exchange_is_unknown(error: Exception) -> None:
    with pytest.raises(GatewayUnavailableError):
        send(client_of([error]), "POST", URL, idempotent=False)


def test_a_last_server_error_is_given_as_it_is() -> None:
    steps: list[httpx2.Response | Exception] = [httpx2.Response(502), httpx2.Response(502)]

    answer = send(client_of(steps), "GET", URL, idempotent=True, attempts=2, sleep=lambda _: None)

    assert answer.status == 502


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    flood = httpx2.Response(200, content=b"x" * (MAX_ANSWER_BYTES + 1))
    with pytest.raises(GatewayUnavailableError):
        send(client_of([flood]), "GET", URL, idempotent=False)


def test_redirects_are_not_followed() -> None:
    away = httpx2.Response(302, headers={"location": "https://elsewhere.example"})
    assert send(client_of([away]), "GET", URL, idempotent=False).status == 302


def test_proxies_of_the_environment_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with create_client() as client:
        assert not client.trust_env


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("GET /x?vnp_Amount=1&vnp_SecureHash=abcdef0123", "abcdef0123"),
        ('{"vnp_SecureHash": "abcdef0123"}', "abcdef0123"),
        ("Authorization: Bearer sk_test_51Habc", "51Habc"),
        ("key rk_live_9zzz in text", "9zzz"),
        ("whsec_abcDEF", "abcDEF"),
        ("card_number=4242424242424242", "4242424242424242"),
        ("signature=deadbeef&x=1", "deadbeef"),
    ],
)
def test_secrets_are_masked(text: str, secret: str) -> None:
    assert secret not in mask(text)
    assert "***" in mask(text)


@pytest.mark.parametrize("text", [
    '{"HoTenNguoiNop": "Nguyễn Thị Ánh", "SoTien": "83000"}',
    '{"HoTenNguoiNop":"Nguy\\u1ec5n Th\\u1ecb \\u00c1nh","SoTien":"83000"}',
    "HoTenNguoiNop=Nguyễn Thị Ánh&SoTien=83000",
    '"ThongTin": "{\\"HoTenNguoiNop\\": \\"Nguyễn Thị Ánh\\", \\"SoTien\\": \\"83000\\"}"',
])  # fmt: skip
def test_payers_names_are_masked_whole(text: str) -> None:
    masked = mask(text)
    assert "Nguy" not in masked
    assert "nh" not in masked.replace("ThongTin", "")
    assert "83000" in masked


def test_what_is_no_secret_is_kept() -> None:
    text = "GET /x?vnp_Amount=1000000&vnp_TxnRef=MC1-1"
    assert mask(text) == text


def test_the_clients_own_log_lines_are_masked(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "httpx2")
    # whoever configures logging in this process may have switched existing loggers off
    monkeypatch.setattr(logging.getLogger("httpx2"), "disabled", False)
    url = f"{URL}?vnp_TxnRef=MC1-1&vnp_SecureHash=abcdef0123"

    send(client_of([httpx2.Response(200)]), "GET", url, idempotent=False)

    assert "MC1-1" in caplog.text
    assert "abcdef0123" not in caplog.text


# ---------------------------------------------------------------- Caller and Breaker


def caller_of(
    answers: list[httpx2.Response | Exception], clock: FrozenClock, kept: list[GatewayCall]
) -> Caller:
    return Caller(
        client_of(answers),
        rail=Rail.MOMO,
        merchant_code="M1",
        clock=clock,
        record=kept.append,
    )


def test_each_call_is_kept_with_its_secrets_masked() -> None:
    kept: list[GatewayCall] = []
    caller = caller_of([httpx2.Response(200, text='{"mac": "abc", "ok": 1}')], FrozenClock(), kept)

    caller.send(
        "POST",
        f"{URL}?vnp_SecureHash=beef",
        idempotent=False,
        content=b'{"accessKey":"K1","signature":"S1","orderId":"MC1","MaXacThuc":"D1"}',
    )

    (call,) = kept
    assert (call.rail, call.merchant_code, call.status) == (Rail.MOMO, "M1", 200)
    assert "MC1" in call.request
    for secret in ("K1", "S1", "D1", "beef", "abc"):
        assert secret not in call.url + call.request + call.answer


def test_a_call_without_an_answer_is_kept_as_well() -> None:
    kept: list[GatewayCall] = []
    with pytest.raises(GatewayUnavailableError):
        caller_of([httpx2.ReadTimeout("late")], FrozenClock(), kept).send(
            "POST", URL, idempotent=False, content=b"\x00a"
        )

    assert kept[0].status is None
    assert kept[0].error
    assert "\x00" not in kept[0].request


def test_a_provider_that_does_not_answer_is_left_alone_and_tried_again_later() -> None:
    clock = FrozenClock()
    down: list[httpx2.Response | Exception] = [httpx2.ConnectError("down")] * 6
    caller = caller_of([*down, httpx2.Response(200)], clock, [])
    for _ in range(5):
        with pytest.raises(GatewayUnavailableError):
            caller.send("POST", URL, idempotent=False)

    with pytest.raises(GatewayRestingError):
        caller.send("POST", URL, idempotent=False)
    clock.advance(seconds=30)
    with pytest.raises(GatewayUnavailableError) as tried:
        caller.send("POST", URL, idempotent=False)
    assert not isinstance(tried.value, GatewayRestingError)
    clock.advance(seconds=59)
    with pytest.raises(GatewayRestingError):
        caller.send("POST", URL, idempotent=False)
    clock.advance(seconds=1)
    assert caller.send("POST", URL, idempotent=False).status == 200


def test_a_refusal_of_the_provider_is_an_answer() -> None:
    caller = caller_of([httpx2.Response(400)] * 9, FrozenClock(), [])
    for _ in range(9):
        assert caller.send("POST", URL, idempotent=False).status == 400


def test_of_many_only_one_tries_a_provider_that_was_left_alone() -> None:
    clock = FrozenClock()
    breaker = Breaker(clock)
    for _ in range(5):
        breaker.tell(answered=False)
    clock.advance(seconds=30)
    breaker.ask()
    with pytest.raises(GatewayRestingError):
        breaker.ask()
    breaker.tell(answered=True)
    breaker.ask()
