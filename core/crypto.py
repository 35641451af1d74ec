"""Encryption of stored secrets and files, bound to the row they belong to."""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.errors import DecryptionError, SettingsError

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32


class Vault:
    """AES-256-GCM with named keys: the first encrypts, all decrypt.

    A ciphertext is version, length of the key id, key id, nonce, sealed bytes. ``place`` (table,
    column, row id) is authenticated, so a ciphertext moved to another row does not open.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys or any(len(key) != _KEY_BYTES for key in keys.values()):
            raise SettingsError("every encryption key has 32 bytes")
        self._keys = dict(keys)
        self._current = next(iter(self._keys))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read ``id:base64url-of-32-bytes`` items separated by commas, the newest first."""
        pairs = (item.split(":", 1) for item in text.split(",") if item.strip())
        try:
            return cls({name.strip(): urlsafe_b64decode(key + "==") for name, key in pairs})
        except ValueError as problem:
            raise SettingsError("encryption keys are id:base64url items") from problem

    def encrypt(self, plain: bytes, *, place: str) -> bytes:
        """Seal ``plain`` for one place."""
        name = self._current.encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._keys[self._current]).encrypt(nonce, plain, place.encode())
        return _VERSION + bytes([len(name)]) + name + nonce + sealed

    def decrypt(self, sealed: bytes, *, place: str) -> bytes:
        """Open what :meth:`encrypt` sealed for the same place.

        Raises:
            DecryptionError: unknown key, another place, or altered bytes.
        """
        name_end = 2 + sealed[1] if len(sealed) > 1 and sealed[:1] == _VERSION else 0
        key = self._keys.get(sealed[2:name_end].decode(errors="replace")) if name_end else None
        if key is None:
            raise DecryptionError("sealed with a key that is not here")
        nonce, rest = sealed[name_end : name_end + _NONCE_BYTES], sealed[name_end + _NONCE_BYTES :]
        if len(nonce) < _NONCE_BYTES:
            raise DecryptionError("cut off")
        try:
            return AESGCM(key).decrypt(nonce, rest, place.encode())
        except InvalidTag as problem:
            raise DecryptionError("altered, or moved from another row") from problem


def sha256_hex(content: bytes) -> str:
    """Return the lower-case hex SHA-256 of ``content``."""
    return hashlib.sha256(content).hexdigest()


def same_secret(left: str, right: str) -> bool:
    """Compare two texts in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())
