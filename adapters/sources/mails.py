"""Mails as files: which parts of a mail are files, and what they are called.

A mail is hostile until the opposite is known. One that cannot be taken apart is a file as a
whole, so that a person sees it; nothing that somebody sent is dropped in silence.
"""

import logging
import re
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage, Message
from email.utils import getaddresses
from typing import Final

MAX_PARTS: Final = 200
"""A mail of more parts is not taken apart."""

_NOT_FILES: Final = frozenset(
    {
        "application/pgp-encrypted", "application/pgp-signature", "application/pkcs7-signature",
        "application/x-pkcs7-signature", "text/calendar",
    }
)  # fmt: skip
_WHOLE: Final = "mail.eml"

_logger = logging.getLogger(__name__)


def files_of(raw: bytes) -> list[tuple[str, bytes]]:
    """Return names and bytes of the files in a mail, also of those in mails within it.

    Logos and signatures are no files. What cannot be taken apart is one file, ``mail.eml``.
    """
    try:
        return list(_attachments(message_from_bytes(raw, policy=policy.default)))
    except Exception:  # the reader fails in many ways on what is no mail
        _logger.exception("mail not taken apart", extra={"bytes": len(raw)})
        return [(_WHOLE, raw)]


def sender_of(header: bytes) -> str:
    """Return the one address a mail says it is from, in small letters; empty if it is unclear."""
    try:
        said = message_from_bytes(header, policy=policy.compat32).get_all("From", [])
        lines = [" ".join(str(one).lower().split()) for one in said]
        addresses = [address for _, address in getaddresses(lines)]
    except Exception:  # as above
        _logger.exception("sender not read", extra={"bytes": len(header)})
        return ""
    if len(lines) != 1 or len(addresses) != 1:
        return ""
    # Readers differ on what else may stand in this line; ours must not be the one that is fooled.
    (line,), (address,) = lines, addresses
    alone = line == address or line.endswith(f" <{address}>")
    return address if alone and address.isascii() and address.count("@") == 1 else ""


def is_from(sender: str, senders: tuple[str, ...]) -> bool:
    """Whether an address is among ``senders``: addresses, or domains as ``@bank.example``."""
    domain = f"@{sender.rpartition('@')[2]}"
    return any(one.lower() in {sender, domain} for one in senders)


def _attachments(mail: Message) -> Iterator[tuple[str, bytes]]:
    for number, part in enumerate(mail.walk()):
        if number >= MAX_PARTS:
            raise ValueError("too many parts")
        if part.is_multipart() or not _is_file(part):
            continue
        content = part.get_payload(decode=True)
        if isinstance(content, bytes):
            yield _plain_name(part.get_filename() or ""), content


def _is_file(part: Message) -> bool:
    kind = part.get_content_type()
    if kind in _NOT_FILES or (kind.startswith("image/") and part["Content-ID"]):
        return False
    attached = isinstance(part, EmailMessage) and part.is_attachment()
    return attached or bool(part.get_filename())


def _plain_name(name: str) -> str:
    """Return the last part of a name: where a sender would like a file to lie is nobody's care."""
    return re.split(r"[/\\]", name)[-1].strip() or "attachment"
