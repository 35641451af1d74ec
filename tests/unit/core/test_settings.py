"""Settings come from arguments, environment and file, and refuse an unsafe production."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from core.clock import BusinessClock, utc_now
from core.crypto import Vault
from core.errors import SettingsError
from core.settings import Environment, Settings, get_settings

SAFE = {
    "environment": "production",
    "encryption_keys": "k1:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI",
    "base_url": "https://fees.example.vn",
}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DOISOAT_SETTINGS_FILE", raising=False)
    get_settings.cache_clear()


def test_production_runs_with_its_own_secrets() -> None:
    settings = Settings.model_validate(SAFE)
    assert settings.environment is Environment.PRODUCTION
    assert settings.clock is utc_now


@pytest.mark.parametrize(
    ("unsafe", "named"),
    [
        ({"encryption_keys": Settings().encryption_keys}, "ENCRYPTION_KEYS"),
        ({"base_url": "http://fees.example.vn"}, "BASE_URL"),
    ],
)
def test_production_refuses_what_ships_with_the_source(unsafe: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Settings.model_validate(SAFE | unsafe)


def test_the_default_encryption_key_is_usable_in_development() -> None:
    vault = Vault.from_text(Settings().encryption_keys.get_secret_value())
    assert vault.decrypt(vault.encrypt(b"x", place="p"), place="p") == b"x"


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "doisoat.toml").write_text('payment_minutes = 20\nsmtp_host = "mail"\n')
    monkeypatch.setenv("DOISOAT_PAYMENT_MINUTES", "30")
    settings = get_settings()
    assert (settings.payment_minutes, settings.smtp_host) == (30, "mail")


@pytest.mark.parametrize(
    "text", ['sekret_key = "typing mistake"', "payment_minutes = 1", "not toml at all ="]
)
def test_an_unusable_file_is_one_error_that_tells_no_value(tmp_path: Path, text: str) -> None:
    (tmp_path / "doisoat.toml").write_text(text)
    with pytest.raises(SettingsError) as refusal:
        get_settings()
    assert "typing mistake" not in refusal.value.detail


def test_secrets_are_not_printed() -> None:
    assert "a secret of the installation" not in repr(Settings.model_validate(SAFE))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings().payment_minutes = 5  # type: ignore[misc]


def test_the_embedded_database_lies_in_the_folder_of_variables(tmp_path: Path) -> None:
    settings = Settings(var_dir=tmp_path)
    assert settings.database == f"sqlite:///{tmp_path / 'doisoat.db'}"
    assert isinstance(settings.clock, BusinessClock)
    given = "postgresql://db/doisoat"
    assert Settings(database_url=given).database == given
