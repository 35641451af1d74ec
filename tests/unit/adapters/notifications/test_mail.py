"""E-mail over real SMTP: short, in the payer's language, recognisable when it is repeated."""

import email
import email.policy
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

import pytest
from aiosmtpd.controller import Controller

from adapters.notifications.errors import DeliveryError
from adapters.notifications.mail import MailSender
from core.outbox import MessageKind, OutboxMessage
from tests.support.clock import MONDAY_MORNING

FACTS = {
    "bill_reference": "MCABC", "receipt_number": "MCABC-1", "receipt_token": "tok",
    "title": "Lệ phí hộ tịch", "amount_minor": 1_083_000, "currency": "VND", "language": "vi",
}  # fmt: skip


class Mailbox:
    """Keeps what the server took, or refuses it."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802, ARG002
        if self.answer.startswith("250"):
            mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
        return self.answer


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def server(mailbox: Mailbox) -> Iterator[Controller]:
    controller = Controller(mailbox, hostname="127.0.0.1", port=0)
    controller.port = _free_port()
    controller.start()
    yield controller
    controller.stop()


def _free_port() -> int:
    import socket  # noqa: PLC0415

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def a_sender(server: Controller, *, starttls: bool = False) -> MailSender:
    return MailSender(
        host="127.0.0.1", port=server.port, sender="fees@mongcai.example",
        base_url="https://fees.example/", starttls=starttls,
    )  # fmt: skip


def a_message(recipient: str = "payer@example.vn", **facts: object) -> OutboxMessage:
    return OutboxMessage(
        id="msg_1", kind=MessageKind.EMAIL, topic="receipt", recipient=recipient,
        payload=FACTS | facts, dedupe_key="k", created_at=MONDAY_MORNING,
        next_attempt_at=MONDAY_MORNING,
    )  # fmt: skip


def test_a_receipt_arrives_in_the_payers_language(server: Controller, mailbox: Mailbox) -> None:
    sender = a_sender(server)
    assert sender.send(a_message(), None) == "accepted"
    sender.send(a_message(language="en"), None)

    vietnamese, english = mailbox.mails
    assert vietnamese["To"] == "payer@example.vn"
    assert vietnamese["Subject"] == "Biên nhận thanh toán MCABC"
    assert english["Subject"] == "Payment receipt MCABC"
    text = vietnamese.get_content()
    assert "1.083.000 VND cho: Lệ phí hộ tịch" in text
    assert "https://fees.example/receipts/tok?lang=vi" in text
    assert "1,083,000 VND for:" in english.get_content()
    assert "/receipts/tok?lang=en" in english.get_content()


GOLDEN = Path(__file__).parents[3] / "golden" / "mail"


@pytest.mark.parametrize("language", ["vi", "en", "fr", "zh"])
def test_a_receipt_says_what_its_golden_text_says(
    server: Controller, mailbox: Mailbox, language: str
) -> None:
    a_sender(server).send(a_message(language=language), None)
    (mail,) = mailbox.mails
    golden = (GOLDEN / f"receipt.{language}.txt").read_text(encoding="utf-8")
    text = mail.get_content().replace("\r\n", "\n")
    assert f"{mail['Subject']}\n\n{text}" == golden


def test_a_language_nobody_wrote_is_vietnamese(server: Controller, mailbox: Mailbox) -> None:
    a_sender(server).send(a_message(language="xx"), None)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "Biên nhận thanh toán MCABC"
    assert "?lang=vi" in mail.get_content()


def test_a_currency_with_cents_keeps_them(server: Controller, mailbox: Mailbox) -> None:
    a_sender(server).send(a_message(language="en", currency="USD", amount_minor=123_456), None)
    a_sender(server).send(a_message(currency="USD", amount_minor=123_456), None)
    assert "1,234.56 USD" in mailbox.mails[0].get_content()
    assert "1.234,56 USD" in mailbox.mails[1].get_content()


def test_a_repeated_message_has_the_same_id(server: Controller, mailbox: Mailbox) -> None:
    for _ in range(2):
        a_sender(server).send(a_message(), None)
    assert [m["Message-ID"] for m in mailbox.mails] == ["<msg_1@mongcai.example>"] * 2


def test_line_breaks_in_facts_add_no_header_and_no_line(
    server: Controller, mailbox: Mailbox
) -> None:
    a_sender(server).send(a_message(bill_reference="X\r\nBcc: all@example.vn", title="a\nb"), None)
    (mail,) = mailbox.mails
    assert mail["Bcc"] is None
    assert "a b" in mail.get_content()


@pytest.mark.parametrize("recipient", ["a@example.vn\nBcc: b@example.vn", ""])
def test_a_recipient_that_is_none_is_no_delivery(
    server: Controller, mailbox: Mailbox, recipient: str
) -> None:
    with pytest.raises(DeliveryError):
        a_sender(server).send(a_message(recipient), None)
    assert mailbox.mails == []


def test_a_refusal_is_no_delivery(server: Controller, mailbox: Mailbox) -> None:
    mailbox.answer = "554 no"
    with pytest.raises(DeliveryError, match="SMTPDataError"):
        a_sender(server).send(a_message(), None)


def test_nobody_there_is_no_delivery(server: Controller) -> None:
    sender = MailSender(
        host="127.0.0.1", port=_free_port(), sender="a@b.vn", base_url="", starttls=False
    )
    with pytest.raises(DeliveryError, match="ConnectionRefusedError"):
        sender.send(a_message(), None)


def test_without_encryption_a_production_sender_sends_nothing(
    server: Controller, mailbox: Mailbox
) -> None:
    with pytest.raises(DeliveryError):
        a_sender(server, starttls=True).send(a_message(), None)
    assert mailbox.mails == []


def test_a_server_with_a_certificate_of_nobody_is_not_believed(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts: list[ssl.SSLContext] = []

    class Server:
        def __enter__(self) -> Self:
            return self

        def __exit__(self, *failure: object) -> None:
            """Close nothing."""

        def starttls(self, *, context: ssl.SSLContext) -> None:
            contexts.append(context)
            raise ssl.SSLCertVerificationError

    monkeypatch.setattr("smtplib.SMTP", lambda *_, **__: Server())
    sender = MailSender(host="x", port=25, sender="a@b.vn", base_url="", starttls=True)
    with pytest.raises(DeliveryError, match="SSLCertVerificationError"):
        sender.send(a_message(), None)
    assert contexts[0].verify_mode is ssl.CERT_REQUIRED
    assert contexts[0].check_hostname
