"""Where the demonstration's parts are: files under ``var/`` and addresses on loopback."""

import json
from dataclasses import dataclass
from pathlib import Path

from adapters.simulators.parties import ENDPOINTS, endpoints_of
from core.errors import SettingsError
from core.settings import Environment, Settings

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Places:
    """Files and addresses of one demonstration; the simulators listen one port above the pages."""

    folder: Path
    port: int

    @classmethod
    def of(cls, settings: Settings, port: int) -> "Places":
        """Return the places of an installation.

        Raises:
            SettingsError: it is production, where nothing is demonstrated.
        """
        if settings.environment is Environment.PRODUCTION:
            raise SettingsError("the demonstration does not run in production")
        return cls(settings.var_dir.resolve() / "demo", port)

    @property
    def inbox(self) -> Path:
        """The watched folder into which banks and providers put their files."""
        return self.folder / "inbox"

    @property
    def logs(self) -> Path:
        """What the processes write."""
        return self.folder / "logs"

    @property
    def portal_file(self) -> Path:
        """API key and webhook secret of the one-stop portal."""
        return self.folder / "portal.json"

    @property
    def progress_file(self) -> Path:
        """How far the play has come."""
        return self.folder / "progress.json"

    @property
    def simulators_folder(self) -> Path:
        """The memory of providers and bank."""
        return self.folder / "simulators"

    @property
    def simulators_port(self) -> int:
        """The port of providers, bank and portal."""
        return self.port + 1

    @property
    def pages(self) -> str:
        """The address of the application."""
        return f"http://{HOST}:{self.port}"

    @property
    def simulators(self) -> str:
        """The address of providers, bank and portal."""
        return f"http://{HOST}:{self.simulators_port}"

    def settings(self, settings: Settings) -> Settings:
        """Return the settings of an installation with the simulated outside in them."""
        typed = {"watched_folder": self.inbox, "endpoints": self.endpoints()}
        return settings.model_copy(update={"base_url": self.pages, **typed})

    def overrides(self) -> dict[str, str]:
        """Return the settings that lead to the simulated outside, as texts."""
        return {
            "base_url": self.pages,
            "watched_folder": str(self.inbox),
            "endpoints": json.dumps(self.endpoints()),
        }

    def endpoints(self) -> dict[str, str]:
        """Return the addresses of the simulated providers."""
        return endpoints_of(list(ENDPOINTS), self.simulators)
