"""Each kind of source on its real server: files are put there, and it is opened as in the city."""

import imaplib
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from itertools import count
from typing import Any, Protocol

import boto3

from adapters.registry import open_source
from adapters.sources.imap import read_trust
from reconciliation.ports import SourceAccess, SourceKind, SourceMemory, StatementSource
from tests.support.servers import MailServer, SshServer

_NUMBERS = count(1)


class SourceRig(Protocol):
    """A source with an inbox of its own on a running server."""

    def access(self, name: str = "bank", **config: str) -> SourceAccess:
        """Return what is written down about it."""
        ...

    def put(self, name: str, content: bytes) -> None:
        """Have a file arrive there whole."""
        ...


def opened(rig: SourceRig, memory: SourceMemory | None = None, **config: str) -> StatementSource:
    """Return a rig's source as the scheduler opens it."""
    return open_source(rig.access(**config), set() if memory is None else memory)


def take_all(source: StatementSource) -> dict[str, bytes]:
    """Fetch and take everything; returns contents by name."""
    found = {}
    for file in source.fetch():
        assert file.name not in found
        found[file.name] = file.content
        source.taken([file.key])
    return found


@dataclass(frozen=True)
class SftpRig:
    """A folder on an OpenSSH server."""

    server: SshServer
    folder: str = field(default_factory=lambda: f"inbox{next(_NUMBERS)}")

    def __post_init__(self) -> None:
        self.path("").mkdir(parents=True)

    def access(self, name: str = "bank", **config: str) -> SourceAccess:
        given = {**self.server.config, "folder": str(self.path("")), **config}
        secrets = {"private_key": self.server.private_key}
        return SourceAccess(name, SourceKind.SFTP, given, secrets)

    def put(self, name: str, content: bytes, *, age_seconds: float = 600) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        when = time.time() - age_seconds
        os.utime(path, (when, when))

    def path(self, name: str) -> Any:
        """Return where a file lies on this machine."""
        return self.server.folder / self.folder / name


@dataclass(frozen=True)
class MailRig:
    """A mailbox on a Dovecot server; each file comes in a mail of its own."""

    server: MailServer
    folder: str = field(default_factory=lambda: f"Sao kê {next(_NUMBERS)}")

    def __post_init__(self) -> None:
        with self.box() as box:
            box.create(self.coded)

    @property
    def coded(self) -> str:
        """The folder's name as Dovecot's own tools would send it."""
        return '"' + self.folder.replace("ê", "&AOo-") + '"'

    def access(self, name: str = "bank", **config: str) -> SourceAccess:
        given = {**self.server.config, "folder": self.folder, **config}
        return SourceAccess(name, SourceKind.IMAP, given, {"password": self.server.password})

    def put(self, name: str, content: bytes) -> None:
        self.send(a_mail({name: content}))

    def send(self, mail: EmailMessage | bytes) -> None:
        """Have a mail arrive."""
        with self.box() as box:
            raw = mail if isinstance(mail, bytes) else bytes(mail)
            status, said = box.append(self.coded, "", "", raw)  # type: ignore[arg-type]
            assert status == "OK", said

    @contextmanager
    def box(self) -> Iterator[imaplib.IMAP4_SSL]:
        """Open the mailbox as somebody beside us."""
        trust = read_trust(self.server.authority)
        with imaplib.IMAP4_SSL("localhost", self.server.tls_port, ssl_context=trust) as box:
            secret = f"\0{self.server.username}\0{self.server.password}".encode()
            box.authenticate("PLAIN", lambda _: secret)
            yield box

    def mails(self, *criteria: str, folder: str = "") -> int:
        """Count the mails in a folder that somebody beside us finds."""
        with self.box() as box:
            status, _ = box.select(folder or self.coded, readonly=True)
            assert status == "OK"
            return len(box.search(None, *criteria or ("ALL",))[1][0].split())


def a_mail(files: Mapping[str, bytes], *, sender: str = "Bank <bank@bank.example>") -> EmailMessage:
    """Return a mail as a bank sends it: a text, and files."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, "city@city.example", "Sao kê"
    mail.set_content("Kính gửi Quý khách.")
    for name, content in files.items():
        mail.add_attachment(content, maintype="application", subtype="xml", filename=name)
    return mail


@dataclass(frozen=True)
class BucketRig:
    """A bucket on moto's server."""

    endpoint: str
    bucket: str = field(default_factory=lambda: f"bucket-{next(_NUMBERS)}")

    def __post_init__(self) -> None:
        self.client.create_bucket(Bucket=self.bucket)

    @property
    def client(self) -> Any:
        """A client of somebody beside us."""
        return boto3.client(
            "s3", endpoint_url=self.endpoint, region_name="us-east-1", aws_access_key_id="other",
            aws_secret_access_key="other",
        )  # fmt: skip

    def access(self, name: str = "bank", **config: str) -> SourceAccess:
        given = {
            "endpoint": self.endpoint, "bucket": self.bucket, "prefix": "from-bank",
            "access_key_id": "AKIDTEST", **config,
        }  # fmt: skip
        return SourceAccess(name, SourceKind.S3, given, {"secret_key": "s3cret"})

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=f"from-bank/{name}", Body=content)

    def listed(self) -> list[str]:
        """Return every key of the bucket."""
        found = self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [one["Key"] for one in found]
