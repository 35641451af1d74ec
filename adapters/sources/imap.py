r"""IMAP: the attachments of mails that arrive in a mailbox are taken; the mails stay.

A mail is marked by a keyword of ours or moved. That somebody has read it (``\Seen``) says
nothing: people open mails, too.
"""

import base64
import imaplib
import logging
import re
import ssl
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Final

from adapters.sources.mails import files_of, is_from, sender_of
from adapters.sources.rules import TAKEN, After, Left, shown
from adapters.sources.terms import Terms
from reconciliation.errors import (
    SourceDeniedError,
    SourceFailedError,
    SourceIdentityError,
    SourceInvalidError,
    SourceUnreachableError,
)
from reconciliation.ports import FetchedFile, WaitingFile

KEYWORD: Final = "DoisoatTaken"
MAX_MAIL_BYTES: Final = 128 * 1024 * 1024
"""A larger mail is left where it is, for a person."""

_PORTS: Final = {"tls": 993, "starttls": 143}
_TIMEOUT_SECONDS: Final = 60.0
_ADDRESS: Final = re.compile(r"[A-Za-z0-9._%+-]*@[A-Za-z0-9.-]+")
_SIZE: Final = re.compile(rb"RFC822\.SIZE (\d+)")

_logger = logging.getLogger(__name__)


class Security(StrEnum):
    """How the connection is kept secret; the server's certificate is checked in both."""

    TLS = "tls"
    STARTTLS = "starttls"


@dataclass(frozen=True, slots=True)
class ImapConfig:
    """How to reach a mailbox; without ``senders`` everybody's mails are taken."""

    host: str
    port: int
    security: Security
    username: str
    password: str = field(repr=False)
    folder: str
    after: After
    taken_folder: str
    senders: tuple[str, ...]
    trust: ssl.SSLContext


def read_config(terms: Terms) -> ImapConfig:
    """Return the configuration of a source.

    Raises:
        SourceInvalidError: it is unusable; the message names the setting.
    """
    security = terms.choice("security", *Security)
    config = ImapConfig(
        host=terms.text("host"),
        port=terms.port(_PORTS[security]),
        security=security,
        username=terms.text("username"),
        password=terms.secret("password"),
        folder=terms.text("folder", "INBOX"),
        after=terms.choice("after", After.MARK, After.MOVE),
        taken_folder=terms.text("taken_folder", TAKEN),
        senders=terms.words("senders"),
        trust=read_trust(terms.text("ca", "")),
    )
    terms.end()
    for one in config.senders:
        if not _ADDRESS.fullmatch(one):
            raise SourceInvalidError(f"senders: {one[:60]!r} is neither an address nor @domain")
    return config


def read_trust(authority: str) -> ssl.SSLContext:
    """Return whom to trust: the system's authorities, or the one whose certificate is given.

    Raises:
        SourceInvalidError: the certificate cannot be read.
    """
    try:
        return ssl.create_default_context(cadata=authority or None)
    except (ssl.SSLError, ValueError) as problem:
        raise SourceInvalidError("ca: not a certificate in PEM") from problem


@dataclass(frozen=True, slots=True)
class _Mail:
    """A mail that waits, and its files; ``left`` says why it is not taken."""

    uid: str
    sender: str
    size: int
    files: tuple[tuple[str, bytes], ...] = ()
    left: str = ""


class ImapSource:
    """Implements ``StatementSource`` over a mailbox: every attachment of a mail is a file.

    A mail is marked when all of its files are stored, and at once if it has none.
    """

    def __init__(self, config: ImapConfig) -> None:
        self._config = config
        self._box: imaplib.IMAP4 | None = None
        self._waiting: dict[str, set[str]] = {}

    def look(self) -> list[WaitingFile]:
        """List the attachments, and the mails that are left."""
        found = []
        with self._opened(reads_only=True) as box:
            for mail in self._mails(box):
                if mail.left:
                    found.append(
                        WaitingFile(f"mail from {shown(mail.sender)}", mail.size, mail.left)
                    )
                found += [WaitingFile(shown(name), len(content)) for name, content in mail.files]
        return found

    def fetch(self) -> Generator[FetchedFile, None, None]:
        """Yield the attachments mail by mail, the oldest first."""
        with self._opened() as box:
            for mail in self._mails(box):
                if mail.left:
                    _logger.warning("mail left", extra={"bytes": mail.size})
                    continue
                keys = [f"{mail.uid}/{number}" for number in range(len(mail.files))]
                self._waiting[mail.uid] = set(keys)
                if not keys:
                    self._settle(box, mail.uid)
                for key, (name, content) in zip(keys, mail.files, strict=True):
                    yield FetchedFile(name, content, key)

    def taken(self, keys: Iterable[str]) -> None:
        """Mark or move each mail of which nothing waits any more.

        Raises:
            SourceFailedError: the server keeps no keywords, or does not move.
        """
        for key in keys:
            uid = key.partition("/")[0]
            self._waiting[uid].discard(key)
            if not self._waiting[uid]:
                with self._opened() as box:
                    self._settle(box, uid)

    @contextmanager
    def _opened(self, *, reads_only: bool = False) -> Iterator[imaplib.IMAP4]:
        """Lend the open mailbox, or one for as long as it is needed."""
        with _ours():
            if self._box is not None:
                yield self._box
                return
            box = self._box = _connect(self._config)
            try:
                _log_in(box, self._config)
                self._select(box, reads_only=reads_only)
                yield box
            finally:
                self._box = None
                with suppress(OSError, imaplib.IMAP4.error):
                    box.logout()

    def _select(self, box: imaplib.IMAP4, *, reads_only: bool) -> None:
        status, _ = box.select(mailbox_name(self._config.folder), readonly=reads_only)
        if status != "OK":
            raise SourceFailedError(f"there is no mailbox {self._config.folder!r}")
        if self._config.after is After.MARK and not reads_only:
            _, flags = box.response("PERMANENTFLAGS")
            said = b" ".join(one for one in flags if isinstance(one, bytes))
            if rb"\*" not in said and KEYWORD.encode() not in said:
                raise SourceFailedError("the mailbox keeps no keywords of ours: set after=move")

    def _mails(self, box: imaplib.IMAP4) -> Iterator[_Mail]:
        wanted = ["UNDELETED"]
        if self._config.after is After.MARK:
            wanted += ["UNKEYWORD", KEYWORD]
        for number, sender in enumerate(self._config.senders, start=1):
            if number < len(self._config.senders):
                wanted.append("OR")
            wanted += ["FROM", f'"{sender}"']
        _, uids = _asked(box, "SEARCH", *wanted)
        for uid in b" ".join(one for one in uids if isinstance(one, bytes)).split():
            if (mail := self._read(box, uid.decode())) is not None:
                yield mail

    def _read(self, box: imaplib.IMAP4, uid: str) -> _Mail | None:
        """Read one mail, its size and sender first; None: not ours to take, or gone by now."""
        said, header = _asked(box, "FETCH", uid, "(RFC822.SIZE BODY.PEEK[HEADER.FIELDS (FROM)])")
        size, sender = _SIZE.search(said), sender_of(_literal(header))
        if size is None:
            return None
        if self._config.senders and not is_from(sender, self._config.senders):
            return None
        mail = partial(_Mail, uid, sender, int(size[1]))
        if int(size[1]) > MAX_MAIL_BYTES:
            return mail(left=Left.LARGE_MAIL)
        _, body = _asked(box, "FETCH", uid, "(BODY.PEEK[])")
        return mail(files=tuple(files_of(_literal(body)))) if _literal(body) else None

    def _settle(self, box: imaplib.IMAP4, uid: str) -> None:
        """Have a mail not found again."""
        if self._config.after is After.MARK:
            _asked(box, "STORE", uid, "+FLAGS.SILENT", f"({KEYWORD})")
            return
        target = mailbox_name(self._config.taken_folder)
        box.create(target)  # one that is there already is refused, and that is well
        if "MOVE" in box.capabilities:
            _asked(box, "MOVE", uid, target)
        elif "UIDPLUS" in box.capabilities:
            _asked(box, "COPY", uid, target)
            _asked(box, "STORE", uid, "+FLAGS.SILENT", r"(\Deleted)")
            _asked(box, "EXPUNGE", uid)  # of this mail alone: others' deletions are theirs
        else:
            raise SourceFailedError("the server moves no mails: set after=mark")


@contextmanager
def _ours() -> Iterator[None]:
    """Turn a failure of the talk into one of ours, without what a server wrote."""
    try:
        yield
    except ssl.SSLCertVerificationError as problem:
        raise SourceIdentityError(f"its certificate: {problem.verify_message}") from problem
    except OSError as problem:
        raise SourceUnreachableError(f"nobody answers: {type(problem).__name__}") from problem
    except imaplib.IMAP4.abort as problem:
        raise SourceUnreachableError("the connection broke off") from problem
    except imaplib.IMAP4.error as problem:
        raise SourceFailedError("the server does not understand what it is asked") from problem


def _connect(config: ImapConfig) -> imaplib.IMAP4:
    if config.security is Security.TLS:
        return imaplib.IMAP4_SSL(
            config.host, config.port, ssl_context=config.trust, timeout=_TIMEOUT_SECONDS
        )
    with ExitStack() as undo:
        box = imaplib.IMAP4(config.host, config.port, timeout=_TIMEOUT_SECONDS)
        undo.callback(_hang_up, box)
        if "STARTTLS" not in box.capabilities:
            raise SourceIdentityError(f"{config.host} offers no STARTTLS")
        box.starttls(config.trust)
        undo.pop_all()
    return box


def _hang_up(box: imaplib.IMAP4) -> None:
    with suppress(OSError):  # the other side may have been quicker
        box.shutdown()


def _log_in(box: imaplib.IMAP4, config: ImapConfig) -> None:
    """Log in, with any letters where the server allows them; read anew what it can do then."""
    try:
        if "AUTH=PLAIN" in box.capabilities:
            said = f"\0{config.username}\0{config.password}".encode()
            box.authenticate("PLAIN", lambda _: said)
        else:
            box.login(config.username, config.password)
    except imaplib.IMAP4.abort:
        raise
    except (imaplib.IMAP4.error, UnicodeEncodeError) as problem:
        raise SourceDeniedError(
            f"{config.host} refuses {config.username!r} with this password"
        ) from problem
    _, said_now = box.capability()
    box.capabilities = tuple(bytes(said_now[-1]).decode("ascii", "replace").upper().split())


def _asked(box: imaplib.IMAP4, command: str, *words: str) -> tuple[bytes, list[object]]:
    """Return what the server says to a command about mails by their UID, plain and in parts.

    Raises:
        SourceFailedError: it says no.
    """
    status, parts = box.uid(command, *words)
    if status != "OK":
        raise SourceFailedError(f"the server refuses {command}")
    plain = [one[0] if isinstance(one, tuple) else one for one in parts]
    return b" ".join(one for one in plain if isinstance(one, bytes)), list(parts)


def _literal(parts: list[object]) -> bytes:
    """Return the first literal of an answer; answers about other mails have none."""
    return next((bytes(one[1]) for one in parts if isinstance(one, tuple)), b"")


def mailbox_name(name: str) -> str:
    """Return a mailbox's name as it is sent: modified UTF-7 (RFC 3501, 5.1.3), in quotes."""
    coded = re.sub(r"[^ -~]+|&", _coded, name)
    return '"' + coded.replace("\\", r"\\").replace('"', r"\"") + '"'


def _coded(found: re.Match[str]) -> str:
    if found[0] == "&":
        return "&-"
    text = base64.b64encode(found[0].encode("utf-16-be")).rstrip(b"=").decode()
    return f"&{text.replace('/', ',')}-"
