"""The vault opens only what it sealed, unaltered, at the same place, with a key it has."""

from base64 import urlsafe_b64encode

import pytest

from core.crypto import Vault, same_secret, sha256_hex
from core.errors import DecryptionError, SettingsError

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
PLACE = "api_client.secret.cli_1"


def test_what_was_sealed_opens_at_its_place() -> None:
    vault = Vault({"k1": OLD})
    assert vault.decrypt(vault.encrypt(b"secret", place=PLACE), place=PLACE) == b"secret"


def test_the_same_text_is_sealed_differently_each_time() -> None:
    vault = Vault({"k1": OLD})
    assert vault.encrypt(b"secret", place=PLACE) != vault.encrypt(b"secret", place=PLACE)


def test_a_ciphertext_moved_to_another_row_does_not_open() -> None:
    vault = Vault({"k1": OLD})
    with pytest.raises(DecryptionError):
        vault.decrypt(vault.encrypt(b"secret", place=PLACE), place="api_client.secret.cli_2")


def test_rotated_keys_still_open_what_the_old_one_sealed() -> None:
    sealed = Vault({"k1": OLD}).encrypt(b"secret", place=PLACE)
    both = Vault({"k2": NEW, "k1": OLD})
    assert both.decrypt(sealed, place=PLACE) == b"secret"
    assert b"k2" in both.encrypt(b"secret", place=PLACE)
    with pytest.raises(DecryptionError):
        Vault({"k2": NEW}).decrypt(sealed, place=PLACE)


def test_no_altered_or_cut_ciphertext_opens() -> None:
    vault = Vault({"k1": OLD})
    sealed = vault.encrypt(b"secret", place=PLACE)
    for length in range(len(sealed)):
        with pytest.raises(DecryptionError):
            vault.decrypt(sealed[:length], place=PLACE)
    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1
        with pytest.raises(DecryptionError):
            vault.decrypt(bytes(altered), place=PLACE)


def test_keys_are_read_newest_first() -> None:
    texts = {name: urlsafe_b64encode(key).decode().rstrip("=") for name, key in
             (("k2", NEW), ("k1", OLD))}  # fmt: skip
    vault = Vault.from_text(", ".join(f"{name}:{text}" for name, text in texts.items()))
    assert vault.decrypt(Vault({"k1": OLD}).encrypt(b"x", place=PLACE), place=PLACE) == b"x"
    assert Vault({"k2": NEW}).decrypt(vault.encrypt(b"x", place=PLACE), place=PLACE) == b"x"


@pytest.mark.parametrize("text", ["", "k1", "k1:", "k1:c2hvcnQ", "k1:!!!!"])
def test_unusable_keys_are_a_settings_error(text: str) -> None:
    with pytest.raises(SettingsError):
        Vault.from_text(text)


def test_digests_and_comparison() -> None:
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert same_secret("lệ phí", "lệ phí")
    assert not same_secret("a", "b")
