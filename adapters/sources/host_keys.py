"""The key that an SSH server has to show: pinned when the source is written down."""

import re
from dataclasses import dataclass, field
from typing import Final

import asyncssh
from typing_extensions import override

from reconciliation.errors import SourceInvalidError

_FINGERPRINT: Final = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
_LINE: Final = re.compile(r"\b((?:ssh-(?:ed25519|rsa)|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/]+=*)")
ALGORITHMS: Final = (
    "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
    "rsa-sha2-512", "rsa-sha2-256",
)  # fmt: skip
"""Signatures of host keys that are good enough; certificates of hosts are not pinned."""


@dataclass(frozen=True, slots=True)
class HostKeys:
    """Fingerprints of the keys that are accepted, and the algorithms to ask the server for."""

    fingerprints: frozenset[str]
    algorithms: tuple[str, ...] = ALGORITHMS


def read_host_keys(text: str) -> HostKeys:
    """Read fingerprints (``SHA256:…``) or lines of ``known_hosts``, one or several.

    A server may have keys of several kinds. A line says of which kind its key is, so that the
    server is asked for that one; a fingerprint does not.

    Raises:
        SourceInvalidError: there is none in it, or one that cannot be read.
    """
    try:
        keys = [asyncssh.import_public_key(line) for line in _LINE.findall(text)]
    except asyncssh.KeyImportError as problem:
        raise SourceInvalidError("host_key: a key in it is damaged") from problem
    prints = _FINGERPRINT.findall(text)
    if not keys and not prints:
        raise SourceInvalidError("host_key: neither SHA256:… nor a line of known_hosts")
    wanted = {name.decode() for key in keys for name in key.sig_algorithms}
    asked = ALGORITHMS if prints else tuple(name for name in ALGORITHMS if name in wanted)
    return HostKeys(frozenset([*prints, *(key.get_fingerprint() for key in keys)]), asked)


@dataclass
class Doorkeeper(asyncssh.SSHClient):
    """Lets a connection go on only if the server has shown a pinned key; nothing else counts."""

    keys: HostKeys
    shown: str = field(default="", init=False)

    @override
    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        """Compare the key's fingerprint; this comes before any name or password is sent."""
        self.shown = key.get_fingerprint()
        return self.shown in self.keys.fingerprints
