"""A folder that appears whole or not at all, with a manifest that hashes whatever lies in it."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from core.ids import new_token
from reconciliation.errors import ExportTargetError

MANIFEST: Final = "manifest.json"
_CHUNK: Final = 1 << 20


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Lend a draft folder beside ``target`` and rename it to that when the work is done.

    The draft's name begins with a dot and ends in ``.part``; a failure removes it, and what a
    killed process leaves has no manifest.

    Raises:
        ExportTargetError: there is something already, or the disk refuses.
    """
    draft = target.with_name(f".{target.name}.{new_token(6)}.part")
    try:
        if target.is_file() or (target.is_dir() and any(target.iterdir())):
            raise ExportTargetError(f"{target.name} exists already")
        draft.mkdir(parents=True)
        yield draft
        _sync(draft)
        draft.replace(target)
        _sync(target.parent)
    except OSError as problem:
        raise ExportTargetError(f"{target.name}: {problem.strerror or problem}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_manifest(folder: Path, about: dict[str, Any]) -> None:
    """Write ``manifest.json``: what the package is about, and each file with bytes and SHA-256.

    Every file is on the disk before the manifest is.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = [
        {"path": path.relative_to(folder).as_posix(), **fingerprint(path)}
        for path in paths
        if path.name != MANIFEST or path.parent != folder
    ]
    write_json(folder / MANIFEST, about | {"files": files})
    for place in {path.parent for path in paths}:
        _sync(place)


def fingerprint(path: Path) -> dict[str, Any]:
    """Return ``bytes`` and ``sha256`` of a file, and see that it has reached the disk."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        os.fsync(source.fileno())
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def write_json(path: Path, value: Any) -> None:
    """Write one JSON document, and see that it has reached the disk."""
    text = json.dumps(value, ensure_ascii=False, indent=1) + "\n"
    with path.open("w", encoding="utf-8", newline="\n") as target:
        target.write(text)
        target.flush()
        os.fsync(target.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
