"""IMAP against Dovecot: every attachment once, and no mail marked before all of it is stored."""

import imaplib
import logging
from dataclasses import replace
from email.message import EmailMessage
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from adapters.registry import open_source
from adapters.sources import imap
from adapters.sources.imap import KEYWORD
from adapters.sources.rules import Left
from reconciliation.errors import (
    SourceDeniedError,
    SourceFailedError,
    SourceIdentityError,
    SourceInvalidError,
    SourceUnreachableError,
)
from tests.support.certificates import Authority
from tests.support.demo import free_port
from tests.support.servers import MailServer
from tests.support.source_rigs import MailRig, a_mail, opened, take_all

TAKEN_FOLDER = "Đã lấy & xong"
CODED = '"&ARAA4w- l&HqU-y &- xong"'


@pytest.fixture
def rig(mailboxes: MailServer) -> MailRig:
    return MailRig(mailboxes)


def test_attachments_are_taken_once_and_the_mail_stays_unread(rig: MailRig) -> None:
    rig.send(a_mail({"Sao kê ngày 2.xml": b"<a/>", "report.csv": b"a,b\r\n1,2\r\n"}))
    assert [(f.name, f.size) for f in opened(rig).look()] == [
        ("Sao kê ngày 2.xml", 4), ("report.csv", 10),
    ]  # fmt: skip
    assert take_all(opened(rig)) == {"Sao kê ngày 2.xml": b"<a/>", "report.csv": b"a,b\r\n1,2\r\n"}
    assert take_all(opened(rig)) == {}
    assert opened(rig).look() == []
    assert rig.mails("UNSEEN") == rig.mails("KEYWORD", KEYWORD) == 1


def test_a_mail_that_somebody_has_opened_is_taken_all_the_same(rig: MailRig) -> None:
    rig.put("a.xml", b"x")
    with rig.box() as box:
        box.select(rig.coded)
        box.store("1", "+FLAGS", r"(\Seen)")
    assert take_all(opened(rig)) == {"a.xml": b"x"}


def test_a_mail_is_marked_only_when_all_of_it_is_stored(rig: MailRig) -> None:
    rig.send(a_mail({"a.xml": b"1", "b.xml": b"2"}))
    source = opened(rig)
    first, second = source.fetch()
    source.taken([first.key])
    assert rig.mails("KEYWORD", KEYWORD) == 0
    again = opened(rig)
    assert [file.content for file in again.fetch()] == [b"1", b"2"]
    source.taken([second.key])
    assert rig.mails("KEYWORD", KEYWORD) == 1


def test_two_files_of_one_name_are_two_files(rig: MailRig) -> None:
    for content in (b"monday", b"tuesday"):
        rig.put("saoke.xml", content)
    files = list(opened(rig).fetch())
    assert [file.content for file in files] == [b"monday", b"tuesday"]
    assert len({file.key for file in files}) == 2


def test_a_mail_with_nothing_in_it_is_marked_so_that_it_is_not_read_for_ever(rig: MailRig) -> None:
    rig.send(a_mail({}))
    assert opened(rig).look() == []
    assert rig.mails("KEYWORD", KEYWORD) == 0, "looking changes nothing"
    assert take_all(opened(rig)) == {}
    assert rig.mails("KEYWORD", KEYWORD) == 1


def test_a_deleted_mail_is_none(rig: MailRig) -> None:
    rig.put("a.xml", b"x")
    with rig.box() as box:
        box.select(rig.coded)
        box.store("1", "+FLAGS", r"(\Deleted)")
    assert take_all(opened(rig)) == {}


def _part(name: str, content: str, kind: str = "xml") -> MIMEBase:
    part = MIMEText(content, kind, "utf-8")
    part.add_header("Content-Disposition", "attachment", filename=name)
    return part


def test_files_deep_in_a_mail_are_found_and_logos_are_none(rig: MailRig) -> None:
    inner, forwarded, outer = MIMEMultipart("mixed"), MIMEMultipart("mixed"), MIMEMultipart()
    inner.attach(_part("deep.xml", "<deep/>"))
    forwarded.attach(inner)
    message = EmailMessage()
    message.set_content("forwarded")
    message.add_attachment(b"<fwd/>", maintype="text", subtype="xml", filename="fwd.xml")
    logo = MIMEBase("image", "png")
    logo.set_payload("iVBORw0KGgo=")
    logo.add_header("Content-ID", "<logo>")
    logo.add_header("Content-Disposition", "inline", filename="logo.png")
    seal = MIMEBase("application", "pkcs7-signature", name="smime.p7s")
    seal.set_payload("x")
    outer["From"] = "bank@bank.example"
    wrapped = MIMEBase("message", "rfc822")
    wrapped.attach(message)
    for part in (MIMEText("text"), forwarded, wrapped, logo, seal):
        outer.attach(part)
    rig.send(bytes(outer))
    assert take_all(opened(rig)) == {"deep.xml": b"<deep/>", "fwd.xml": b"<fwd/>"}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('filename="=?utf-8?B?U2FvIGvDqi54bWw=?="', "Sao kê.xml"),
        ("filename*=utf-8''Sao%20k%C3%AA.xml", "Sao kê.xml"),
        ("filename*0*=utf-8''Sao%20;\r\n filename*1*=k%C3%AA.xml", "Sao kê.xml"),
        ('filename="../../etc/passwd"', "passwd"),
        (r'filename="C:\\fakepath\\a.xml"', "a.xml"),
        ('filename="/abs/a.xml"', "a.xml"),
        ('filename=""', "attachment"),
        ('filename=".."', ".."),  # what is stored bears a name of ours
    ],
    ids=["encoded-word", "rfc2231", "continued", "up", "windows", "absolute", "empty", "dots"],
)
def test_names_of_files_are_read_as_mailers_write_them(
    rig: MailRig, header: str, name: str
) -> None:
    rig.send(
        b"From: bank@bank.example\r\nMIME-Version: 1.0\r\nContent-Type: application/xml\r\n"
        b"Content-Disposition: attachment; " + header.encode() + b"\r\n\r\n<a/>\r\n"
    )
    assert take_all(opened(rig)) == {name: b"<a/>\r\n"}


@pytest.mark.parametrize("after", ["MOVE", "UIDPLUS"])
def test_taken_mails_are_moved_where_that_is_wanted(
    rig: MailRig, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the command for it, and where there is none by a copy and a deletion of this one alone."""
    log_in = imap._log_in

    def log_in_to_less(box: imaplib.IMAP4, config: imap.ImapConfig) -> None:
        log_in(box, config)
        box.capabilities = tuple(c for c in box.capabilities if c in {after, "IMAP4REV1"})

    monkeypatch.setattr(imap, "_log_in", log_in_to_less)
    moving = {"after": "move", "taken_folder": f"{TAKEN_FOLDER} {after}"}
    coded = CODED.replace(" xong", f" xong {after}")
    for name in ("a.xml", "b.xml"):
        rig.put(name, b"x")
    source = opened(rig, **moving)
    first, _ = source.fetch()
    source.taken([first.key])
    assert (rig.mails(), rig.mails(folder=coded)) == (1, 1)
    assert list(take_all(opened(rig, **moving))) == ["b.xml"]
    assert (rig.mails(), rig.mails(folder=coded)) == (0, 2)
    source.taken([])


def test_a_server_that_moves_nothing_is_said(rig: MailRig, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in = imap._log_in

    def log_in_to_less(box: imaplib.IMAP4, config: imap.ImapConfig) -> None:
        log_in(box, config)
        box.capabilities = ("IMAP4REV1",)

    monkeypatch.setattr(imap, "_log_in", log_in_to_less)
    rig.put("a.xml", b"x")
    with pytest.raises(SourceFailedError, match="after=mark"):
        take_all(opened(rig, after="move"))
    assert rig.mails() == 1


def test_only_mails_of_the_senders_that_are_written_down_are_taken(rig: MailRig) -> None:
    for number, sender in enumerate(
        [
            "Bank <bank@bank.example>", "X@Other.Example",
            '"bank@bank.example" <evil@evil.example>', "evil@evil.example, bank@bank.example",
            "bank@bank.example.evil.example",
            "Evil <evil@evil.example> bank@bank.example", "notbank@bank.example",
        ]
    ):  # fmt: skip
        raw = bytes(a_mail({f"{number}.xml": b"x"}))
        rig.send(raw.replace(b"From: Bank <bank@bank.example>", f"From: {sender}".encode()))
    senders = "bank@bank.example, @other.example"
    assert sorted(take_all(opened(rig, senders=senders))) == ["0.xml", "1.xml"]
    assert rig.mails("KEYWORD", KEYWORD) == 2, "the others wait for somebody who wants them"


def test_a_mail_beyond_all_bounds_is_left_with_a_warning(
    rig: MailRig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(imap, "MAX_MAIL_BYTES", 2000)
    rig.put("big.xml", b"x" * 4000)
    rig.put("small.xml", b"x")
    with caplog.at_level(logging.WARNING):
        assert take_all(opened(rig)) == {"small.xml": b"x"}
    assert "mail left" in caplog.text
    (seen,) = opened(rig).look()
    assert (seen.name, seen.left) == ("mail from bank@bank.example", Left.LARGE_MAIL)


def test_a_mail_that_cannot_be_taken_apart_is_a_file_as_a_whole(rig: MailRig) -> None:
    deep = "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n' for n in range(300)
    )
    raw = f"From: bank@bank.example\r\n{deep}\r\n\r\nx".encode()
    rig.send(raw)
    assert take_all(opened(rig)) == {"mail.eml": raw}
    assert take_all(opened(rig)) == {}


def test_starttls_is_as_good(rig: MailRig) -> None:
    rig.put("a.xml", b"x")
    port = str(rig.server.plain_port)
    assert take_all(opened(rig, security="starttls", port=port)) == {"a.xml": b"x"}


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_of_another_authority_is_refused(rig: MailRig, security: str) -> None:
    port = rig.server.tls_port if security == "tls" else rig.server.plain_port
    other = Authority("Somebody else").certificate
    for more in ({"ca": other}, {"ca": ""}):
        with pytest.raises(SourceIdentityError, match="certificate"):
            opened(rig, security=security, port=str(port), **more).look()


def test_a_certificate_of_another_host_is_refused(rig: MailRig) -> None:
    with pytest.raises(SourceIdentityError, match="certificate"):
        opened(rig, host="127.0.0.1").look()


def test_a_wrong_password_is_said_without_it(rig: MailRig) -> None:
    source = open_source(replace(rig.access(), secrets={"password": "hunter2"}), set())
    with pytest.raises(SourceDeniedError, match="refuses") as refused:
        source.look()
    assert "hunter2" not in refused.value.detail


def test_a_mailbox_that_is_not_there_is_said(rig: MailRig) -> None:
    with pytest.raises(SourceFailedError, match="no mailbox"):
        opened(rig, folder="none").look()


def test_nobody_answers(rig: MailRig) -> None:
    with pytest.raises(SourceUnreachableError, match="nobody answers"):
        opened(rig, port=str(free_port())).look()


@pytest.mark.parametrize("wrong", [{"ca": "nonsense"}, {"senders": 'x" OR ALL'}, {"port": "0"}])
def test_what_is_written_down_wrongly_is_said(rig: MailRig, wrong: dict[str, str]) -> None:
    with pytest.raises(SourceInvalidError, match=next(iter(wrong))):
        opened(rig, **wrong)


def test_two_workers_take_a_mail_once(rig: MailRig) -> None:
    rig.put("a.xml", b"x")
    first, second = opened(rig, after="move"), opened(rig, after="move")
    files = list(first.fetch()), list(second.fetch())
    first.taken([file.key for file in files[0]])
    second.taken([file.key for file in files[1]])
    assert rig.mails() == 0
