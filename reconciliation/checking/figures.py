"""``summary.json`` counted again from the inputs, the matches and the mismatches alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciliation.checking.conservation import Place, Population, place_of
from reconciliation.checking.files import Row
from reconciliation.checking.findings import Finding

_SIDES: Final = {
    "provider": ("payment", "settlement"),
    "payout": ("settlement", "bank"),
    "direct": ("payment", "bank"),
}


def check_figures(
    summary: Mapping[str, Any], held: Population, matches: list[Row], mismatches: list[Row]
) -> list[Finding]:
    """Each figure of ``layers``, ``matches`` and ``mismatches`` that is another one."""
    counted = {
        "layers": _layers(held, matches, mismatches),
        "matches": len({row["match_id"] for row in matches}),
        "mismatches": dict(Counter(row["type"] for row in mismatches)),
    }
    said = {name: summary.get(name) for name in counted}
    return [
        Finding("summary_figure", "summary.json", 0, where, f"{there}, counted {count}")
        for where, there, count in _differences("", said, counted)
    ]


def _layers(held: Population, matches: list[Row], mismatches: list[Row]) -> dict[str, Any]:
    taken = [place_of(row) for row in matches]
    flags: dict[tuple[str, str], dict[str, list[Place]]] = defaultdict(lambda: defaultdict(list))
    for row in mismatches:
        layer, kind, _ = place_of(row)
        flags[layer, kind][row["type"]].append(place_of(row))
    due = held.due | set(taken) | {place_of(row) for row in mismatches}
    return {
        layer: {
            kind: _proof(
                held,
                [place for place in due if place[:2] == (layer, kind)],
                [place for place in taken if place[:2] == (layer, kind)],
                flags[layer, kind],
            )
            for kind in kinds
        }
        for layer, kinds in _SIDES.items()
    }


def _proof(
    held: Population, due: list[Place], matched: list[Place], flagged: Mapping[str, list[Place]]
) -> dict[str, Any]:
    parts = {name: _total(held, places) for name, places in flagged.items()}
    all_due, all_matched = _total(held, due), _total(held, matched)
    seen = [all_matched, *parts.values()]
    return {
        "due": all_due,
        "matched": all_matched,
        "flagged": parts,
        "difference": {
            name: all_due[name] - sum(part[name] for part in seen) for name in ("count", "sum")
        },
    }


def _total(held: Population, places: list[Place]) -> dict[str, int]:
    return {"count": len(places), "sum": sum(held.amounts.get(place, 0) for place in places)}


def _differences(where: str, said: Any, counted: Any) -> Iterable[tuple[str, Any, Any]]:
    if isinstance(said, dict) and isinstance(counted, dict):
        for name in sorted({*said, *counted}):
            yield from _differences(f"{where}.{name}".strip("."), said.get(name), counted.get(name))
    elif said != counted or type(said) is not type(counted):
        yield where, said, counted
