"""Which rig stands for which rail; every rail has one."""

import importlib
from functools import cache
from typing import Final

from payments.channels import Rail
from tests.contracts.rigs.rig import Rig

RAILS: Final = tuple(rail.value for rail in Rail)


class AbsentRailError(Exception):
    """The rail's gateway or simulator is not in this tree yet."""


@cache
def rig_class(rail: str) -> type[Rig]:
    """Return the rig of a rail, found by its name.

    Raises:
        AbsentRailError: what the rig stands on is not there yet.
    """
    try:
        module = importlib.import_module(f"tests.contracts.rigs.{rail}")
    except ImportError as error:
        if not str(error.name).startswith(("adapters.", "tests.contracts.rigs.")):
            raise
        raise AbsentRailError(f"{error.name} is not whole yet: {error}") from error
    rig: type[Rig] = module.RIG
    assert rig.rail == rail
    return rig
