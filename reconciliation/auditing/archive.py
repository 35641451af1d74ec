"""A package as one file to be fetched: a ZIP whose bytes follow from the package alone."""

import os
import zipfile
from pathlib import Path
from typing import Final

from reconciliation.auditing.folder import fingerprint
from reconciliation.auditing.requests import Archive

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_CHUNK: Final = 1 << 20
_COMPRESSED: Final = {".parquet", ".xlsx"}


def archive_folder(folder: Path, target: Path) -> Archive:
    """Write every file of a package into ``target``, which appears whole or not at all."""
    draft = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(draft, "w", allowZip64=True) as archive:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                _add(archive, path, path.relative_to(folder).as_posix())
        found = fingerprint(draft)
        draft.chmod(0o600)
        os.replace(draft, target)  # noqa: PTH105 - the same as Path.replace, named as in POSIX
    finally:
        draft.unlink(missing_ok=True)
    return Archive(found["bytes"], found["sha256"])


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_STORED if path.suffix in _COMPRESSED else zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as out:
        while chunk := source.read(_CHUNK):
            out.write(chunk)
