"""Runs the matcher over files and ``doisoat explain`` over its result."""

import json
import os
from pathlib import Path

from typer.testing import CliRunner, Result

from app.cli import build_app
from reconciliation import interchange
from reconciliation.matching import engine

INPUTS = ("payments", "settlements", "bank", "contracts")


def input_files(data: Path, ending: str = "csv") -> dict[str, Path]:
    names = {name: f"{name}.{ending}" for name in INPUTS} | {"contracts": "contracts.json"}
    return {name: data / file for name, file in names.items()}


def write_result(data: Path, out: Path, *, ending: str = "csv", named: bool = False) -> None:
    """As ``doisoat match`` does; ``named`` with a ``run.json`` that says where the inputs are."""
    files = input_files(data, ending)
    inputs, digests = interchange.read_inputs(interchange.InputFiles(**files))
    result = engine.run(inputs)
    summary = interchange.summary_document(result, engine="local", inputs=digests)
    interchange.write_result(out, result, summary, file_format=ending)
    if named:
        document = {
            "inputs": {
                name: {
                    "path": os.path.relpath(path, out),
                    "sha256": interchange.sha256_of(path),
                }
                for name, path in files.items()
            }
        }
        (out / "run.json").write_text(json.dumps(document), encoding="utf-8")


def explain(*arguments: str | Path) -> Result:
    return CliRunner().invoke(build_app("explain"), ["explain", *map(str, arguments)])


def options(data: Path, ending: str = "csv") -> list[str]:
    return [
        part
        for name, path in input_files(data, ending).items()
        for part in (f"--{name}", str(path))
    ]
