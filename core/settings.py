"""Typed, frozen settings of an installation, from the environment and a file."""

import os
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from typing_extensions import override

from core.clock import BusinessClock, Clock, utc_now
from core.errors import SettingsError

DEVELOPMENT_MARK: Final = "development-only"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1", "testserver"})
_DEFAULT_KEY: Final = "dev:ZGV2ZWxvcG1lbnQtb25seS1kZXZlbG9wbWVudC1vbiE"


class Environment(StrEnum):
    """Where this installation runs; simulators and a moved clock exist only outside production."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class Settings(BaseSettings):
    """Everything an installation can set, by ``DOISOAT_<NAME>`` or ``doisoat.toml``.

    The environment wins over the file. Secrets that ship with the source are refused in
    production.
    """

    model_config = SettingsConfigDict(env_prefix="DOISOAT_", frozen=True, extra="forbid")

    environment: Environment = Environment.DEVELOPMENT
    var_dir: Path = Path("var")
    database_url: str = ""
    base_url: str = "http://127.0.0.1:8000"
    reference_prefix: str = Field(default="MC", pattern=r"^[A-Z]{2,4}$")
    city_name_vi: str = "Móng Cái (minh họa)"
    city_name_en: str = "Mong Cai (demonstration)"

    encryption_keys: SecretStr = SecretStr(_DEFAULT_KEY)

    payment_minutes: int = Field(default=15, ge=5, le=1440)
    write_off_limit_minor: int = Field(default=0, ge=0)
    max_upload_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    watched_folder: Path | None = None
    export_days: int = Field(default=7, ge=1, le=90)
    log_origin: str = Field(default="", pattern=r"^[^\s+]*$")
    checkpoint_path: Path | None = None

    endpoints: dict[str, str] = Field(default_factory=dict)

    smtp_host: str = ""
    smtp_port: int = 25
    mail_from: str = "doisoat@localhost"

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, then the environment, then the file named by DOISOAT_SETTINGS_FILE."""
        del dotenv_settings, file_secret_settings
        file = Path(os.environ.get("DOISOAT_SETTINGS_FILE", "doisoat.toml"))
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, file))

    @model_validator(mode="after")
    def _refuse_default_secrets(self) -> Self:
        if self.environment is Environment.PRODUCTION:
            if self._ships_default_key():
                raise ValueError("DOISOAT_ENCRYPTION_KEYS must be set in production")
            if not self.base_url.startswith("https://"):
                raise ValueError("DOISOAT_BASE_URL must be https in production")
        elif urlsplit(self.base_url).hostname not in _LOOPBACK:
            raise ValueError("DOISOAT_ENVIRONMENT must be production where others can reach it")
        return self

    def _ships_default_key(self) -> bool:
        return _DEFAULT_KEY.partition(":")[2] in self.encryption_keys.get_secret_value()

    @property
    def database(self) -> str:
        """The database URL; the embedded SQLite file under ``var_dir`` unless one is set."""
        return self.database_url or f"sqlite:///{self.var_dir.resolve() / 'doisoat.db'}"

    @property
    def log_name(self) -> str:
        """What the public log of the books is called from its first checkpoint on."""
        return self.log_origin or f"{urlsplit(self.base_url).netloc}/books"

    @property
    def checkpoint_file(self) -> Path:
        """Where the last checkpoint of the log is kept outside the database."""
        return self.checkpoint_path or self.var_dir / "checkpoint"

    @property
    def clock_file(self) -> Path:
        """The file by which the business clock is moved outside production."""
        return self.var_dir / "clock.json"

    @property
    def clock(self) -> Clock:
        """The business clock: the system's in production, else one that may be moved."""
        if self.environment is Environment.PRODUCTION:
            return utc_now
        return BusinessClock(self.clock_file)


@cache
def get_settings() -> Settings:
    """Return the settings of this process, read once.

    Raises:
        SettingsError: they are unusable; the message names each setting, never its value.
    """
    try:
        return Settings()
    except ValueError as problem:
        errors: list[dict[str, Any]] = getattr(problem, "errors", list)()
        lines = [f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in errors]
        raise SettingsError("; ".join(lines) or "unreadable settings file") from None
