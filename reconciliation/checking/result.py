"""A result folder and the inputs it was made of, read once, unchanged and complete."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, Self

from reconciliation.checking.files import (
    Row,
    read_object,
    read_table,
    sha256_of,
    table_in,
)
from reconciliation.checking.findings import Finding
from reconciliation.errors import ResultUnusableError

TABLES: Final = ("payments", "settlements", "bank")
INPUTS: Final = (*TABLES, "contracts")


@dataclass(frozen=True, slots=True)
class Provider:
    """What one provider may charge, and from where it pays out."""

    rate_bps: int
    fixed: int
    accounts: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is needed of ``contracts.json``; ``rules`` are (pattern, side, type)."""

    as_of: date
    prefix: str
    grace_days: int
    rules: tuple[tuple[str, str, str], ...]
    providers: Mapping[str, Provider]

    @classmethod
    def from_json(cls, document: Mapping[str, Any], as_of: str) -> Self:
        """Read the terms.

        Raises:
            ResultUnusableError: something is missing or of another type.
        """
        try:
            return cls(
                date.fromisoformat(as_of),
                str(document["reference_prefix"]),
                int(document["grace_days"]),
                tuple(
                    (
                        re.compile(one["pattern"]).pattern,
                        str(one["side"]),
                        str(one.get("type", "not_a_fee")),
                    )
                    for one in document.get("narrative_rules", ())
                ),
                {name: _provider(terms) for name, terms in document["providers"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError, re.error) as error:
            what = f"{type(error).__name__}: {error}"
            raise ResultUnusableError(f"the contracts cannot be read: {what}") from error


def _provider(terms: Mapping[str, Any]) -> Provider:
    return Provider(
        int(terms["rate_bps"]),
        int(terms["fixed"]),
        tuple(str(one) for one in terms.get("payout_accounts", ())),
        tuple(str(one) for one in terms.get("payout_names", ())),
    )


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that is checked; ``digests`` are the SHA-256 of the inputs by option."""

    payments: list[Row]
    settlements: list[Row]
    bank: list[Row]
    terms: Terms
    matches: list[Row]
    mismatches: list[Row]
    summary: Mapping[str, Any]
    digests: Mapping[str, str]


def read_result(folder: Path, inputs: Mapping[str, Path]) -> Result:
    """Read a result folder; ``inputs`` stand instead of the paths that ``run.json`` names.

    Raises:
        ResultUnusableError: a file is missing or unreadable, an id stands twice, or an input is
            not the one that the result was made of.
    """
    summary = read_object(folder / "summary.json")
    paths, recorded = _paths(folder, inputs)
    digests = {name: sha256_of(path) for name, path in paths.items()}
    _require_unchanged(paths, digests, recorded, summary)
    tables = {name: read_table(paths[name], name) for name in TABLES}
    for name, rows in tables.items():
        _require_distinct(paths[name], rows)
    as_of = summary.get("as_of")
    if not isinstance(as_of, str):
        raise ResultUnusableError("summary.json: as_of is missing")
    return Result(
        **tables,
        terms=Terms.from_json(read_object(paths["contracts"]), as_of),
        matches=read_table(table_in(folder, "matches"), "matches"),
        mismatches=read_table(table_in(folder, "mismatches"), "mismatches"),
        summary=summary,
        digests=digests,
    )


def check_inputs(result: Result) -> Iterable[Finding]:
    """Whether ``summary.json`` says of each input how many rows it has."""
    for name in TABLES:
        rows = len(getattr(result, name))
        said = [
            one["rows"] for one in _said(result.summary) if one["sha256"] == result.digests[name]
        ]
        if rows not in said:
            there = f"{', '.join(map(str, said))} rows, counted {rows}"
            yield Finding("summary_input", "summary.json", 0, name, there)


def _said(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    inputs = summary.get("inputs")
    said = list(inputs.values()) if isinstance(inputs, dict) else []
    if not said or not all(
        isinstance(one, dict) and {"rows", "sha256"} <= set(one) for one in said
    ):
        raise ResultUnusableError("summary.json: inputs do not say rows and sha256")
    return said


def _paths(folder: Path, inputs: Mapping[str, Path]) -> tuple[dict[str, Path], dict[str, str]]:
    """Where each input is, and the SHA-256 that ``run.json``, if there is one, says."""
    if not (folder / "run.json").is_file() and set(inputs) == set(INPUTS):
        return dict(inputs), {}
    said = read_object(folder / "run.json").get("inputs")
    paths, recorded = {}, {}
    for name in INPUTS:
        one = said.get(name) if isinstance(said, dict) else None
        if not isinstance(one, dict) or not all(
            isinstance(one.get(key), str) for key in ("path", "sha256")
        ):
            raise ResultUnusableError(f"run.json: inputs.{name} does not say path and sha256")
        paths[name] = inputs.get(name, folder / one["path"])
        recorded[name] = one["sha256"]
    return paths, recorded


def _require_unchanged(
    paths: Mapping[str, Path],
    digests: Mapping[str, str],
    recorded: Mapping[str, str],
    summary: Mapping[str, Any],
) -> None:
    known = {one["sha256"] for one in _said(summary)}
    for name, path in paths.items():
        # a run of the database sums up its three tables; run.json has the contracts as well
        summed = digests[name] in known or (name == "contracts" and name in recorded)
        if digests[name] != recorded.get(name, digests[name]) or not summed:
            what = "is not the file that this result was made of (SHA-256 differs)"
            raise ResultUnusableError(f"{path.name}: {what}")


def _require_distinct(path: Path, rows: list[Row]) -> None:
    key = "payment_id" if rows and "payment_id" in rows[0] else "line_id"
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        if row[key] in seen:
            raise ResultUnusableError(
                f"{path.name}, row {number}, column {key}: {row[key]} stands twice"
            )
        seen.add(row[key])
