"""E-mail to citizens by SMTP: plain text, short, with the link to the receipt."""

import smtplib
import ssl
from email.message import EmailMessage
from typing import Final

from adapters.notifications.errors import DeliveryError
from core.money import Currency, Money
from core.outbox import OutboxMessage

_TIMEOUT_SECONDS: Final = 20

_SUBJECT: Final = {
    "vi": "Biên nhận thanh toán {bill_reference}",
    "en": "Payment receipt {bill_reference}",
    "fr": "Reçu de paiement {bill_reference}",
    "zh": "缴款收据 {bill_reference}",
}
_BODY: Final = {
    "vi": (
        "Chúng tôi đã nhận {amount} cho: {title}\n"
        "Mã thanh toán: {bill_reference}\n"
        "Số biên nhận: {receipt_number}\n\n"
        "Xem và tải biên nhận: {link}\n\n"
        "Thư này được gửi tự động, xin đừng trả lời.\n"
    ),
    "en": (
        "We have received {amount} for: {title}\n"
        "Bill reference: {bill_reference}\n"
        "Receipt number: {receipt_number}\n\n"
        "See and download the receipt: {link}\n\n"
        "This message was sent automatically; please do not reply.\n"
    ),
    "fr": (
        "Nous avons reçu {amount} pour\N{NO-BREAK SPACE}: {title}\n"
        "Avis de paiement\N{NO-BREAK SPACE}: {bill_reference}\n"
        "Numéro du reçu\N{NO-BREAK SPACE}: {receipt_number}\n\n"
        "Consulter et télécharger le reçu\N{NO-BREAK SPACE}: {link}\n\n"
        "Ce message est envoyé automatiquement, merci de ne pas y répondre.\n"
    ),
    "zh": (
        "我们已收到{amount}，缴费事项：{title}\n"
        "缴费单：{bill_reference}\n"
        "收据编号：{receipt_number}\n\n"
        "查看并下载收据：{link}\n\n"
        "本邮件由系统自动发送，请勿回复。\n"
    ),
}

_MARKS: Final = {
    "vi": (".", ","),
    "en": (",", "."),
    "fr": ("\N{NARROW NO-BREAK SPACE}", ","),
    "zh": (",", "."),
}
"""What stands between groups of three digits and before decimals."""


class MailSender:
    """Sends receipts through one SMTP server."""

    def __init__(self, *, host: str, port: int, sender: str, base_url: str, starttls: bool) -> None:
        self._host = host
        self._port = port
        self._sender = sender
        self._base_url = base_url.rstrip("/")
        self._starttls = starttls

    def send(self, message: OutboxMessage, secret: bytes | None) -> str:
        """Deliver a receipt; the outbox id is the message id, so a repeat is recognised.

        Raises:
            DeliveryError: the server did not take it.
        """
        del secret
        if "@" not in message.recipient.strip("@"):
            raise DeliveryError("the message has no recipient")
        try:
            with smtplib.SMTP(self._host, self._port, timeout=_TIMEOUT_SECONDS) as server:
                if self._starttls:
                    server.starttls(context=ssl.create_default_context())
                server.send_message(self._compose(message))
        except (OSError, ValueError, smtplib.SMTPException) as problem:
            raise DeliveryError(type(problem).__name__) from problem
        return "accepted"

    def _compose(self, message: OutboxMessage) -> EmailMessage:
        facts = message.payload
        language = facts["language"] if facts.get("language") in _SUBJECT else "vi"
        words = {key: " ".join(str(value).split()) for key, value in facts.items()}
        words["amount"] = _amount(facts["amount_minor"], Currency(facts["currency"]), language)
        words["link"] = f"{self._base_url}/receipts/{facts['receipt_token']}?lang={language}"
        mail = EmailMessage()
        mail["From"] = self._sender
        mail["To"] = message.recipient
        mail["Subject"] = _SUBJECT[language].format(**words)
        mail["Message-ID"] = f"<{message.id}@{self._sender.rpartition('@')[2]}>"
        mail.set_content(_BODY[language].format(**words))
        return mail


def _amount(minor: int, currency: Currency, language: str) -> str:
    whole, _, cents = Money(minor, currency).decimal.partition(".")
    group, point = _MARKS[language]
    grouped = f"{int(whole):,}".replace(",", group)
    return f"{grouped}{point + cents if cents else ''} {currency}"
