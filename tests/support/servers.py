"""Real servers that files are fetched from: each a program of its own on loopback, thrown away."""

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from tests.support.certificates import Authority
from tests.support.demo import free_port
from tests.support.postgres import quick_folder

HOST = "127.0.0.1"
_START_SECONDS = 20


class ServerMissingError(Exception):
    """This machine has no such server, or it could not be started."""


@dataclass(frozen=True, slots=True)
class SshServer:
    """An OpenSSH server that lets in this test's user by a key, and nobody by a password."""

    port: int
    folder: Path
    host_key: str
    private_key: str
    log: Path

    @property
    def fingerprint(self) -> str:
        return asyncssh.import_public_key(self.host_key).get_fingerprint()

    @property
    def config(self) -> dict[str, str]:
        """What is written down about it."""
        return {
            "host": HOST, "port": str(self.port), "username": getpass.getuser(),
            "folder": str(self.folder), "host_key": self.fingerprint,
        }  # fmt: skip


@contextmanager
def ssh_server(*, reads_only: bool = False) -> Iterator[SshServer]:
    """Run sshd with a host key of its own; ``reads_only`` as a bank that lets nobody write.

    Raises:
        ServerMissingError: it is not installed or does not start.
    """
    program = find_program("sshd", "openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # it insists on this one
    with _folder("ssh") as folder:
        host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        key_file, authorized = folder / "host_key", folder / "authorized"
        key_file.write_bytes(host.export_private_key())
        key_file.chmod(0o600)
        authorized.write_bytes(user.export_public_key())
        files = folder / "files"
        files.mkdir()
        port = free_port()
        settings = (
            f"Port {port}", f"ListenAddress {HOST}", f"HostKey {key_file}", "PidFile none",
            f"AuthorizedKeysFile {authorized}", "StrictModes no", "UsePAM no",
            "PasswordAuthentication yes", "PermitRootLogin yes", "MaxStartups 100",
            f"Subsystem sftp internal-sftp{' -R' if reads_only else ''}",
        )  # fmt: skip
        config = folder / "sshd_config"
        config.write_text("\n".join(settings) + "\n")
        with _running([program, "-D", "-e", "-f", str(config)], port, folder):
            yield SshServer(
                port, files, host.export_public_key().decode().strip(),
                user.export_private_key().decode(), folder / "log",
            )  # fmt: skip


@dataclass(frozen=True, slots=True)
class MailServer:
    """A Dovecot server with one mailbox, behind a certificate of our own authority."""

    tls_port: int
    plain_port: int
    authority: str
    username: str = "bank@city.example"
    password: str = "mật khẩu của hộp thư"

    @property
    def config(self) -> dict[str, str]:
        """What is written down about it."""
        return {
            "host": "localhost", "port": str(self.tls_port), "username": self.username,
            "ca": self.authority,
        }  # fmt: skip


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """Run Dovecot as somebody who owns nothing here.

    Raises:
        ServerMissingError: it is not installed or does not start.
    """
    program = find_program("dovecot", "dovecot-imapd")
    user = "nobody" if os.geteuid() == 0 else getpass.getuser()
    facts = pwd.getpwnam(user)
    with _folder("imap") as folder:
        port, authority = free_port(), Authority("Test authority")
        server = MailServer(port, port + 1, authority.certificate)
        (folder / "server.pem").write_text(authority.issue("localhost"))
        (folder / "users").write_text(
            f"{server.username}:{{PLAIN}}{server.password}:{facts.pw_uid}:{facts.pw_gid}::"
            f"{folder}/mail::\n"
        )
        config = folder / "dovecot.conf"
        config.write_text(_DOVECOT.format(
            folder=folder, user=user, tls=server.tls_port, plain=server.plain_port,
            uid=facts.pw_uid, group=facts.pw_gid,
        ))  # fmt: skip
        if os.geteuid() == 0:
            (folder / "mail").mkdir()
            shutil.chown(folder / "mail", user)
        with _running([program, "-F", "-c", str(config)], server.tls_port, folder):
            yield server


_DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
default_internal_user = {user}
default_login_user = {user}
first_valid_uid = {uid}
first_valid_gid = {group}
mail_location = maildir:~/box
ssl = required
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.pem
auth_mechanisms = plain
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {plain}
  }}
  inet_listener imaps {{
    port = {tls}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@contextmanager
def bucket_server() -> Iterator[str]:
    """Run moto's server, which plays S3 from memory; yields its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", HOST, "-p", str(port)]
    with _folder("s3") as folder, _running(command, port, folder):
        yield f"http://{HOST}:{port}"


def find_program(name: str, package: str) -> str:
    """Return a server's program, also from where only root's path leads.

    Raises:
        ServerMissingError: it is not installed.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ServerMissingError(f"{name} is not installed (Debian: apt-get install {package})")
    return found


@contextmanager
def _folder(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"doisoat-{name}-", dir=quick_folder()) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def _running(
    command: Sequence[str], port: int, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a program until the test is done; it is there when somebody listens."""
    log = folder / "log"
    with log.open("wb") as said:
        program = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environment
        )
    try:
        end = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if program.poll() is not None or time.monotonic() > end:
                raise ServerMissingError(f"{command[0]} does not start: {log.read_text()[-500:]}")
            time.sleep(0.05)
        yield
    finally:
        program.terminate()
        program.wait(timeout=_START_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((HOST, port)) == 0
